import CShim
import Device
import Memory
import Rules
import Wire

/// The flow cache's tables as a burst reads them. Plain pointers in locals: nothing is loaded again behind a store, and
/// bounds are looked at once a frame (``FlowShape`` keeps every offset within its lines) and not once a load.
///
/// Valid until the cache learns. Oracle: FlowCacheTests run every frame with and without a cache.
@unsafe
struct FlowView {
  private static var slotSize: Int { MemoryLayout<FlowSlot>.stride }

  let tags: UnsafePointer<UInt8>
  let slots: UnsafeRawPointer
  let shapes: UnsafePointer<FlowShape>
  let masks: UnsafeRawPointer
  let guesses: UnsafePointer<UInt8>
  /// The last place: a mask of ones.
  let last: Int
  let generation: UInt64
  let tenantShapes: Int
  let uplinkShapes: Int

  @inline(__always)
  init(
    tags: UnsafeRawPointer, slots: UnsafeRawPointer, shapes: UnsafeRawPointer,
    masks: UnsafeRawPointer, guesses: UnsafeRawPointer, last: Int, generation: UInt64, tenantShapes: Int,
    uplinkShapes: Int
  ) {
    unsafe self.tags = tags.assumingMemoryBound(to: UInt8.self)
    unsafe self.slots = slots
    unsafe self.shapes = shapes.assumingMemoryBound(to: FlowShape.self)
    unsafe self.masks = masks
    unsafe self.guesses = guesses.assumingMemoryBound(to: UInt8.self)
    unsafe self.last = last
    unsafe self.generation = generation
    unsafe self.tenantShapes = tenantShapes
    unsafe self.uplinkShapes = uplinkShapes
  }

  /// Where the guess for a frame's shape stands: of 64 bytes, those that tell the common kinds apart.
  @inline(__always)
  static func guess(_ bytes: UnsafeRawPointer, uplink: Bool) -> Int {
    let type = unsafe bytes.load(fromByteOffset: 13, as: UInt8.self)
    let proto = unsafe bytes.load(fromByteOffset: 23, as: UInt8.self)
    let options = unsafe bytes.load(fromByteOffset: 42, as: UInt8.self)
    let common = Int(type ^ proto &* 5)
    return uplink ? (common ^ Int(options)) & 31 | 32 : common & 31
  }

  @inline(__always)
  static func hash(_ bytes: UnsafeRawPointer, _ shape: UnsafePointer<FlowShape>) -> UInt64 {
    let a = unsafe value(bytes, shape.pointee.windows.0)
    let b = unsafe value(bytes, shape.pointee.windows.1)
    let one = (a ^ 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: b ^ 0xc2b2_ae3d_27d4_eb4f)
    guard unsafe shape.pointee.isWide else { return one.high ^ one.low }
    let c = unsafe value(bytes, shape.pointee.windows.2)
    let d = unsafe value(bytes, shape.pointee.windows.3)
    let two = (c ^ 0xd6e8_feb8_6659_fd93).multipliedFullWidth(by: d ^ 0xe703_7ed1_a0b4_28db)
    return one.high ^ one.low ^ two.high ^ two.low
  }

  /// The hash of a frame of the shape at `index`.
  func hash(_ bytes: UnsafeRawPointer, shape index: Int) -> UInt64 { unsafe Self.hash(bytes, shapes + index) }

  @inline(__always)
  private static func value(_ bytes: UnsafeRawPointer, _ part: FlowShape.Window) -> UInt64 {
    unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: Int(part.offset), as: UInt64.self)) & part.mask
  }

  /// Where the frame's flow may be by the guess for its shape, for ``recognise(_:length:_:)``; 0 when it is not there.
  /// `reach` is how many bytes from `bytes` on may be read, at least 64.
  @inline(__always)
  func guessed(_ bytes: UnsafeRawPointer, length: Int, reach: Int, inPort: Int, uplink: Bool) -> UInt64 {
    let count = unsafe uplink ? uplinkShapes : tenantShapes
    let first = uplink ? FlowCache.mostShapes : 0
    let guessed = unsafe Int(guesses[Self.guess(bytes, uplink: uplink)])
    guard guessed &- first < count, guessed >= first else { return 0 }
    return unsafe look(bytes, length: length, reach: reach, guessed, inPort: inPort)
  }

  /// Where the frame's flow may be, by all shapes.
  @inline(never)
  func candidate(_ bytes: UnsafeRawPointer, length: Int, reach: Int, inPort: Int, uplink: Bool) -> UInt64 {
    let count = unsafe uplink ? uplinkShapes : tenantShapes
    let first = uplink ? FlowCache.mostShapes : 0
    return unsafe search(bytes, length: length, reach: reach, first..<first &+ count, inPort: inPort)
  }

  /// The other shapes: those whose tests the frame passes.
  @inline(__always)
  private func search(
    _ bytes: UnsafeRawPointer, length: Int, reach: Int, _ range: Range<Int>, inPort: Int
  ) -> UInt64 {
    var index = range.lowerBound
    while index < range.upperBound {
      if reach >= Int(unsafe shapes[index].lines) &* 64, unsafe passes(bytes, shapes + index) {
        let found = unsafe look(bytes, length: length, reach: reach, index, inPort: inPort)
        if found != 0 { return found }
      }
      index &+= 1
    }
    return 0
  }

  @inline(__always)
  private func passes(_ bytes: UnsafeRawPointer, _ shape: UnsafePointer<FlowShape>) -> Bool {
    let tests = unsafe shape.pointee.tests
    return unsafe differs(bytes, tests.0) | differs(bytes, tests.1) | differs(bytes, tests.2) | differs(bytes, tests.3)
      == 0
  }

  @inline(__always)
  private func differs(_ bytes: UnsafeRawPointer, _ test: FlowShape.Test) -> UInt16 {
    let value = unsafe bytes.loadUnaligned(fromByteOffset: Int(test.offset), as: UInt16.self)
    return (UInt16(littleEndian: value) ^ test.value) & test.mask
  }

  @inline(__always)
  private func look(
    _ bytes: UnsafeRawPointer, length: Int, reach: Int, _ index: Int, inPort: Int
  ) -> UInt64 {
    let shape = unsafe shapes + index
    guard length >= Int(unsafe shape.pointee.shortest), reach >= Int(unsafe shape.pointee.lines) &* 64 else {
      return 0
    }
    let hash = unsafe Self.hash(bytes, shape)
    let tag = FlowShape.tag(hash)
    let first = unsafe Int(truncatingIfNeeded: hash) & last
    let second = unsafe (first ^ FlowShape.distance(tag)) & last
    // Both are read before one is chosen: which it is cannot be foretold.
    let (isFirst, isSecond) = unsafe (tags[first] == tag, tags[second] == tag)
    guard isFirst || isSecond else { return 0 }
    let place = isFirst ? first : second
    unsafe dpu_prefetch(slots + place &* Self.slotSize)
    let key = unsafe key(place)
    unsafe dpu_prefetch(key)
    if unsafe shape.pointee.lines > 1 { unsafe dpu_prefetch(key + 64) }
    return FlowEntry.candidate(place, shape: index, inPort: inPort)
  }

  /// The entry that a candidate names.
  @inline(__always)
  func entry(_ candidate: UInt64) -> UnsafePointer<FlowEntry> {
    unsafe (slots + Int(UInt32(truncatingIfNeeded: candidate))).assumingMemoryBound(to: FlowEntry.self)
  }

  /// The key of the entry at `place`.
  @inline(__always)
  private func key(_ place: Int) -> UnsafeRawPointer {
    unsafe slots + (place &* Self.slotSize &+ MemoryLayout<FlowEntry>.stride)
  }

  /// Whether the frame is of the flow at `candidate`, and its lengths fit.
  @inline(__always)
  func recognise(_ bytes: UnsafeRawPointer, length: Int, _ candidate: UInt64) -> Bool {
    let entry = unsafe entry(candidate)
    guard unsafe agrees(bytes, candidate, entry) else { return false }
    let end = unsafe entry.pointee.outer.end(bytes, within: length)
    guard end > 0 else { return false }
    if unsafe entry.pointee.innerStart == 0 { return true }
    let udp = unsafe Int(entry.pointee.outer.l4)
    return unsafe entry.pointee.inner.end(bytes, within: udp &+ load16(bytes, udp &+ 4)) > 0
  }

  /// Whether the frame's bytes are those of the flow at `candidate`, whose entry is `entry`; nothing is said of lengths.
  @inline(__always)
  func agrees(_ bytes: UnsafeRawPointer, _ candidate: UInt64, _ entry: UnsafePointer<FlowEntry>) -> Bool {
    guard unsafe entry.pointee.generation == generation,
      unsafe entry.pointee.frames == UInt32(truncatingIfNeeded: candidate &>> 32)
    else { return false }
    return unsafe agrees(
      bytes, UnsafeRawPointer(entry + 1), masks + Int(entry.pointee.mask), lines: entry.pointee.lines)
  }

  /// Whether `lines` cache lines agree with the key under the mask.
  @inline(__always)
  private func agrees(
    _ bytes: UnsafeRawPointer, _ key: UnsafeRawPointer, _ mask: UnsafeRawPointer, lines: UInt8
  ) -> Bool {
    var all = unsafe line(bytes, key, mask)
    if lines > 1 { all |= unsafe line(bytes + 64, key + 64, mask + 64) }
    if lines > 2 { all |= unsafe line(bytes + 128, key + 128, mask + 128) }
    return all[0] | all[1] == 0
  }

  @inline(__always)
  private func line(
    _ bytes: UnsafeRawPointer, _ key: UnsafeRawPointer, _ mask: UnsafeRawPointer
  ) -> SIMD2<UInt64> {
    unsafe piece(bytes, key, mask) | piece(bytes + 16, key + 16, mask + 16) | piece(bytes + 32, key + 32, mask + 32)
      | piece(bytes + 48, key + 48, mask + 48)
  }

  @inline(__always)
  private func piece(
    _ bytes: UnsafeRawPointer, _ key: UnsafeRawPointer, _ mask: UnsafeRawPointer
  ) -> SIMD2<UInt64> {
    let own = unsafe bytes.loadUnaligned(as: SIMD2<UInt64>.self)
    return unsafe (own ^ key.load(as: SIMD2<UInt64>.self)) & mask.load(as: SIMD2<UInt64>.self)
  }
}

/// A big-endian 16-bit value.
@inline(__always)
func load16(_ bytes: UnsafeRawPointer, _ offset: Int) -> Int {
  Int(unsafe UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
}

extension LevelCheck {
  /// Bytes of the level's IP packet.
  @inline(__always)
  func total(_ bytes: UnsafeRawPointer) -> Int {
    isIPv6 ? unsafe load16(bytes, Int(l3) &+ 4) &+ 40 : unsafe load16(bytes, Int(l3) &+ 2)
  }

  /// Where the level's IP packet ends when it ends by `limit` and its lengths have room for its headers, else -1: what
  /// the parser (P3, P4, P6) asks of lengths.
  @inline(__always)
  func end(_ bytes: UnsafeRawPointer, within limit: Int) -> Int {
    let total = unsafe total(bytes)
    let end = Int(l3) &+ total
    guard end <= limit else { return -1 }
    let room = end &- Int(l4)
    // UDP first: that its length has room for its header, and the packet room for its length, is all that is asked.
    if l4Kind == .udp {
      let length = unsafe load16(bytes, Int(l4) &+ 4)
      return length >= 8 && length <= room ? end : -1
    }
    guard room >= Int(shortest) else { return -1 }
    if l4Kind == .tcp {
      let length = Int(unsafe bytes.load(fromByteOffset: Int(l4) &+ 12, as: UInt8.self) >> 4) &* 4
      guard length >= 20, length <= room else { return -1 }
    }
    return end
  }
}
