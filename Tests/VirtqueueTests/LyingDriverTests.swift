import Memory
import Testing

@testable import Virtqueue

/// What a driver may write into a ring that cannot be, and the name under which it is cut off.
struct LyingDriverTests {
  private let place = RawRing.buffers

  @Test("A ring that is right is taken", arguments: [false, true])
  func right(isPacked: Bool) throws {
    let ring = try RawRing(isPacked: isPacked)
    ring.describe(0, place, 112)
    ring.offer([0])
    #expect(try ring.sent() == .frames(1))
    ring.describe(0, place, 2048, RawRing.write)
    #expect(try ring.delivered() == .frames(1))
  }

  @Test("An available index or a head that the ring does not have cuts the driver off")
  func indices() throws {
    let ring = try RawRing(isPacked: false)
    ring.describe(0, place, 112)
    ring.offer([0], index: 9)
    #expect(try ring.sent() == .fault(.availableIndexJumped))
    ring.offer([0], index: 65535)
    #expect(try ring.sent() == .fault(.availableIndexJumped))
    ring.offer([8])
    #expect(try ring.sent() == .fault(.headOutOfRange))
    ring.offer([65535])
    #expect(try ring.delivered() == .fault(.headOutOfRange))
  }

  @Test("A chain that goes on outside of the table, or for ever, cuts the driver off", arguments: [false, true])
  func chains(isPacked: Bool) throws {
    let ring = try RawRing(isPacked: isPacked)
    if isPacked {
      // Every descriptor goes on in the next, around the ring.
      for index in 0..<8 { ring.describe(index, place, 64, RawRing.next) }
      #expect(try ring.sent() == .fault(.descriptorLoop))
      ring.describe(1, place, 64, RawRing.next, isAvailable: false)
      #expect(try ring.sent() == .fault(.chainNotAvailable))
      ring.describe(0, place, 112, id: 8)
      #expect(try ring.sent() == .fault(.bufferIdOutOfRange))
    } else {
      ring.describe(0, place, 64, RawRing.next, id: 8)
      ring.offer([0])
      #expect(try ring.sent() == .fault(.nextOutOfRange))
      ring.describe(0, place, 64, RawRing.next, id: 0)
      #expect(try ring.sent() == .fault(.descriptorLoop))
      for index in 0..<8 { ring.describe(index, place, 64, RawRing.next, id: UInt16((index + 1) % 8)) }
      #expect(try ring.sent() == .fault(.descriptorLoop))
    }
  }

  @Test("A ring of one descriptor that goes on in itself cuts the driver off", arguments: [false, true])
  func one(isPacked: Bool) throws {
    let ring = try RawRing(size: 1, isPacked: isPacked)
    ring.describe(0, place, 64, RawRing.next, id: 0)
    ring.offer([0])
    #expect(try ring.sent() == .fault(isPacked ? .chainNotAvailable : .descriptorLoop))
  }

  @Test("Bytes outside of the shared memory cut the driver off, wherever they begin", arguments: [false, true])
  func addresses(isPacked: Bool) throws {
    let end = UInt64(RawRing.bytes)
    for (address, length) in [
      (end, 100), (end - 99, 100), (0, UInt32.max), (UInt64.max, 100), (UInt64.max - 50, 100), (1 << 63, 1),
      (end - 1, UInt32.max),
    ] as [(UInt64, UInt32)] {
      let ring = try RawRing(isPacked: isPacked)
      ring.describe(0, address, length)
      ring.offer([0])
      #expect(try ring.sent() == .fault(.outsideMemory), "\(address) \(length)")
      ring.describe(0, address, length, RawRing.write)
      #expect(try ring.delivered() == .fault(.outsideMemory), "\(address) \(length)")
    }
  }

  @Test("Parts that are empty, in the wrong order or the wrong direction cut the driver off", arguments: [false, true])
  func directions(isPacked: Bool) throws {
    let ring = try RawRing(isPacked: isPacked)
    ring.describe(0, place, 0)
    ring.offer([0])
    #expect(try ring.sent() == .fault(.emptyDescriptor))
    ring.describe(0, place, 100, RawRing.write | RawRing.next, id: 1)
    ring.describe(1, place, 100)
    #expect(try ring.sent() == .fault(.readableAfterWritable))
    ring.describe(0, place, 100, RawRing.next, id: 1)
    ring.describe(1, place, 100, RawRing.write)
    #expect(try ring.sent() == .fault(.writableInTransmit))
    #expect(try ring.delivered() == .fault(.readableInReceive))
    ring.describe(0, place, 11)
    #expect(try ring.sent() == .fault(.shorterThanHeader))
    ring.describe(0, place, 11, RawRing.write)
    #expect(try ring.delivered() == .fault(.shorterThanHeader))
    // A header and no frame is no lie.
    let empty = try RawRing(isPacked: isPacked)
    empty.describe(0, place, 12)
    empty.offer([0])
    #expect(try empty.sent() == .frames(0))
  }

  @Test("Indirect tables that cannot be cut the driver off", arguments: [false, true])
  func indirect(isPacked: Bool) throws {
    let table = place + 4096
    func fate(
      _ length: UInt32, at address: UInt64? = nil, flags: UInt16 = 0, features: Features? = nil,
      _ entries: (RawRing) -> Void = { _ in }
    ) throws -> Fate {
      let ring = try features.map { try RawRing(isPacked: isPacked, features: $0) } ?? RawRing(isPacked: isPacked)
      ring.entry(table, 0, place, 112)
      entries(ring)
      ring.describe(0, address ?? table, length, RawRing.indirect | flags, id: flags == 0 ? 0 : 1)
      if flags & RawRing.next != 0 { ring.describe(1, place, 64) }
      ring.offer([0])
      return try ring.sent()
    }
    #expect(try fate(16) == .frames(1))
    #expect(try fate(16, flags: RawRing.write) == .frames(1))
    #expect(try fate(0) == .fault(.indirectLength))
    #expect(try fate(17) == .fault(.indirectLength))
    #expect(try fate(16 * 9) == .fault(.indirectLength))
    #expect(try fate(0xffff_fff0) == .fault(.indirectLength))
    #expect(try fate(16, at: UInt64(RawRing.bytes) - 8) == .fault(.outsideMemory))
    #expect(try fate(16, at: table + 4) == .fault(.outsideMemory))
    #expect(try fate(16, flags: RawRing.next) == .fault(.indirectInChain))
    #expect(try fate(16, features: [.version1]) == .fault(.indirectNotNegotiated))
    #expect(try fate(32) { $0.entry(table, 0, place, 64, RawRing.indirect) } == .fault(.indirectNested))
    if !isPacked {
      #expect(try fate(32) { $0.entry(table, 0, place, 64, RawRing.next, next: 2) } == .fault(.nextOutOfRange))
      #expect(try fate(32) { $0.entry(table, 0, place, 64, RawRing.next, next: 0) } == .fault(.descriptorLoop))
    }
    let ring = try RawRing(isPacked: isPacked)
    ring.describe(0, place, 64, RawRing.next, id: 1)
    ring.describe(1, table, 16, RawRing.indirect)
    ring.offer([0])
    #expect(try ring.sent() == .fault(.indirectInChain))
  }

  @Test("Rings and starts that cannot be are refused before they run")
  func setUp() throws {
    let region = try SharedRegion(bytes: 65536)
    let map = AddressMap(offsetsIn: region)
    func refusal(_ size: Int, _ packed: Bool, _ parts: (UInt64, UInt64, UInt64)) -> RingFault? {
      do throws(RingFault) {
        _ = try RingPlace(
          size: size, isPacked: packed, descriptors: parts.0, driver: parts.1, device: parts.2, map: map)
        return nil
      } catch {
        return error
      }
    }
    for size in [0, -1, 3, 65536] { #expect(refusal(size, false, (0, 8192, 16384)) == .badRingSize) }
    #expect(refusal(40000, true, (0, 8192, 16384)) == .badRingSize)
    #expect(refusal(3, true, (0, 8192, 16384)) == nil)
    #expect(refusal(8, false, (8, 8192, 16384)) == .ringMisaligned)
    #expect(refusal(8, false, (0, 8193, 16384)) == .ringMisaligned)
    #expect(refusal(8, false, (0, 8192, 16386)) == .ringMisaligned)
    #expect(refusal(8, false, (65536, 8192, 16384)) == .ringOutsideMemory)
    #expect(refusal(4096, false, (16, 8192, 16384)) == .ringOutsideMemory)
    #expect(refusal(8, false, (0, .max - 1, 16384)) == .ringOutsideMemory)
    let place = try RingPlace(size: 8, isPacked: true, descriptors: 0, driver: 8192, device: 16384, map: map)
    #expect(throws: RingFault.badRingBase) {
      _ = try DeviceQueue(place, map: map, features: [.version1, .ringPacked], base: RingBase(available: 8))
    }
  }

  @Test("A chain over regions that follow each other is read as one; over a gap it cuts the driver off")
  func regions() throws {
    let ring = try RawRing(isPacked: false)
    let first = try SharedRegion(bytes: 4096)
    let second = try SharedRegion(bytes: 4096)
    let base: UInt64 = 1 << 40
    first.bytes.fill(1, at: 4000, count: 96)
    second.bytes.fill(2, at: 0, count: 100)
    for (gap, expected) in [(UInt64(0), nil), (4096, RingFault.outsideMemory)] {
      let map = try AddressMap([
        .init(guest: 0, user: 0, region: ring.region), .init(guest: base, user: base, region: first),
        .init(guest: base + 4096 + gap, user: base + 8192, region: second),
      ])
      ring.describe(0, base + 4000, 196)
      ring.offer([0])
      var device = try DeviceQueue(
        RingPlace(ring.layout, in: ring.region.shared, at: 0), map: map, features: ring.features)
      var buffers = try NetBuffers(frames: 4)
      var burst = NetBurst()
      _ = device.receive(into: &burst, from: &buffers)
      #expect(device.fault == expected)
      if expected == nil {
        #expect(burst[0].bytes.array() == [UInt8](repeating: 1, count: 84) + [UInt8](repeating: 2, count: 100))
      }
      ring.region.shared.store16(0, at: ring.layout.device + 2)
    }
    #expect(throws: AddressMap.MapError.overlap(guest: 4095)) {
      _ = try AddressMap([.init(guest: 0, user: 0, region: first), .init(guest: 4095, user: 9, region: second)])
    }
    #expect(throws: AddressMap.MapError.wrapsAround(guest: .max)) {
      _ = try AddressMap([.init(guest: .max, user: 0, region: first)])
    }
  }
}
