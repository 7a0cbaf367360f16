/// One thing that a host has or lacks.
public struct Finding: Equatable, Sendable {
  /// How it is.
  public enum State: String, Sendable, CaseIterable {
    /// As it should be.
    case ok
    /// It works, and could be better.
    case warning
    /// Something asked for does not work.
    case missing
  }
  /// For programs: `hugepages`, `port.mtu`.
  public var name: String
  /// What it is about: a port, an interface; empty for the host.
  public var subject: String
  /// How it is.
  public var state: State
  /// What was found.
  public var found: String
  /// What is wanted.
  public var wanted: String
  /// What it is good for.
  public var why: String
  /// The command that mends it; nil when nothing is to be mended.
  public var mend: String?

  /// The document.
  public var document: JSON {
    [
      "name": .string(name), "subject": .string(subject), "state": .string(state.rawValue), "found": .string(found),
      "wanted": .string(wanted), "why": .string(why), "mend": mend.map { .string($0) } ?? .null,
    ]
  }
}
