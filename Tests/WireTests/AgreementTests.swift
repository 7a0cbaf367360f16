import Testing
import Wire

/// What FrameWalk visited, in HeaderStack's words.
struct Recorder: HeaderVisitor {
  struct Level: Equatable {
    var l3 = 0, l4 = 0, tags = 0
    var network = NetworkKind.none, transport = TransportKind.none
  }
  var outer = Level(), inner = Level()
  var tunnel = TunnelHeaderKind.none
  var key: UInt32 = 0
  var control = false, greValid = true, innerTag = false
  var fragment = false
  var knowsProtocol = true

  private mutating func change(_ place: HeaderPlace, _ body: (inout Level) -> Void) {
    if place.isInner { body(&inner) } else { body(&outer) }
  }
  private mutating func network(_ kind: NetworkKind, _ place: HeaderPlace) {
    change(place) { ($0.l3, $0.network) = (place.offset, kind) }
  }
  private mutating func transport(_ kind: TransportKind, _ place: HeaderPlace) {
    change(place) { ($0.l4, $0.transport) = (place.offset, kind) }
  }
  private mutating func carries(_ type: UInt16) { knowsProtocol = [0x6558, 0x0800, 0x86dd].contains(type) }
  mutating func visit(_ view: borrowing EthernetView, at place: HeaderPlace) {
    if place.isInner { innerTag = VLANView.isTag(view.etherType) }
  }
  mutating func visit(_ view: borrowing VLANView, at place: HeaderPlace) { change(place) { $0.tags += 1 } }
  mutating func visit(_ view: borrowing IPv4View, at place: HeaderPlace) { network(.ipv4, place) }
  mutating func visit(_ view: borrowing IPv6View, at place: HeaderPlace) { network(.ipv6, place) }
  mutating func visit(_ view: borrowing UDPView, at place: HeaderPlace) { transport(.udp, place) }
  mutating func visit(_ view: borrowing TCPView, at place: HeaderPlace) { transport(.tcp, place) }
  mutating func visit(_ view: borrowing ICMPView, at place: HeaderPlace) { transport(.icmp, place) }
  mutating func visit(_ view: borrowing ICMPv6View, at place: HeaderPlace) { transport(.icmp6, place) }
  mutating func visit(_ view: borrowing ESPView, at place: HeaderPlace) { transport(.esp, place) }
  mutating func visit(_ view: borrowing GeneveView, at place: HeaderPlace) {
    tunnel = .geneve
    key = view.vni
    control = view.isControl
    carries(view.protocolType)
  }
  mutating func visit(_ view: borrowing VXLANView, at place: HeaderPlace) {
    tunnel = .vxlan
    key = view.vni
  }
  mutating func visit(_ view: borrowing GREView, at place: HeaderPlace) {
    transport(.gre, place)
    tunnel = .gre
    key = view.key ?? 0
    greValid = view.hasValidChecksum
    carries(view.protocolType)
  }
}

/// nil when walk and stack agree about `frame`, else what they disagree about.
func disagreement(_ frame: [UInt8], _ options: ParseOptions, startsAtIP: Bool = false) -> String? {
  var recorder = Recorder()
  var failure: WireError?
  do {
    try FrameWalk.walk(frame.span.octets, options: options, startsAtIP: startsAtIP, visitor: &recorder)
  } catch {
    failure = error
  }
  let stack: HeaderStack
  do {
    stack = try HeaderStack.parse(frame.span.octets, options: options, startsAtIP: startsAtIP)
  } catch {
    let found = [recorder.outer.l3, recorder.outer.l4, recorder.inner.l3, recorder.inner.l4].max() ?? 0
    switch error {
    case .runt: return failure?.layer == .ethernet ? nil : "runt"
    // The inner frame may begin past 510 and have nothing that was recorded.
    case .headersTooLong: return found > 510 || frame.count > 510 ? nil : "headersTooLong at \(found)"
    }
  }
  var outer = level(stack.outer)
  // The walk visits GRE only where it looks into tunnels, and only a sound header.
  if outer.transport == .gre, recorder.outer.transport == .none, !options.lookIntoTunnels || failure?.layer == .gre {
    (outer.l4, outer.transport) = (0, .none)
  }
  var inner = level(stack.inner)
  if inner.transport == .gre { (inner.l4, inner.transport) = (0, .none) }
  if outer != recorder.outer { return "outer \(outer) \(recorder.outer)" }
  let expected: Bool =
    switch stack.fault {
    case .none: inner == recorder.inner && stack.tunnel == recorder.tunnel && stack.tunnelKey == recorder.key
    case .tunnelTruncated:
      failure?.problem == .truncated && [.geneve, .vxlan, .gre].contains(failure?.layer)
    case .geneveVersion: failure?.layer == .geneve && failure?.field == .version
    case .geneveOptions: failure?.layer == .geneveOption
    case .vxlanNoVNI: failure?.layer == .vxlan && failure?.field == .flags
    case .greReserved: failure?.layer == .gre && failure?.problem == .invalid
    case .greChecksum: !recorder.greValid
    case .geneveControl: recorder.control
    case .geneveCriticalBit, .geneveCriticalOption: recorder.tunnel == .geneve
    case .vxlanInnerVLAN: recorder.innerTag
    case .tunnelProtocol: !recorder.knowsProtocol
    case .innerTruncated: failure?.field == .header && failure?.problem == .truncated
    }
  return expected ? nil : "\(stack.fault) \(String(describing: failure)) \(inner) \(recorder)"
}

private func level(_ stack: LayerStack) -> Recorder.Level {
  .init(
    l3: Int(stack.l3), l4: Int(stack.l4), tags: Int(stack.vlanCount), network: stack.l3Kind, transport: stack.l4Kind)
}

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
