#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// Outside of the type, whose own `close` hides the system's.
private func closeDescriptor(_ descriptor: Int32) -> Int32 { close(descriptor) }

/// A file that is written from front to back, through a buffer.
///
/// The one reason for `unsafe` here: write(2) takes a pointer, and strerror(3) gives one. Nothing is kept. The oracle
/// is CaptureFileTests, which reads everything back, and /dev/full.
struct OutputFile: ~Copyable {
  /// Bytes gathered before they are written.
  private static let enough = 1 << 18

  let path: String
  private var descriptor: Int32
  private var buffer: [UInt8] = []

  /// Makes the file, or empties it. `-` is standard output.
  init(path: String) throws(CaptureError) {
    self.path = path
    descriptor = path == "-" ? dup(1) : unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw CaptureError(.cannotOpen, path: path, Self.words(errno)) }
    buffer.reserveCapacity(Self.enough + (1 << 17))
  }

  deinit {
    // A file that was not closed keeps what was flushed; whoever cares for errors calls close().
    if descriptor >= 0 { _ = closeDescriptor(descriptor) }
  }

  /// Appends an integer, little-endian.
  mutating func put<T: FixedWidthInteger>(_ value: T) {
    var rest = value
    for _ in 0..<(T.bitWidth / 8) {
      buffer.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Appends bytes.
  mutating func put(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
  }

  /// Appends bytes.
  mutating func put(_ bytes: some Sequence<UInt8>) { buffer.append(contentsOf: bytes) }

  /// Appends zeros.
  mutating func pad(_ count: Int) {
    for _ in 0..<count { buffer.append(0) }
  }

  /// Writes when enough was gathered.
  mutating func flushIfFull() throws(CaptureError) {
    if buffer.count >= Self.enough { try flush() }
  }

  /// Writes everything gathered.
  mutating func flush() throws(CaptureError) {
    var written = 0
    while written < buffer.count {
      let step = unsafe buffer.withUnsafeBytes { bytes in
        unsafe bytes.baseAddress.map { unsafe write(descriptor, $0 + written, bytes.count - written) } ?? 0
      }
      if step < 0, errno == EINTR { continue }
      guard step > 0 else {
        let words = step < 0 ? Self.words(errno) : "nothing was written"
        buffer.removeAll()
        throw CaptureError(.cannotWrite, path: path, words)
      }
      written += step
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes everything gathered and closes; the file is whole when this does not throw. Twice is once.
  mutating func close() throws(CaptureError) {
    guard descriptor >= 0 else { return }
    let closing = descriptor
    do throws(CaptureError) { try flush() } catch {
      descriptor = -1
      _ = closeDescriptor(closing)
      throw error
    }
    descriptor = -1
    guard closeDescriptor(closing) == 0 else { throw CaptureError(.cannotWrite, path: path, Self.words(errno)) }
  }

  private static func words(_ number: Int32) -> String {
    let text = unsafe strerror(number)
    return unsafe text.map { unsafe String(cString: $0) } ?? "error \(number)"
  }
}

extension [UInt8] {
  /// The bytes as a raw span; `Span.bytes` counts as unsafe although an array of bytes has no padding to show.
  var rawSpan: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }
}
