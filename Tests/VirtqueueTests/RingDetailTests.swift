import Memory
import Testing

@testable import Virtqueue

/// Single words of a ring that a peer relies on, each by hand.
struct RingDetailTests {
  private let place = RawRing.buffers

  @Test("A packed chain has the id of its last descriptor and as many slots as descriptors (virtio 1.2, 2.7.10)")
  func chainID() throws {
    let ring = try RawRing(isPacked: true)
    ring.describe(0, place, 64, RawRing.next, id: 5)
    ring.describe(1, place + 64, 48, RawRing.next, id: 6)
    ring.describe(2, place + 128, 48, id: 3)
    ring.describe(3, place, 112, id: 7)
    var device = try ring.device()
    for (slot, id) in [(0, 3), (3, 7)] {
      let chain = device.takeChain()
      #expect(chain?.readable == (slot == 0 ? 160 : 112))
      device.finish(written: 0)
      let word = ring.region.shared.load64(16 * slot + 8)
      #expect(word >> 32 & 0xffff == UInt64(id) && word >> 48 & 0x8080 == 0x8080)
    }
    #expect(ring.region.shared.load64(16 + 8) >> 48 & 0x8000 == 0, "a slot inside of the chain is left as it is")
  }

  @Test("A buffer to receive into has no part to read, in front of parts to write either", arguments: [false, true])
  func readable(isPacked: Bool) throws {
    let ring = try RawRing(isPacked: isPacked)
    ring.describe(0, place, 64, RawRing.next, id: isPacked ? 0 : 1)
    ring.describe(1, place + 64, 2048, RawRing.write)
    ring.offer([0])
    #expect(try ring.delivered() == .fault(.readableInReceive))
  }

  @Test("The longest frame that there is a buffer for is taken, one byte more is not", arguments: [false, true])
  func longest(isPacked: Bool) throws {
    let longest = try NetBuffers(frames: 1, segmented: 1).longest
    for (length, count) in [(longest, 1), (longest + 1, 0)] {
      let ring = try RawRing(isPacked: isPacked)
      ring.describe(0, place, UInt32(12 + length))
      ring.offer([0])
      #expect(try ring.sent() == .frames(count), "\(length)")
    }
  }

  @Test("A driver that waits for an index is called when it was passed at any time since the last question")
  func calls() throws {
    for (event, isCalled) in [(UInt16(0), true), (1, true), (2, false), (65535, false)] {
      let ring = try RawRing(isPacked: false, features: [.version1, .mrgRxbuf, .eventIndex])
      for index in 0..<2 { ring.describe(index, place, 112) }
      ring.offer([0, 1])
      ring.region.shared.store16(event, at: ring.layout.driver + 4 + 2 * 8)
      var device = try ring.device()
      for _ in 0..<2 {
        let chain = device.takeChain()
        #expect(chain != nil)
        device.finish(written: 0)
      }
      let needsCall = device.needsCall()
      #expect(needsCall == isCalled, "event \(event)")
      let again = device.needsCall()
      #expect(!again)
    }
  }

  @Test("The log has every page that was written, the ring's own words too, and no other")
  func dirty() throws {
    for (offset, count, pages) in [
      (5000, 100, [17]), (0, 4096, [16]), (0, 4097, [16, 17]), (4095, 2, [16, 17]), (4096, 4096, [17]), (8191, 1, [17]),
    ] as [(Int, Int, [Int])] {
      let ring = try RawRing(isPacked: false)
      ring.describe(0, place, 8192, RawRing.write)
      ring.offer([0])
      let log = try SharedRegion(bytes: 64)
      // The used index is at the end of page 9, the used elements begin page 10.
      var device = try DeviceQueue(
        RingPlace(ring.layout, in: ring.region.shared, at: 0), map: AddressMap(offsetsIn: ring.region),
        features: ring.features, dirty: DirtyLog(log.shared), deviceGuest: 0x9ffc)
      let chain = device.takeChain()
      #expect(chain?.writable == 8192)
      var arena = try FrameArena(capacity: 1, bufferSize: 8192, headroom: 0)
      let taken = arena.take()
      let source = arena.buffer(try #require(taken)).slice(0, count: count)
      let written = device.write(source, at: offset)
      #expect(written == count)
      func marked() -> [Int] { (0..<512).filter { log.shared.load8($0 / 8) >> UInt8($0 % 8) & 1 == 1 } }
      #expect(marked() == pages, "\(count) bytes at \(offset)")
      device.finish(written: count)
      #expect(marked() == [9, 10] + pages)
    }
  }

  @Test("What is in flight says how far the ring was used, and nothing is in flight behind that")
  func inflight() throws {
    let ring = try RawRing(isPacked: false)
    for index in 0..<3 { ring.describe(index, place, 112) }
    ring.offer([0, 1, 2])
    let bytes = Inflight.bytes(size: 8, isPacked: false)
    let kept = try SharedRegion(bytes: bytes)
    let inflight = Inflight(kept.shared, size: 8, isPacked: false)
    inflight.format()
    var device = try DeviceQueue(
      RingPlace(ring.layout, in: ring.region.shared, at: 0), map: AddressMap(offsetsIn: ring.region),
      features: ring.features, inflight: inflight)
    for count in UInt16(1)...3 {
      let chain = device.takeChain()
      #expect(chain != nil)
      device.finish(written: 0)
      #expect(kept.shared.load16(14) == count)
      for index in 0..<8 { #expect(kept.shared.load8(16 + 16 * index) == 0) }
    }
  }

  @Test("A packed ring does not begin at a descriptor that was used in this round")
  func usedHere() throws {
    let ring = try RawRing(isPacked: true)
    let kept = try SharedRegion(bytes: Inflight.bytes(size: 8, isPacked: true))
    let inflight = Inflight(kept.shared, size: 8, isPacked: true)
    inflight.format()
    let here = try RingPlace(ring.layout, in: ring.region.shared, at: 0)
    #expect(inflight.fits(RingBase(), here))
    ring.region.shared.store64(0x8080 << 48, at: 8)
    #expect(!inflight.fits(RingBase(), here))
  }
}
