import HostInventory
import Memory
import Runtime
import Testing

@Suite("A neighbour")
struct NeighbourTests {
  static let one = IPAddress.v4(0x0a00_0001)
  static let second: UInt64 = 1_000_000_000

  static func table() -> NeighbourTable {
    var table = NeighbourTable()
    table.want([one], now: 0)
    return table
  }

  @Test("is asked at once, every second, three times; then counts as not there, and is asked again later")
  func silent() {
    var table = Self.table()
    var asked: [UInt64] = []
    for tenth in UInt64(0)..<100 {
      let now = tenth * Self.second / 10
      for probe in table.due(now: now) {
        #expect(probe == .init(target: Self.one, mac: 0))
        asked.append(now)
      }
      if now == 29 * Self.second / 10 { #expect(table.state(of: Self.one) == .incomplete(asked: 3)) }
      if now == 3 * Self.second { #expect(table.state(of: Self.one) == .failed) }
    }
    #expect(asked == [0, 1, 2, 8, 9].map { $0 * Self.second })
  }

  @Test("that answered is asked alone after half a minute, and keeps its address until it does not answer three times")
  func reachable() {
    var table = Self.table()
    _ = table.due(now: 0)
    table.heard(Self.one, mac: 5, now: 1)
    #expect(table.mac(of: Self.one) == 5 && table.due(now: 29 * Self.second).isEmpty)
    let later = 31 * Self.second
    for step in UInt64(0)..<3 {
      #expect(table.due(now: later + step * Self.second) == [.init(target: Self.one, mac: 5)])
      #expect(table.mac(of: Self.one) == 5)
    }
    var other = table
    #expect(table.due(now: later + 3 * Self.second).isEmpty)
    #expect(table.mac(of: Self.one) == 0 && table.state(of: Self.one) == .failed)
    other.heard(Self.one, mac: 6, now: later + 3 * Self.second)
    #expect(other.mac(of: Self.one) == 6 && other.state(of: Self.one) == .reachable)
  }

  @Test("that nobody wants is not learned, a group's address neither; one that is set is never asked")
  func unwanted() {
    var table = Self.table()
    table.heard(.v4(9), mac: 5, now: 0)
    #expect(table.state(of: .v4(9)) == nil)
    table.heard(Self.one, mac: 0x0100_5e00_0001, now: 0)
    #expect(table.mac(of: Self.one) == 0)
    table.set(Self.one, mac: 7, now: 0)
    #expect(table.due(now: 1_000_000 * Self.second).isEmpty && table.nextDue == nil)
    table.heard(Self.one, mac: 8, now: 0)
    #expect(table.mac(of: Self.one) == 7)
    table.set(Self.one, mac: nil, now: 5)
    #expect(table.mac(of: Self.one) == 0 && table.due(now: 5).count == 1)
    table.want([], now: 6)
    #expect(table.state(of: Self.one) == nil)
  }
}

@Suite("A message about neighbours")
struct NeighbourMessageTests {
  static let pairs: [(IPAddress, IPAddress)] = [
    (.v4(0x0a00_0001), .v4(0x0a00_0002)), (.v6(UInt128(0xfe80) << 112 | 1), .v6(UInt128(0xfe80) << 112 | 0x1234_5678)),
  ]

  static func read(_ bytes: [UInt8]) throws -> [NeighbourMessages.Word] {
    var arena = try FrameArena(capacity: 1, bufferSize: 2048, headroom: 0)
    guard let index = arena.take() else { return [] }
    let window = arena.buffer(index).slice(0, count: bytes.count)
    window.copy(bytes, at: 0)
    return NeighbourMessages.read(window)
  }

  @Test("asks and answers what is read back from it, of both kinds")
  func roundTrip() throws {
    for (mine, other) in Self.pairs {
      for mac: UInt64 in [0, 0x0200_0000_0009] {
        let question = NeighbourMessages.question(other, mac: mac, from: mine, sender: 0x0200_0000_0001)
        #expect(
          try Self.read(question) == [
            .isAt(mine, mac: 0x0200_0000_0001), .asks(other, from: mine, mac: 0x0200_0000_0001),
          ])
      }
      let answer = NeighbourMessages.answer(other, sender: 0x0200_0000_0009, to: mine, mac: 0x0200_0000_0001)
      #expect(try Self.read(answer) == [.isAt(other, mac: 0x0200_0000_0009)])
    }
  }

  @Test("with any byte changed, or cut anywhere, never traps; neighbour discovery with a wrong checksum says nothing")
  func hostile() throws {
    for (mine, other) in Self.pairs {
      for frame in [
        NeighbourMessages.question(other, mac: 0, from: mine, sender: 0x0200_0000_0001),
        NeighbourMessages.answer(other, sender: 0x0200_0000_0009, to: mine, mac: 1),
      ] {
        for place in frame.indices {
          #expect(try Self.read(Array(frame.prefix(place))).isEmpty)
          for change in UInt8(1)...255 {
            var wrong = frame
            wrong[place] ^= change
            let words = try Self.read(wrong)
            // Ethernet, traffic class and flow label are in no checksum.
            if mine.isIPv6, place >= 22 { #expect(words.isEmpty) }
          }
        }
      }
    }
  }
}
