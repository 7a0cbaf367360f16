import HostInventory
import Testing

/// Each field of each kind of message, at the values that mean something else (linux/rtnetlink.h, neighbour.h, if_link.h).
@Suite("A field of a netlink message")
struct NetlinkFieldTests {
  private func changes(_ bytes: [UInt8]) -> [HostChange] {
    let (changes, error) = NetlinkParser.parse(bytes)
    #expect(error == nil)
    return changes
  }

  private func link(family: UInt8 = 0, flags: UInt32 = 0x41, bits: UInt16 = 0, more: [UInt8] = []) -> [UInt8] {
    Message.make(
      16,
      [family, 0] + Message.word(UInt16(1)) + Message.word(Int32(7)) + Message.word(flags) + Message.word(UInt32(0))
        + Message.attribute(3 | bits, Array("eth7\0".utf8)) + Message.attribute(4 | bits, Message.word(UInt32(9000)))
        + more)
  }

  @Test("of a link: up without a carrier is not running, a bridge's word is none, drops are those of sending")
  func links() {
    for (flags, isRunning) in [(UInt32(0), false), (1, false), (0x40, false), (0x41, true), (0x10_043, true)] {
      #expect(
        changes(link(flags: flags)) == [.link(HostLink(index: 7, name: "eth7", mtu: 9000, isRunning: isRunning))])
    }
    #expect(changes(link(family: 7)).isEmpty)
    // What an attribute says of itself is no part of its number.
    for bits in [UInt16(0x4000), 0x8000, 0xc000] {
      #expect(changes(link(bits: bits)) == [.link(HostLink(index: 7, name: "eth7", mtu: 9000, isRunning: true))])
    }
    let counters = (0..<24).flatMap { Message.word(UInt64($0 + 1000)) }
    let wanted = HostLink(index: 7, name: "eth7", mtu: 9000, isRunning: true, droppedOut: 1007)
    #expect(changes(link(more: Message.attribute(23, counters))) == [.link(wanted)])
    #expect(
      changes(link(more: Message.attribute(23, Array(counters.prefix(56)))))
        == [.link(HostLink(index: 7, name: "eth7", mtu: 9000, isRunning: true))])
  }

  @Test("of an address: the host's own, not that of the far end")
  func addresses() {
    let far = Message.attribute(1, [10, 0, 0, 2]), own = Message.attribute(2, [10, 0, 0, 1])
    func message(_ attributes: [UInt8], _ length: UInt8 = 24, type: UInt16 = 20) -> [UInt8] {
      Message.make(type, [2, length, 0, 0] + Message.word(UInt32(7)) + attributes)
    }
    let one = HostAddress(link: 7, address: .v4(0x0a00_0001), prefixLength: 24)
    let two = HostAddress(link: 7, address: .v4(0x0a00_0002), prefixLength: 32)
    #expect(changes(message(far + own)) == [.address(one)] && changes(message(own + far)) == [.address(one)])
    #expect(changes(message(far, 99)) == [.address(two)] && changes(message(own, type: 21)) == [.addressGone(one)])
    #expect(changes(message([])).isEmpty && changes(message(Message.attribute(2, [1, 2, 3]))).isEmpty)
  }

  @Test("of a neighbour: every state is one of four, and none without an address")
  func neighbours() {
    let states: [(UInt16, HostNeighbour.State)] = [
      (0, .unknown), (1, .unknown), (2, .reachable), (4, .stale), (8, .stale), (0x10, .stale), (0x20, .unknown),
      (0x40, .permanent), (0x80, .permanent), (0x82, .permanent), (0x06, .reachable),
    ]
    for (bits, state) in states {
      for hasAddress in [true, false] {
        let message = Message.make(
          28,
          [2, 0, 0, 0] + Message.word(Int32(7)) + Message.word(bits) + [0, 0] + Message.attribute(1, [10, 0, 0, 9])
            + (hasAddress ? Message.attribute(2, [2, 0, 0, 0, 0, 8]) : []))
        let wanted = HostNeighbour(
          link: 7, address: .v4(0x0a00_0009), mac: hasAddress ? 0x0200_0000_0008 : 0,
          state: hasAddress ? state : .unknown)
        #expect(changes(message) == [.neighbour(wanted)], "state \(bits)")
      }
    }
  }

  @Test("of a route: kinds, tables, replacing, cached ones, and gateways of the other family")
  func routes() {
    func message(
      kind: UInt8 = 1, table: UInt8 = 254, own: UInt32 = 0, flags: UInt16 = 0, type: UInt16 = 24, _ more: [UInt8] = []
    ) -> [UInt8] {
      Message.make(
        type,
        [2, 8, 0, 0, table, 0, 0, kind] + Message.word(own) + Message.attribute(1, [10, 9, 9, 9])
          + Message.attribute(4, Message.word(UInt32(7))) + more, flags: flags)
    }
    let prefix = IPPrefix(.v4(0x0a00_0000), length: 8)
    let kinds: [(UInt8, HostRoute.Kind)] = [
      (1, .unicast), (2, .local), (3, .other), (5, .other), (6, .refused), (7, .refused), (8, .refused), (9, .other),
    ]
    for (number, kind) in kinds {
      #expect(changes(message(kind: number)) == [.route(HostRoute(prefix, link: 7, kind: kind), replaces: false)])
    }
    let plain = HostRoute(prefix, link: 7)
    #expect(changes(message(flags: 0x100)) == [.route(plain, replaces: true)])
    #expect(changes(message(flags: 0x500)) == [.route(plain, replaces: true)])
    #expect(changes(message(flags: 0x600)) == [.route(plain, replaces: false)])
    #expect(changes(message(type: 25)) == [.routeGone(plain)])
    #expect(changes(message(own: 0x200)).isEmpty && changes(message(own: 0x100)) == [.route(plain, replaces: false)])
    #expect(changes(message(table: 7)) == [.route(HostRoute(prefix, link: 7, table: 7), replaces: false)])
    let far = Message.attribute(15, Message.word(UInt32(1000)))
    #expect(changes(message(far)) == [.route(HostRoute(prefix, link: 7, table: 1000), replaces: false)])
    let six = [UInt8](repeating: 0, count: 15) + [5]
    let via = Message.attribute(18, Message.word(UInt16(10)) + six)
    #expect(changes(message(via)) == [.route(HostRoute(prefix, link: 7, gateway: .v6(5)), replaces: false)])
    // The first of several next hops, whose length may be all that is there and no more.
    for (length, isRead) in [(UInt16(7), false), (8, true), (16, true), (17, false), (24, false)] {
      let hop = Message.word(length) + [0, 0] + Message.word(Int32(9)) + Message.attribute(5, [10, 0, 0, 3])
      let (found, error) = NetlinkParser.parse(message(Message.attribute(9, hop)))
      #expect((error == nil) == isRead, "length \(length)")
      let gateway: IPAddress? = length == 16 ? .v4(0x0a00_0003) : nil
      #expect(found == (isRead ? [.route(HostRoute(prefix, link: 9, gateway: gateway), replaces: false)] : []))
    }
  }

  @Test("of every message: its own length, what it is an answer to, and the kernel's number of an error")
  func headers() {
    for length in UInt32(0)..<16 {
      let bytes = Message.word(length) + Message.word(UInt16(3)) + [UInt8](repeating: 0, count: 30)
      #expect(NetlinkParser.parse(bytes).error?.offset == 0)
    }
    for (number, wanted) in [(Int32(-1), Int32(1)), (-110, 110), (.min, .max), (5, 5)] {
      #expect(changes(Message.make(2, Message.word(number), sequence: 9)) == [.refused(sequence: 9, errno: wanted)])
    }
    #expect(changes(Message.make(2, Message.word(Int32(0)))).isEmpty)
    for (flags, isDisturbed) in [(UInt16(0), false), (0x10, true), (0x20, false), (0x12, true)] {
      let wanted = HostChange.done(sequence: 3, wasDisturbed: isDisturbed)
      #expect(changes(Message.make(3, Message.word(Int32(0)), flags: flags, sequence: 3)) == [wanted])
    }
    #expect(changes(Message.make(4, [])) == [.overrun])
  }
}
