/// Writes the little-endian bytes of commands and results.
public struct ByteWriter {
  /// What was written.
  public private(set) var bytes: [UInt8] = []

  /// Nothing written.
  public init() {}

  /// Adds an integer.
  public mutating func put<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    var rest = value
    for _ in 0..<T.bitWidth / 8 {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      // Shifting a byte by its own width gives 0.
      rest >>= 8
    }
  }

  /// Adds bytes.
  public mutating func put(_ more: [UInt8]) { bytes += more }
  /// Adds `count` zeros.
  public mutating func zeros(_ count: Int) { bytes += [UInt8](repeating: 0, count: count) }
  /// Adds a byte of 1 or 0.
  public mutating func put(_ flag: Bool) { bytes.append(flag ? 1 : 0) }
}

/// Reads the little-endian bytes of commands and results, every length checked.
public struct ByteReader {
  /// What is read from.
  public let bytes: [UInt8]
  /// The place of the next byte.
  public private(set) var at: Int
  private let end: Int

  /// From the first byte on.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    at = 0
    end = bytes.count
  }

  private init(_ bytes: [UInt8], _ from: Int, _ end: Int) {
    self.bytes = bytes
    at = from
    self.end = end
  }

  /// Bytes that are left.
  public var left: Int { end - at }

  /// An integer.
  ///
  /// - Throws: ``FormatError`` when the bytes end.
  public mutating func take<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type = T.self) throws(FormatError) -> T {
    let width = T.bitWidth / 8
    guard left >= width else { throw FormatError(at: at, expected: .bytes(width)) }
    var value: T = 0
    for index in (0..<width).reversed() { value = value << 8 | T(bytes[at + index]) }
    at += width
    return value
  }

  /// `count` bytes.
  ///
  /// - Throws: ``FormatError`` when there are fewer.
  public mutating func take(_ count: Int) throws(FormatError) -> [UInt8] {
    guard count >= 0, left >= count else { throw FormatError(at: at, expected: .bytes(count)) }
    defer { at += count }
    return Array(bytes[at..<at + count])
  }

  /// A reader of the next `count` bytes alone.
  ///
  /// - Throws: ``FormatError`` when there are fewer.
  public mutating func part(_ count: Int) throws(FormatError) -> ByteReader {
    guard count >= 0, left >= count else { throw FormatError(at: at, expected: .bytes(count)) }
    defer { at += count }
    return ByteReader(bytes, at, at + count)
  }

  /// Passes over `count` reserved bytes, which must be 0.
  ///
  /// - Throws: ``FormatError``.
  public mutating func zeros(_ count: Int) throws(FormatError) {
    for _ in 0..<count { guard try take(UInt8.self) == 0 else { throw FormatError(at: at - 1, expected: .zero) } }
  }

  /// A byte of 1 or 0.
  ///
  /// - Throws: ``FormatError``.
  public mutating func flag() throws(FormatError) -> Bool {
    let byte = try take(UInt8.self)
    guard byte <= 1 else { throw FormatError(at: at - 1, expected: .known) }
    return byte == 1
  }

  /// Says that the last number read means nothing.
  public func unknown() -> FormatError { FormatError(at: at, expected: .known) }

  /// Nothing may be left.
  ///
  /// - Throws: ``FormatError``.
  public func ends() throws(FormatError) { guard left == 0 else { throw FormatError(at: at, expected: .end) } }
}

/// What is wrong with a command or a result.
public struct FormatError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What should have been there.
  public enum Expected: Equatable, Sendable {
    /// So many bytes more.
    case bytes(Int)
    /// A reserved byte of 0.
    case zero
    /// A number that means something.
    case known
    /// Nothing more.
    case end
  }
  /// The place in the command or result.
  public var at: Int
  /// What should have been there.
  public var expected: Expected

  /// An error.
  public init(at: Int, expected: Expected) {
    self.at = at
    self.expected = expected
  }

  /// The sentence.
  public var description: String {
    switch expected {
    case .bytes(let count): "byte \(at): \(count) bytes more were expected"
    case .zero: "byte \(at): a reserved byte is not 0"
    case .known: "byte \(at): a number that means nothing"
    case .end: "byte \(at): bytes behind the end"
    }
  }
}
