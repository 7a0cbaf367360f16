import Wire

/// libFuzzer's door: the first byte chooses options, the rest is the frame.
@_cdecl("LLVMFuzzerTestOneInput")
public func wireTarget(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  // A copy of exactly these bytes: a read past the end is seen by the address sanitizer.
  let choice = unsafe data[0]
  let frame = unsafe [UInt8](UnsafeBufferPointer(start: data + 1, count: count - 1))
  var options = ParseOptions(lookIntoTunnels: choice & 1 == 0, acceptsVXLANInnerVLAN: choice & 2 != 0)
  if choice & 4 != 0 { _ = options.addCriticalOption(0x0102_80) }
  let startsAtIP = choice & 8 != 0
  if let problem = disagreement(frame, options, startsAtIP: startsAtIP) {
    preconditionFailure("views and HeaderStack disagree: \(problem)")
  }
  var toucher = Toucher()
  try? FrameWalk.walk(frame.span.octets, options: options, startsAtIP: startsAtIP, visitor: &toucher)
  values(frame)
  return 0
}

/// Every value that parses must be written again and parse to the same.
private func values(_ frame: [UInt8]) {
  again(EthernetHeader.self, frame)
  again(VLANTag.self, frame)
  again(ARPPacket.self, frame)
  again(IPv4Header.self, frame)
  again(IPv6Header.self, frame)
  again(IPv6FragmentHeader.self, frame)
  again(UDPHeader.self, frame)
  again(TCPHeader.self, frame)
  again(ICMPHeader.self, frame)
  again(ICMPv6Header.self, frame)
  again(GeneveOption.self, frame)
  again(VXLANHeader.self, frame)
  again(GREHeader.self, frame)
  again(NVGREHeader.self, frame)
  if var header = try? GeneveHeader(parsing: frame.span.octets) {
    // A critical option without the C bit parses, and is refused when written.
    header.hasCriticalOptions = true
    again(header)
  }
  for kind: UInt8 in [0, 43, 51, 60] {
    guard let header = try? IPv6ExtensionHeader(parsing: frame.span.octets, kind: kind) else { continue }
    guard let bytes = try? header.wireBytes(), bytes == Array(frame.prefix(bytes.count)) else {
      preconditionFailure("extension header \(kind) is not written as it was read")
    }
  }
}

private func again<V: WireValue>(_ type: V.Type, _ frame: [UInt8]) {
  if let value = try? V(parsing: frame.span.octets) { again(value) }
}

private func again<V: WireValue>(_ value: V) {
  do {
    // Packets that must be whole get room behind their header.
    let isWhole = [.ipv4, .ipv6, .udp].contains(V.layer)
    let bytes = try value.wireBytes() + [UInt8](repeating: 0, count: isWhole ? 0x1_0000 : 0)
    guard try V(parsing: bytes.span.octets) == value else { preconditionFailure("\(value) parses to another value") }
  } catch {
    preconditionFailure("\(value) is not written: \(error)")
  }
}

/// Reads every accessor of every view.
private struct Toucher: HeaderVisitor {
  var sum: UInt64 = 0

  private mutating func touch(_ value: some BinaryInteger) { sum &+= UInt64(truncatingIfNeeded: value) }
  private mutating func touch(_ value: Bool) { sum &+= value ? 1 : 0 }
  private mutating func touch(_ bytes: RawSpan) { sum &+= UInt64(InternetChecksum.sum(bytes)) }
  private mutating func touch(_ list: consuming KindLengthOptions) {
    while let option = try? list.next() { touch(option.data.upperBound) }
  }

  mutating func visit(_ view: borrowing EthernetView, at place: HeaderPlace) {
    touch(view.destination &+ view.source)
    touch(view.payload)
  }
  mutating func visit(_ view: borrowing VLANView, at place: HeaderPlace) {
    touch(view.priority)
    touch(view.dropEligible)
    touch(view.payload)
  }
  mutating func visit(_ view: borrowing ARPView, at place: HeaderPlace) {
    touch(view.senderHardware)
    touch(view.senderProtocol)
    touch(view.targetHardware)
    touch(view.targetProtocol)
    touch(view.operation)
  }
  mutating func visit(_ view: borrowing IPv4View, at place: HeaderPlace) {
    touch(view.hasValidChecksum)
    touch(view.options)
    touch(view.optionList)
    touch(view.payload)
    touch(view.source)
    touch(view.fragmentOffset)
    touch(view.pseudoHeader(proto: 17, length: view.totalLength))
  }
  mutating func visit(_ view: borrowing IPv6View, at place: HeaderPlace) {
    touch(view.flowLabel)
    touch(view.source &+ view.destination)
    touch(view.payload)
    touch(view.dscp)
    touch(view.ecn)
  }
  mutating func visit(_ view: borrowing IPv6ExtensionView, at place: HeaderPlace) {
    touch(view.body)
    touch(view.payload)
    touch(view.identification)
  }
  mutating func visit(_ view: borrowing UDPView, at place: HeaderPlace) {
    touch(view.hasValidChecksum(pseudoHeader: 1))
    touch(view.payload)
  }
  mutating func visit(_ view: borrowing TCPView, at place: HeaderPlace) {
    touch(view.optionList)
    touch(view.options)
    touch(view.payload)
    touch(view.hasValidChecksum(pseudoHeader: 1))
    touch(view.flags.rawValue)
    touch(view.urgentPointer)
  }
  mutating func visit(_ view: borrowing ICMPView, at place: HeaderPlace) {
    touch(view.rest)
    touch(view.payload)
    touch(view.hasValidChecksum)
  }
  mutating func visit(_ view: borrowing ICMPv6View, at place: HeaderPlace) {
    touch(view.rest)
    touch(view.payload)
    touch(view.hasValidChecksum(pseudoHeader: 1))
  }
  mutating func visit(_ view: borrowing ESPView, at place: HeaderPlace) {
    touch(view.spi &+ view.sequence)
    touch(view.payload)
  }
  mutating func visit(_ view: borrowing GeneveView, at place: HeaderPlace) {
    var list = view.optionList
    while let option = try? list.next() {
      touch(option.data)
      again(GeneveOption(option))
    }
    touch(view.options)
    touch(view.payload)
  }
  mutating func visit(_ view: borrowing VXLANView, at place: HeaderPlace) {
    touch(view.vni)
    touch(view.payload)
  }
  mutating func visit(_ view: borrowing GREView, at place: HeaderPlace) {
    touch(view.key ?? 0)
    touch(view.sequence ?? 0)
    touch(view.checksum ?? 0)
    touch(view.hasValidChecksum)
    touch(view.payload)
    touch(view.isNVGRE)
  }
}
