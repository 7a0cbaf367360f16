public import Virtqueue

/// Why a session with a peer ended.
public enum SessionFault: Error, Equatable, Sendable, CustomStringConvertible {
  /// The peer closed the socket.
  case closed
  /// The socket broke; `errno` is the system's answer.
  case broken(errno: Int32)
  /// The peer does not read what it asked for.
  case notReading
  /// A header that is none: its version or its flags.
  case badHeader(flags: UInt32)
  /// A payload longer than any message has.
  case messageTooLong(bytes: UInt32)
  /// A request that is not known.
  case unknownRequest(UInt32)
  /// A payload of another size than the request has.
  case payload(request: UInt32, expected: Int, found: Int)
  /// Another number of descriptors than the request has.
  case descriptors(request: UInt32, expected: Int, found: Int)
  /// A request that belongs to a feature which was not negotiated.
  case notNegotiated(request: UInt32)
  /// Feature bits that were not offered.
  case featuresNotOffered(UInt64)
  /// A ring that the device does not have.
  case noSuchRing(index: UInt32)
  /// A ring's size or start that cannot be, or a part of it outside of the peer's memory; or what it did in the ring.
  case ring(index: Int, RingFault)
  /// More memory regions than there are slots, or none.
  case regionCount(Int)
  /// Memory that could not be mapped.
  case memory(String)
  /// A value that the request cannot have.
  case badValue(request: UInt32, String)
  /// A reply to another request than the one that was sent.
  case unexpectedReply(expected: UInt32, found: UInt32)
  /// The peer said no.
  case refused(request: UInt32)
  /// The peer did not answer in time.
  case noAnswer(request: UInt32)
  /// The peer lacks what is needed: which features.
  case missingFeatures(UInt64)

  /// The sentence a user reads.
  public var description: String {
    switch self {
    case .closed: "the peer closed the socket"
    case .broken(let errno): "the socket broke (errno \(errno))"
    case .notReading: "the peer does not read its replies"
    case .badHeader(let flags): "a message's flags are \(String(flags, radix: 16)), which is no vhost-user of version 1"
    case .messageTooLong(let bytes): "a message of \(bytes) bytes; \(Message.longestPayload) are the most"
    case .unknownRequest(let request): "request \(request) is not known"
    case .payload(let request, let expected, let found):
      "request \(request) has \(found) bytes, and \(expected) were expected"
    case .descriptors(let request, let expected, let found):
      "request \(request) has \(found) descriptors, and \(expected) were expected"
    case .notNegotiated(let request): "request \(request) belongs to a feature that was not negotiated"
    case .featuresNotOffered(let bits): "features \(String(bits, radix: 16)) were taken and not offered"
    case .noSuchRing(let index): "there is no ring \(index)"
    case .ring(let index, let fault): "ring \(index): \(fault.name): \(fault.sentence)"
    case .regionCount(let count): "\(count) memory regions are not possible"
    case .memory(let why): "memory: \(why)"
    case .badValue(let request, let what): "request \(request): \(what)"
    case .unexpectedReply(let expected, let found): "a reply to request \(found) came, and \(expected) was sent"
    case .refused(let request): "the peer refused request \(request)"
    case .noAnswer(let request): "the peer did not answer request \(request)"
    case .missingFeatures(let bits): "the peer does not offer features \(String(bits, radix: 16))"
    }
  }
}
