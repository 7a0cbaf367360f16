import Testing
import Wire

@Suite("HeaderStack")
struct HeaderStackTests {
  @Test("Seeded frames, whole, cut and with bytes changed, are parsed as the safe twin parses them", arguments: 0..<8)
  func twin(seed: UInt64) {
    var random = Seeded(seed)
    var options = ParseOptions()
    let added = options.addCriticalOption(0x0102_80)
    #expect(added)
    for _ in 0..<3000 {
      var frame = randomFrame(&random)
      let kind = Int.random(in: 0..<4, using: &random)
      if kind == 1 { frame = Array(frame.prefix(Int.random(in: 0...frame.count, using: &random))) }
      if kind >= 2 {
        for _ in 0..<kind {
          let at = Int.random(in: 0..<frame.count, using: &random)
          frame[at] = Bool.random(using: &random) ? UInt8.random(in: 0...255, using: &random) : frame[at] ^ 1 << 4
        }
      }
      options.acceptsVXLANInnerVLAN = Bool.random(using: &random)
      options.lookIntoTunnels = Int.random(in: 0..<8, using: &random) != 0
      compare(frame, options)
      if frame.count > 14 { compare(Array(frame[14...]), options, startsAtIP: true) }
    }
  }

  @Test("Sixteen critical options are known, a seventeenth is refused")
  func criticalOptions() {
    var options = ParseOptions()
    let added = (0..<17).map { options.addCriticalOption(0x0102_80 + UInt32($0)) }
    #expect(added == Array(repeating: true, count: 16) + [false])
    #expect(options.knows(0x0102_8f))
    #expect(!options.knows(0x0102_90))
  }
}

func compare(_ frame: [UInt8], _ options: ParseOptions, startsAtIP: Bool = false) {
  let safe = SafeParser(bytes: frame, options: options, known: [0x0102_80])
  let fast = Result { () throws(ParseDrop) in
    try HeaderStack.parse(frame.span.octets, options: options, startsAtIP: startsAtIP)
  }.map { SafeParser.Result($0) }
  let slow = Result { () throws(ParseDrop) in try safe.parse(startsAtIP: startsAtIP) }
  #expect(fast == slow, "\(frame)")
}
