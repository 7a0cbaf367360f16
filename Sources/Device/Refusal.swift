/// Why a device (or the planner in its place) does not take a rule or a step.
///
/// One vocabulary for both, so that a prediction can be compared with the device's own answer.
@frozen
public enum RefusalReason: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// The device does not match this item or field.
  case matchUnsupported = 1
  /// The device takes full masks only.
  case partialMask
  /// More Geneve options, or more of their data, than the parser's budget.
  case geneveOptionBudget
  /// Geneve option data of zero cannot be matched.
  case geneveOptionZeroData
  /// Geneve option data mask is all zero bits.
  case geneveOptionZeroMask
  /// The same Geneve option twice in one rule.
  case geneveOptionRepeated
  /// The device does not do this action.
  case actionUnsupported
  /// ECN is to be copied and the device cannot (RFC 6040).
  case ecnCopy
  /// DSCP is to be copied and the device cannot.
  case dscpCopy
  /// TTL is to be copied and the device cannot.
  case ttlCopy
  /// DF is to be copied and the device cannot.
  case dfCopy
  /// The outer UDP checksum is to be computed and the device cannot.
  case outerUDPChecksum
  /// The UDP source port is left to the device and it has no entropy.
  case entropy
  /// The device does not fill lengths in outer headers.
  case fixesLengths
  /// The outer header is longer than the device puts in front.
  case headerTooLarge
  /// The template's TTL is 0.
  case templateTTL
  /// The template's Geneve option length does not match its options.
  case templateOptionLength
  /// The template is not a header the device understands.
  case templateMalformed
  /// The table is full.
  case tableFull
  /// The group is out of range.
  case groupRange
  /// The priority is out of range.
  case priorityRange
  /// A frame that would come up half done cannot say where to go on.
  case noResumePoint
  /// A rule before it that overlaps is not on the device.
  case shadowed
  /// Two wanted abilities exclude each other on this device.
  case excluded
  /// The device cannot be driven by what is installed here (`needs:`).
  case driver
  /// Malformed: no device would take it.
  case invalid
  /// No such rule.
  case noSuchRule
  /// Busy: try again.
  case busy
  /// The device was reset or lost; its rules are gone.
  case deviceLost
  /// The device gave wrong answers and the step was taken from it.
  case distrusted
  /// A path in the underlay carries less than the uplink, which the device does not know (I4).
  case pathMTU
  /// The user forbade hardware.
  case forbidden
  /// There is no device.
  case noDevice

  /// The name on every interface.
  public var name: String {
    switch self {
    case .matchUnsupported: "match_unsupported"
    case .partialMask: "partial_mask"
    case .geneveOptionBudget: "geneve_option_budget"
    case .geneveOptionZeroData: "geneve_option_zero_data"
    case .geneveOptionZeroMask: "geneve_option_zero_mask"
    case .geneveOptionRepeated: "geneve_option_repeated"
    case .actionUnsupported: "action_unsupported"
    case .ecnCopy: "ecn_copy"
    case .dscpCopy: "dscp_copy"
    case .ttlCopy: "ttl_copy"
    case .dfCopy: "df_copy"
    case .outerUDPChecksum: "outer_udp_checksum"
    case .entropy: "entropy"
    case .fixesLengths: "fixes_lengths"
    case .headerTooLarge: "header_too_large"
    case .templateTTL: "template_ttl"
    case .templateOptionLength: "template_option_length"
    case .templateMalformed: "template_malformed"
    case .tableFull: "table_full"
    case .groupRange: "group_range"
    case .priorityRange: "priority_range"
    case .noResumePoint: "no_resume_point"
    case .shadowed: "shadowed"
    case .excluded: "excluded"
    case .driver: "driver"
    case .invalid: "invalid"
    case .noSuchRule: "no_such_rule"
    case .busy: "busy"
    case .deviceLost: "device_lost"
    case .distrusted: "distrusted"
    case .pathMTU: "path_mtu"
    case .forbidden: "forbidden"
    case .noDevice: "no_device"
    }
  }
}

/// A device's no: why, about which part of the rule, and the limit that was hit.
@frozen
public struct Refusal: Error, Equatable, Sendable, BitwiseCopyable {
  /// Why.
  public var reason: RefusalReason
  /// Which item of the pattern or action of the list (0-based); −1 when it is about the whole rule.
  public var index: Int16
  /// Whether ``index`` counts actions.
  public var isAction: Bool
  /// The limit that was hit; −1 when there is none.
  public var limit: Int32
  /// What was asked for; −1 when there is nothing to say.
  public var wanted: Int32

  /// A refusal.
  public init(_ reason: RefusalReason, index: Int = -1, isAction: Bool = false, limit: Int = -1, wanted: Int = -1) {
    self.reason = reason
    self.index = Int16(clamping: index)
    self.isAction = isAction
    self.limit = Int32(clamping: limit)
    self.wanted = Int32(clamping: wanted)
  }
}
