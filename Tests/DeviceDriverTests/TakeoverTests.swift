import Device
import DeviceBus
import EmulatedDevice
import Memory
import Rules
import Testing

@testable import DeviceDriver

@Suite("A device that fails")
struct TakeoverTests {
  private typealias Driven = DrivenDevice<InlineHost>

  private func start(
    _ host: InlineHost, faults: FaultPlan = FaultPlan(), change: (inout Driven.Options) -> Void = { _ in }
  ) throws -> Driven {
    try DrivenDevice.start(
      host, abilities: everything(), overlay: someOverlay(),
      settings: StartSettings(seed: 1, faults: faults, maximumRules: 1000).bytes,
      options: small(InlineHost.self, change: change))
  }

  @Test("keeps exactly what it had not answered, and nothing else is missing", arguments: UInt64(0)..<60)
  func exactLoss(seed: UInt64) throws {
    var draw = Draw(seed)
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try start(host) { $0.isPacked = seed % 2 == 0 }
    try device.insert(through(1, 2, id: 1), now: 0)
    host.servesWhenWaitedFor = false
    var taken: Set<Int> = []
    var came: Set<Int> = []
    func note(_ emission: Emission, _ came: inout Set<Int>, _ tokens: inout [UInt32]) {
      came.insert(number(emission.frame))
      tokens.append(emission.frame.token)
    }
    var tokens: [UInt32] = []
    let end = draw.below(400)
    for index in 0..<end {
      let port = UInt16(1 + draw.below(2))
      if device.submit(buffer.frame(bytes(index)), kind: .received, port: port, now: 0) { taken.insert(index) }
      if draw.below(7) == 0 { device.flush() }
      if draw.below(19) == 0 { host.step(rounds: 1) }
      if draw.below(11) == 0 { _ = device.poll(now: 0) { note($0, &came, &tokens) } }
      for token in tokens { device.recycle(token) }
      tokens = []
    }
    device.flush()
    // It may have answered some, and the driver may not have looked yet.
    host.step(rounds: draw.below(2))
    host.kill()
    _ = device.poll(now: 10_000_000) { note($0, &came, &tokens) }
    expect(!device.isAlive && device.lastLoss?.reason == .gone)
    expect(came.isSubset(of: taken) && Int(device.lostInDevice) == taken.count - came.count)
  }

  @Test("is noticed, fenced, and its frames come up as they came, in that order on our clock")
  func order() throws {
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try start(host) { $0.recoversAtOnce = false }
    try device.insert(through(1, 2, id: 1), now: 0)
    host.isWedged = true
    expect(device.submit(buffer.frame(bytes(1)), kind: .received, port: 1, now: 1_000_000))
    device.flush()
    var now: UInt64 = 1_000_000
    var polls = 0
    while device.isAlive, polls < 1000 {
      now += 100_000
      polls += 1
      expect(device.poll(now: now) { _ in } == 0)
    }
    // 5 ms of polls that each counted, no more and no less.
    expect(polls == 50 && now == 6_000_000)
    expect(device.lastLoss == Driven.LossRecord(reason: .silent, at: now, frames: 1) && device.lostInDevice == 1)
    // The generation was revoked before anything else could happen.
    let region = try need(host.region)
    expect(Registers(region.shared).wanted == 2)
    var up: [Outcome] = []
    device.receive(buffer.frame(bytes(2)), port: 1, now: now) { up.append($0.frame.outcome) }
    expect(up == [.up] && device.lostInDevice == 1)
    expect(!device.submit(buffer.frame(bytes(3)), kind: .received, port: 1, now: now))
  }

  @Test("is not taken for lost because our own thread did not run")
  func busyMachine() throws {
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try start(host)
    host.isWedged = true
    expect(device.submit(buffer.frame(bytes(1)), kind: .received, port: 1, now: 0))
    device.flush()
    // Two seconds pass between two polls: the device may not have run either.
    expect(device.poll(now: 2_000_000_000) { _ in } == 0)
    expect(device.isAlive)
    host.isWedged = false
    host.step()
    expect(device.poll(now: 2_000_100_000) { _ in } == 1)
  }

  @Test("changes nothing when it wakes after the fence, and its memory rests until it has acknowledged")
  func late() throws {
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try start(host) { $0.recoversAtOnce = false }
    try device.insert(through(1, 2, id: 1), now: 0)
    for index in 0..<5 { expect(device.submit(buffer.frame(bytes(index)), kind: .received, port: 1, now: 0)) }
    device.flush()
    device.fence(now: 1)
    let region = try need(host.region)
    let registers = Registers(region.shared)
    // Not acknowledged: nothing is laid out anew, whatever time passes.
    for now in 2..<10 { device.recover(now: UInt64(now)) }
    expect(registers.laidOut == 1 && registers.wanted == 2 && !device.isAlive && host.kills == 0)
    // It wakes, with five frames before it.
    host.step()
    expect(registers.served == 2)
    expect(device.poll(now: 20) { _ in } == 0 && device.lostInDevice == 5)
    for now in 20..<40 where !device.isAlive {
      device.recover(now: UInt64(now))
      host.step()
    }
    expect(device.isAlive && registers.laidOut == 2 && host.starts == 1)
    expect(refusal { () throws(Refusal) in _ = try device.query(1, now: 50) } == Refusal(.noSuchRule))
    try device.insert(through(1, 2, id: 1), now: 50)
    var out: [UInt16] = []
    device.receive(buffer.frame(bytes(9)), port: 1, now: 51) { out.append($0.port) }
    try expect(out == [2] && device.lostInDevice == 5 && (device.query(1, now: 52)).frames == 1)
  }

  @Test("is known to be gone by who waits for a command, though answers to frames lie there that nobody has taken")
  func commandBehindFrames() throws {
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try start(host)
    try device.insert(through(1, 2, id: 1), now: 0)
    for index in 0..<5 { expect(device.submit(buffer.frame(bytes(index)), kind: .received, port: 1, now: 0)) }
    device.flush()
    host.step()
    host.kill()
    expect(refusal { () throws(Refusal) in _ = try device.query(1, now: 50) } == Refusal(.deviceLost))
    expect(device.lastLoss?.reason == .gone)
  }

  @Test("is ended and started anew when it does not acknowledge")
  func wedged() throws {
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try start(host) { $0.recoversAtOnce = false }
    host.isWedged = true
    _ = device.submit(buffer.frame(bytes(1)), kind: .received, port: 1, now: 0)
    device.flush()
    device.fence(.silent, now: 1)
    for now in 2..<100 where !device.isAlive {
      device.recover(now: UInt64(now))
      host.step()
    }
    expect(device.isAlive && host.kills == 1 && host.starts == 2 && device.lostInDevice == 1)
    try device.insert(through(1, 2, id: 1), now: 200)
  }

  @Test("by resetting itself is met as such, and its counters of itself go on")
  func ownReset() throws {
    var faults = FaultPlan()
    faults.resetAtFrame = 3
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try start(host, faults: faults)
    try device.insert(through(1, 2, id: 1), now: 0)
    var out = 0
    for index in 0..<3 { device.receive(buffer.frame(bytes(index)), port: 1, now: 0) { _ in out += 1 } }
    expect(out == 2 && !device.isAlive && device.lastLoss?.reason == .reset && device.lostInDevice == 1)
    device.recover(now: 1)
    expect(device.isAlive)
    let words = try need(device.statistics(now: 2))
    let statistics = try need(DeviceStatistics(words: words))
    expect(statistics.framesIn == 3 && statistics.lostInDevice == 1 && statistics.resets == 1)
  }
}
