import Device
import Memory
import Wire

/// What happens to a frame's debts when headers come and go in front of it.
enum FrameDebts {
  // Computed: a lazy global would be asked for on every frame.
  static var segmentation: Owed { [.tcpSegmentation, .udpSegmentation] }
  static var outer: Owed { [.outerUDPChecksum, .outerIPv4Checksum, .tunnelSegmentation] }

  /// Headers of −`distance` bytes went: debts of theirs are gone, the offsets of others move.
  static func move(_ frame: inout Frame, by distance: Int) {
    frame.owed.subtract(outer)
    if frame.owed.contains(.checksum) {
      if frame.checksumStart &+ distance >= 0 {
        frame.checksumStart &+= distance
      } else {
        frame.owed.remove(.checksum)
      }
    }
    frame.segmentHeaderLength = max(0, frame.segmentHeaderLength &+ distance)
  }

  /// Whether the offsets can be moved by `distance` and still be recorded.
  static func canMove(_ frame: Frame, by distance: Int) -> Bool {
    fits(frame.owed.contains(.checksum) ? frame.checksumStart : nil, distance)
      && fits(frame.segmentHeaderLength > 0 ? frame.segmentHeaderLength : nil, distance)
  }

  /// An offset that is not there fits everywhere.
  private static func fits(_ offset: Int?, _ distance: Int) -> Bool {
    guard let offset else { return true }
    return offset &+ distance >= 0 && offset &+ distance <= Frame.largestOffset
  }

  /// Headers in front grew by `distance`: where the others are is kept for a frame that owes, because B5's end of the
  /// packet depends on it, and forgotten for all others.
  static func moveLayers(_ frame: inout Frame, by distance: Int) {
    guard !frame.owed.isEmpty else { return frame.clearOffsets() }
    frame.outerL3 = moved(frame.outerL3, distance)
    frame.outerL4 = moved(frame.outerL4, distance)
    frame.innerL2 = moved(frame.innerL2, distance)
    frame.innerL3 = moved(frame.innerL3, distance)
    frame.innerL4 = moved(frame.innerL4, distance)
  }

  private static func moved(_ offset: Int, _ distance: Int) -> Int {
    offset > 0 && fits(offset, distance) ? offset &+ distance : 0
  }

  /// Moves the offsets, all debts kept; ``canMove(_:by:)`` must hold.
  static func shift(_ frame: inout Frame, by distance: Int) {
    if frame.owed.contains(.checksum) { frame.checksumStart &+= distance }
    if frame.segmentHeaderLength > 0 { frame.segmentHeaderLength &+= distance }
  }
}

/// The sum over a region that owes a checksum inside, as it is once that is paid (local checksum offload).
enum LocalChecksum {
  static func sum(_ bytes: Bytes, from: Int, count: Int, _ frame: Frame, _ inner: LayerStack) -> UInt16 {
    let start = frame.checksumStart
    let field = start &+ Int(frame.checksumOffset)
    var end = from &+ count
    if inner.l3Kind != .none, Int(inner.l3) < start { end = min(end, Int(inner.l3End)) }
    guard start >= from, field &+ 2 <= end else {
      return InternetChecksum.sum(bytes.slice(from, count: count).span)
    }
    let headers = InternetChecksum.sum(bytes.slice(from, count: start &- from).span)
    let padding = InternetChecksum.sum(bytes.slice(end, count: from &+ count &- end).span)
    let placed = (end &- from) & 1 == 0 ? padding : padding.byteSwapped
    return InternetChecksum.fold(UInt64(headers) &+ UInt64(~bytes.u16(field)) &+ UInt64(placed))
  }
}
