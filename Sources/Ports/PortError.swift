#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why a live port could not be made, or not be set as wanted.
public struct PortError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// The kind, for programs.
  public enum Kind: String, Sendable, CaseIterable {
    /// The user may not: root or a capability is missing.
    case notPermitted = "not_permitted"
    /// The interface, device file or namespace is not there.
    case notFound = "not_found"
    /// Somebody else has it.
    case busy
    /// The kernel does not know what is asked for.
    case notSupported = "not_supported"
    /// The name or value is none that there can be.
    case badValue = "bad_value"
    /// There is no memory.
    case noMemory = "no_memory"
    /// Anything else that the system says.
    case system
  }

  /// The kind.
  public let kind: Kind
  /// What was being done to what.
  public let place: String
  /// What is wrong, without a full stop.
  public let sentence: String

  /// An error with its words.
  public init(_ kind: Kind, _ place: String, _ sentence: String) {
    self.kind = kind
    self.place = place
    self.sentence = sentence
  }

  /// What the system answered: `-errno`.
  init(_ place: String, answer: Int32) {
    let number = -answer
    switch number {
    case EPERM, EACCES: kind = .notPermitted
    case ENOENT, ENODEV, ENXIO: kind = .notFound
    case EBUSY, EADDRINUSE: kind = .busy
    case ENOPROTOOPT, EOPNOTSUPP, EAFNOSUPPORT: kind = .notSupported
    case EINVAL, ENAMETOOLONG, EADDRNOTAVAIL, ERANGE: kind = .badValue
    case ENOMEM, ENOBUFS: kind = .noMemory
    default: kind = .system
    }
    self.place = place
    sentence = errorWords(number)
  }

  /// `place: sentence`.
  public var description: String { place + ": " + sentence }
}
