import Memory
import Testing
import Virtqueue

@testable import VhostUser

/// What a front end asks of rings that run: memory that changes, the dirty log, stopping and going on.
struct MigrationTests {
  /// A driver whose messages are sent by hand.
  final class Driver {
    private(set) var machine: BackendMachine
    let region: SharedRegion
    let plans: [QueuePlan]
    var sender: NetSender
    var receiver: NetReceiver
    let features: Features
    static var base: UInt64 { 1 << 32 }

    init(isPacked: Bool, kept: KeptRings? = nil) throws {
      let first = try QueuePlan(offset: 0, size: 16, isPacked: isPacked)
      let second = try QueuePlan(offset: first.end, size: 16, isPacked: isPacked)
      let region = try SharedRegion(bytes: second.end)
      let features: Features = isPacked ? [.version1, .mrgRxbuf, .ringPacked] : [.version1, .mrgRxbuf]
      let receiver = try NetReceiver(first, region: region, features: features, base: Self.base)
      let sender = try NetSender(second, region: region, features: features, base: Self.base)
      machine = Self.machine(kept)
      plans = [first, second]
      self.region = region
      self.features = features
      self.receiver = receiver
      self.sender = sender
      _ = self.receiver.queue.publish()
      try connect()
    }

    private static func machine(_ kept: KeptRings?) -> BackendMachine {
      var options = BackendOptions()
      options.kept = kept
      return BackendMachine(options)
    }

    private func connect() throws {
      _ = try machine.handle(Message(.setProtocolFeatures, [.u64(machine.options.protocolFeatures.rawValue)]))
      _ = try machine.handle(Message(.setFeatures, [.u64(features.low)]))
      try table(parts: 1)
      for ring in 0..<2 { try start(ring) }
    }

    /// The back end's process is gone without a word; another comes, and is told that the rings are at their beginning.
    func replaceMachine(_ kept: KeptRings?) throws {
      machine = Self.machine(kept)
      try connect()
    }

    /// The driver begins anew, in the same memory.
    func begin() throws {
      region.bytes.fill(0, at: 0, count: region.count)
      receiver = try NetReceiver(plans[0], region: region, features: features, base: Self.base)
      sender = try NetSender(plans[1], region: region, features: features, base: Self.base)
      _ = receiver.queue.publish()
    }

    /// The region as one or two entries of a table.
    func table(parts: Int) throws {
      let size = UInt64(region.count)
      let half = size / 2 & ~4095
      let entries: [(UInt64, UInt64)] = parts == 1 ? [(UInt64(0), size)] : [(UInt64(0), half), (half, size - half)]
      var words: [Word] = [.u32(UInt32(entries.count)), .u32(0)]
      for (offset, bytes) in entries {
        words += [.u64(Self.base + offset), .u64(bytes), .u64(Self.base + offset), .u64(offset)]
      }
      _ = try machine.handle(Message(.setMemTable, words, descriptors: entries.map { _ in region.descriptor }))
    }

    func start(_ ring: Int, word: UInt32? = nil, logAt: UInt64? = nil) throws {
      let number = UInt32(ring)
      let plan = plans[ring]
      let place = Self.base + UInt64(plan.offset)
      let event = try EventDescriptor().descriptor
      let start = word ?? RingBase().word(isPacked: plan.ring.isPacked)
      for message in [
        Message(.setVringNum, [.u32(number), .u32(16)]), Message(.setVringBase, [.u32(number), .u32(start)]),
        Message(
          .setVringAddr,
          [
            .u32(number), .u32(logAt == nil ? 0 : 1), .u64(place), .u64(place + UInt64(plan.ring.device)),
            .u64(place + UInt64(plan.ring.driver)), .u64(logAt ?? 0),
          ]), Message(.setVringCall, [.u64(UInt64(number))], descriptors: [event]),
        Message(.setVringKick, [.u64(UInt64(number))], descriptors: [event]),
      ] { _ = try machine.handle(message) }
    }
  }

  @Test("A ring that is stopped is told where, and goes on there", arguments: [false, true])
  func stopAndGo(isPacked: Bool) throws {
    let driver = try Driver(isPacked: isPacked)
    var buffers = try NetBuffers(frames: 64, segmented: 2)
    var out = NetBurst()
    var got = NetBurst(capacity: 3)
    var next: UInt64 = 0
    var came: [UInt64] = []
    for _ in 0..<30 {
      for _ in 0..<5 {
        _ = append(next, to: &out, from: &buffers)
        next += 1
      }
      let went = driver.sender.send(out)
      next -= UInt64(out.count - went)
      _ = driver.sender.queue.publish()
      _ = drain(&out, &buffers)
      _ = driver.machine.queues[1].receive(into: &got, from: &buffers)
      came += drain(&got, &buffers)
      let reply = try #require(try driver.machine.handle(Message(.getVringBase, [.u32(1), .u32(0)])))
      #expect(!driver.machine.queues[1].isRunning && reply.u32(0) == 1)
      try driver.start(1, word: reply.u32(4))
    }
    while driver.machine.queues[1].receive(into: &got, from: &buffers) > 0 { came += drain(&got, &buffers) }
    #expect(came == Array(0..<next) && next > 60)
  }

  @Test("Memory that is handed over again in other parts changes nothing for rings that run", arguments: [false, true])
  func newTable(isPacked: Bool) throws {
    let driver = try Driver(isPacked: isPacked)
    var buffers = try NetBuffers(frames: 64, segmented: 2)
    var out = NetBurst()
    var got = NetBurst()
    for round in 0..<10 {
      _ = append(UInt64(round), length: 1500, to: &out, from: &buffers)
      _ = driver.sender.send(out)
      _ = driver.sender.queue.publish()
      try driver.table(parts: 1 + round % 2)
      #expect(driver.machine.queues[1].receive(into: &got, from: &buffers) == 1)
      #expect(drain(&got, &buffers) == [UInt64(round)])
      _ = drain(&out, &buffers)
    }
    // Half of it taken away: the ring itself is not there any more.
    let removal: [Word] = [.u64(0), .u64(Driver.base), .u64(UInt64(driver.region.count)), .u64(Driver.base), .u64(0)]
    try driver.table(parts: 1)
    #expect(throws: SessionFault.ring(index: 0, .ringOutsideMemory)) {
      try driver.machine.handle(Message(.remMemReg, removal))
    }
  }

  @Test("Every page that the device writes is in the dirty log, and no other", arguments: [false, true])
  func dirtyLog(isPacked: Bool) throws {
    let driver = try Driver(isPacked: isPacked)
    let log = try SharedRegion(bytes: 1 << 18)
    var buffers = try NetBuffers(frames: 64, segmented: 4)
    var out = NetBurst()
    _ = append(1, length: 100, to: &out, from: &buffers)
    _ = append(2, length: 5000, to: &out, from: &buffers)
    #expect(throws: Never.self) {
      try driver.machine.handle(
        Message(.setLogBase, [.u64(UInt64(log.count)), .u64(0)], descriptors: [log.descriptor]))
    }
    #expect(driver.machine.queues[0].deliver(out) == 2)
    #expect(log.bytes.array().allSatisfy { $0 == 0 })
    _ = try driver.machine.handle(Message(.setFeatures, [.u64(driver.features.union(.logAll).low)]))
    let reply = try #require(try driver.machine.handle(Message(.getVringBase, [.u32(0), .u32(0)])))
    let plan = driver.plans[0]
    let logged = Driver.base + UInt64(isPacked ? plan.ring.descriptors : plan.ring.device)
    try driver.start(0, word: reply.u32(4), logAt: logged)
    let before = driver.region.bytes.array()
    #expect(driver.machine.queues[0].deliver(out) == 2)
    let after = driver.region.bytes.array()
    for page in 0..<driver.region.count / 4096 {
      let number = Int(Driver.base >> 12) + page
      let isMarked = log.shared.load8(number / 8) & (1 << UInt8(number % 8)) != 0
      let range = page * 4096..<(page + 1) * 4096
      if before[range] != after[range] { #expect(isMarked, "page \(page) was written and not logged") }
      if page * 4096 > plan.buffers + 8 * 2048 { #expect(!isMarked, "page \(page) was logged and not written") }
    }
    var got = NetBurst()
    _ = driver.receiver.receive(into: &got, from: &buffers)
    #expect(drain(&got, &buffers) == [1, 2, 1, 2])
  }
}
