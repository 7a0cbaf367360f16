import CPcap
public import Memory

/// A filter in libpcap's language (`tcp port 80 and host 10.0.0.1`), compiled once: pcap-filter(7).
///
/// The one reason for `unsafe` here: libpcap fills in a program that it allocates, and reads a frame through a pointer.
/// Nothing of a frame is kept. The oracle is PcapFilterTests, which compares with what was asked for.
@safe
public final class PcapFilter: @unchecked Sendable {
  // `@unchecked`: the program is never changed after it was compiled, and matching only reads it.
  private var program = unsafe bpf_program()

  /// Compiles `text` for Ethernet frames.
  ///
  /// - Throws: ``CaptureError`` with libpcap's sentence.
  public init(_ text: String) throws(CaptureError) {
    guard let handle = unsafe pcap_open_dead(1, 65_535) else {
      throw CaptureError(.filter, path: text, "libpcap gives no handle")
    }
    defer { unsafe pcap_close(handle) }
    // The netmask is not known: "ip broadcast" is refused.
    guard unsafe pcap_compile(handle, &program, text, 1, UInt32.max) == 0 else {
      let message = unsafe pcap_geterr(handle)
      throw CaptureError(.filter, path: text, unsafe message.map { unsafe String(cString: $0) } ?? "not a filter")
    }
  }

  deinit { unsafe pcap_freecode(&program) }

  /// Whether the frame is wanted.
  public func matches(_ frame: Bytes) -> Bool {
    guard frame.count > 0 else { return false }
    var header = pcap_pkthdr()
    header.caplen = UInt32(frame.count)
    header.len = UInt32(frame.count)
    return unsafe pcap_offline_filter(&program, &header, frame.unsafeBase.assumingMemoryBound(to: UInt8.self)) != 0
  }
}
