import Device

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why a rule, or a question about one, is refused: what rte_flow_error says.
struct FlowError: Error, Equatable {
  /// The part of the rule; places count from 0 in the library's own lists.
  enum Part: Equatable { case rule, item(Int), action(Int), attributes }
  var number: Int32
  var part: Part
  var sentence: String

  /// What no device would take.
  static func malformed(_ part: Part, _ sentence: String) -> FlowError {
    FlowError(number: EINVAL, part: part, sentence: sentence)
  }
  /// What this driver or its device does not do.
  static func unsupported(_ part: Part, _ sentence: String) -> FlowError {
    FlowError(number: ENOTSUP, part: part, sentence: sentence)
  }
}

extension RefusalReason {
  /// The errno that an application sees.
  var number: Int32 {
    switch self {
    case .invalid, .templateMalformed, .templateOptionLength, .templateTTL: EINVAL
    case .tableFull: ENOSPC
    case .busy: EAGAIN
    case .deviceLost, .noDevice: EIO
    case .noSuchRule: ENOENT
    default: ENOTSUP
    }
  }
}
