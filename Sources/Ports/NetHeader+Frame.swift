public import Device
import Memory
public import Virtqueue
import Wire

/// Why a virtio-net header does not become a frame's debts, or they it.
public enum DebtFault: UInt8, Error, Sendable, CaseIterable, BitwiseCopyable {
  /// The checksum's start or place is outside of the frame.
  case checksumOutside
  /// Segmentation without an owed checksum, or with one that is not the transport's.
  case segmentationWithoutChecksum
  /// Segments of 0 bytes.
  case segmentSizeZero
  /// The transport header that is to be repeated does not fit in the frame, or lies past what a record holds.
  case headersOutside
  /// A kind of segmentation that is not known, or that was not agreed on.
  case notAgreed
  /// The frame owes what the header has no words for.
  case cannotSay

  /// The name, in snake case.
  public var name: String {
    switch self {
    case .checksumOutside: "checksum_outside"
    case .segmentationWithoutChecksum: "segmentation_without_checksum"
    case .segmentSizeZero: "segment_size_zero"
    case .headersOutside: "headers_outside"
    case .notAgreed: "not_agreed"
    case .cannotSay: "cannot_say"
    }
  }

  /// One sentence for a user.
  public var sentence: String {
    switch self {
    case .checksumOutside: "The owed checksum lies outside of the frame."
    case .segmentationWithoutChecksum: "Segmentation is owed without the transport checksum that belongs to it."
    case .segmentSizeZero: "Segments of 0 bytes are asked for."
    case .headersOutside: "The headers that each segment repeats do not fit in the frame."
    case .notAgreed: "A kind of segmentation that was not agreed on is asked for."
    case .cannotSay: "The frame owes what a virtio-net header cannot say."
    }
  }
}

/// How the receiver of a header looks at it.
@frozen
public struct OffloadTerms: Sendable, BitwiseCopyable {
  /// The debts that were agreed on.
  public var agreed: Owed
  /// Whether the other side's word on right checksums counts: the kernel's does, a guest's does not.
  public var trustsChecksums: Bool
  /// Frames may be tunnels that are looked into: an uplink's.
  public var looksIntoTunnels: Bool

  /// Terms.
  @inlinable
  public init(agreed: Owed, trustsChecksums: Bool, looksIntoTunnels: Bool) {
    self.agreed = agreed
    self.trustsChecksums = trustsChecksums
    self.looksIntoTunnels = looksIntoTunnels
  }
}

// From a header to a frame's debts.
extension NetHeader {
  /// Writes what the header says into the record of its frame, which was fresh. `shift` is how many bytes were put in
  /// front of what the header counts from.
  ///
  /// A checksum that the record cannot hold (an odd place, or past byte 510) is computed at once.
  ///
  /// - Throws: ``DebtFault``; the frame is then unchanged.
  @inline(__always)
  public func apply(to frame: inout Frame, shift: Int = 0, _ terms: OffloadTerms) throws(DebtFault) {
    // Most frames owe nothing: one comparison.
    if flags & Flag.needsChecksum == 0, segmentation == Segmentation.none {
      if flags & Flag.dataValid != 0, terms.trustsChecksums { frame.checksums[.outerL4] = .good }
      return
    }
    try applyDebts(to: &frame, shift: shift, terms)
  }

  @inline(never)
  private func applyDebts(
    to frame: inout Frame, shift: Int, _ terms: OffloadTerms
  ) throws(DebtFault) {
    let debt = try segmentationDebt(terms)
    guard flags & Flag.needsChecksum != 0 else { throw .segmentationWithoutChecksum }
    let start = Int(checksumStart) &+ shift
    let place = start &+ Int(checksumOffset)
    guard place &+ 2 <= frame.length else { throw .checksumOutside }
    let fits =
      start & 1 == 0 && start <= Frame.largestOffset && start >= 14 && (checksumOffset == 6 || checksumOffset == 16)
    guard !debt.isEmpty else {
      // Who was not offered it, and owes a checksum all the same, does not get it back owed.
      if fits, terms.agreed.contains(.checksum) {
        frame.checksumStart = start
        frame.checksumOffset = UInt8(truncatingIfNeeded: checksumOffset)
        frame.owed = .checksum
      } else {
        Self.complete(frame.bytes, start: start, place: place)
      }
      return
    }
    let headers = try Self.headersEnd(frame.bytes, start: start, isTCP: debt.contains(.tcpSegmentation))
    guard fits, headers <= Frame.largestOffset else { throw .headersOutside }
    guard checksumOffset == (debt.contains(.tcpSegmentation) ? 16 : 6) else {
      throw .segmentationWithoutChecksum
    }
    frame.checksumStart = start
    frame.checksumOffset = UInt8(truncatingIfNeeded: checksumOffset)
    frame.segmentSize = segmentSize
    frame.segmentHeaderLength = headers
    frame.owed = debt.union(.checksum)
    if terms.looksIntoTunnels { Self.noteTunnel(&frame) }
  }

  private func segmentationDebt(_ terms: OffloadTerms) throws(DebtFault) -> Owed {
    let debt: Owed
    switch segmentation & ~Segmentation.ecn {
    case Segmentation.none: return []
    case Segmentation.tcp4, Segmentation.tcp6: debt = .tcpSegmentation
    case Segmentation.udp: debt = .udpSegmentation
    default: throw .notAgreed
    }
    guard terms.agreed.isSuperset(of: debt) else { throw .notAgreed }
    guard segmentSize > 0 else { throw .segmentSizeZero }
    return debt
  }

  /// Where the payload behind the transport header at `start` begins.
  private static func headersEnd(_ bytes: Bytes, start: Int, isTCP: Bool) throws(DebtFault) -> Int {
    let shortest = isTCP ? 20 : 8
    guard start &+ shortest <= bytes.count else { throw .headersOutside }
    let length = isTCP ? Int(bytes[start &+ 12] >> 4) &* 4 : shortest
    guard length >= shortest, start &+ length <= bytes.count else { throw .headersOutside }
    return start &+ length
  }

  /// Segmentation of what is inside of a tunnel repeats the outer headers, whose UDP checksum is not there yet.
  private static func noteTunnel(_ frame: inout Frame) {
    guard let stack = try? HeaderStack.parse(frame.bytes.span, options: ParseOptions(lookIntoTunnels: false)),
      stack.outer.l4 > 0, Int(stack.outer.l4) < frame.checksumStart
    else { return }
    frame.owed.insert(.tunnelSegmentation)
    let l4 = Int(stack.outer.l4)
    if stack.outer.ipProto == 17, frame.bytes.u16(l4 &+ 6) != 0 { frame.owed.insert(.outerUDPChecksum) }
  }

  /// Fills a checksum in: over everything from `start` to the frame's end, as virtio and the kernel mean it.
  private static func complete(_ bytes: Bytes, start: Int, place: Int) {
    let field = InternetChecksum.finishUDP(InternetChecksum.sum(bytes.from(start).span))
    bytes.store(field, at: place)
  }
}

// From a frame's debts to a header.
extension NetHeader {
  /// What `frame` owes.
  ///
  /// - Throws: ``DebtFault/cannotSay`` for debts of outer headers, and offsets that do not fit the frame.
  @inline(__always)
  public init(debtsOf frame: Frame) throws(DebtFault) {
    self.init()
    if frame.owed.isEmpty { return }
    try say(frame)
  }

  @inline(never)
  private mutating func say(_ frame: Frame) throws(DebtFault) {
    let sayable: Owed = [.checksum, .tcpSegmentation, .udpSegmentation]
    let debt = frame.owed.intersection([.tcpSegmentation, .udpSegmentation])
    guard frame.owed.isSubset(of: sayable), frame.owed.contains(.checksum) else { throw .cannotSay }
    let start = frame.checksumStart
    guard start &+ Int(frame.checksumOffset) &+ 2 <= frame.length else { throw .checksumOutside }
    flags = Flag.needsChecksum
    checksumStart = UInt16(truncatingIfNeeded: start)
    checksumOffset = UInt16(frame.checksumOffset)
    guard !debt.isEmpty else { return }
    guard frame.segmentSize > 0 else { throw .segmentSizeZero }
    segmentSize = frame.segmentSize
    let isTCP = debt.contains(.tcpSegmentation)
    headerLength = UInt16(truncatingIfNeeded: try Self.headersEnd(frame.bytes, start: start, isTCP: isTCP))
    segmentation = try Self.segmentation(frame.bytes, start: start, isTCP: isTCP)
  }

  private static func segmentation(_ bytes: Bytes, start: Int, isTCP: Bool) throws(DebtFault) -> UInt8 {
    guard isTCP else { return Segmentation.udp }
    guard let stack = try? HeaderStack.parse(bytes.span, options: ParseOptions(lookIntoTunnels: false)),
      stack.outer.l3Kind != .none
    else { throw .cannotSay }
    let hasCWR = bytes[start &+ 13] & 0x80 != 0
    return (stack.outer.l3Kind == .ipv4 ? Segmentation.tcp4 : Segmentation.tcp6) | (hasCWR ? Segmentation.ecn : 0)
  }
}
