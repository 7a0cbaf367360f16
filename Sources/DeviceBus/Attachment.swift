/// The one message over the socket between a driver and a device in a process of its own: `DPUDEV01`, then le64 bytes of the shared
/// memory. With it come three descriptors: the memory file, the kick event (driver to device) and the call event (device to
/// driver). What a device has to say when it cannot go on it says over the socket, in words, before it ends.
public enum Attachment {
  /// The first bytes.
  public static let greeting: [UInt8] = Array("DPUDEV01".utf8)
  /// Bytes of the message.
  public static let size = 16
  /// Descriptors that come with it.
  public static let descriptors = 3

  /// The message for a memory of `bytes` bytes.
  public static func message(bytes: Int) -> [UInt8] {
    var writer = ByteWriter()
    writer.put(greeting)
    writer.put(UInt64(bytes))
    return writer.bytes
  }

  /// Bytes of the memory that a message tells; nil when it is none.
  public static func bytes(of message: [UInt8]) -> UInt64? {
    guard message.count == size, Array(message.prefix(greeting.count)) == greeting else { return nil }
    var reader = ByteReader(Array(message.dropFirst(greeting.count)))
    return try? reader.take(UInt64.self)
  }
}
