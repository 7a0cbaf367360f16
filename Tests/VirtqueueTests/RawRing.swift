import Memory

@testable import Virtqueue

/// A ring as a peer writes it, right or wrong: every word by hand.
struct RawRing {
  static let next: UInt16 = 1
  static let write: UInt16 = 2
  static let indirect: UInt16 = 4

  let region: SharedRegion
  let layout: RingLayout
  let features: Features
  /// Where buffers may lie.
  static let buffers: UInt64 = 65536
  static let bytes = 1 << 18

  init(size: Int = 8, isPacked: Bool, features: Features = [.version1, .mrgRxbuf, .indirectDescriptors]) throws {
    region = try SharedRegion(bytes: Self.bytes)
    layout = try RingLayout(size: size, isPacked: isPacked)
    self.features = isPacked ? features.union(.ringPacked) : features
    // Sixteen bytes of header are enough for any test.
  }

  func device() throws -> DeviceQueue {
    try DeviceQueue(
      RingPlace(layout, in: region.shared, at: 0), map: AddressMap(offsetsIn: region), features: features)
  }

  /// Writes descriptor `index`. In a packed ring `id` is its buffer id, in a split one what comes next.
  func describe(
    _ index: Int, _ address: UInt64, _ length: UInt32, _ flags: UInt16 = 0, id: UInt16 = 0, isAvailable: Bool = true
  ) {
    let table = region.shared
    table.store64(address, at: 16 * index)
    if layout.isPacked {
      let flags = flags | (isAvailable ? 0x80 : 0)
      table.store64(UInt64(length) | UInt64(id) << 32 | UInt64(flags) << 48, at: 16 * index + 8)
    } else {
      table.store64(UInt64(length) | UInt64(flags) << 32 | UInt64(id) << 48, at: 16 * index + 8)
    }
  }

  /// Split: offers chains by their heads.
  func offer(_ heads: [UInt16], index: UInt16? = nil) {
    guard !layout.isPacked else { return }
    for (at, head) in heads.enumerated() { region.shared.store16(head, at: layout.driver + 4 + 2 * at) }
    region.shared.store16(index ?? UInt16(heads.count), at: layout.driver + 2)
  }

  /// An entry of an indirect table at `place`.
  func entry(_ place: UInt64, _ index: Int, _ address: UInt64, _ length: UInt32, _ flags: UInt16 = 0, next: UInt16 = 0)
  {
    let at = Int(place) + 16 * index
    region.shared.store64(address, at: at)
    let word = layout.isPacked ? UInt64(flags) << 48 : UInt64(flags) << 32 | UInt64(next) << 48
    region.shared.store64(UInt64(length) | word, at: at + 8)
  }
}

/// What became of a ring.
enum Fate: Equatable {
  case fault(RingFault)
  case frames(Int)
}

extension RawRing {
  /// Takes what is there as frames to send.
  func sent() throws -> Fate {
    var device = try device()
    var buffers = try NetBuffers(frames: 64, segmented: 2)
    var burst = NetBurst(capacity: 64)
    let count = device.receive(into: &burst, from: &buffers)
    // A queue that was cut off does nothing any more.
    if let fault = device.fault {
      burst.removeAll()
      if device.receive(into: &burst, from: &buffers) != 0 || device.deliver(burst) != 0 || device.needsCall() {
        return .frames(-1)
      }
      return .fault(fault)
    }
    return .frames(count)
  }

  /// Puts a frame of `length` bytes into what is there.
  func delivered(_ length: Int = 100) throws -> Fate {
    var device = try device()
    var buffers = try NetBuffers(frames: 4, segmented: 2)
    var burst = NetBurst(capacity: 4)
    _ = append([UInt8](repeating: 5, count: length), NetHeader(), to: &burst, from: &buffers)
    let count = device.deliver(burst)
    return device.fault.map { .fault($0) } ?? .frames(count)
  }
}
