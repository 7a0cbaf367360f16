import Device
import DeviceBus
import EmulatedDevice
import Foundation
import Memory
import Rules
import Testing

@testable import DeviceDriver

@Suite("A device in a process of its own", .serialized)
struct DeviceProcessTests {
  private typealias Driven = DrivenDevice<ProcessHost>

  private func start(change: (inout Driven.Options) -> Void = { _ in }) throws -> Driven {
    try DrivenDevice.start(
      ProcessHost(program: ProcessHost.beside()), abilities: everything(), overlay: someOverlay(),
      settings: StartSettings(seed: 1, maximumRules: 1000).bytes,
      options: small(ProcessHost.self) {
        // The machine may be busy with other tests; what is silent here is stopped on purpose.
        $0.waits = 10_000
        $0.silence = 10_000_000_000
        $0.spins = 200
        change(&$0)
      })
  }

  private static let clock = ContinuousClock()
  private static let begin = clock.now
  private var now: UInt64 {
    let passed = Self.begin.duration(to: Self.clock.now).components
    return UInt64(passed.seconds) * 1_000_000_000 + UInt64(passed.attoseconds / 1_000_000_000)
  }

  @Test("takes a rule, carries a frame, counts it, and gives the rule back")
  func endToEnd() throws {
    let buffer = try Buffer()
    var device = try start()
    try device.insert(through(1, 2, id: 5), now: 0)
    var out: [(port: UInt16, bytes: [UInt8], token: UInt32)] = []
    device.receive(buffer.frame(bytes(1, length: 900)), port: 1, now: 10) {
      out.append(($0.port, $0.frame.bytes.array(), $0.frame.token))
    }
    expect(out.count == 1 && out[0].port == 2 && out[0].bytes == bytes(1, length: 900) && out[0].token == 7)
    try expect(device.query(5, now: 20) == CounterReading(frames: 1, bytes: 900, takenAt: 20))
    expect(refusal { () throws(Refusal) in _ = try device.insert(through(1, 2, id: 5), now: 30) } == Refusal(.invalid))
    expect(device.askAbilities() == everything())
    try expect(device.remove(5, now: 40).frames == 1)
    expect(refusal { () throws(Refusal) in _ = try device.query(5, now: 50) } == Refusal(.noSuchRule))
  }

  /// What is done to the process while it works.
  enum Blow: String, CaseIterable, Sendable { case kill, wedge, reset, garbage }

  @Test(
    "that is killed, wedged, reset or fed garbage under load loses exactly what it had not answered, and has its rules again",
    arguments: Blow.allCases)
  func underLoad(blow: Blow) throws {
    let buffer = try Buffer()
    var device = try start {
      if blow == .wedge { $0.silence = 50_000_000 }
      if blow == .wedge { $0.waits = 50 }
    }
    try device.insert(through(1, 2, id: 1), now: now)
    var taken = 0
    var came: [Int: Int] = [:]
    var refused = 0
    var tokens: [UInt32] = []
    var struckAt: Int?
    for index in 0..<4000 {
      if device.submit(buffer.frame(bytes(index)), kind: .received, port: 1, now: now) {
        taken += 1
      } else {
        refused += 1
      }
      if index % 8 == 0 { device.flush() }
      if index % 16 == 0 {
        _ = device.poll(now: now) { emission in
          came[number(emission.frame), default: 0] += 1
          tokens.append(emission.frame.token)
        }
        for token in tokens { device.recycle(token) }
        tokens = []
      }
      if index == 2000 {
        struckAt = taken
        strike(blow, &device)
      }
    }
    let deadline = now + 20_000_000_000
    while device.isAlive, now < deadline {
      device.flush()
      _ = device.poll(now: now) { emission in
        came[number(emission.frame), default: 0] += 1
        tokens.append(emission.frame.token)
      }
      for token in tokens { device.recycle(token) }
      tokens = []
      if device.unanswered == 0, blow == .garbage { break }
    }
    // Garbage may have met a word that nobody reads again.
    if blow != .garbage { expect(!device.isAlive) }
    if device.isAlive { device.fence(now: now) }
    expect(taken + refused == 4000 && struckAt != nil)
    expect(came.values.allSatisfy { $0 == 1 } && came.count + Int(device.lostInDevice) == taken)
    expect(device.lostInDevice <= 64)
    if blow == .wedge { device.host.signal(SIGCONT) }
    device.recover(now: now)
    expect(device.isAlive)
    try device.insert(through(1, 2, id: 1), now: now)
    var out: [UInt16] = []
    device.receive(buffer.frame(bytes(1)), port: 1, now: now) { out.append($0.port) }
    try expect(out == [2] && (device.query(1, now: now)).frames == 1)
    expect(came.count + Int(device.lostInDevice) == taken)
  }

  private func strike(_ blow: Blow, _ device: inout Driven) {
    switch blow {
    case .kill: device.host.signal(SIGKILL)
    case .wedge: device.host.signal(SIGSTOP)
    case .reset: device.fence(now: now)
    case .garbage:
      var draw = Draw(99)
      let ring = device.layout.input(1)..<device.layout.inputBuffers(1)
      for _ in 0..<400 {
        device.rings.region.shared.store8(
          UInt8(truncatingIfNeeded: draw.next()), at: ring.lowerBound + draw.below(ring.count))
      }
    }
  }

  @Test("leaves no process behind when its driver goes, and says what is wrong when it cannot be started")
  func ends() throws {
    var number: Int32 = 0
    do {
      let device = try start()
      number = device.host.processID
      expect(kill(number, 0) == 0)
    }
    expect(kill(number, 0) != 0)
    #expect(throws: HostError.self) {
      _ = try DrivenDevice.start(
        ProcessHost(program: "/nonexistent/dpu-device"), abilities: everything(), overlay: someOverlay())
    }
  }
}
