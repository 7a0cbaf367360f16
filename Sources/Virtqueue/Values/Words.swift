import Synchronization

// The words of a ring, each read or written once. The rings have checked that the places lie in the ring's parts.

@inline(__always)
func load16(_ place: UnsafeMutableRawPointer) -> UInt16 {
  UInt16(littleEndian: unsafe place.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .relaxed))
}

@inline(__always)
func load32(_ place: UnsafeMutableRawPointer) -> UInt32 {
  UInt32(littleEndian: unsafe place.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .relaxed))
}

@inline(__always)
func load64(_ place: UnsafeMutableRawPointer) -> UInt64 {
  UInt64(littleEndian: unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed))
}

@inline(__always)
func acquire16(_ place: UnsafeMutableRawPointer) -> UInt16 {
  UInt16(littleEndian: unsafe place.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .acquiring))
}

@inline(__always)
func acquire64(_ place: UnsafeMutableRawPointer) -> UInt64 {
  UInt64(littleEndian: unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring))
}

@inline(__always)
func store16(_ value: UInt16, _ place: UnsafeMutableRawPointer) {
  unsafe place.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(value.littleEndian, ordering: .relaxed)
}

@inline(__always)
func store32(_ value: UInt32, _ place: UnsafeMutableRawPointer) {
  unsafe place.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(value.littleEndian, ordering: .relaxed)
}

@inline(__always)
func store64(_ value: UInt64, _ place: UnsafeMutableRawPointer) {
  unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value.littleEndian, ordering: .relaxed)
}

@inline(__always)
func release16(_ value: UInt16, _ place: UnsafeMutableRawPointer) {
  unsafe place.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(value.littleEndian, ordering: .releasing)
}

@inline(__always)
func release64(_ value: UInt64, _ place: UnsafeMutableRawPointer) {
  unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value.littleEndian, ordering: .releasing)
}

/// Between the store of one's own index and the load of what the other side wants to be told: neither may pass.
@inline(__always)
func fullFence() { atomicMemoryFence(ordering: .sequentiallyConsistent) }

/// Bits of a descriptor's flags (virtio 1.2, 2.7.5 and 2.8.1).
enum DescriptorFlag {
  @inline(__always) static var next: UInt16 { 1 }
  @inline(__always) static var write: UInt16 { 2 }
  @inline(__always) static var indirect: UInt16 { 4 }
  @inline(__always) static var available: UInt16 { 1 << 7 }
  @inline(__always) static var used: UInt16 { 1 << 15 }
}

/// Values of an event suppression structure's flags (virtio 1.2, 2.8.10).
enum EventFlag {
  @inline(__always) static var enable: UInt16 { 0 }
  @inline(__always) static var disable: UInt16 { 1 }
  @inline(__always) static var atDescriptor: UInt16 { 2 }
}

/// Whether going from `old` to `new` passes `event` (virtio 1.2, 2.7.10): all modulo 2^16.
@inline(__always)
func passes(event: UInt16, new: UInt16, old: UInt16) -> Bool { new &- event &- 1 < new &- old }

/// The same in a packed ring: `event` is a position and its wrap counter; `new` is the position and `wrap` the counter
/// now, after `count` descriptors since the last look.
@inline(__always)
func passesPacked(event: UInt16, new: UInt16, wrap: Bool, count: UInt16, size: UInt16) -> Bool {
  var position = event & 0x7fff
  if (event & 0x8000 != 0) != wrap { position &-= size }
  return passes(event: position, new: new, old: new &- count)
}
