public import Memory

/// Reads the frames of a pcap or pcapng file, one after the other, with nanoseconds.
///
/// libpcap does the reading: it knows every byte order, precision and version of both formats. Files of frames that are
/// not Ethernet are refused. A frame check sequence is left out where a pcap file says that there is one.
public struct CaptureReader: ~Copyable {
  /// The file.
  public let path: String
  /// Frames read so far.
  public private(set) var count = 0
  /// Those of them of which the file has only the beginning.
  public private(set) var truncatedCount = 0
  private var source: PcapSource
  private let checkSequenceLength: Int
  private var length = 0

  /// Opens a file; `-` is standard input.
  public init(path: String) throws(CaptureError) {
    let source = try PcapSource(path: path)
    guard source.linkType == 1 else {
      throw CaptureError(
        .linkType, path: path, "the frames are not Ethernet but \(source.linkTypeWords); only Ethernet is read")
    }
    self.path = path
    checkSequenceLength = source.checkSequenceLength
    self.source = source
  }

  /// Goes to the next frame; nil at the end of the file.
  ///
  /// - Throws: ``CaptureError`` when the file ends within a frame or what stands there cannot be. The frames before it
  ///   have been given; nothing behind it can be read.
  public mutating func next() throws(CaptureError) -> CapturedFrame? {
    length = 0
    switch source.read() {
    case .end: return nil
    case .failure(let sentence): throw CaptureError(.damaged, path: path, frame: count + 1, sentence)
    case .frame(let seconds, let nanoseconds, let captured, let original):
      count += 1
      let originalLength = max(0, max(original, captured) - checkSequenceLength)
      length = min(captured, originalLength)
      if length < originalLength { truncatedCount += 1 }
      return CapturedFrame(
        number: count, time: Self.time(seconds, nanoseconds), length: length, originalLength: originalLength)
    }
  }

  /// The bytes of the frame that ``next()`` gave last; they are lent until the next call.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get { source.bytes(length) }
  }

  /// Copies the frame that ``next()`` gave last to `offset` of a buffer; false when it has no room, and nothing is copied.
  public func copy(to buffer: Bytes, at offset: Int = 0) -> Bool {
    guard offset >= 0, offset <= buffer.count, length <= buffer.count - offset else { return false }
    source.copy(length, to: buffer, at: offset)
    return true
  }

  /// The bytes of the frame that ``next()`` gave last, as an array of their own.
  public func array() -> [UInt8] { source.array(length) }

  /// Nanoseconds since 1970, kept within 64 bits whatever the file says.
  private static func time(_ seconds: Int64, _ nanoseconds: Int64) -> UInt64 {
    // pcap's 32 bits of seconds are unsigned; libpcap sign-extends them, which bites in 2038.
    let seconds = seconds < 0 && seconds >= Int64(Int32.min) ? seconds + (1 << 32) : seconds
    let whole = UInt64(max(0, seconds)).multipliedReportingOverflow(by: 1_000_000_000)
    let sum = whole.partialValue.addingReportingOverflow(UInt64(max(0, nanoseconds)))
    return whole.overflow || sum.overflow ? .max : sum.partialValue
  }
}
