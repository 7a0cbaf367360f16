public import Memory

/// Writes frames to a capture file: pcap with nanoseconds, or pcapng with what is known about each frame.
///
/// Bytes gather in a buffer; ``close()`` writes the rest and is where a full disk is last noticed. A writer that has
/// thrown throws the same again.
public struct CaptureWriter: ~Copyable {
  /// The format of a file.
  public enum Format: String, Sendable, CaseIterable {
    /// Frames and times.
    case pcap
    /// Ports, directions, queues and comments too.
    case pcapng

    /// The format of this file name's ending; nil when it ends in neither `.pcap` nor `.pcapng`.
    public init?(path: String) {
      if path.hasSuffix(".pcapng") {
        self = .pcapng
      } else if path.hasSuffix(".pcap") {
        self = .pcap
      } else {
        return nil
      }
    }
  }

  /// A port whose frames are written: an interface of a pcapng file.
  public struct Port: Equatable, Hashable, Sendable {
    /// The port's number.
    public var id: UInt16
    /// Its name in the file.
    public var name: String

    /// A port.
    public init(id: UInt16, name: String) {
      self.id = id
      self.name = name
    }
  }

  /// What is written about a frame, besides its bytes. A pcap file has only the times and lengths.
  public struct Note: Equatable, Hashable, Sendable {
    /// Where the frame was going.
    public enum Direction: UInt32, Sendable, CaseIterable { case unknown = 0, inbound, outbound }
    /// Nanoseconds since 1970.
    public var time: UInt64
    /// The port it belongs to.
    public var port: UInt16
    /// Bytes that it had; nil when all of them are written.
    public var originalLength: Int?
    /// In or out of the port.
    public var direction: Direction
    /// Its queue.
    public var queue: UInt32?
    /// Anything else: rule, path, verdict. At most 65,535 bytes of UTF-8 are written.
    public var comment: String

    /// A note.
    public init(
      time: UInt64, port: UInt16 = 0, originalLength: Int? = nil, direction: Direction = .unknown, queue: UInt32? = nil,
      comment: String = ""
    ) {
      self.time = time
      self.port = port
      self.originalLength = originalLength
      self.direction = direction
      self.queue = queue
      self.comment = comment
    }
  }

  /// The longest frame, in bytes; readers refuse more.
  public static let longestFrame = 262_144

  /// The format.
  public let format: Format
  /// Frames written so far.
  public private(set) var count = 0
  private var file: OutputFile
  private var interfaces: [UInt16: UInt32] = [:]
  private var failure: CaptureError?

  /// Makes the file. Ports that are not named here get an interface when their first frame comes.
  ///
  /// - Parameter format: by the file name's ending when nil; pcapng when that says nothing.
  public init(path: String, format: Format? = nil, ports: [Port] = []) throws(CaptureError) {
    self.format = format ?? Format(path: path) ?? .pcapng
    file = try OutputFile(path: path)
    switch self.format {
    case .pcap: file.putPcapHeader(snapLength: UInt32(Self.longestFrame))
    case .pcapng:
      file.putSectionHeader()
      for port in ports where interfaces[port.id] == nil { add(port) }
    }
  }

  private mutating func add(_ port: Port) {
    let index = UInt32(interfaces.count)
    interfaces[port.id] = index
    file.putInterface(name: port.name, snapLength: UInt32(Self.longestFrame))
  }

  /// Writes a frame.
  public mutating func write(_ bytes: RawSpan, _ note: Note) throws(CaptureError) {
    if let failure { throw failure }
    do throws(CaptureError) {
      try put(bytes, note)
      try file.flushIfFull()
    } catch {
      if error.kind == .cannotWrite { failure = error }
      throw error
    }
    count += 1
  }

  /// Writes a frame.
  public mutating func write(_ bytes: Bytes, _ note: Note) throws(CaptureError) { try write(bytes.span, note) }

  /// Writes a frame.
  public mutating func write(_ bytes: [UInt8], _ note: Note) throws(CaptureError) { try write(bytes.rawSpan, note) }

  private mutating func put(_ bytes: RawSpan, _ note: Note) throws(CaptureError) {
    let original = max(note.originalLength ?? 0, bytes.byteCount)
    guard bytes.byteCount <= Self.longestFrame, original <= Int(Int32.max) else {
      throw CaptureError(
        .doesNotFit, path: file.path, frame: count + 1,
        "a frame of \(original) bytes is longer than \(Self.longestFrame)")
    }
    switch format {
    case .pcap:
      guard let seconds = UInt32(exactly: note.time / 1_000_000_000) else {
        throw CaptureError(
          .doesNotFit, path: file.path, frame: count + 1,
          "the time \(note.time) ns is past what pcap can say; write pcapng")
      }
      file.putPcapRecord(
        seconds: seconds, nanoseconds: UInt32(note.time % 1_000_000_000), bytes, originalLength: UInt32(original))
    case .pcapng:
      if interfaces[note.port] == nil { add(Port(id: note.port, name: "port \(note.port)")) }
      file.putPacket(interface: interfaces[note.port] ?? 0, bytes, originalLength: UInt32(original), note)
    }
  }

  /// Writes what is in the buffer now, for whoever reads the file while it grows.
  public mutating func flush() throws(CaptureError) {
    if let failure { throw failure }
    do throws(CaptureError) { try file.flush() } catch {
      failure = error
      throw error
    }
  }

  /// Writes what is still in the buffer and closes the file; it is whole when this does not throw.
  public mutating func close() throws(CaptureError) {
    let failed = failure
    do throws(CaptureError) { try file.close() } catch {
      failure = failure ?? error
      throw failed ?? error
    }
    if let failed { throw failed }
  }
}
