/// Messages out of a stream of bytes: 32 bits of length, big-endian, and that many bytes.
///
/// It holds one message at most, and no memory when it holds none.
public struct MessageReader {
  /// The longest message that is taken, in bytes.
  public let limit: Int
  private var buffer: [UInt8] = []
  private var start = 0

  /// A reader of messages of up to `limit` bytes.
  public init(limit: Int) { self.limit = limit }

  /// A length that no message may have.
  public struct LengthError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was said.
    public var length: Int
    /// What may be said.
    public var limit: Int
    /// The sentence.
    public var description: String { "a message of \(length) bytes; a length is 1 to \(limit)" }
  }

  /// Bytes that wait.
  public var waiting: Int { buffer.count - start }

  /// Takes bytes from the stream.
  public mutating func append(_ bytes: ArraySlice<UInt8>) { buffer += bytes }

  /// The next whole message; nil when it has not come yet.
  ///
  /// - Throws: ``LengthError``; the stream is of no use then.
  public mutating func next() throws(LengthError) -> [UInt8]? {
    guard waiting >= 4 else { return nil }
    let length = (0..<4).reduce(0) { $0 << 8 | Int(buffer[start + $1]) }
    guard length > 0, length <= limit else { throw LengthError(length: length, limit: limit) }
    guard waiting >= 4 + length else { return nil }
    let message = Array(buffer[start + 4..<start + 4 + length])
    start += 4 + length
    if start == buffer.count {
      buffer = []
      start = 0
    } else if start > 1 << 16 {
      buffer.removeFirst(start)
      start = 0
    }
    return message
  }

  /// A message as it is sent.
  public static func frame(_ message: [UInt8]) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: message.count >> (24 - 8 * $0)) } + message
  }
}
