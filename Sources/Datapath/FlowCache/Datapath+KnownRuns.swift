import Classifier
import Device
import Memory
import Wire

// Runs of frames of known flows that need nothing out of the ordinary. Each is a function of its own that calls none, and
// sees tables and bursts as plain pointers: so what it works with stays in registers. What it does not take goes by
// ``Datapath/carryOutKnown(_:_:_:_:)``.
extension Datapath {
  /// Carries out the frames from `first` on, as long as each is of a known flow and only gets plain headers in front. Gives
  /// the first that does not.
  @inline(never)
  mutating func encapsulateKnown(_ burst: borrowing FrameBurst, from first: Int, _ out: inout EmissionBurst) -> Int {
    let view = unsafe cache.view
    let behind = unsafe templates.ends
    let store = unsafe templates.templates.place(0).assumingMemoryBound(to: HeaderTemplate.self)
    let candidates = unsafe flows.place(0).assumingMemoryBound(to: UInt64.self)
    var emission = unsafe out.next()
    let last = first &+ min(burst.count &- first, out.room)
    var index = first
    while index < last {
      let flow = unsafe candidates[index]
      let entry = unsafe view.entry(flow)
      let frame = unsafe burst.place(index)
      guard flow != 0, unsafe entry.pointee.way == .plainEncap else { break }
      let template = unsafe store + Int(entry.pointee.template)
      let length = unsafe frame.pointee.length
      let bytes = unsafe UnsafeMutableRawPointer(frame.pointee.bytes.unsafeBase)
      // A tenant's frame has no inner headers: its tunnels are not looked into.
      guard unsafe view.agrees(bytes, flow, entry), unsafe entry.pointee.outer.end(bytes, within: length) > 0,
        unsafe Int(template.pointee.overhead) &+ length <= Int(entry.pointee.mtu),
        unsafe frame.pointee.headroom >= Int(template.pointee.padded),
        unsafe length &+ Int(template.pointee.padded) <= 0xffff
      else { break }
      unsafe emission.write(frame, port: entry.pointee.port)
      unsafe countKnown(entry, length: length)
      unsafe template.pointee.wrapPlain(
        bytes, length: length, from: behind + Int(entry.pointee.template) &* TemplateStore.slotSize,
        tos: entry.pointee.outer.tos(bytes), port: entry.pointee.entropy)
      unsafe emission.pointee.frame.wrapUnchecked(template.pointee.length, rule: entry.pointee.rule)
      unsafe emission += 1
      index &+= 1
    }
    out.wrote(index &- first)
    return index
  }

  /// Carries out the frames from `first` on, as long as each is of a known flow whose tunnel is taken off, its outer header is
  /// right by itself (D1: no UDP checksum to be summed) and says nothing to the inner one (D3: no ECN mark). Gives the first
  /// that is not.
  @inline(never)
  mutating func decapsulateKnown(_ burst: borrowing FrameBurst, from first: Int, _ out: inout EmissionBurst) -> Int {
    let view = unsafe cache.view
    let candidates = unsafe flows.place(0).assumingMemoryBound(to: UInt64.self)
    let acceptsZeroIPv6 = policy.acceptsZeroUDPChecksumIPv6
    var emission = unsafe out.next()
    let last = first &+ min(burst.count &- first, out.room)
    var index = first
    while index < last {
      let flow = unsafe candidates[index]
      let entry = unsafe view.entry(flow)
      let frame = unsafe burst.place(index)
      guard flow != 0, unsafe entry.pointee.way == .plainDecap else { break }
      let length = unsafe frame.pointee.length
      let bytes = unsafe UnsafeMutableRawPointer(frame.pointee.bytes.unsafeBase)
      let (l3, l4) = unsafe (Int(entry.pointee.outer.l3), Int(entry.pointee.outer.l4))
      guard unsafe view.agrees(bytes, flow, entry) else { break }
      // What agrees is as long as its key, which ends behind both levels' headers.
      let end = unsafe l4 &+ load16(bytes, l4 &+ 4)
      guard end <= length, unsafe l3 &+ entry.pointee.outer.total(bytes) == end,
        unsafe entry.pointee.inner.end(bytes, within: end) > 0,
        unsafe entry.pointee.inner.total(bytes) <= Int(entry.pointee.mtu),
        unsafe entry.pointee.outer.tos(bytes) & 3 == 0
      else { break }
      let (known, isIPv6) = unsafe (frame.pointee.checksums, entry.pointee.outer.isIPv6)
      if !isIPv6 {
        guard known[.outerL3] != .bad, unsafe known[.outerL3] == .good || isHeaderValid(bytes + l3) else { break }
      } else if !acceptsZeroIPv6 {
        guard known[.outerL4] == .good, unsafe load16(bytes, l4 &+ 6) != 0 else { break }
      }
      guard unsafe load16(bytes, l4 &+ 6) == 0 || known[.outerL4] == .good else { break }
      unsafe emission.write(frame, port: entry.pointee.port)
      unsafe countKnown(entry, length: length)
      unsafe emission.pointee.frame.unwrap(
        Int(entry.pointee.innerStart), end, rule: entry.pointee.rule, tunnelKey: entry.pointee.tunnelKey)
      unsafe emission += 1
      index &+= 1
    }
    out.wrote(index &- first)
    return index
  }
}

extension UnsafeMutablePointer<Emission> {
  /// The record goes from memory to memory; a copy of it that is changed first costs more than all else.
  @inline(__always)
  fileprivate func write(_ frame: UnsafePointer<Frame>, port: UInt16) {
    unsafe UnsafeMutableRawPointer(self).copyMemory(from: frame, byteCount: MemoryLayout<Frame>.size)
    unsafe pointee.port = port
    unsafe pointee.mark = 0
  }
}

extension LevelCheck {
  /// TOS or traffic class.
  @inline(__always)
  func tos(_ bytes: UnsafeRawPointer) -> UInt8 {
    let header = unsafe bytes + Int(l3)
    return isIPv6
      ? UInt8(truncatingIfNeeded: unsafe load16(header, 0) >> 4) : unsafe header.load(fromByteOffset: 1, as: UInt8.self)
  }
}

extension TemplateStore {
  /// Behind the last byte of the first template's buffer, the next one's ``slotSize`` further; so many bytes in front of
  /// it may be read.
  @unsafe @inline(__always)
  var ends: UnsafeRawPointer {
    unsafe UnsafeRawPointer(tail(0, count: Self.slotSize).unsafeBase) + Self.slotSize
  }
}

extension HeaderTemplate {
  /// ``prepend(to:from:)`` and ``finishPlain(_:tos:port:)`` for a frame of `length` bytes at `bytes` with ``padded`` bytes
  /// in front that may be written; `end` is the end of the template's bytes.
  @inline(__always)
  func wrapPlain(
    _ bytes: UnsafeMutableRawPointer, length: Int, from end: UnsafeRawPointer, tos inner: UInt8, port: UInt16
  ) {
    // Most outer headers are of 33 to 64 bytes.
    if padded == 64 {
      unsafe Self.copyBlock(bytes - 64, end - 64)
      unsafe Self.copyBlock(bytes - 32, end - 32)
    } else {
      var at = Int(padded)
      while at > 0 {
        unsafe Self.copyBlock(bytes - at, end - at)
        at &-= 32
      }
    }
    let own = Int(self.length)
    let ip = unsafe bytes - own + Int(l3)
    let udp = unsafe bytes - own + Int(l4)
    let total = length &+ own &- Int(l3)
    let ecn = ecnMask & inner
    let sum = plainSum &+ UInt32(ecn) &+ UInt32(truncatingIfNeeded: total)
    let folded = (sum & 0xffff) &+ sum >> 16
    let checksum = ~UInt16(truncatingIfNeeded: folded &+ folded >> 16)
    unsafe ip.storeBytes(of: dscp | ecn, toByteOffset: 1, as: UInt8.self)
    unsafe ip.storeBytes(of: UInt16(truncatingIfNeeded: total).bigEndian, toByteOffset: 2, as: UInt16.self)
    unsafe ip.storeBytes(of: checksum.bigEndian, toByteOffset: 10, as: UInt16.self)
    unsafe udp.storeBytes(of: port.bigEndian, as: UInt16.self)
    let behind = UInt16(truncatingIfNeeded: length &+ own &- Int(l4))
    unsafe udp.storeBytes(of: behind.bigEndian, toByteOffset: 4, as: UInt16.self)
  }

  /// 32 bytes.
  @inline(__always)
  private static func copyBlock(_ to: UnsafeMutableRawPointer, _ from: UnsafeRawPointer) {
    let low = unsafe from.loadUnaligned(as: SIMD2<UInt64>.self)
    let high = unsafe from.loadUnaligned(fromByteOffset: 16, as: SIMD2<UInt64>.self)
    unsafe to.storeBytes(of: low, as: SIMD2<UInt64>.self)
    unsafe to.storeBytes(of: high, toByteOffset: 16, as: SIMD2<UInt64>.self)
  }
}
