import Device
import DeviceBus
import EmulatedDevice
import Foundation
import Memory
import Rules
import Testing

@testable import DeviceDriver

/// A device in this process that runs only when a test lets it, so that every order of things can be had.
final class InlineHost: DeviceHost {
  /// The device, when it runs.
  private(set) var server: DeviceServer?
  private(set) var region: SharedRegion?
  private(set) var starts = 0
  private(set) var kills = 0
  /// It does nothing, as a process that was stopped.
  var isWedged = false
  /// It does nothing of its own accord when its driver waits.
  var servesWhenWaitedFor = true

  func start(_ layout: BusLayout, prepare: (SharedRegion) throws(HostError) -> Void) throws(HostError) {
    do throws(SharedMemoryError) { region = try SharedRegion(bytes: layout.bytes) } catch {
      throw HostError("\(error)")
    }
    guard let region else { return }
    try prepare(region)
    do throws(BusError) { server = try DeviceServer(region) } catch { throw HostError("\(error)") }
    starts += 1
    isWedged = false
  }

  /// Lets the device do what waits, `rounds` rounds at most.
  func step(rounds: Int = 1000) {
    guard let server, !isWedged else { return }
    for _ in 0..<rounds { if server.serve() == 0 { break } }
    _ = server.needsCall()
  }

  func kick() {}
  func wait(milliseconds: Int32) { if servesWhenWaitedFor { step() } }
  var isGone: Bool { server == nil }
  func kill() {
    kills += 1
    server = nil
  }
}

/// A device that can do everything.
func everything() -> Abilities {
  var abilities = Abilities()
  abilities.match = MatchAbilities(rawValue: MatchAbilities.names.reduce(0) { $0 | $1.ability.rawValue })
  abilities.actions = ActionAbilities(rawValue: ActionAbilities.names.reduce(0) { $0 | $1.ability.rawValue })
  abilities.frame = FrameAbilities(rawValue: FrameAbilities.names.reduce(0) { $0 | $1.ability.rawValue })
  abilities.geneveOptions.perRule = 63
  abilities.rules = 1000
  abilities.groups = 65_536
  abilities.priorities = .max
  abilities.largestHeader = 510
  return abilities
}

func someOverlay() -> Overlay {
  var overlay = Overlay()
  overlay.ports = [
    Port(id: 0, kind: .uplink, mtu: 1600), Port(id: 1, kind: .tenant), Port(id: 2, kind: .tenant, mtu: 9000),
  ]
  return overlay
}

/// Everything that comes in at a port goes out of another one, counted.
func through(_ from: UInt16, _ to: UInt16, id: UInt32) -> DeviceRule {
  var attributes = Attributes()
  attributes.ingress = true
  attributes.port = from
  let rule = Rule(
    attributes: attributes, pattern: [.eth(EthItem())], actions: [.count(id: 0), .representedPort(to)])
  return DeviceRule(id: id, rule: rule, actionsOnDevice: 2)
}

/// A frame without IP, of `length` bytes, that says its number.
func bytes(_ number: Int, length: Int = 64) -> [UInt8] {
  var bytes = [UInt8](repeating: 2, count: 12) + [0x88, 0xb5]
  for shift in stride(from: 24, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) }
  return bytes + [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: max(0, length - bytes.count))
}

/// The number that a frame says.
func number(_ frame: Frame) -> Int { Int(frame.bytes.u32(14)) }

/// One buffer for the frames that a test sends.
struct Buffer: ~Copyable {
  private var arena: FrameArena
  init() throws { arena = try FrameArena(capacity: 1, bufferSize: 1 << 17) }
  func frame(_ bytes: [UInt8], headroom: Int = 384) -> Frame {
    let buffer = arena.buffer(0)
    buffer.copy(bytes, at: headroom)
    return Frame(buffer: buffer, headroom: headroom, length: bytes.count, token: 7)
  }
}

/// The generator behind every seed (SplitMix64).
struct Draw: RandomNumberGenerator {
  private var state: UInt64
  init(_ salt: UInt64) {
    let seed = ProcessInfo.processInfo.environment["DPU_SEED"].flatMap { UInt64($0) } ?? 1
    state = seed &* 0x1_0000_0001 &+ salt
  }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// Options of a driver in a test: small rings, no waiting for nothing.
func small<Host: DeviceHost>(
  _: Host.Type, change: (inout DrivenDevice<Host>.Options) -> Void = { _ in }
) -> DrivenDevice<Host>.Options {
  var options = DrivenDevice<Host>.Options()
  options.inputSize = 64
  options.outputSize = 64
  options.buffers = 256
  options.spins = 0
  change(&options)
  return options
}

/// What has to hold. A function and not the macro, which copies the parts of its expression, and a device is not copied.
func expect(_ holds: Bool, _ note: String = "", sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(holds, "\(note)", sourceLocation: sourceLocation)
}

/// What has to be there.
func need<T>(_ value: T?, sourceLocation: SourceLocation = #_sourceLocation) throws -> T {
  try #require(value, sourceLocation: sourceLocation)
}

/// The refusal that a call ends in.
func refusal(_ call: () throws(Refusal) -> Void) -> Refusal? {
  do throws(Refusal) { try call() } catch { return error }
  return nil
}
