import Datapath
import Device
import Memory
import Rules

/// The software path of an engine: one queue of the data path and the buffers that frames reach it in.
final class SoftwareSide {
  let rules: RuleBook
  private(set) var datapath: Datapath
  private var arena: FrameArena
  private var burst = FrameBurst()
  private var out = EmissionBurst(capacity: 4096)

  /// The largest frame that can be handed over.
  static let largestFrame = 65535
  /// The owner byte of this side's own buffers.
  private static let owner: UInt8 = 0xe0

  init(_ configuration: Configuration, start: UInt64, paths: PathTable? = nil) throws {
    let ids = configuration.rules.map(\.id).max() ?? 1
    let rules = try RuleBook(configuration.overlay, limit: max(configuration.rules.count, Int(ids)) + 16, paths: paths)
    try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: start)
    self.rules = rules
    datapath = try Datapath(
      rules, buffers: 1024, bufferSize: 66560 + FrameArena.defaultHeadroom,
      answers: (UInt32(clamping: configuration.answers.perSecond), UInt32(clamping: configuration.answers.burst)))
    arena = try FrameArena(capacity: 8, bufferSize: 66560 + FrameArena.defaultHeadroom)
  }

  /// Says which debts these ports' device pays itself.
  func setCarried(_ debts: Owed, ports: [UInt16]) {
    for port in ports { datapath.setCarried(debts, port: port) }
  }

  /// A frame of these bytes in a buffer of this side's own. ``finish(_:)`` gives it back.
  func frame(_ bytes: [UInt8]) -> Frame? {
    guard bytes.count <= Self.largestFrame, let index = arena.take() else { return nil }
    let buffer = arena.buffer(index)
    buffer.copy(bytes, at: FrameArena.defaultHeadroom)
    return Frame(
      buffer: buffer, headroom: FrameArena.defaultHeadroom, length: bytes.count,
      token: UInt32(Self.owner) << 24 | index)
  }

  /// The same frame in a buffer of this side's own: what a device hands up may lie in a buffer of the device's.
  func adopt(_ frame: Frame, bytes: [UInt8]) -> Frame? {
    guard let index = arena.take() else { return nil }
    let buffer = arena.buffer(index)
    buffer.copy(bytes, at: FrameArena.defaultHeadroom)
    return frame.moved(
      to: buffer, headroom: FrameArena.defaultHeadroom, token: UInt32(Self.owner) << 24 | index)
  }

  /// Gives the buffer of a frame back that ``frame(_:)`` or ``adopt(_:bytes:)`` made.
  func finish(_ token: UInt32) {
    if UInt8(truncatingIfNeeded: token >> 24) == Self.owner {
      arena.give(token & 0xff_ffff)
    } else {
      datapath.recycle(token)
    }
  }

  /// Carries one frame out; `each` sees what came of it, in order, and every buffer is given back afterwards.
  func process(_ frame: Frame, now: UInt64, each: (Emission) -> Void) {
    burst.removeAll()
    out.removeAll()
    _ = burst.append(frame)
    datapath.process(&burst, now: now, out: &out)
    for index in 0..<out.count { each(out[index]) }
    for index in 0..<out.count { finish(out[index].frame.token) }
    for index in 0..<out.releaseCount { finish(out.released(index)) }
  }
}
