import Device
import Offload
import Rules

/// Finds a device that lies: one in N of its answers for each rule is compared with what software makes of the frame.
final class Checking {
  /// A wrong answer, and what is to be taken from the device for it.
  struct Wrong {
    var rule: UInt32
    var step: RuleStep
    /// The rule has such a step; else a rule before it on the frame's way did it.
    var isOwnStep: Bool
    var framesExposed: UInt64
  }

  private let twin: Engine
  private var checker: AnswerChecker
  private var comparator: Comparator
  private let steps: [UInt32: Set<RuleStep>]

  init(twin: Engine, oneIn: UInt64, _ configuration: Configuration) {
    self.twin = twin
    checker = AnswerChecker(oneIn: oneIn)
    comparator = Comparator(configuration, limit: 0)
    steps = Dictionary(
      configuration.rules.map { numbered in
        (numbered.id, Set(numbered.rule.actions.map { configuration.overlay.resolved($0).step }))
      }
    ) { first, _ in first }
  }

  /// The first wrong answer among what came of a frame; nil when it was right or not looked at.
  ///
  /// Frames that software did alone, and those that were lost, are not the device's answers.
  func check(_ results: [Result], _ bytes: [UInt8], port: UInt16, now: UInt64) -> Wrong? {
    guard let answer = results.first(where: { $0.place != .software }), answer.rule != 0,
      checker.wantsNext(rule: answer.rule)
    else { return nil }
    let before = comparator.count
    comparator.compare(
      frame: 0, device: results, software: twin.process(bytes, port: port, now: now), wellFormed: false)
    guard let exposed = checker.note(rule: answer.rule, agreed: comparator.count == before) else { return nil }
    let step = step(of: answer)
    let isOwn = step == .match || steps[answer.rule]?.contains(step) ?? false
    return Wrong(rule: answer.rule, step: step, isOwnStep: isOwn, framesExposed: exposed)
  }

  /// The step to take away: the first header change the device made; without one, the match.
  private func step(of answer: Result) -> RuleStep {
    let done = answer.stepsInHardware
    if done.contains(.decapsulate) { return .decapsulate }
    if done.contains(.rewrite) { return .rewrite }
    if done.contains(.encapsulate) { return .encapsulate }
    return .match
  }
}
