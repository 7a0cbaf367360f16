/// Where a rule, or a step of it, is carried out.
public enum Place: String, Sendable, CaseIterable {
  /// By the device alone.
  case hardware
  /// The device begins, software ends: frames come up half done.
  case partial
  /// The device finds the rule, software does everything in it.
  case guarded
  /// By software alone.
  case software
}

/// A step of what a rule does, as verdicts tell it.
public enum RuleStep: String, Sendable, CaseIterable {
  /// Finding the rule, counting, marking, aging.
  case match
  /// Removing a tunnel or an Ethernet header.
  case decapsulate
  /// Changing headers.
  case rewrite
  /// Putting headers in front.
  case encapsulate
  /// Sending the frame on, or dropping it.
  case forward
}

/// Why something is not the device's: the reason, the limit that was hit and where it is documented, and the nearest
/// thing that would have fitted.
public struct Verdict: Equatable, Sendable {
  /// The reason and its numbers.
  public var refusal: Refusal
  /// The part of the rule that it is about, in the rule's own words: `action 2 (raw_encap 3)`.
  public var subject: String
  /// The ability or limit by its name in profiles; nil when it is about none.
  public var limit: String?
  /// Where that is documented.
  public var source: String?
  /// One sentence: a change with which the rule would be the device's, checked by planning the changed rule. nil when
  /// none was found.
  public var nearest: String?

  /// A verdict.
  public init(
    refusal: Refusal, subject: String, limit: String? = nil, source: String? = nil, nearest: String? = nil
  ) {
    self.refusal = refusal
    self.subject = subject
    self.limit = limit
    self.source = source
    self.nearest = nearest
  }
}
