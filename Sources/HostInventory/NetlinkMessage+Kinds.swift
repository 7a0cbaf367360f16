// The kinds of messages, each a fixed header and attributes (linux/if_link.h, if_addr.h, rtnetlink.h, neighbour.h).
extension NetlinkMessage {
  func link(isGone: Bool) throws(NetlinkError) -> HostChange? {
    let attributes = try attributes(behind: 16, of: "an interface")
    // Bridges tell of their ports in their own family.
    guard body.integer(0, as: UInt8.self) == 0 else { return nil }
    let index: Int32 = body.integer(4)
    if isGone { return .linkGone(index) }
    let flags: UInt32 = body.integer(8)
    // IFF_UP and IFF_RUNNING.
    let isRunning = flags & 0x41 == 0x41
    return .link(
      HostLink(
        index: index, name: Self.text(attributes[3]), mac: Self.mac(attributes[1]),
        mtu: Int(Self.word(attributes[4]) ?? 0), isRunning: isRunning, droppedOut: Self.droppedOut(attributes[23])))
  }

  func address(isGone: Bool) throws(NetlinkError) -> HostChange? {
    let attributes = try attributes(behind: 8, of: "an address")
    // IFA_LOCAL is the host's own where there is another at the far end.
    guard let address = Self.address(attributes[2] ?? attributes[1], family: body.integer(0)) else { return nil }
    let own = HostAddress(
      link: Int32(truncatingIfNeeded: body.integer(4, as: UInt32.self)), address: address,
      prefixLength: min(Int(body.integer(1, as: UInt8.self)), address.width))
    return isGone ? .addressGone(own) : .address(own)
  }

  func neighbour(isGone: Bool) throws(NetlinkError) -> HostChange? {
    let attributes = try attributes(behind: 12, of: "a neighbour")
    guard let address = Self.address(attributes[1], family: body.integer(0)) else { return nil }
    let link: Int32 = body.integer(4)
    if isGone { return .neighbourGone(link: link, address) }
    let mac = Self.mac(attributes[2])
    let bits: UInt16 = body.integer(8)
    let state: HostNeighbour.State =
      if mac == 0 { .unknown } else if bits & 0xc0 != 0 { .permanent } else if bits & 0x02 != 0 {
        .reachable
      } else if bits & 0x1c != 0 { .stale } else { .unknown }
    return .neighbour(HostNeighbour(link: link, address: address, mac: mac, state: state))
  }

  func route(isGone: Bool) throws(NetlinkError) -> HostChange? {
    let attributes = try attributes(behind: 12, of: "a route")
    let family: UInt8 = body.integer(0)
    guard family == 2 || family == 10 else { return nil }
    // RTM_F_CLONED: one destination's, from a cache.
    guard body.integer(8, as: UInt32.self) & 0x200 == 0 else { return nil }
    let any: IPAddress = family == 2 ? .v4(0) : .v6(0)
    let base = Self.address(attributes[1], family: family) ?? any
    let table = Self.word(attributes[15]) ?? UInt32(body.integer(4, as: UInt8.self))
    var route = HostRoute(
      IPPrefix(base, length: Int(body.integer(1, as: UInt8.self))),
      link: Self.word(attributes[4]).map { Int32(truncatingIfNeeded: $0) } ?? 0,
      gateway: Self.gateway(attributes, family), metric: Self.word(attributes[6]) ?? 0, table: table,
      kind: Self.kind(body.integer(7)))
    if let hops = attributes[9] { try Self.takeFirst(of: hops, family, &route) }
    // NLM_F_REPLACE.
    return isGone ? .routeGone(route) : .route(route, replaces: flags & 0x100 != 0)
  }

  /// The first of several next hops.
  private static func takeFirst(of hops: NetlinkBytes, _ family: UInt8, _ route: inout HostRoute) throws(NetlinkError) {
    guard hops.count > 0 else { return }
    try hops.need(8, "a next hop")
    let length = Int(hops.integer(0, as: UInt16.self))
    guard length >= 8, length <= hops.count else {
      throw NetlinkError(offset: hops.offset, expected: "a next hop of 8…\(hops.count) bytes", found: "\(length)")
    }
    var rest = hops
    let hop = rest.take(length)
    route.link = hop.integer(4)
    route.gateway = gateway(try attributes(hop.from(8)), family)
  }

  private static func gateway(_ attributes: [UInt16: NetlinkBytes], _ family: UInt8) -> IPAddress? {
    if let gateway = address(attributes[5], family: family) { return gateway }
    // RTA_VIA: a gateway of the other family, behind two bytes that say which.
    guard let via = attributes[18], via.count > 2 else { return nil }
    return IPAddress(via.from(2).array)
  }

  private static func kind(_ type: UInt8) -> HostRoute.Kind {
    switch type {
    case 1: .unicast
    case 2: .local
    case 6, 7, 8: .refused
    default: .other
    }
  }

  private static func address(_ bytes: NetlinkBytes?, family: UInt8) -> IPAddress? {
    guard let bytes, bytes.count == (family == 2 ? 4 : family == 10 ? 16 : -1) else { return nil }
    return IPAddress(bytes.array)
  }

  private static func word(_ bytes: NetlinkBytes?) -> UInt32? {
    guard let bytes, bytes.count >= 4 else { return nil }
    return bytes.integer(0)
  }

  private static func mac(_ bytes: NetlinkBytes?) -> UInt64 {
    guard let bytes, bytes.count == 6 else { return 0 }
    return bytes.array.reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func text(_ bytes: NetlinkBytes?) -> String {
    String(decoding: (bytes?.array ?? []).prefix { $0 != 0 }, as: UTF8.self)
  }

  /// rtnl_link_stats64's eighth word.
  private static func droppedOut(_ bytes: NetlinkBytes?) -> UInt64 {
    guard let bytes, bytes.count >= 64 else { return 0 }
    return bytes.integer(56)
  }
}
