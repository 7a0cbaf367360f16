/// What a capture file says about one frame, besides its bytes.
@frozen
public struct CapturedFrame: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// The frame's number in the file, from 1.
  public var number: Int
  /// When it was captured: nanoseconds since 1970. Times before that or past 2^64 are the nearest there is.
  public var time: UInt64
  /// Bytes that the file has of it, frame check sequence left out.
  public var length: Int
  /// Bytes that were on the wire, frame check sequence left out.
  public var originalLength: Int

  /// Whether the file has only the beginning.
  public var isTruncated: Bool { length < originalLength }

  /// A frame of these properties.
  public init(number: Int, time: UInt64, length: Int, originalLength: Int) {
    self.number = number
    self.time = time
    self.length = length
    self.originalLength = originalLength
  }
}
