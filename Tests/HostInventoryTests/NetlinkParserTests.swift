import HostInventory
import Testing

/// Netlink messages by hand, in the order of little-endian machines.
enum Message {
  static func word<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
  }

  static func padded(_ bytes: [UInt8]) -> [UInt8] { bytes + [UInt8](repeating: 0, count: -bytes.count & 3) }

  static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
    padded(word(UInt16(4 + value.count)) + word(type) + value)
  }

  static func make(_ type: UInt16, _ body: [UInt8], flags: UInt16 = 0, sequence: UInt32 = 0) -> [UInt8] {
    padded(word(UInt32(16 + body.count)) + word(type) + word(flags) + word(sequence) + word(UInt32(0)) + body)
  }

  static let link = make(
    16,
    [0, 0] + word(UInt16(1)) + word(Int32(7)) + word(UInt32(0x41)) + word(UInt32(0))
      + attribute(3, Array("eth7\0".utf8)) + attribute(1, [2, 0, 0, 0, 0, 9]) + attribute(4, word(UInt32(9000))))
  static let address = make(
    20, [2, 24, 0, 0] + word(UInt32(7)) + attribute(1, [10, 0, 0, 1]) + attribute(2, [10, 0, 0, 1]))
  static let neighbour = make(
    28,
    [2, 0, 0, 0] + word(Int32(7)) + word(UInt16(2)) + [0, 0] + attribute(1, [10, 0, 0, 9])
      + attribute(2, [2, 0, 0, 0, 0, 8]))
  static let route = make(
    24,
    [2, 8, 0, 0, 254, 0, 0, 1] + word(UInt32(0)) + attribute(1, [10, 0, 0, 0]) + attribute(5, [10, 0, 0, 254])
      + attribute(4, word(UInt32(7))) + attribute(6, word(UInt32(100))))
  static let multipath = make(
    24,
    [10, 0, 0, 0, 254, 0, 0, 1] + word(UInt32(0))
      + attribute(
        9,
        word(UInt16(28)) + [0, 0] + word(Int32(7))
          + attribute(5, [0xfe, 0x80] + [UInt8](repeating: 0, count: 13) + [1])
          + word(UInt16(8)) + [0, 0] + word(Int32(8))))
  static let done = make(3, word(Int32(0)), flags: 0x10, sequence: 5)
  static let refused = make(2, word(Int32(-16)), sequence: 6)
  static let all = [link, address, neighbour, route, multipath, done, refused]
}

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

@Suite("A netlink datagram")
struct NetlinkParserTests {
  @Test("tells of links, addresses, neighbours and routes as the kernel writes them")
  func kinds() throws {
    let (changes, error) = NetlinkParser.parse(Message.all.flatMap { $0 } + Message.make(99, [1, 2, 3]))
    #expect(error == nil)
    let six = try #require(IPAddress(text: "fe80::1"))
    #expect(
      changes == [
        .link(HostLink(index: 7, name: "eth7", mac: 0x0200_0000_0009, mtu: 9000, isRunning: true, droppedOut: 0)),
        .address(HostAddress(link: 7, address: .v4(0x0a00_0001), prefixLength: 24)),
        .neighbour(HostNeighbour(link: 7, address: .v4(0x0a00_0009), mac: 0x0200_0000_0008, state: .reachable)),
        .route(
          HostRoute(IPPrefix(.v4(0x0a00_0000), length: 8), link: 7, gateway: .v4(0x0a00_00fe), metric: 100),
          replaces: false),
        .route(HostRoute(IPPrefix(.v6(0), length: 0), link: 7, gateway: six), replaces: false),
        .done(sequence: 5, wasDisturbed: true), .refused(sequence: 6, errno: 16),
      ])
  }

  @Test("cut anywhere gives what stands before the cut, and its place")
  func truncated() {
    let whole = Message.all.flatMap { $0 }
    var ends: [Int] = [0]
    for message in Message.all { ends.append((ends.last ?? 0) + message.count) }
    for count in 0...whole.count {
      let (changes, error) = NetlinkParser.parse(Array(whole.prefix(count)))
      let complete = ends.filter { $0 <= count }.count - 1
      #expect(changes.count == complete)
      #expect((error == nil) == ends.contains(count))
      if let error { #expect(error.offset >= 0 && error.offset <= count) }
    }
  }

  @Test("with any byte at any value, and any length field at any length, is read or refused, and never traps")
  func hostile() {
    for message in Message.all {
      for place in message.indices {
        for value in UInt8.min...UInt8.max {
          var bytes = message
          bytes[place] = value
          _ = NetlinkParser.parse(bytes)
        }
      }
      // The message's length, and those of attributes and next hops, which lie at even places.
      for place in stride(from: 0, to: message.count - 1, by: 2) {
        for length in UInt16(0)...UInt16(message.count + 4) {
          var bytes = message
          bytes.replaceSubrange(place..<place + 2, with: Message.word(length))
          _ = NetlinkParser.parse(bytes)
          bytes += [1, 2, 3]
          _ = NetlinkParser.parse(bytes)
        }
      }
    }
  }

  @Test("of random bytes never traps, and says where the mistake is")
  func random() {
    var generator = Seeded(state: 11)
    for _ in 0..<3000 {
      var bytes = (0..<Int.random(in: 0...120, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      // Past the outermost length, or nothing would ever be.
      let type: UInt8 = [16, 20, 24, 28].randomElement(using: &generator) ?? 0
      if bytes.count >= 16 { bytes.replaceSubrange(0..<6, with: Message.word(UInt32(bytes.count)) + [type, 0]) }
      if let error = NetlinkParser.parse(bytes).error { #expect(error.offset <= bytes.count) }
    }
  }
}

@Suite("A host's view")
struct HostViewTests {
  static let gateway = IPAddress.v4(0x0a00_00fe)

  static func view() -> HostView {
    var view = HostView()
    view.apply(.address(HostAddress(link: 1, address: .v4(0x0a00_0001), prefixLength: 24)))
    view.apply(.route(HostRoute(IPPrefix(.v4(0x0a00_0000), length: 24), link: 1), replaces: false))
    view.apply(.route(HostRoute(IPPrefix(.v4(0), length: 0), link: 1, gateway: gateway, metric: 100), replaces: false))
    return view
  }

  @Test("sends to the longest prefix, then the lowest metric; never to itself, nor where it is refused")
  func longest() {
    var view = Self.view()
    #expect(view.nextHop(to: .v4(0x0a00_0009)) == .neighbour(.v4(0x0a00_0009), link: 1))
    #expect(view.nextHop(to: .v4(0xc633_6401)) == .neighbour(Self.gateway, link: 1))
    #expect(view.nextHop(to: .v4(0x0a00_0001)) == .local)
    #expect(view.nextHop(to: .v6(1)) == .none)
    view.apply(.route(HostRoute(IPPrefix(.v4(0), length: 0), link: 2, metric: 50), replaces: false))
    #expect(view.nextHop(to: .v4(0xc633_6401)) == .neighbour(.v4(0xc633_6401), link: 2))
    view.apply(
      .route(HostRoute(IPPrefix(.v4(0xc633_6400), length: 24), link: 0, kind: .refused), replaces: false))
    #expect(view.nextHop(to: .v4(0xc633_6401)) == .none)
    view.apply(
      .route(HostRoute(IPPrefix(.v4(0xc633_6401), length: 32), link: 1, table: 7), replaces: false))
    #expect(view.nextHop(to: .v4(0xc633_6401)) == .none)
  }

  @Test("forgets with a link all that was reached by it, and with a replaced route the one before")
  func forgets() {
    var view = Self.view()
    let other = IPAddress.v4(0x0a00_00fd)
    view.apply(
      .route(HostRoute(IPPrefix(.v4(0), length: 0), link: 1, gateway: other, metric: 100), replaces: true))
    #expect(view.nextHop(to: .v4(1)) == .neighbour(other, link: 1))
    #expect(view.routes.count == 2)
    view.apply(.neighbour(HostNeighbour(link: 1, address: other, mac: 5, state: .stale)))
    #expect(view.neighbours.count == 1)
    view.apply(.neighbour(HostNeighbour(link: 1, address: other, mac: 0, state: .unknown)))
    #expect(view.neighbours.isEmpty)
    view.apply(.linkGone(1))
    #expect(view == HostView())
  }
}
