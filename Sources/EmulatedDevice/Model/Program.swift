import Memory

/// What one check of a rule's match looks at. A row's match is a list of checks, each `code`, `level` (0 outer, 1
/// inner), then spec and mask of ``width`` bytes each, big-endian; width 0 asks only that the header is there.
enum Check: UInt8 {
  // Headers.
  case hasEthernet = 1, hasTag1, hasTag2, hasIPv4, hasIPv6, hasUDP, hasTCP, hasICMP, hasICMP6, hasESP
  case hasGeneve, hasVXLAN, hasGRE, hasGREKey, hasNVGRE
  /// No frame from outside: a `port_representor` item.
  case never
  // Fields.
  case inPort, macDestination, macSource, etherType, hasVLAN, tci1, type1, tci2, type2
  case ipv4TOS, ipv4TTL, ipv4Protocol, ipv4Fragment, ipv4Source, ipv4Destination
  case ipv6Class, ipv6Flow, ipv6Next, ipv6Hop, ipv6HasFragment
  case ipv6SourceHigh, ipv6SourceLow, ipv6DestinationHigh, ipv6DestinationLow
  case udpSource, udpDestination, tcpSource, tcpDestination, tcpFlags, icmpType, icmpCode, espSPI
  case geneveVNI, geneveProtocol, geneveOptionLength, vxlanVNI, greFlags, greProtocol, greKey, nvgreTNI, nvgreFlow
  /// One Geneve option: class (2), type (1), length in words (1), words compared (1), then data and mask.
  case geneveOption

  /// Bytes of the spec, and of the mask.
  var width: Int {
    switch self {
    case .hasEthernet, .hasTag1, .hasTag2, .hasIPv4, .hasIPv6, .hasUDP, .hasTCP, .hasICMP, .hasICMP6, .hasESP,
      .hasGeneve, .hasVXLAN, .hasGRE, .hasGREKey, .hasNVGRE, .never, .geneveOption:
      0
    case .hasVLAN, .ipv4TOS, .ipv4TTL, .ipv4Protocol, .ipv6Class, .ipv6Next, .ipv6Hop, .ipv6HasFragment, .tcpFlags,
      .icmpType, .icmpCode, .geneveOptionLength, .nvgreFlow:
      1
    case .inPort, .etherType, .tci1, .type1, .tci2, .type2, .ipv4Fragment, .udpSource, .udpDestination, .tcpSource,
      .tcpDestination, .geneveProtocol, .greFlags, .greProtocol:
      2
    case .ipv4Source, .ipv4Destination, .ipv6Flow, .espSPI, .geneveVNI, .vxlanVNI, .greKey, .nvgreTNI: 4
    case .macDestination, .macSource, .ipv6SourceHigh, .ipv6SourceLow, .ipv6DestinationHigh, .ipv6DestinationLow: 8
    }
  }

  /// Bytes of the check that begins at `at`, its code and level included.
  func size(_ program: Bytes, _ at: Int) -> Int {
    self == .geneveOption ? 7 + 8 * Int(program[at + 6]) : 2 + 2 * width
  }
}

/// What a row does, in order. Each is a code, then its operands.
enum Op: UInt8 {
  /// Nothing: count and age are kept in the row's head.
  case nothing = 0
  /// Tunnel kind (1).
  case decapTunnel
  case decapEthernet
  /// Template slot (2).
  case encap
  /// Address (6).
  case setMACSource, setMACDestination
  /// Address (4).
  case setIPv4Source, setIPv4Destination
  /// Address (16).
  case setIPv6Source, setIPv6Destination
  /// Port (2).
  case setL4Source, setL4Destination
  /// Value (1).
  case setTTL, setIPv4DSCP, setIPv6DSCP
  case decTTL
  case popVLAN
  /// TPID (2).
  case pushVLAN
  /// Id (2).
  case setVLANID
  /// Priority (1).
  case setVLANPriority
  /// Mark (4).
  case mark
  /// Ratio (4), list slot (2).
  case sample
  /// Group (2).
  case jump
  /// Queue (1).
  case queue
  /// Level (1), how many queues (1), queues (1 each).
  case rss
  case drop
  /// Port (2).
  case port
  /// To software, queue 0.
  case representor
  /// A header slot in the program itself: its length (2), then what ``Templates/Entry`` reads.
  case encapHere
  /// A sample list in the program itself: ratio (4), length of the list (2), then its actions.
  case sampleHere

  /// Bytes of the action that begins at `at`, its code included.
  func size(_ program: Bytes, _ at: Int) -> Int {
    switch self {
    case .nothing, .decapEthernet, .decTTL, .popVLAN, .drop, .representor: 1
    case .decapTunnel, .setTTL, .setIPv4DSCP, .setIPv6DSCP, .setVLANPriority, .queue: 2
    case .encap, .setL4Source, .setL4Destination, .pushVLAN, .setVLANID, .jump, .port: 3
    case .setIPv4Source, .setIPv4Destination, .mark: 5
    case .setMACSource, .setMACDestination, .sample: 7
    case .setIPv6Source, .setIPv6Destination: 17
    case .rss: 3 + Int(program[at + 2])
    case .encapHere: 3 + Int(program.u16(at + 1))
    case .sampleHere: 7 + Int(program.u16(at + 5))
    }
  }
}
