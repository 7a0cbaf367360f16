import Datapath
import Device
public import Offload
import Rules

// A frame through an emulated device and the software path, both run for it alone.
extension FrameTrace {
  /// Runs one frame of `bytes` (without FCS, at most 65,535) that comes in through `port` on the device of `plan`, nil for
  /// software alone, and tells its way. What went in, came up and left was seen; the steps between are foretold.
  ///
  /// - Throws: what is wrong with the configuration, or that there is no memory.
  public static func offline(
    _ configuration: Configuration, plan: Plan?, bytes: [UInt8], port: UInt16, now: UInt64 = 0
  ) throws -> FrameTrace {
    let engine = try Engine(configuration, plan: plan)
    let results = engine.process(bytes, port: port, now: now)
    let book = try RuleBook(
      configuration.overlay, limit: Int(configuration.rules.map(\.id).max() ?? 1) + 16, queues: 1)
    try book.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: now)
    let rules = Dictionary(configuration.rules.map { ($0.id, $0.rule) }) { first, _ in first }
    let predictor = try Predictor(book) { rules[$0] }
    let start = FrameCopy(bytes: bytes, port: port)
    let (steps, leaves) = try predictor.walk(start, now: now)

    var trace = FrameTrace(configuration)
    trace.arrive(start, .observed)
    let split = plan == nil ? 0 : Self.split(steps, engine.handover)
    var seen = Set(results.map(\.rule)).subtracting([0])
    if case .begun(let rule, _) = engine.handover { seen.insert(rule) }
    trace.add(Array(steps[..<split]), from: start, place: { _ in .hardware }, seen: seen)
    if plan != nil, engine.handover != .finished {
      let up = engine.handedUp ?? start
      trace.lines.append(
        Line(
          certainty: .observed, place: "hardware", step: "up", rule: up.record.rule,
          text: Self.upWords(engine, plan, steps, up), after: up))
    }
    let middle = steps[..<split].last { $0.frame != nil }?.frame ?? start
    trace.add(Array(steps[split...]), from: engine.handedUp ?? middle, place: { _ in .software }, seen: seen)
    for result in results {
      trace.leave(Predictor.Leave(result), .observed, place: result.isWholeInHardware ? "hardware" : "software")
    }
    trace.agrees = Self.agree(leaves, results, configuration)
    return trace
  }

  /// How many of the steps the device carries out.
  static func split(_ steps: [Predictor.Step], _ handover: Handover) -> Int {
    switch handover {
    case .untouched: return 0
    case .finished: return steps.count
    case .begun(let rule, let done):
      guard let match = steps.lastIndex(where: { if case .match = $0.kind { $0.rule == rule } else { false } })
      else { return 0 }
      return min(steps.count, match + 1 + done)
    }
  }

  private static func upWords(_ engine: Engine, _ plan: Plan?, _ steps: [Predictor.Step], _ up: FrameCopy) -> String {
    var text: String
    switch engine.handover {
    case .begun(let rule, let done):
      text = done == 0 ? "comes up with rule \(rule), as it came" : "comes up with rule \(rule), \(done) actions done"
    default: text = "comes up as it came"
    }
    if up.record.group != 0 { text += ", to go on in group \(up.record.group)" }
    if let reason = engine.dropFoundByDevice { text += "; the device found \(reason.name)" }
    let first = steps.first { $0.rule != 0 }?.rule ?? 0
    let rule = up.record.rule != 0 ? up.record.rule : first
    if let refusal = engine.place(of: rule).refusal ?? plan?[rule]?.refusal { text += "; \(refusal.reason.name)" }
    return text
  }

  /// The same frames leave, but for what a device may choose.
  private static func agree(_ leaves: [Predictor.Leave], _ results: [Result], _ configuration: Configuration) -> Bool {
    // The queue that a hash chooses is the device's own affair.
    let hashing = Set(
      configuration.rules.filter { $0.rule.actions.contains { if case .rss = $0 { true } else { false } } }.map(\.id))
    func key(_ result: Result) -> String {
      let bytes = JSON.hex(result.canonicalBytes(in: configuration))
      guard case .delivered(_, let mark) = result.fate, hashing.contains(result.rule) else {
        return "\(result.fate) \(bytes)"
      }
      return "by hash, \(mark) \(bytes)"
    }
    let foretold = leaves.filter { $0.outcome != .absorbed && !$0.isCopy }.map { key(Result($0)) }
    return foretold.sorted() == results.filter { !$0.isCopy }.map(key).sorted()
  }
}

extension FrameTrace {
  /// Says whether what was foretold is what was seen; nothing when a frame became several, which are not followed.
  mutating func judge(_ leaves: [Predictor.Leave], _ seen: [Predictor.Leave], _ configuration: Configuration) {
    let foretold = leaves.filter { $0.outcome != .absorbed && !$0.isCopy }
    guard foretold.count == seen.count, !seen.contains(where: { $0.outcome == .absorbed || $0.frame.record.owed != [] })
    else { return }
    agrees = Self.agree(foretold, seen.map { Result($0) }, configuration)
  }
}

extension Predictor.Leave {
  init(_ result: Result) {
    frame = FrameCopy(bytes: result.bytes, port: 0)
    rule = result.rule
    port = 0
    queue = 0
    mark = 0
    switch result.fate {
    case .forwarded(let port):
      outcome = .forward
      self.port = port
    case .delivered(let queue, let mark):
      outcome = .deliver
      self.queue = queue
      self.mark = mark
    case .dropped(let reason): outcome = .dropped(reason)
    }
    frame.record.owed = result.owed
    if result.isCopy { frame.record.steps.insert(.sampled) }
  }
}

extension Result {
  fileprivate init(_ leave: Predictor.Leave) {
    let fate: Fate =
      if let reason = leave.outcome.dropReason {
        .dropped(reason)
      } else if leave.outcome == .deliver {
        .delivered(queue: leave.queue, mark: leave.mark)
      } else {
        .forwarded(port: leave.port)
      }
    let isDropped = leave.outcome.dropReason != nil
    self.init(fate: fate, rule: leave.rule, bytes: isDropped ? [] : leave.frame.bytes)
  }
}
