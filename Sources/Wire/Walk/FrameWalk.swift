/// Walks a frame's headers from outside in with the views: slower than ``HeaderStack``, and it says exactly what is
/// wrong and where. For tools, explanations and tests; the endpoint's policy (O bit, critical options, GRE's checksum,
/// tags inside VXLAN) is not applied.
public struct FrameWalk<Visitor: HeaderVisitor> {
  private let options: ParseOptions
  private var visitor: Visitor

  /// Visits every header of `bytes`, tunnels included when `options` say so, one level deep.
  ///
  /// - Throws: the first error, after the headers in front of it were visited.
  public static func walk(
    _ bytes: RawSpan, options: ParseOptions, startsAtIP: Bool = false, visitor: inout Visitor
  ) throws(WireError) {
    var walk = FrameWalk(options: options, visitor: visitor)
    defer { visitor = walk.visitor }
    // As HeaderStack: bytes past 65,535 are not looked at.
    let seen = bytes.extracting(0..<min(bytes.byteCount, 0xffff))
    let start = HeaderPlace(offset: 0, isInner: false)
    if startsAtIP {
      guard seen.byteCount > 0 else { return }
      switch seen.u8(0) >> 4 {
      case 4: try walk.network(seen, type: 0x0800, start)
      case 6: try walk.network(seen, type: 0x86dd, start)
      default: return
      }
    } else {
      try walk.ethernet(seen, start)
    }
  }

  private mutating func ethernet(_ bytes: RawSpan, _ place: HeaderPlace) throws(WireError) {
    let view = try EthernetView(bytes, offset: place.offset)
    visitor.visit(view, at: place)
    var type = view.etherType
    var at = EthernetView.length
    var tags = 0
    while VLANView.isTag(type), tags < 2 {
      let tag = try VLANView(bytes.from(at), offset: place.offset + at)
      visitor.visit(tag, at: place.moved(at))
      type = tag.etherType
      at += VLANView.length
      tags += 1
    }
    try network(bytes.from(at), type: type, place.moved(at))
  }

  private mutating func network(_ bytes: RawSpan, type: UInt16, _ place: HeaderPlace) throws(WireError) {
    switch type {
    case 0x0800:
      let view = try IPv4View(bytes, offset: place.offset)
      visitor.visit(view, at: place)
      guard !view.isFragment else { return }
      try transport(view.payload, proto: view.proto, version: 4, place.moved(view.headerLength))
    case 0x86dd:
      let view = try IPv6View(bytes, offset: place.offset)
      visitor.visit(view, at: place)
      try extensions(view.payload, kind: view.nextHeader, place.moved(IPv6View.length))
    case 0x0806:
      let view = try ARPView(bytes, offset: place.offset)
      visitor.visit(view, at: place)
    default: return
    }
  }

  private mutating func extensions(_ payload: RawSpan, kind: UInt8, _ place: HeaderPlace) throws(WireError) {
    var kind = kind
    var at = 0
    var walked = 0
    var isFragment = false
    while IPv6ExtensionView.isExtension(kind) {
      guard walked < 8 else {
        throw WireError(.ipv6Extension, .header, .tooLarge, offset: place.offset + at, needed: 8, got: 9)
      }
      let view = try IPv6ExtensionView(payload.from(at), kind: kind, offset: place.offset + at)
      visitor.visit(view, at: place.moved(at))
      isFragment = isFragment || view.fragmentOffset != 0 || view.moreFragments
      guard view.fragmentOffset == 0 else { return }
      kind = view.nextHeader
      at += view.length
      walked += 1
    }
    guard !isFragment else { return }
    try transport(payload.from(at), proto: kind, version: 6, place.moved(at))
  }

  private mutating func transport(
    _ bytes: RawSpan, proto: UInt8, version: Int, _ place: HeaderPlace
  ) throws(WireError) {
    switch (proto, version) {
    case (17, _):
      let view = try UDPView(bytes, offset: place.offset)
      visitor.visit(view, at: place)
      guard options.lookIntoTunnels, !place.isInner else { return }
      if view.destination == options.genevePort {
        try geneve(view.payload, place.moved(UDPView.length))
      } else if view.destination == options.vxlanPort {
        try vxlan(view.payload, place.moved(UDPView.length))
      }
    case (6, _): visitor.visit(try TCPView(bytes, offset: place.offset), at: place)
    case (1, 4): visitor.visit(try ICMPView(bytes, offset: place.offset), at: place)
    case (58, 6): visitor.visit(try ICMPv6View(bytes, offset: place.offset), at: place)
    case (50, _): visitor.visit(try ESPView(bytes, offset: place.offset), at: place)
    case (47, _):
      guard options.lookIntoTunnels, !place.isInner else { return }
      try gre(bytes, place)
    default: return
    }
  }

  private mutating func geneve(_ bytes: RawSpan, _ place: HeaderPlace) throws(WireError) {
    let view = try GeneveView(bytes, offset: place.offset)
    visitor.visit(view, at: place)
    try inner(view.payload, type: view.protocolType, place.moved(view.headerLength))
  }

  private mutating func vxlan(_ bytes: RawSpan, _ place: HeaderPlace) throws(WireError) {
    let view = try VXLANView(bytes, offset: place.offset)
    visitor.visit(view, at: place)
    try inner(view.payload, type: 0x6558, place.moved(VXLANView.length))
  }

  private mutating func gre(_ bytes: RawSpan, _ place: HeaderPlace) throws(WireError) {
    let view = try GREView(bytes, offset: place.offset)
    visitor.visit(view, at: place)
    try inner(view.payload, type: view.protocolType, place.moved(view.headerLength))
  }

  private mutating func inner(_ bytes: RawSpan, type: UInt16, _ place: HeaderPlace) throws(WireError) {
    let place = HeaderPlace(offset: place.offset, isInner: true)
    if type == 0x6558 {
      try ethernet(bytes, place)
    } else if type == 0x0800 || type == 0x86dd {
      try network(bytes, type: type, place)
    }
  }
}

extension HeaderPlace {
  func moved(_ bytes: Int) -> HeaderPlace { HeaderPlace(offset: offset + bytes, isInner: isInner) }
}
