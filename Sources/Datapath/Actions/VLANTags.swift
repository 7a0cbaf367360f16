import Device
import Memory
import Wire

/// Tags put on and taken off (R3). Each changes where everything behind it is: the caller parses again.
enum VLANTags {
  /// Removes the outermost tag; the caller has seen that there is one.
  static func pop(_ frame: inout Frame) {
    let bytes = frame.bytes
    bytes.copy(bytes.slice(0, count: 12), at: 4)
    frame.removeFirst(4)
    FrameDebts.moveLayers(&frame, by: -4)
    FrameDebts.shift(&frame, by: -4)
  }

  /// Puts a tag of this TPID, TCI 0, behind the addresses; the caller has seen that four bytes of headroom are there
  /// and that the frame has an Ethernet header.
  static func push(_ frame: inout Frame, type: UInt16) {
    frame.prepend(4)
    let bytes = frame.bytes
    bytes.copy(bytes.slice(4, count: 12), at: 0)
    bytes.store(UInt32(type) << 16, at: 12)
    FrameDebts.moveLayers(&frame, by: 4)
    FrameDebts.shift(&frame, by: 4)
  }

  /// Sets bits of the outermost tag's TCI; nothing on an untagged frame.
  static func set(_ bytes: Bytes, _ layers: LayerStack, mask: UInt16, _ value: UInt16) {
    guard layers.vlanCount > 0 else { return }
    bytes.store(bytes.u16(14) & ~mask | value & mask, at: 14)
  }
}
