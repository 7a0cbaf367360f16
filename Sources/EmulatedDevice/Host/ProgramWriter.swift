import Device
import Rules

/// Writes the checks and actions of a row: the device's own byte layout (``Check``, ``Op``).
struct ProgramWriter {
  private(set) var bytes: [UInt8] = []

  mutating func header(_ check: Check, inner: Bool) { bytes += [check.rawValue, inner ? 1 : 0] }

  mutating func field<V>(_ check: Check, _ field: Field<V>, inner: Bool) {
    guard field.isUsed else { return }
    header(check, inner: inner)
    integer(UInt64(truncatingIfNeeded: field.spec), width: check.width)
    integer(UInt64(truncatingIfNeeded: field.mask), width: check.width)
  }

  mutating func address(_ high: Check, _ low: Check, _ field: Field<UInt128>, inner: Bool) {
    let top = Field(UInt64(truncatingIfNeeded: field.spec >> 64), mask: UInt64(truncatingIfNeeded: field.mask >> 64))
    self.field(high, top, inner: inner)
    let bottom = Field(UInt64(truncatingIfNeeded: field.spec), mask: UInt64(truncatingIfNeeded: field.mask))
    self.field(low, bottom, inner: inner)
  }

  mutating func option(_ item: GeneveOptionItem) {
    header(.geneveOption, inner: false)
    integer(UInt64(item.optionClass), width: 2)
    bytes += [item.type, item.length, UInt8(item.data.count)]
    for word in item.data { integer(UInt64(word), width: 4) }
    for word in item.mask { integer(UInt64(word), width: 4) }
  }

  mutating func op(_ op: Op) { bytes.append(op.rawValue) }
  mutating func op(_ op: Op, _ value: UInt64, width: Int) {
    bytes.append(op.rawValue)
    integer(value, width: width)
  }

  mutating func integer(_ value: UInt64, width: Int) {
    for byte in (0..<width).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(byte)))) }
  }

  // MARK: Match

  /// The checks of a pattern that ``RuleChecks`` has passed.
  mutating func pattern(_ pattern: [Item]) {
    var inner = false
    var tags = 0
    for item in pattern {
      switch item {
      case .eth(let eth):
        header(.hasEthernet, inner: inner)
        field(.macDestination, eth.dst, inner: inner)
        field(.macSource, eth.src, inner: inner)
        field(.etherType, eth.type, inner: inner)
        field(.hasVLAN, eth.hasVLAN, inner: inner)
      case .vlan(let vlan):
        header(tags == 0 ? .hasTag1 : .hasTag2, inner: inner)
        field(tags == 0 ? .tci1 : .tci2, vlan.tci, inner: inner)
        field(tags == 0 ? .type1 : .type2, vlan.innerType, inner: inner)
        tags += 1
      case .ipv4(let ip): ipv4(ip, inner)
      case .ipv6(let ip): ipv6(ip, inner)
      case .udp(let udp):
        header(.hasUDP, inner: inner)
        field(.udpSource, udp.src, inner: inner)
        field(.udpDestination, udp.dst, inner: inner)
      case .tcp(let tcp):
        header(.hasTCP, inner: inner)
        field(.tcpSource, tcp.src, inner: inner)
        field(.tcpDestination, tcp.dst, inner: inner)
        field(.tcpFlags, tcp.flags, inner: inner)
      case .icmp(let icmp), .icmp6(let icmp):
        if case .icmp = item { header(.hasICMP, inner: inner) } else { header(.hasICMP6, inner: inner) }
        field(.icmpType, icmp.type, inner: inner)
        field(.icmpCode, icmp.code, inner: inner)
      case .esp(let spi):
        header(.hasESP, inner: inner)
        field(.espSPI, spi, inner: inner)
      case .representedPort(let port): field(.inPort, port, inner: false)
      case .portRepresentor: header(.never, inner: false)
      case .geneve, .vxlan, .gre, .nvgre, .greKey, .geneveOption:
        tunnel(item)
        inner = true
        tags = 0
      }
    }
  }

  private mutating func ipv4(_ ip: IPv4Item, _ inner: Bool) {
    header(.hasIPv4, inner: inner)
    field(.ipv4TOS, ip.tos, inner: inner)
    field(.ipv4TTL, ip.ttl, inner: inner)
    field(.ipv4Protocol, ip.proto, inner: inner)
    field(.ipv4Fragment, ip.fragmentOffset, inner: inner)
    field(.ipv4Source, ip.src, inner: inner)
    field(.ipv4Destination, ip.dst, inner: inner)
  }

  private mutating func ipv6(_ ip: IPv6Item, _ inner: Bool) {
    header(.hasIPv6, inner: inner)
    field(.ipv6Class, ip.tc, inner: inner)
    field(.ipv6Flow, ip.flow, inner: inner)
    field(.ipv6Next, ip.proto, inner: inner)
    field(.ipv6Hop, ip.hop, inner: inner)
    field(.ipv6HasFragment, ip.hasFragment, inner: inner)
    address(.ipv6SourceHigh, .ipv6SourceLow, ip.src, inner: inner)
    address(.ipv6DestinationHigh, .ipv6DestinationLow, ip.dst, inner: inner)
  }

  private mutating func tunnel(_ item: Item) {
    switch item {
    case .geneve(let geneve):
      header(.hasGeneve, inner: false)
      field(.geneveVNI, geneve.vni, inner: false)
      field(.geneveProtocol, geneve.proto, inner: false)
      field(.geneveOptionLength, geneve.optionLength, inner: false)
    case .geneveOption(let option): self.option(option)
    case .vxlan(let vxlan):
      header(.hasVXLAN, inner: false)
      field(.vxlanVNI, vxlan.vni, inner: false)
    case .gre(let gre):
      header(.hasGRE, inner: false)
      field(.greFlags, gre.flags, inner: false)
      field(.greProtocol, gre.proto, inner: false)
    case .greKey(let key):
      header(.hasGREKey, inner: false)
      field(.greKey, key, inner: false)
    case .nvgre(let nvgre):
      header(.hasNVGRE, inner: false)
      field(.nvgreTNI, nvgre.tni, inner: false)
      field(.nvgreFlow, nvgre.flowID, inner: false)
    default: return
    }
  }

  // MARK: Actions

  /// One action; indirect ones are resolved by the caller. `names` says in which slots the templates are.
  mutating func action(_ action: Action, _ names: SlotNames) {
    switch action {
    case .count, .age, .indirect: return
    case .mark(let mark): op(.mark, UInt64(mark), width: 4)
    case .rawDecap(let index):
      switch names.decapsulations[index] {
      case .tunnel(let kind)?: op(.decapTunnel, UInt64(kind.rawValue), width: 1)
      case .ethernet?: op(.decapEthernet)
      case nil: return
      }
    case .vxlanDecap: op(.decapTunnel, UInt64(TunnelKind.vxlan.rawValue), width: 1)
    case .nvgreDecap: op(.decapTunnel, UInt64(TunnelKind.nvgre.rawValue), width: 1)
    case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index):
      if let slot = names.headers[index] {
        op(.encap, UInt64(slot), width: 2)
      } else if let slot = names.ownHeaders[index] {
        op(.encapHere, UInt64(slot.count), width: 2)
        bytes += slot
      }
    case .set(let field): set(field)
    case .decTTL: op(.decTTL)
    case .popVLAN: op(.popVLAN)
    case .pushVLAN(let type): op(.pushVLAN, UInt64(type), width: 2)
    case .sample(let ratio, let index):
      if let list = names.ownSamples[index] {
        op(.sampleHere, UInt64(ratio), width: 4)
        integer(UInt64(list.count), width: 2)
        bytes += list
      } else {
        op(.sample, UInt64(ratio), width: 4)
        integer(UInt64(names.samples[index] ?? 0), width: 2)
      }
    case .jump(let group): op(.jump, UInt64(group), width: 2)
    case .queue(let queue): op(.queue, UInt64(queue), width: 1)
    case .rss(let rss):
      op(.rss, UInt64(rss.level.rawValue), width: 1)
      integer(UInt64(rss.queues.count), width: 1)
      for queue in rss.queues { integer(UInt64(queue), width: 1) }
    case .drop: op(.drop)
    case .portID(let port), .representedPort(let port): op(.port, UInt64(port), width: 2)
    case .portRepresentor: op(.representor)
    }
  }

  private mutating func set(_ field: SetField) {
    switch field {
    case .macSource(let mac): op(.setMACSource, mac, width: 6)
    case .macDestination(let mac): op(.setMACDestination, mac, width: 6)
    case .ipv4Source(let address): op(.setIPv4Source, UInt64(address), width: 4)
    case .ipv4Destination(let address): op(.setIPv4Destination, UInt64(address), width: 4)
    case .ipv6Source(let address):
      op(.setIPv6Source, UInt64(truncatingIfNeeded: address >> 64), width: 8)
      integer(UInt64(truncatingIfNeeded: address), width: 8)
    case .ipv6Destination(let address):
      op(.setIPv6Destination, UInt64(truncatingIfNeeded: address >> 64), width: 8)
      integer(UInt64(truncatingIfNeeded: address), width: 8)
    case .l4Source(let port): op(.setL4Source, UInt64(port), width: 2)
    case .l4Destination(let port): op(.setL4Destination, UInt64(port), width: 2)
    case .ttl(let ttl): op(.setTTL, UInt64(ttl), width: 1)
    case .ipv4DSCP(let dscp): op(.setIPv4DSCP, UInt64(dscp & 63), width: 1)
    case .ipv6DSCP(let dscp): op(.setIPv6DSCP, UInt64(dscp & 63), width: 1)
    case .vlanID(let id): op(.setVLANID, UInt64(id & 0xfff), width: 2)
    case .vlanPriority(let priority): op(.setVLANPriority, UInt64(priority & 7), width: 1)
    }
  }
}

/// In which slots of the device's memory an overlay's templates are.
struct SlotNames {
  var headers: [UInt16: UInt16] = [:]
  var samples: [UInt16: UInt16] = [:]
  var decapsulations: [UInt16: Decapsulation] = [:]
  /// What a rule brings itself and keeps in its program: header slots and sample lists.
  var ownHeaders: [UInt16: [UInt8]] = [:]
  var ownSamples: [UInt16: [UInt8]] = [:]

  /// Whether there is a sample list of this number.
  func hasSample(_ index: UInt16) -> Bool { samples[index] != nil || ownSamples[index] != nil }
}

extension SlotNames {
  /// The names of what a rule brings itself.
  init(own parts: Overlay) {
    decapsulations = parts.decapsulations
    ownHeaders = parts.encapsulations.mapValues { StartTables.slot(of: $0) }
    for (index, list) in parts.sampleActions {
      var writer = ProgramWriter()
      for action in list {
        var action = action
        if case .indirect(let id) = action, let shared = parts.indirectActions[id] { action = shared }
        if case .sample = action { continue }
        writer.action(action, self)
      }
      if writer.bytes.count <= RuleStore.largestProgram { ownSamples[index] = writer.bytes }
    }
  }
}
