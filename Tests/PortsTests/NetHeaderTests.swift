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
