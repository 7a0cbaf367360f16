// The formats themselves, little-endian: pcap with the magic of nanoseconds, and pcapng (draft-ietf-opsawg-pcapng).
extension OutputFile {
  mutating func putPcapHeader(snapLength: UInt32) {
    put(UInt32(0xa1b2_3c4d))
    put(UInt16(2))
    put(UInt16(4))
    put(UInt64(0))
    put(snapLength)
    put(UInt32(1))
  }

  mutating func putPcapRecord(seconds: UInt32, nanoseconds: UInt32, _ bytes: RawSpan, originalLength: UInt32) {
    put(seconds)
    put(nanoseconds)
    put(UInt32(bytes.byteCount))
    put(originalLength)
    put(bytes)
  }

  /// Section header block, its length not said.
  mutating func putSectionHeader() {
    let application = Array("dpu".utf8)
    let length = UInt32(28 + Self.optionLength(application.count) + 4)
    put(UInt32(0x0a0d_0d0a))
    put(length)
    put(UInt32(0x1a2b_3c4d))
    put(UInt16(1))
    put(UInt16(0))
    put(UInt64.max)
    putOption(4, application)
    put(UInt32(0))
    put(length)
  }

  /// Interface description block: Ethernet, nanoseconds.
  mutating func putInterface(name: String, snapLength: UInt32) {
    let name = Self.text(name)
    let length = UInt32(20 + Self.optionLength(name.count) + Self.optionLength(1) + 4)
    put(UInt32(1))
    put(length)
    put(UInt16(1))
    put(UInt16(0))
    put(snapLength)
    putOption(2, name)
    putOption(9, [9])
    put(UInt32(0))
    put(length)
  }

  /// Enhanced packet block.
  mutating func putPacket(
    interface: UInt32, _ bytes: RawSpan, originalLength: UInt32, _ note: CaptureWriter.Note
  ) {
    let padding = -bytes.byteCount & 3
    let comment = note.comment.isEmpty ? [] : Self.text(note.comment)
    var options = 0
    if !comment.isEmpty { options += Self.optionLength(comment.count) }
    if note.direction != .unknown { options += 8 }
    if note.queue != nil { options += 8 }
    if options > 0 { options += 4 }
    let length = UInt32(32 + bytes.byteCount + padding + options)
    put(UInt32(6))
    put(length)
    put(interface)
    put(UInt32(truncatingIfNeeded: note.time >> 32))
    put(UInt32(truncatingIfNeeded: note.time))
    put(UInt32(bytes.byteCount))
    put(originalLength)
    put(bytes)
    pad(padding)
    if !comment.isEmpty { putOption(1, comment) }
    if note.direction != .unknown { putOption(2, note.direction.rawValue) }
    if let queue = note.queue { putOption(6, queue) }
    if options > 0 { put(UInt32(0)) }
    put(length)
  }

  private mutating func putOption(_ code: UInt16, _ value: UInt32) {
    put(code)
    put(UInt16(4))
    put(value)
  }

  private mutating func putOption(_ code: UInt16, _ value: [UInt8]) {
    put(code)
    put(UInt16(value.count))
    put(value)
    pad(-value.count & 3)
  }

  private static func optionLength(_ count: Int) -> Int { 4 + (count + 3) & ~3 }

  /// UTF-8 that fits an option, cut between characters.
  private static func text(_ string: String) -> [UInt8] {
    let bytes = Array(string.utf8)
    guard bytes.count > 65_535 else { return bytes }
    var end = 65_535
    while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 }
    return Array(bytes[..<end])
  }
}
