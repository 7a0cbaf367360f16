import Virtqueue

extension SessionFault {
  /// The name under which it is shown and counted; what was wrong in a ring has the ring fault's own.
  public var name: String {
    switch self {
    case .closed: "closed"
    case .broken: "socket_broken"
    case .notReading: "not_reading"
    case .badHeader: "bad_header"
    case .messageTooLong: "message_too_long"
    case .unknownRequest: "unknown_request"
    case .payload: "bad_payload"
    case .descriptors: "bad_descriptor_count"
    case .notNegotiated: "not_negotiated"
    case .featuresNotOffered: "features_not_offered"
    case .noSuchRing: "no_such_ring"
    case .ring(_, let fault): fault.name
    case .regionCount: "bad_region_count"
    case .memory: "memory_not_mapped"
    case .badValue: "bad_value"
    case .unexpectedReply: "unexpected_reply"
    case .refused: "request_refused"
    case .noAnswer: "no_answer"
    case .missingFeatures: "missing_features"
    }
  }

  /// Whether this side ended the session over what the other did or lacked; else the other went away.
  public var isCutOff: Bool {
    switch self {
    case .closed, .broken: false
    default: true
    }
  }
}
