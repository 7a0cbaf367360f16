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
    case .none:
      inner == recorder.inner && stack.tunnel == recorder.tunnel && stack.tunnelKey == recorder.key
        && !(stack.tunnel != .none && failure?.isShort(at: Int(stack.innerStart)) == true)
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

extension WireError {
  /// The first header at `offset` does not fit: what is inside a tunnel is too short.
  fileprivate func isShort(at offset: Int) -> Bool {
    problem == .truncated && field == .header && self.offset == offset
  }
}
