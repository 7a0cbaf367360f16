public import Device

/// What the device says about itself in sentences.
public enum Words {
  /// A refusal as a sentence in the device's own words, with the limit and what was wanted.
  public static func sentence(_ refusal: Refusal) -> String {
    let place =
      refusal.index < 0 ? "" : "\(refusal.isAction ? "Action" : "Pattern item") \(refusal.index): "
    let limits =
      switch (refusal.limit, refusal.wanted) {
      case (-1, -1): ""
      case (-1, let wanted): " (\(wanted) wanted)"
      case (let limit, -1): " (limit \(limit))"
      case (let limit, let wanted): " (limit \(limit), \(wanted) wanted)"
      }
    return place + words(refusal.reason) + limits + "."
  }

  private static func words(_ reason: RefusalReason) -> String {
    switch reason {
    case .matchUnsupported: "the parser of this device does not extract this item or field"
    case .partialMask: "the match unit compares whole fields only, and this mask covers a part of one"
    case .geneveOptionBudget: "the option parser has no room for this Geneve option"
    case .geneveOptionZeroData: "the option parser cannot match Geneve option data of zero"
    case .geneveOptionZeroMask: "the option parser does not take a Geneve option without a data bit in its mask"
    case .geneveOptionRepeated: "the option parser takes a Geneve option once in a rule"
    case .actionUnsupported: "the action engine does not do this action, or not with these operands"
    case .ecnCopy: "the header engine puts fixed bits where ECN is to be copied from the inner packet"
    case .dscpCopy: "the header engine puts fixed bits where DSCP is to be copied from the inner packet"
    case .ttlCopy: "the header engine puts a fixed TTL where it is to be copied from the inner packet"
    case .dfCopy: "the header engine puts a fixed DF bit where it is to be copied from the inner packet"
    case .outerUDPChecksum: "the header engine leaves the outer UDP checksum zero, and it is to be computed"
    case .entropy: "the header engine cannot fill a UDP source port of zero"
    case .fixesLengths: "the header engine does not fill lengths and checksums of an outer IP header"
    case .headerTooLarge: "the outer header is longer than the header engine puts in front"
    case .templateTTL: "the header's TTL or hop limit is 0; write the one that is meant"
    case .templateOptionLength: "the header's Geneve option length is neither 0 nor that of its options, in words"
    case .templateMalformed: "the header is not Ethernet, IP and a tunnel header that agree with each other"
    case .tableFull: "the rule table is full"
    case .groupRange: "there is no such group"
    case .priorityRange: "there is no such priority"
    case .noResumePoint: "frames that come up half done could not say where to go on"
    case .shadowed: "a rule before it that overlaps is not on the device"
    case .excluded: "two of the abilities wanted exclude each other"
    case .driver: "what is installed here cannot drive the device"
    case .invalid: "no device takes this rule: it is malformed or names something that is not there"
    case .noSuchRule: "there is no rule of this id"
    case .busy: "the device takes no rule right now; try again"
    case .deviceLost: "the device was reset; its rules are gone"
    case .distrusted: "the device gave wrong answers"
    case .pathMTU: "a path in the underlay carries less than the uplink"
    case .forbidden: "hardware is forbidden for this rule"
    case .noDevice: "there is no device"
    }
  }
}
