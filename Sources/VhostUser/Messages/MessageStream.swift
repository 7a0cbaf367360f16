public import Memory

/// Messages over a socket: reads exactly one after the other, so that descriptors belong to the message they came with.
public struct MessageStream: Sendable {
  /// The socket.
  public let socket: MessageSocket
  private var bytes: [UInt8] = []
  private var descriptors: [OwnedDescriptor] = []
  private var cut = false

  /// Descriptors that one message has at most.
  static let mostDescriptors = 64

  /// Reads from `socket`.
  public init(_ socket: MessageSocket) { self.socket = socket }

  /// The next whole message, or nil when it is not there yet.
  ///
  /// - Throws: ``SessionFault`` when the peer is gone or what came is no message; the stream is of no use then.
  public mutating func next() throws(SessionFault) -> Message? {
    while true {
      var needed = Message.headerSize
      if bytes.count >= Message.headerSize {
        let header = Message(0, payload: Array(bytes.prefix(Message.headerSize)))
        let (request, flags, size) = (header.u32(0), header.u32(4), header.u32(8))
        guard flags & 3 == 1, flags & ~15 == 0 else { throw .badHeader(flags: flags) }
        guard size <= Message.longestPayload else { throw .messageTooLong(bytes: size) }
        needed += Int(size)
        if bytes.count == needed {
          defer {
            bytes = []
            descriptors = []
          }
          guard !cut else {
            throw .descriptors(request: request, expected: Self.mostDescriptors, found: Self.mostDescriptors + 1)
          }
          return Message(
            request, payload: Array(bytes.dropFirst(Message.headerSize)), descriptors: descriptors,
            isReply: flags & 4 != 0, wantsReply: flags & 8 != 0)
        }
      }
      let room = needed - bytes.count
      switch socket.receive(
        room: room, into: &bytes, descriptors: &descriptors, limit: Self.mostDescriptors - descriptors.count, cut: &cut)
      {
      case .bytes: continue
      case .wait: return nil
      case .gone(let errno):
        if errno == 0 { throw .closed }
        throw .broken(errno: errno)
      }
    }
  }

  /// Sends a message whole.
  ///
  /// - Throws: ``SessionFault/notReading`` when the socket is full: a peer that leaves its replies unread for long.
  public func send(_ message: Message) throws(SessionFault) {
    let bytes = message.encoded
    switch socket.send(bytes, descriptors: message.descriptors) {
    case .bytes(let count) where count == bytes.count: return
    case .bytes, .wait: throw .notReading
    case .gone(let errno): throw .broken(errno: errno)
    }
  }
}
