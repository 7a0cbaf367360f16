import CPcap
import Memory

/// libpcap's handle of an open file, and the frame that it lends.
///
/// The one reason for `unsafe` here: libpcap hands out C strings and a pointer to its own buffer, which stays as it is
/// until the next read. The pointer never leaves; ``bytes`` is bound to the handle's life. The oracle is
/// CaptureFileTests, which compares every frame with what was written.
@safe
struct PcapSource: ~Copyable {
  /// What a read gave.
  enum Reading {
    case frame(seconds: Int64, nanoseconds: Int64, length: Int, originalLength: Int)
    case end
    case failure(String)
  }

  private let handle: OpaquePointer
  private var data: UnsafePointer<UInt8>?
  private var count = 0

  /// Opens a file.
  init(path: String) throws(CaptureError) {
    // PCAP_ERRBUF_SIZE is 256.
    var message = [CChar](repeating: 0, count: 512)
    let handle = unsafe pcap_open_offline_with_tstamp_precision(
      path, UInt32(PCAP_TSTAMP_PRECISION_NANO), &message)
    guard let handle = unsafe handle else {
      // libpcap puts the file's name in front of the system's sentence.
      let text = Self.text(message)
      let sentence = text.hasPrefix(path + ": ") ? String(text.dropFirst(path.count + 2)) : text
      throw CaptureError(text.hasPrefix(path) ? .cannotOpen : .notACapture, path: path, sentence)
    }
    unsafe self.handle = handle
    unsafe data = nil
  }

  deinit { unsafe pcap_close(handle) }

  /// The file's link type, a LINKTYPE of libpcap (1 is Ethernet).
  var linkType: Int32 { unsafe pcap_datalink(handle) }

  /// The link type's name and what it is.
  var linkTypeWords: String {
    let name = unsafe pcap_datalink_val_to_name(linkType)
    let words = unsafe pcap_datalink_val_to_description(linkType)
    guard let name = unsafe name, let words = unsafe words else { return "link type \(linkType)" }
    return unsafe "\(String(cString: name)), \(String(cString: words))"
  }

  /// Goes to the next frame; what was lent before is gone.
  mutating func read() -> Reading {
    var header: UnsafeMutablePointer<pcap_pkthdr>?
    var bytes: UnsafePointer<UInt8>?
    unsafe data = nil
    count = 0
    switch unsafe pcap_next_ex(handle, &header, &bytes) {
    case 1:
      guard let header = unsafe header?.pointee, let bytes = unsafe bytes else { return .failure("no frame was given") }
      unsafe data = bytes
      count = Int(header.caplen)
      return .frame(
        seconds: Int64(header.ts.tv_sec), nanoseconds: Int64(header.ts.tv_usec), length: Int(header.caplen),
        originalLength: Int(header.len))
    // PCAP_ERROR_BREAK: the end of a file.
    case -2: return .end
    default:
      let message = unsafe pcap_geterr(handle)
      guard let message = unsafe message else { return .failure("unknown error") }
      return .failure(unsafe String(cString: message))
    }
  }

  /// The first `length` bytes of the frame that was read last.
  @_lifetime(borrow self)
  func bytes(_ length: Int) -> RawSpan {
    guard let data = unsafe data, length > 0 else { return RawSpan() }
    let span = unsafe RawSpan(_unsafeStart: data, byteCount: min(length, count))
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The first `length` bytes of the frame that was read last, copied to `offset` of a window with room for them.
  func copy(_ length: Int, to window: Bytes, at offset: Int) {
    guard let data = unsafe data, length > 0 else { return }
    precondition(offset >= 0 && length <= count && length <= window.count - offset, "no room for the frame")
    unsafe (window.unsafeBase + offset).copyMemory(from: data, byteCount: length)
  }

  /// The first `length` bytes of the frame that was read last, as an array.
  func array(_ length: Int) -> [UInt8] {
    unsafe [UInt8](UnsafeRawBufferPointer(start: data, count: data == nil ? 0 : min(length, count)))
  }

  /// Bytes of frame check sequence behind each frame, when the file says that there are some.
  var checkSequenceLength: Int {
    let word = unsafe UInt32(bitPattern: pcap_datalink_ext(handle))
    // Bit 26 says that the length is known; the top four bits are its 16-bit words.
    return word & 0x0400_0000 == 0 ? 0 : Int(word >> 28) * 2
  }

  private static func text(_ message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
