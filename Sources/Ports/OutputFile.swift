#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// Outside of the type, whose own names hide the system's.
private func closeDescriptor(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func writeDescriptor(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  unsafe bytes.baseAddress.map { unsafe write(descriptor, $0, bytes.count) } ?? 0
}

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
    guard descriptor >= 0 else { return }
    // Whoever cares for errors calls close(); what was given is written all the same.
    try? Self.write(buffer, to: descriptor, path: path)
    _ = closeDescriptor(descriptor)
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
    defer { buffer.removeAll(keepingCapacity: true) }
    try Self.write(buffer, to: descriptor, path: path)
  }

  private static func write(_ buffer: [UInt8], to descriptor: Int32, path: String) throws(CaptureError) {
    var written = 0
    while written < buffer.count {
      let step = unsafe buffer.withUnsafeBytes { bytes in
        unsafe writeDescriptor(descriptor, UnsafeRawBufferPointer(rebasing: bytes[written...]))
      }
      if step < 0, errno == EINTR { continue }
      guard step > 0 else {
        throw CaptureError(.cannotWrite, path: path, step < 0 ? words(errno) : "nothing was written")
      }
      written += step
    }
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
