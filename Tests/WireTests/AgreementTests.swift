import Testing
import Wire

@Suite("Views and HeaderStack agree, and nothing traps")
struct AgreementTests {
  private var known: ParseOptions {
    var options = ParseOptions()
    _ = options.addCriticalOption(0x0102_80)
    return options
  }

  @Test("On seeded frames and on every truncation of them", arguments: 0..<4)
  func truncations(seed: UInt64) {
    var random = Seeded(100 + seed)
    for _ in 0..<60 {
      let frame = randomFrame(&random)
      for count in 0...frame.count {
        let cut = Array(frame.prefix(count))
        if let problem = disagreement(cut, known) { Issue.record("\(problem): \(cut)") }
      }
    }
  }

  @Test("With every byte of the headers set to every value", arguments: Sample.allCases)
  func everyByte(sample: Sample) {
    let frame = sample.frame
    #expect(sample.isSound(frame))
    for at in 12..<min(frame.count, 110) {
      var changed = frame
      for value in UInt8.min ... .max {
        changed[at] = value
        if let problem = disagreement(changed, known) { Issue.record("byte \(at) = \(value): \(problem)") }
      }
    }
  }

  @Test("With every 16-bit length field set to every value", arguments: Sample.allCases)
  func everyLength(sample: Sample) {
    for at in sample.lengthFields {
      var changed = sample.frame
      for value in UInt16.min ... .max {
        changed[at] = UInt8(value >> 8)
        changed[at + 1] = UInt8(value & 255)
        if let problem = disagreement(changed, known) { Issue.record("length at \(at) = \(value): \(problem)") }
      }
    }
  }
}

/// Sound frames, one of each tunnel over each IP version.
enum Sample: CaseIterable {
  case geneve4, geneve6, vxlan4, gre4, gre6, nvgre4, plain6

  var frame: [UInt8] {
    var random = Seeded(7)
    let inner = hex("0202020202020101010101010800") + ipv4(proto: 6, tcp, &random)
    let opt = hex("0102800100010002") + hex("01080102") + [1, 2, 3, 4, 5, 6, 7, 8]
    switch self {
    case .geneve4: return ether(0x0800) + ipv4(proto: 17, udp(6081, hex("0540655800123400") + opt + inner), &random)
    case .geneve6:
      let chain = hex("3c00000000000000") + hex("1100000000000000")
      return ether(0x86dd) + ipv6(next: 0, chain + udp(6081, hex("0540655800123400") + opt + inner), &random)
    case .vxlan4: return ether(0x0800) + ipv4(proto: 17, udp(4789, hex("0800000000123400") + inner), &random)
    case .gre4: return ether(0x0800) + ipv4(proto: 47, hex("3000655812345678 00000001") + inner, &random)
    case .gre6:
      return ether(0x86dd) + ipv6(next: 47, hex("00000800") + ipv4(proto: 17, udp(53, [1, 2, 3]), &random), &random)
    case .nvgre4: return ether(0x0800) + ipv4(proto: 47, hex("2000655812345678") + inner, &random)
    case .plain6:
      return hex("020202020202 010101010101 88a8 0064 8100 0065 86dd")
        + ipv6(next: 51, hex("2c0100000000000000000000") + hex("3a00000000000001") + hex("8000000012345678"), &random)
    }
  }

  /// Offsets of total, payload and UDP lengths, outer and inner.
  var lengthFields: [Int] {
    switch self {
    case .geneve4: [16, 38, 86]
    case .geneve6: [18, 74, 122]
    case .vxlan4: [16, 38, 66]
    case .gre4: [16, 62]
    case .gre6: [18, 60, 82]
    case .nvgre4: [16, 58]
    case .plain6: [26]
    }
  }

  func isSound(_ frame: [UInt8]) -> Bool {
    var options = ParseOptions()
    _ = options.addCriticalOption(0x0102_80)
    guard let stack = try? HeaderStack.parse(frame.span.octets, options: options) else { return false }
    return self == .plain6
      ? stack.outer.l4Kind == .icmp6 && stack.outer.vlanCount == 2 && stack.outer.hasFragmentHeader
      : stack.hasSoundTunnel && stack.inner.l4Kind != .none
  }

  private var tcp: [UInt8] { hex("1234005000000001000000005002ffff00000000") }
  private func ether(_ type: Int) -> [UInt8] {
    hex("020202020202010101010101") + [UInt8(type >> 8), UInt8(type & 255)]
  }
  private func udp(_ port: Int, _ payload: [UInt8]) -> [UInt8] {
    let length = payload.count + 8
    return [0xc0, 0, UInt8(port >> 8), UInt8(port & 255), UInt8(length >> 8), UInt8(length & 255), 0, 0] + payload
  }
  private func ipv4(proto: UInt8, _ payload: [UInt8], _ random: inout Seeded) -> [UInt8] {
    let total = payload.count + 20
    return [0x45, 0, UInt8(total >> 8), UInt8(total & 255), 0, 0, 0x40, 0, 64, proto] + random.bytes(10) + payload
  }
  private func ipv6(next: UInt8, _ payload: [UInt8], _ random: inout Seeded) -> [UInt8] {
    hex("60000000") + [UInt8(payload.count >> 8), UInt8(payload.count & 255), next, 64] + random.bytes(32) + payload
  }
}
