/// Up to `capacity` bytes kept in the value itself, so that a header with options needs no allocation.
@frozen
public struct InlineBytes<let capacity: Int>: Sendable {
  @usableFromInline var storage: InlineArray<capacity, UInt8>
  /// How many bytes are used.
  public private(set) var count: Int

  /// No bytes.
  public init() {
    storage = InlineArray(repeating: 0)
    count = 0
  }

  /// A copy of `bytes`; nil when they are more than `capacity`.
  public init?(_ bytes: RawSpan) {
    self.init()
    guard append(bytes) else { return nil }
  }

  /// A copy of `bytes`; nil when they are more than `capacity`.
  public init?(_ bytes: [UInt8]) {
    self.init(bytes.span.octets)
  }

  /// The byte at `index`, which must be below ``count``.
  public subscript(index: Int) -> UInt8 {
    get {
      precondition(index < count)
      return storage[index]
    }
    set {
      precondition(index < count)
      storage[index] = newValue
    }
  }

  /// Adds a byte; false, and nothing is added, when it is full.
  public mutating func append(_ byte: UInt8) -> Bool {
    guard count < capacity else { return false }
    storage[count] = byte
    count += 1
    return true
  }

  /// Adds all of `bytes`; false, and nothing is added, when they do not fit.
  public mutating func append(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount <= capacity - count else { return false }
    for index in 0..<bytes.byteCount { storage[count + index] = bytes.u8(index) }
    count += bytes.byteCount
    return true
  }

  /// The used bytes.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get { storage.span.octets.extracting(0..<count) }
  }
}

extension InlineBytes: Equatable {
  /// Same bytes.
  public static func == (left: Self, right: Self) -> Bool {
    guard left.count == right.count else { return false }
    for index in 0..<left.count where left.storage[index] != right.storage[index] { return false }
    return true
  }
}
