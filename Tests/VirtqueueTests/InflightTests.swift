import Memory
import Testing

@testable import Virtqueue

struct InflightTests {
  /// A device that dies at any point of a burst: after it took chains, after it wrote some of them back, before and after
  /// it showed them. Its successor knows the ring, the region, and nothing else.
  @Test(
    "A device that dies anywhere in a burst goes on where the driver last saw it: nothing is used twice or never",
    arguments: [false, true])
  func torn(isPacked: Bool) throws {
    var draw = Draw(isPacked ? 31 : 32)
    for round in 0..<300 {
      let size = isPacked ? 5 + draw.below(20) : 16
      let shape = Shape(size: size, isPacked: isPacked, hasIndirect: draw.below(2) == 0, bufferSize: 128)
      let plan = try shape.plan()
      let region = try SharedRegion(bytes: plan.end)
      let kept = try SharedRegion(bytes: Inflight.bytes(size: size, isPacked: isPacked))
      let inflight = Inflight(kept.shared, size: size, isPacked: isPacked)
      inflight.format()
      let place = try plan.place(in: region)
      let map = AddressMap(offsetsIn: region)
      var sender = try NetSender(plan, region: region, features: shape.features)
      var device = try DeviceQueue(place, map: map, features: shape.features, inflight: inflight)
      var buffers = try NetBuffers(frames: 128, segmented: 2)
      var out = NetBurst()
      var got = NetBurst()
      var sent: [[UInt8]] = []
      var came: [[UInt8]] = []
      for _ in 0..<10 {
        for _ in 0..<1 + draw.below(4) {
          let bytes = draw.bytes(1 + draw.below(300))
          if append(bytes, NetHeader(), to: &out, from: &buffers) { sent.append(bytes) }
        }
        let went = sender.send(out)
        sent.removeLast(out.count - went)
        _ = sender.queue.publish()
        _ = drain(&out, &buffers)
        if draw.below(2) == 0 {
          _ = device.receive(into: &got, from: &buffers)
          came += drain(&got, &buffers).map(\.0)
          _ = sender.reap()
          continue
        }
        // Dies: some chains were taken, some of those were written back, and nobody was shown.
        let taken = device.gather(1 + draw.below(6))
        for index in 0..<draw.below(taken + 1) {
          let chain = device.chains[index]
          device.inflight?.taken(chain.id, chain.slots)
          device.complete(chain, written: 0)
        }
        let base = try #require(Inflight(kept.shared, size: size, isPacked: isPacked).recover(place))
        device = try DeviceQueue(
          place, map: map, features: shape.features, base: base,
          inflight: Inflight(kept.shared, size: size, isPacked: isPacked))
      }
      while device.receive(into: &got, from: &buffers) > 0 { came += drain(&got, &buffers).map(\.0) }
      _ = sender.reap()
      try #require(device.fault == nil && sender.queue.fault == nil, "round \(round)")
      let isSame = came == sent
      #expect(isSame, "round \(round): \(came.map(\.count)) came, \(sent.map(\.count)) were sent")
      #expect(sender.outstanding == 0 && sender.queue.free == size)
      withExtendedLifetime(kept) {}
    }
  }

  @Test("A region that is not this ring's is not believed")
  func foreign() throws {
    let region = try SharedRegion(bytes: 65536)
    let kept = try SharedRegion(bytes: 4096)
    for isPacked in [false, true] {
      let place = try RingPlace(RingLayout(size: 16, isPacked: isPacked), in: region.shared, at: 0)
      let inflight = Inflight(kept.shared, size: 16, isPacked: isPacked)
      kept.bytes.fill(0, at: 0, count: 4096)
      #expect(inflight.recover(place) == nil)
      inflight.format()
      #expect(inflight.recover(place) != nil)
      kept.shared.store16(8, at: 10)
      #expect(inflight.recover(place) == nil)
      inflight.format()
      if isPacked {
        kept.shared.store16(16, at: 16)
        #expect(inflight.recover(place) == nil)
        inflight.format()
        // A burst that ends nowhere.
        kept.shared.store16(3, at: 16)
        #expect(inflight.recover(place) == nil)
      }
    }
    withExtendedLifetime(kept) {}
  }
}
