import Device
import DeviceBus
import Memory
import Rules
import Testing

@testable import DeviceDriver
@testable import EmulatedDevice

/// A device whose answers are right but for one number.
@Suite("A device that lies in one number of an answer") struct LyingAnswerTests {
  /// Two frames go in, the device answers both, and `change` makes its answers (headers at these places) what they are not.
  private func poll(
    _ change: (SharedRegion, _ first: Int, _ second: Int) -> Void
  ) throws -> (emissions: Int, loss: DeviceLoss?, stale: UInt64, lost: UInt64) {
    let host = InlineHost()
    let buffer = try Buffer()
    var device = try DrivenDevice.start(
      host, abilities: everything(), overlay: someOverlay(),
      settings: StartSettings(seed: 1, maximumRules: 1000).bytes, options: small(InlineHost.self))
    try device.insert(through(1, 2, id: 1), now: 0)
    host.servesWhenWaitedFor = false
    for index in 0..<2 { expect(device.submit(buffer.frame(bytes(index)), kind: .received, port: 1, now: 1)) }
    device.flush()
    host.step()
    // The answers lie in the first buffers that were posted.
    let base = device.layout.outputBuffers(device.pair(1))
    change(try need(host.region), base, base + BusLayout.bufferSize)
    var emissions = 0
    var now: UInt64 = 1
    for _ in 0..<4 {
      now += 1000
      _ = device.poll(now: now) { _ in emissions += 1 }
    }
    return (emissions, device.lastLoss?.reason, device.stale, device.lostInDevice)
  }

  @Test("is believed while it says the truth")
  func truth() throws {
    let end = try poll { _, _, _ in }
    #expect(end.emissions == 2 && end.loss == nil && end.stale == 0 && end.lost == 0)
  }

  @Test("is cut off for a cookie that is not out: another sequence, another place, one that was answered")
  func cookies() throws {
    let lies: [(SharedRegion, Int, Int) -> Void] = [
      { region, first, _ in region.shared.store16(region.shared.load16(first + 6) &- 1, at: first + 6) },
      { region, first, _ in region.shared.store16(region.shared.load16(first + 6) &+ 1, at: first + 6) },
      { region, first, _ in region.shared.store16(0xffff, at: first + 4) },
      { region, first, second in region.shared.store32(region.shared.load32(first + 4), at: second + 4) },
    ]
    for (index, lie) in lies.enumerated() {
      let end = try poll(lie)
      #expect(end.loss == .answer(.answerCookie), "lie \(index)")
      #expect(end.emissions == (index == 3 ? 1 : 0) && end.emissions + Int(end.lost) == 2, "lie \(index)")
    }
  }

  @Test("is cut off for a length that is not what it wrote, and for a number that means nothing")
  func lengths() throws {
    for by in [UInt16(1), 0xffff, 100] {
      let end = try poll { region, first, _ in
        region.shared.store16(region.shared.load16(first + 44) &+ by, at: first + 44)
      }
      #expect(end.loss == .answer(.answerLength) && end.emissions == 0 && end.lost == 2)
    }
    for (at, value) in [(0, UInt8(255)), (1, 2), (73, 255)] {
      let end = try poll { region, first, _ in region.shared.store8(value, at: first + at) }
      #expect(end.loss == .answer(.answerHeader) && end.emissions == 0 && end.lost == 2, "byte \(at)")
    }
  }

  @Test("is not heard in another generation, older or newer, and its frame is missing")
  func generations() throws {
    for by in [UInt16(1), 0xffff] {
      let end = try poll { region, first, _ in
        region.shared.store16(region.shared.load16(first + 2) &+ by, at: first + 2)
      }
      #expect(end.emissions == 1 && end.stale == 1 && end.lost == 1 && end.loss == nil)
    }
  }

  @Test("answers a frame as often as it has copies of it")
  func copies() throws {
    let host = InlineHost()
    let buffer = try Buffer()
    var overlay = someOverlay()
    overlay.sampleActions[1] = [.queue(3)]
    var device = try DrivenDevice.start(
      host, abilities: everything(), overlay: overlay, settings: StartSettings(seed: 1, maximumRules: 1000).bytes,
      options: small(InlineHost.self))
    var rule = through(1, 2, id: 1)
    rule.rule.actions.insert(.sample(ratio: 1, index: 1), at: 1)
    rule.actionsOnDevice = 3
    try device.insert(rule, now: 0)
    host.servesWhenWaitedFor = false
    for index in 0..<3 { expect(device.submit(buffer.frame(bytes(index)), kind: .received, port: 1, now: 1)) }
    device.flush()
    host.step()
    var numbers: [Int] = []
    _ = device.poll(now: 2) { numbers.append(number($0.frame)) }
    expect(numbers == [0, 0, 1, 1, 2, 2] && device.isAlive && device.lostInDevice == 0, "\(numbers)")
  }

  @Test("does not start when it refuses what it is told, and the error says so")
  func refusesToStart() {
    do {
      _ = try DrivenDevice.start(
        InlineHost(), abilities: everything(), overlay: someOverlay(), settings: [1, 2, 3],
        options: small(InlineHost.self) { $0.recoveryMilliseconds = 5 })
      Issue.record("it started")
    } catch {
      #expect(error.description.contains(DeviceLoss.answer(.adminResult).description), "\(error)")
    }
  }

  @Test("forgets a shape of match when its last rule goes")
  func shapes() throws {
    var device = try DrivenDevice.start(
      InlineHost(), abilities: everything(), overlay: someOverlay(),
      settings: StartSettings(seed: 1, maximumRules: 1000).bytes, options: small(InlineHost.self))
    let shape = try need(PatternFormat.encode(through(1, 2, id: 1).rule.pattern)).0
    try device.insert(through(1, 2, id: 1), now: 0)
    try device.insert(through(2, 1, id: 2), now: 0)
    let id = device.shapes.id(of: shape)
    expect(id != nil)
    _ = try device.remove(1, now: 0)
    expect(device.shapes.id(of: shape) == id)
    _ = try device.remove(2, now: 0)
    expect(device.shapes.id(of: shape) == nil)
    try device.insert(through(1, 2, id: 3), now: 0)
    expect(device.shapes.id(of: shape) != nil && device.shapes.id(of: shape) != id)
  }
}
