import Device
import Memory
import Ports
import Testing
import Virtqueue

@Suite("A virtio-net header")
struct NetHeaderTests {
  static let all: Owed = [.checksum, .tcpSegmentation, .udpSegmentation]
  static let terms = OffloadTerms(agreed: all, trustsChecksums: true, looksIntoTunnels: false)

  static func hostile(_ random: inout Seeded) -> NetHeader {
    var header = NetHeader()
    header.flags = [0, 1, 1, 1, 2, 3, 255].randomElement(using: &random) ?? 0
    header.segmentation = [0, 0, 1, 3, 4, 5, 0x81, 0x21, 0x41, 255].randomElement(using: &random) ?? 0
    header.headerLength = .random(in: 0...0xffff, using: &random)
    header.segmentSize = [0, 1, 536, 1448, 0xffff].randomElement(using: &random) ?? 0
    header.checksumStart = [0, 13, 14, 33, 34, 35, 54, 510, 512, 600, 0xffff].randomElement(using: &random) ?? 0
    header.checksumOffset = [0, 2, 6, 7, 16, 100, 0xffff].randomElement(using: &random) ?? 0
    return header
  }

  @Test("leads to debts within its frame, or to a named fault and an unchanged record, whatever it says")
  func hostile() throws {
    var random = Seeded(7)
    var outbox = try Outbox()
    var faults: Set<DebtFault> = []
    for _ in 0..<20_000 {
      let count = [0, 13, 14, 41, 42, 60, 700].randomElement(using: &random) ?? 0
      var frame = try outbox.frame((0..<count).map { _ in .random(in: 0...255, using: &random) })
      let header = Self.hostile(&random)
      let before = frame.bytes.array()
      do throws(DebtFault) {
        try header.apply(to: &frame, shift: Bool.random(using: &random) ? 4 : 0, Self.terms)
        #expect(frame.owed.isEmpty || frame.owed.contains(.checksum))
        if frame.owed.contains(.checksum) {
          #expect(frame.checksumStart + Int(frame.checksumOffset) + 2 <= frame.length)
        }
        if frame.owed != .checksum, !frame.owed.isEmpty {
          #expect(frame.segmentSize > 0 && frame.segmentHeaderLength <= frame.length)
        }
      } catch {
        faults.insert(error)
        #expect(frame.owed.isEmpty && frame.bytes.array() == before)
      }
      outbox.pool.give(frame.token)
    }
    #expect(faults == Set(DebtFault.allCases).subtracting([.cannotSay]))
  }

  @Test("made of a frame's debts says them again", arguments: [true, false])
  func roundTrip(isTCP: Bool) throws {
    var outbox = try Outbox()
    var frame = try outbox.frame(TestFrames.ipv4(tcp: isTCP, payload: .init(repeating: 7, count: 9000), owed: true))
    frame.checksumStart = 34
    frame.checksumOffset = isTCP ? 16 : 6
    frame.segmentSize = 1400
    frame.segmentHeaderLength = isTCP ? 54 : 42
    frame.owed = isTCP ? [.checksum, .tcpSegmentation] : [.checksum, .udpSegmentation]
    let header = try NetHeader(debtsOf: frame)
    #expect(header.segmentation == (isTCP ? NetHeader.Segmentation.tcp4 : NetHeader.Segmentation.udp))
    var again = try outbox.frame(frame.bytes.array())
    try header.apply(to: &again, Self.terms)
    #expect(again.owed == frame.owed && again.checksumStart == 34 && again.checksumOffset == frame.checksumOffset)
    #expect(again.segmentSize == 1400 && again.segmentHeaderLength == frame.segmentHeaderLength)
  }

  @Test("asking for segments of a kind that was not agreed on, or of none that there is, is refused")
  func agreements() throws {
    var outbox = try Outbox()
    let kinds: [(UInt8, Owed)] = [(1, .tcpSegmentation), (4, .tcpSegmentation), (5, .udpSegmentation)]
    for agreed in [Owed(), .checksum, [.checksum, .tcpSegmentation], [.checksum, .udpSegmentation], Self.all] {
      let terms = OffloadTerms(agreed: agreed, trustsChecksums: true, looksIntoTunnels: false)
      for kind in UInt8(1)..<128 {
        let debt = kinds.first { $0.0 == kind }?.1
        let isTCP = debt != .udpSegmentation
        var frame = try outbox.frame(TestFrames.ipv4(tcp: isTCP, payload: .init(repeating: 3, count: 300), owed: true))
        var header = NetHeader()
        header.flags = NetHeader.Flag.needsChecksum
        header.segmentation = kind
        header.segmentSize = 100
        (header.checksumStart, header.checksumOffset) = (34, isTCP ? 16 : 6)
        if let debt, agreed.isSuperset(of: debt) {
          try header.apply(to: &frame, terms)
          #expect(frame.owed == [.checksum, debt])
        } else {
          #expect(throws: DebtFault.notAgreed) { try header.apply(to: &frame, terms) }
          #expect(frame.owed.isEmpty)
        }
        outbox.pool.give(frame.token)
      }
    }
  }

  @Test("says which IP its TCP segments have, and whether the first has CWR", arguments: [false, true])
  func kinds(isIPv6: Bool) throws {
    var outbox = try Outbox()
    for flags in [UInt8(0x18), 0x98, 0xd0, 0x7f] {
      var bytes = TestFrames.ipv4(tcp: true, payload: .init(repeating: 7, count: 500), owed: true)
      if isIPv6 {
        let segment = Array(bytes[34...])
        bytes = Array(bytes[..<12]) + [0x86, 0xdd, 0x60, 0, 0, 0]
        bytes += [UInt8(segment.count >> 8), UInt8(segment.count & 255), 6, 64] + [UInt8](repeating: 1, count: 32)
        bytes += segment
      }
      let l4 = isIPv6 ? 54 : 34
      bytes[l4 + 13] = flags
      var frame = try outbox.frame(bytes)
      (frame.checksumStart, frame.checksumOffset, frame.segmentSize) = (l4, 16, 100)
      frame.segmentHeaderLength = l4 + 20
      frame.owed = [.checksum, .tcpSegmentation]
      let header = try NetHeader(debtsOf: frame)
      let kind = isIPv6 ? NetHeader.Segmentation.tcp6 : NetHeader.Segmentation.tcp4
      #expect(header.segmentation == (flags & 0x80 != 0 ? kind | NetHeader.Segmentation.ecn : kind))
      #expect(Int(header.headerLength) == l4 + 20 && header.segmentSize == 100)
    }
  }

  @Test("has its frame's buffer come back to the pool it is of, small or large, and to no other")
  func pools() throws {
    var pool = try FramePool(small: 4, large: 2, owner: 7)
    var tokens: [UInt32] = []
    while let token = pool.takeSmall() { tokens.append(token) }
    while let token = pool.takeLarge() { tokens.append(token) }
    #expect(tokens.count == 6 && Set(tokens).count == 6 && tokens.allSatisfy { $0 >> 24 == 7 })
    for token in tokens {
      // The same number of another owner is nobody's here.
      pool.give(token & 0xff_ffff | 8 << 24)
      pool.give(token & 0xff_ffff)
    }
    #expect(pool.smallAvailable == 0 && pool.largeAvailable == 0)
    for token in tokens { pool.give(token) }
    #expect(pool.smallAvailable == 4 && pool.largeAvailable == 2)
  }

  @Test("cannot say debts of outer headers, and says so")
  func outer() throws {
    var outbox = try Outbox()
    for debt in [Owed.outerUDPChecksum, .outerIPv4Checksum, .tunnelSegmentation] {
      var frame = try outbox.frame(TestFrames.ipv4(payload: [1, 2, 3]))
      frame.owed = [.checksum, debt]
      frame.checksumStart = 34
      frame.checksumOffset = 6
      #expect(throws: DebtFault.cannotSay) { try NetHeader(debtsOf: frame) }
    }
  }

  @Test("owing a checksum to who does not take debts has it completed at once")
  func completed() throws {
    var outbox = try Outbox()
    let none = OffloadTerms(agreed: [], trustsChecksums: false, looksIntoTunnels: false)
    for count in [0, 1, 2, 999] {
      for isTCP in [false, true] {
        var frame = try outbox.frame(
          TestFrames.ipv4(tcp: isTCP, payload: .init(repeating: 0xa5, count: count), owed: true))
        #expect(!TestFrames.verifies(frame.bytes.array()))
        var header = NetHeader()
        header.flags = NetHeader.Flag.needsChecksum
        header.checksumStart = 34
        header.checksumOffset = isTCP ? 16 : 6
        try header.apply(to: &frame, none)
        #expect(frame.owed.isEmpty)
        #expect(TestFrames.verifies(frame.bytes.array()))
      }
    }
  }

  @Test("is not believed about right checksums by who does not trust its writer")
  func distrust() throws {
    var outbox = try Outbox()
    var header = NetHeader()
    header.flags = NetHeader.Flag.dataValid
    for trusts in [true, false] {
      var frame = try outbox.frame(TestFrames.ipv4(payload: [1]))
      try header.apply(
        to: &frame, OffloadTerms(agreed: Self.all, trustsChecksums: trusts, looksIntoTunnels: false))
      #expect((frame.checksums[.outerL4] == .good) == trusts)
    }
  }

  @Test("of a tunnel packet that is to be cut inside says so, on an uplink alone")
  func tunnel() throws {
    var outbox = try Outbox()
    let inner = TestFrames.ipv4(tcp: true, payload: .init(repeating: 3, count: 5000), owed: true)
    let packet = TestFrames.ipv4(payload: [0, 0, 0x65, 0x58, 0, 0, 100, 0] + inner)
    var header = NetHeader()
    header.flags = NetHeader.Flag.needsChecksum
    header.segmentation = NetHeader.Segmentation.tcp4
    header.segmentSize = 1000
    header.checksumStart = UInt16(50 + 34)
    header.checksumOffset = 16
    for looks in [true, false] {
      var frame = try outbox.frame(packet)
      try header.apply(to: &frame, OffloadTerms(agreed: Self.all, trustsChecksums: true, looksIntoTunnels: looks))
      let inside: Owed = looks ? [.tunnelSegmentation, .outerUDPChecksum] : []
      #expect(frame.owed == Owed([.checksum, .tcpSegmentation]).union(inside))
    }
  }
}
