import Device
import DeviceBus
import EmulatedDevice
import Memory
import Rules
import Testing

@testable import DeviceDriver

@Suite("Across a device's rings")
struct HostileTests {
  /// What is spoiled, and when: before the device looks, or before the driver does.
  private enum Place: CaseIterable {
    case admin, commands, inputRing, inputBuffers, outputRing, outputBuffers, registers
  }

  private func range(_ place: Place, _ layout: BusLayout, _ draw: inout Draw) -> Range<Int> {
    let pair = draw.below(layout.pairs)
    switch place {
    case .admin: return layout.admin..<layout.command(0)
    case .commands:
      let at = draw.below(2) == 0 ? layout.command(7) : layout.result(7)
      return at..<at + 48
    case .inputRing: return layout.input(pair)..<layout.inputBuffers(pair)
    case .inputBuffers:
      let at = layout.inputBuffers(pair) + (layout.inputSize - 1 - draw.below(4)) * BusLayout.bufferSize
      return at..<at + FrameHeader.size
    case .outputRing: return layout.output(pair)..<layout.outputBuffers(pair)
    case .outputBuffers:
      let at = layout.outputBuffers(pair) + draw.below(4) * BusLayout.bufferSize
      return at..<at + FrameHeader.size
    // Status, reason and progress: the generation is what a reset rests on.
    case .registers: return 200..<224
    }
  }

  private func spoil(_ region: SharedRegion, _ layout: BusLayout, _ draw: inout Draw) {
    let range = range(Place.allCases[draw.below(Place.allCases.count)], layout, &draw)
    for _ in 0..<1 + draw.below(6) {
      region.shared.store8(UInt8(truncatingIfNeeded: draw.next()), at: range.lowerBound + draw.below(range.count))
    }
    // Flags of a packed ring are hit seldom: some are turned over on purpose.
    if draw.below(3) == 0 {
      let at = layout.input(0) + 16 * draw.below(4) + 14
      region.shared.store16(UInt16(truncatingIfNeeded: draw.next()), at: at)
    }
  }

  @Test(
    "garbage in either direction traps nobody, is cut off by name, and the device comes back", arguments: UInt64(0)..<10
  )
  func garbage(seed: UInt64) throws {
    var draw = Draw(seed &* 77)
    let host = InlineHost()
    let bystander = InlineHost()
    let buffer = try Buffer()
    let settings = StartSettings(seed: 1, maximumRules: 1000).bytes
    func options() -> DrivenDevice<InlineHost>.Options {
      small(InlineHost.self) {
        $0.inputSize = 16
        $0.outputSize = 16
        $0.isPacked = seed % 2 == 0
        $0.recoveryMilliseconds = 5
      }
    }
    var device = try DrivenDevice.start(
      host, abilities: everything(), overlay: someOverlay(), settings: settings, options: options())
    var other = try DrivenDevice.start(
      bystander, abilities: everything(), overlay: someOverlay(), settings: settings, options: options())
    try other.insert(through(1, 2, id: 1), now: 0)
    var cutOff = 0
    var now: UInt64 = 0
    for number in 0..<100 {
      now += 1_000_000
      do throws(Refusal) { try device.insert(through(1, 2, id: 1), now: now) } catch { expect(error.reason != .busy) }
      host.servesWhenWaitedFor = false
      var taken = 0
      for index in 0..<8
      where device.submit(buffer.frame(bytes(index)), kind: .received, port: UInt16(index % 3), now: now) { taken += 1 }
      device.flush()
      let before = device.lostInDevice
      let region = try need(host.region)
      if draw.below(2) == 0 {
        spoil(region, device.layout, &draw)
        host.step(rounds: 4)
      } else {
        host.step(rounds: 1)
        spoil(region, device.layout, &draw)
      }
      host.servesWhenWaitedFor = true
      var own = 0
      var tokens: [UInt32] = []
      for _ in 0..<80 where device.isAlive {
        now += 100_000
        _ = device.poll(now: now) { emission in
          own += 1
          tokens.append(emission.frame.token)
        }
        for token in tokens { device.recycle(token) }
        tokens = []
        host.step(rounds: 4)
      }
      // Commands meet garbage too; whatever comes back is an answer or a refusal.
      _ = try? device.query(1, now: now)
      if !device.isAlive {
        cutOff += 1
        let name = try need(device.lastLoss?.reason.name)
        expect(!name.isEmpty)
        device.recover(now: now)
        expect(device.isAlive, "case \(number) of seed \(seed) after \(name)")
      } else {
        // Whatever the garbage left behind is not a case of the next one.
        device.fence(now: now)
        device.recover(now: now)
      }
      expect(own + Int(device.lostInDevice - before) >= taken, "case \(number) of seed \(seed)")
    }
    expect(cutOff > 0, "garbage is noticed: \(cutOff) of 100")
    // It works as on the first day, and its neighbour never noticed.
    try? device.insert(through(1, 2, id: 1), now: now)
    var out: [UInt16] = []
    device.receive(buffer.frame(bytes(9)), port: 1, now: now) { out.append($0.port) }
    other.receive(buffer.frame(bytes(9)), port: 1, now: now) { out.append($0.port) }
    expect(out == [2, 2] && other.isAlive && other.starts == 1)
  }

  @Test("commands that are spoiled in any byte are answered, and do no harm", arguments: UInt64(0)..<8)
  func commands(seed: UInt64) throws {
    var draw = Draw(seed &* 3 &+ 1)
    let host = InlineHost()
    var device = try DrivenDevice.start(
      host, abilities: everything(), overlay: someOverlay(),
      settings: StartSettings(seed: 1, maximumRules: 1000).bytes, options: small(InlineHost.self))
    let (shape, keys) = try need(PatternFormat.encode(through(1, 2, id: 1).rule.pattern))
    let body = try need(RuleFormat.encode(through(1, 2, id: 1), classifier: 1, keys: keys))
    let good: [[UInt8]] = [
      AdminCommand(.create, .classifier, id: 1, body: shape).bytes,
      AdminCommand(.create, .rule, id: 1, body: body).bytes,
      AdminCommand(.query, .counter, id: 1).bytes, AdminCommand(.query, .aging, id: 0).bytes,
      AdminCommand(.capabilityList).bytes, AdminCommand(.capabilityGet, capability: 0x800).bytes,
      AdminCommand(.query, .statistics, id: 0).bytes, AdminCommand(.destroy, .rule, id: 1).bytes,
      AdminCommand(.destroy, .classifier, id: 1).bytes,
    ]
    for _ in 0..<200 {
      var command = good[draw.below(good.count)]
      for _ in 0..<draw.below(4) { command[draw.below(command.count)] = UInt8(truncatingIfNeeded: draw.next()) }
      if draw.below(5) == 0 { command.removeLast(draw.below(command.count)) }
      if draw.below(9) == 0 { command += [1, 2, 3] }
      let slot = try need(device.rings.submit(command))
      _ = device.rings.publish()
      host.step()
      let ended = try need(device.rings.reap())
      expect(ended.slot == slot)
      _ = try AdminResult(ended.bytes)
    }
    expect(device.isAlive && device.accusation() == nil)
  }
}
