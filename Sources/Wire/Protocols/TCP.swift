/// The flags of a TCP header (RFC 9293 section 3.1, RFC 3168, RFC 3540's NS as AE).
@frozen
public struct TCPFlags: OptionSet, Sendable, BitwiseCopyable {
  /// The low 9 bits of the word at offset 12.
  public let rawValue: UInt16
  /// From bits.
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// No more data.
  public static let fin = TCPFlags(rawValue: 1)
  /// Synchronise.
  public static let syn = TCPFlags(rawValue: 2)
  /// Reset.
  public static let rst = TCPFlags(rawValue: 4)
  /// Push.
  public static let psh = TCPFlags(rawValue: 8)
  /// The acknowledgement counts.
  public static let ack = TCPFlags(rawValue: 16)
  /// The urgent pointer counts.
  public static let urg = TCPFlags(rawValue: 32)
  /// ECN echo.
  public static let ece = TCPFlags(rawValue: 64)
  /// Congestion window reduced.
  public static let cwr = TCPFlags(rawValue: 128)
  /// Accurate ECN (formerly NS).
  public static let ae = TCPFlags(rawValue: 256)
}

/// A TCP header with its options, and its segment (RFC 9293).
@frozen
public struct TCPView: ~Escapable {
  @usableFromInline let bytes: RawSpan
  @usableFromInline let offset: Int

  /// The segment at the start of `bytes`, which end with the IP packet.
  ///
  /// - Throws: when 20 bytes do not fit, the data offset is below 5, or the header does not fit.
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, offset: Int = 0) throws(WireError) {
    guard bytes.byteCount >= 20 else {
      throw WireError(.tcp, .header, .truncated, offset: offset, needed: 20, got: bytes.byteCount)
    }
    let header = Int(bytes.u8(12) >> 4) * 4
    guard header >= 20 else {
      throw WireError(.tcp, .dataOffset, .invalid, offset: offset + 12, needed: 20, got: header)
    }
    guard header <= bytes.byteCount else {
      throw WireError(.tcp, .dataOffset, .truncated, offset: offset, needed: header, got: bytes.byteCount)
    }
    self.bytes = bytes
    self.offset = offset
  }

  /// Source port.
  public var source: UInt16 { bytes.u16(0) }
  /// Destination port.
  public var destination: UInt16 { bytes.u16(2) }
  /// Sequence number.
  public var sequence: UInt32 { bytes.u32(4) }
  /// Acknowledgement number.
  public var acknowledgement: UInt32 { bytes.u32(8) }
  /// Bytes of the header, 20…60.
  public var headerLength: Int { Int(bytes.u8(12) >> 4) * 4 }
  /// The nine flags.
  public var flags: TCPFlags { TCPFlags(rawValue: bytes.u16(12) & 0x1ff) }
  /// Window.
  public var window: UInt16 { bytes.u16(14) }
  /// The checksum field.
  public var checksum: UInt16 { bytes.u16(16) }
  /// Urgent pointer.
  public var urgentPointer: UInt16 { bytes.u16(18) }
  /// The options' bytes, 0…40.
  public var options: RawSpan { @_lifetime(copy self) get { bytes.extracting(20..<headerLength) } }
  /// A walk over the options.
  public var optionList: KindLengthOptions {
    @_lifetime(copy self) get { KindLengthOptions(options, layer: .tcp, offset: offset + 20) }
  }
  /// Whether the checksum is right under the pseudo-header's sum.
  public func hasValidChecksum(pseudoHeader: UInt16) -> Bool {
    InternetChecksum.isValid(InternetChecksum.add(InternetChecksum.sum(bytes), pseudoHeader))
  }
  /// What is behind the header.
  public var payload: RawSpan { @_lifetime(copy self) get { bytes.from(headerLength) } }
}

/// A TCP header as a value, options kept as they are.
@frozen
public struct TCPHeader: WireValue {
  /// The layer.
  public static let layer = WireLayer.tcp
  /// Source port.
  public var source: UInt16
  /// Destination port.
  public var destination: UInt16
  /// Sequence number.
  public var sequence: UInt32 = 0
  /// Acknowledgement number.
  public var acknowledgement: UInt32 = 0
  /// The nine flags.
  public var flags: TCPFlags = []
  /// Window.
  public var window: UInt16 = 0
  /// The checksum field.
  public var checksum: UInt16 = 0
  /// Urgent pointer.
  public var urgentPointer: UInt16 = 0
  /// The options, a multiple of 4 bytes.
  public var options = InlineBytes<40>()

  /// A header without flags and options.
  public init(source: UInt16, destination: UInt16) {
    self.source = source
    self.destination = destination
  }

  /// The header at the start of `bytes`.
  public init(parsing bytes: RawSpan, offset: Int) throws(WireError) {
    let view = try TCPView(bytes, offset: offset)
    self.init(source: view.source, destination: view.destination)
    sequence = view.sequence
    acknowledgement = view.acknowledgement
    flags = view.flags
    window = view.window
    checksum = view.checksum
    urgentPointer = view.urgentPointer
    _ = options.append(view.options)
  }

  /// 20…60.
  public var wireLength: Int { 20 + options.count }

  /// Flags have 9 bits; options fill whole words.
  public func validate() throws(WireError) {
    try Self.bound(.flags, at: 12, flags.rawValue, largest: 0x1ff)
    guard options.count & 3 == 0 else {
      throw WireError(.tcp, .options, .invalid, offset: 20, needed: (options.count + 3) & ~3, got: options.count)
    }
  }

  /// Writes the header.
  @_lifetime(output: copy output)
  public func write(into output: inout OutputRawSpan) {
    output.put16(source)
    output.put16(destination)
    output.put32(sequence)
    output.put32(acknowledgement)
    output.put16(UInt16(wireLength / 4) << 12 | flags.rawValue)
    output.put16(window)
    output.put16(checksum)
    output.put16(urgentPointer)
    output.put(options.bytes)
  }
}
