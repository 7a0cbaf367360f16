/// What is wrong with a capture file: which file, at which frame, in words.
public struct CaptureError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// The kind, for programs.
  public enum Kind: String, Sendable {
    /// The file cannot be opened or made.
    case cannotOpen = "cannot_open"
    /// The file is no capture, or of a version that is not known.
    case notACapture = "not_a_capture"
    /// The frames are not Ethernet.
    case linkType = "link_type"
    /// The file ends within a frame, or what stands there cannot be.
    case damaged
    /// What is to be written does not fit the format.
    case doesNotFit = "does_not_fit"
    /// The system did not write: disk full, or worse.
    case cannotWrite = "cannot_write"
    /// A text is no filter.
    case filter
  }

  /// The kind.
  public let kind: Kind
  /// The file.
  public let path: String
  /// The frame that could not be read or written, from 1; 0 when it is about the whole file.
  public let frame: Int
  /// What is wrong, without a full stop.
  public let sentence: String

  init(_ kind: Kind, path: String, frame: Int = 0, _ sentence: String) {
    self.kind = kind
    self.path = path
    self.frame = frame
    self.sentence = sentence
  }

  /// `file: frame N: sentence`.
  public var description: String { path + ": " + (frame > 0 ? "frame \(frame): " : "") + sentence }
}
