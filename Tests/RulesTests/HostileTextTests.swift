import Rules
import Testing

@Suite("Text from anywhere gives a command or an error, never a trap")
struct HostileTextTests {
  @Test("Mutated commands", arguments: 0..<6)
  func mutations(seed: UInt64) {
    var random = RandomRules(seed: seed &+ 1000)
    let words = [
      "/", "end", "is", "0x", "prefix", "mask", "\u{0}", "end_set", "types", "queues", "\\", "#",
      "99999999999999999999",
    ]
    for _ in 0..<400 {
      var bytes = Array(random.command().description.utf8)
      for _ in 0..<random.number(1...4) {
        let at = random.number(0...bytes.count)
        switch random.number(0...4) {
        case 0: bytes = Array(bytes.prefix(at))
        case 1: if at < bytes.count { bytes[at] = random.u() }
        case 2: bytes.insert(random.u(), at: at)
        case 3: if at < bytes.count { bytes.removeSubrange(at..<min(bytes.count, at + random.number(1...9))) }
        default: bytes.insert(contentsOf: " \(words[random.number(0...words.count - 1)]) ".utf8, at: at)
        }
      }
      do throws(GrammarError) {
        for line in try FlowScript.parse(bytes: bytes) {
          // What was understood is a value like any other.
          #expect((try? FlowScript.command(line.command.description)) == line.command, "\(line.command)")
        }
      } catch {
        #expect(error.line >= 1 && error.column >= 1 && !error.message.isEmpty && error.description.utf8.count < 20_000)
      }
    }
  }

  @Test("Every truncation of a command")
  func truncations() {
    let text = Array(FlowScriptTests.script.utf8)
    for count in 0..<text.count { _ = try? FlowScript.parse(bytes: Array(text.prefix(count))) }
  }

  @Test("Very long lines, words and lists end in an error after one look")
  func long() {
    let texts = [
      String(repeating: "a", count: 1_000_000), String(repeating: "flow ", count: 100_000),
      "flow create 0 pattern " + String(repeating: "eth / ", count: 10_000) + "end actions drop / end",
      "flow create 0 pattern end actions " + String(repeating: "count / ", count: 5_000) + "end",
      "flow create 0 pattern end actions rss queues " + String(repeating: "1 ", count: 20_000) + "end / end",
      "flow destroy 0 " + String(repeating: "rule", count: 12_000),
      "flow create 0 pattern eth dst is " + String(repeating: ":", count: 60_000),
      "flow create 0 pattern eth / ipv6 dst is " + String(repeating: "1:", count: 30_000),
      "flow create 0 pattern eth / ipv4 ttl is " + String(repeating: "9", count: 60_000),
      String(repeating: "x\\\n", count: 300_000),
    ]
    for text in texts {
      let error = #expect(throws: GrammarError.self) { try FlowScript.parse(text) }
      #expect((error?.description.utf8.count ?? 0) < 3_000)
    }
  }

  @Test("A word of control characters is shown without them")
  func control() {
    let error = #expect(throws: GrammarError.self) { try FlowScript.command("flow \u{1b}[31mcreate") }
    #expect(error?.description.utf8.contains(0x1b) == false)
  }
}
