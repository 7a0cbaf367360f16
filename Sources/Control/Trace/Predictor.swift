import Datapath
public import Device
import Memory
import Rules

/// A frame apart from any buffer: its bytes, and what its record says of it.
public struct FrameCopy: Sendable {
  /// The bytes, without FCS.
  public var bytes: [UInt8]
  /// The record. Its bytes lie nowhere any more and are not looked at.
  public var record: Frame

  /// A fresh frame of these bytes that came in through `port`.
  public init(bytes: [UInt8], port: UInt16) {
    self.bytes = bytes
    record = Frame()
    record.inPort = port
  }

  /// Bytes and a record that belongs to them.
  init(bytes: [UInt8], record: Frame) {
    self.bytes = bytes
    self.record = record
  }

  /// What is in a buffer now.
  init(_ frame: Frame) {
    bytes = frame.bytes.array()
    record = frame
  }
}

/// Says what software would do to a frame, action by action, without doing it: nothing is counted or sent.
///
/// The rules are found in the tables that are asked; each action's result comes from a data path of its own that has the
/// frame's rules alone, the last of them ended behind that action.
final class Predictor {
  /// What happens at one place of the frame's way.
  struct Step: Sendable {
    /// What it is.
    enum Kind: Equatable, Sendable {
      /// The rule matches in this group.
      case match(group: UInt32)
      /// No rule does.
      case miss(group: UInt32)
      /// The action of this index.
      case action(index: Int)
      /// A rule is met for the second time: here the walk ends.
      case circle
    }
    /// What it is.
    var kind: Kind
    /// The rule; 0 for a miss.
    var rule: UInt32
    /// The rule's, or the action's, text.
    var text: String
    /// The frame behind it; nil when it was dropped there.
    var frame: FrameCopy?
    /// Why it was dropped there.
    var drop: DropReason?
  }

  /// What comes of the frame in the end.
  struct Leave: Sendable {
    /// Forwarded, delivered, dropped, absorbed.
    var outcome: Outcome
    /// Out of which port.
    var port: UInt16
    /// To which queue.
    var queue: UInt8
    /// The mark it carries.
    var mark: UInt32
    /// The rule it was sent by.
    var rule: UInt32
    /// The frame as it leaves.
    var frame: FrameCopy
    /// A copy that a `sample` action made.
    var isCopy: Bool { frame.record.steps.contains(.sampled) }

    init(_ emission: Emission) {
      outcome = emission.frame.outcome
      port = emission.port
      queue = emission.frame.queue
      mark = emission.mark
      rule = emission.frame.rule
      frame = FrameCopy(emission.frame)
    }
  }

  /// The tables that are asked.
  let book: RuleBook
  private let overlay: Overlay
  private var asked: Datapath
  private let rule: (UInt32) -> Rule?
  private var arena: FrameArena
  private static let owner: UInt8 = 0xe1

  /// Asks the tables of `book` which rules match, and `rule` what they say. It takes one of the book's places for queues
  /// and gives it back when it goes.
  ///
  /// - Throws: ``Datapath/DatapathError`` when there is no place, ``Memory/ArenaError``.
  init(_ book: RuleBook, rule: @escaping (UInt32) -> Rule?) throws {
    self.book = book
    overlay = book.overlay
    asked = try Datapath(book, buffers: 2, cachedFlows: 0)
    self.rule = rule
    arena = try FrameArena(capacity: 4, bufferSize: 66560 + FrameArena.defaultHeadroom)
  }

  /// The frame's way. `now` is in nanoseconds.
  func walk(_ start: FrameCopy, now: UInt64) throws -> (steps: [Step], leaves: [Leave]) {
    let shadow = try Shadow(overlay, book.outerAddresses)
    var steps: [Step] = []
    var frame = start
    var group: UInt32 = 0
    var trail: [UInt32] = []
    search: while true {
      guard let id = hit(frame, group: group, now: now), let rule = rule(id) else {
        steps.append(Step(kind: .miss(group: group), rule: 0, text: "no rule matches", frame: frame))
        break
      }
      let text = Command.create(RuleRequest(rule: rule)).description
      steps.append(Step(kind: .match(group: group), rule: id, text: text, frame: frame))
      guard !trail.contains(id) else {
        steps.append(Step(kind: .circle, rule: id, text: "the rule is met again", frame: frame))
        break
      }
      trail.append(id)
      for (index, action) in rule.actions.enumerated() {
        if case .jump(let next) = action {
          steps.append(Step(kind: .action(index: index), rule: id, text: action.text, frame: frame))
          try shadow.put(id, rule, now: now)
          group = next
          continue search
        }
        guard !action.isFate else {
          steps.append(Step(kind: .action(index: index), rule: id, text: action.text, frame: frame))
          break
        }
        var part = rule
        part.actions = Array(rule.actions[...index]) + [.queue(0)]
        try shadow.put(id, part, now: now)
        let step = result(run(shadow, start, now: now), Step(kind: .action(index: index), rule: id, text: action.text))
        steps.append(step)
        guard let behind = step.frame else { break }
        frame = behind
      }
      try shadow.put(id, rule, now: now)
      break
    }
    return (steps, run(shadow, start, now: now))
  }

  private func result(_ leaves: [Leave], _ step: Step) -> Step {
    var step = step
    guard let leave = leaves.last(where: { !$0.isCopy }) else { return step }
    // Without Ethernet it cannot go to the queue that ends the walk here; it is there all the same.
    if let reason = leave.outcome.dropReason,
      reason != .missingEthernet || !leave.frame.record.steps.contains(.startsAtIP)
    {
      step.drop = reason
      return step
    }
    step.frame = leave.frame
    return step
  }

  private func hit(_ copy: FrameCopy, group: UInt32, now: UInt64) -> UInt32? {
    guard let frame = place(copy) else { return nil }
    defer { arena.give(frame.token & 0xff_ffff) }
    var looked = frame
    // What the actions before changed is looked at as it is now: a tunnel inside is not looked into.
    looked.steps = copy.record.steps
    return asked.wouldHit(looked, group: group, now: now)
  }

  private func place(_ copy: FrameCopy) -> Frame? {
    guard copy.bytes.count <= SoftwareSide.largestFrame, let index = arena.take() else { return nil }
    let buffer = arena.buffer(index)
    buffer.copy(copy.bytes, at: FrameArena.defaultHeadroom)
    var frame = Frame(
      buffer: buffer, headroom: FrameArena.defaultHeadroom, length: copy.bytes.count,
      token: UInt32(Self.owner) << 24 | index)
    frame.inPort = copy.record.inPort
    frame.owed = copy.record.owed
    frame.segmentSize = copy.record.segmentSize
    frame.segmentHeaderLength = copy.record.segmentHeaderLength
    frame.checksumStart = copy.record.checksumStart
    frame.checksumOffset = copy.record.checksumOffset
    return frame
  }

  private func run(_ shadow: Shadow, _ copy: FrameCopy, now: UInt64) -> [Leave] {
    guard let frame = place(copy) else { return [] }
    defer { arena.give(frame.token & 0xff_ffff) }
    return shadow.process(frame, now: now)
  }
}

extension Predictor.Step {
  init(kind: Kind, rule: UInt32, text: String) { self.init(kind: kind, rule: rule, text: text, frame: nil) }
}

/// A data path with a few rules, that nobody else sees.
private final class Shadow {
  private let book: RuleBook
  private var datapath: Datapath
  private var burst = FrameBurst()
  private var out = EmissionBurst(capacity: 2048)
  private var rules: Set<UInt32> = []

  init(_ overlay: Overlay, _ addresses: [OuterAddresses]) throws {
    book = try RuleBook(overlay, limit: 64, queues: 1)
    _ = book.setOuterAddresses(addresses)
    datapath = try Datapath(
      book, buffers: 256, bufferSize: 66560 + FrameArena.defaultHeadroom, cachedFlows: 0, answers: (1000, 1000))
  }

  func put(_ id: UInt32, _ rule: Rule, now: UInt64) throws {
    let change: RuleChange = rules.insert(id).inserted ? .add(id, rule) : .replace(id, rule)
    try book.apply([change], now: now)
  }

  func process(_ frame: Frame, now: UInt64) -> [Predictor.Leave] {
    burst.removeAll()
    out.removeAll()
    _ = burst.append(frame)
    datapath.process(&burst, now: now, out: &out)
    var leaves: [Predictor.Leave] = []
    for index in 0..<out.count {
      leaves.append(Predictor.Leave(out[index]))
      datapath.recycle(out[index].frame.token)
    }
    return leaves
  }
}
