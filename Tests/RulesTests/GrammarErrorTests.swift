import Rules
import Testing

@Suite("Errors of grammar say what to write")
struct GrammarErrorTests {
  @Test(
    "One sentence for each kind of slip",
    arguments: [
      ("flow creat 0", "expected what to do, found `creat`", "create"),
      ("flwo create 0", "expected a command, found `flwo`", "flow"),
      (
        "flow create 0 pattern eth / ipv4 scr is 1.2.3.4 / end actions drop / end",
        "expected a field of `ipv4` or `/`, found `scr`", "src"
      ),
      (
        "flow create 0 pattern ipv4 src si 1.2.3.4 / end actions drop / end",
        "expected how `src` is compared, found `si`", "is"
      ),
      (
        "flow create 0 pattern ipv4 ttl is 300 / end actions drop / end",
        "expected a number of 8 bits (0…255), found `300`", nil
      ),
      ("flow create 0 pattern ipv4 ttl is 010 / end actions drop / end", "`010` begins with a zero", nil),
      (
        "flow create 0 pattern ipv4 dst is 10.0.0.0/8 / end actions drop / end",
        "a prefix is written as two pairs: `dst spec ADDRESS dst prefix BITS`", nil
      ),
      ("flow create 0 pattern ipv4 dst spec 10.0.0.0 / end actions drop / end", "`dst spec` has no mask", nil),
      (
        "flow create 0 pattern ipv4 dst is 10.0.0.0 dst last 10.0.0.9 / end actions drop / end",
        "ranges are not supported; use a mask", nil
      ),
      (
        "flow create 0 pattern eth/ipv4 / end actions drop / end", "`eth/ipv4` is no item: `/` stands between blanks",
        nil
      ),
      (
        "flow create 0 pattern port_id id is 1 / end actions drop / end",
        "`port_id` is an item of testpmd that is not supported here; it is ambiguous", nil
      ),
      (
        "flow create 0 pattern eth / end actions flag / end",
        "`flag` is an action of testpmd that is not supported here; use `mark id N`", nil
      ),
      ("flow create 0 pattern eth / end actions dorp / end", "expected an action, found `dorp`", "drop"),
      ("flow create 0 pattern eth / end actions queue / end", "`queue` needs `index`", nil),
      ("flow create 0 pattern eth / end actions drop", "expected `/` behind an action, found the end of the line", nil),
      ("flow create 0 pattern eth / end actions drop / end end", "nothing is expected behind this, found `end`", nil),
      ("flow create 0 pattern eth end actions drop / end", "expected a field of `eth` or `/`, found `end`", nil),
      (
        "flow create 0 pattern geneve-opt class is 1 type is 2 / end actions drop / end",
        "a Geneve option needs class, type and length; missing: `length`", nil
      ),
      (
        "flow create 0 pattern geneve-opt class is 1 type is 2 length is 1 data is 0001020304 / end actions end",
        "the data has 5 bytes, the option's length is 1 words of 4 bytes", nil
      ),
      ("flow create 0 pattern eth / end actions rss / end", "`rss` needs `queues`", nil),
      (
        "flow create 0 pattern eth / end actions rss queues 1 end types ipv4-upd end / end",
        "expected a hash type or `end`, found `ipv4-upd`", "ipv4-udp"
      ),
      ("flow create 70000 pattern eth / end actions drop / end", "expected a port (0…65535), found `70000`", nil),
      (
        "flow pattern_template 0 create", "`flow pattern_template` is a command of testpmd that is not supported here",
        nil
      ),
      ("set vxlan ip-version ipv4 vni 1", "expected `ip-src`, found the end of the line", nil),
      ("flow", "expected what to do, found the end of the line", nil),
    ] as [(String, String, String?)])
  func sentence(text: String, message: String, suggestion: String?) {
    let error = #expect(throws: GrammarError.self) { try FlowScript.command(text) }
    #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
    if let suggestion { #expect(error?.suggestion == suggestion) }
  }

  @Test("The error of a continued line points into the physical line")
  func continued() {
    let error = #expect(throws: GrammarError.self) {
      try FlowScript.parse("flow create 0 \\\n  pattern eth / \\\n  ipv7 / end actions drop / end")
    }
    #expect(error?.line == 3 && error?.column == 3)
    #expect(error?.excerpt == "    ipv7 / end actions drop / end\n    ^~~~")
  }

  @Test("A long line is shown around the place")
  func longLine() throws {
    let text = "flow create 0 pattern " + String(repeating: "eth / ", count: 30) + "etc / end actions drop / end"
    let error = try #require(throws: GrammarError.self) { try FlowScript.command(text) }
    let lines = error.excerpt.split(separator: "\n")
    #expect(lines.count == 2 && lines[0].count < 110)
    let place = try #require(lines[1].firstIndex(of: "^"))
    let offset = lines[1].distance(from: lines[1].startIndex, to: place)
    #expect(lines[0].dropFirst(offset).hasPrefix("etc /"))
  }
}
