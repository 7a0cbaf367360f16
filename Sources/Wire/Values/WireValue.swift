/// A header as a value of its own: parsed from bytes, written to bytes. Used through generics, never as `any`.
public protocol WireValue: Equatable, Sendable {
  /// The layer, for errors.
  static var layer: WireLayer { get }
  /// Bytes that ``emit(into:)`` writes.
  var wireLength: Int { get }
  /// Parses the header at the start of `bytes`; bytes behind it are not the header's.
  ///
  /// - Parameter offset: where `bytes` begins in the frame; only errors use it.
  init(parsing bytes: RawSpan, offset: Int) throws(WireError)
  /// Throws when a field's value does not fit the wire. Offsets count from the header's start.
  func validate() throws(WireError)
  /// Writes the header; the caller has validated it and seen that there is room for it.
  @_lifetime(output: copy output)
  func write(into output: inout OutputRawSpan)
}

extension WireValue {
  /// Parses the header at the start of `bytes`.
  public init(parsing bytes: RawSpan) throws(WireError) { try self.init(parsing: bytes, offset: 0) }

  /// Writes the header behind what `output` has; lengths and checksums are written as they are in the value, reserved
  /// bits as zero. On an error nothing is written.
  @_lifetime(output: copy output)
  public func emit(into output: inout OutputRawSpan) throws(WireError) {
    try validate()
    guard output.freeCapacity >= wireLength else {
      throw WireError(
        Self.layer, .header, .noRoom, offset: output.byteCount, needed: wireLength, got: output.freeCapacity)
    }
    write(into: &output)
  }

  /// Writes the header over the bytes of `array` from `offset` on, and returns the offset behind it.
  public func emit(into array: inout [UInt8], at offset: Int = 0) throws(WireError) -> Int {
    try validate()
    let free = max(0, array.count - offset)
    guard offset >= 0, free >= wireLength else {
      throw WireError(Self.layer, .header, .noRoom, offset: offset, needed: wireLength, got: free)
    }
    // The span ends at the array's end, as checked; it does not leave the closure.
    unsafe array.withUnsafeMutableBytes { buffer in
      let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[offset...])
      var output = unsafe OutputRawSpan(buffer: rest, initializedCount: 0)
      write(into: &output)
      _ = unsafe output.finalize(for: rest)
    }
    return offset + wireLength
  }

  /// The header's bytes.
  public func wireBytes() throws(WireError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: wireLength)
    _ = try emit(into: &bytes)
    return bytes
  }

  /// Throws when `value` is over `largest`.
  static func bound(_ field: WireField, at offset: Int, _ value: some BinaryInteger, largest: Int) throws(WireError) {
    guard value > largest else { return }
    throw WireError(
      layer, field, .tooLarge, offset: offset, needed: largest, got: Int(truncatingIfNeeded: value))
  }
}
