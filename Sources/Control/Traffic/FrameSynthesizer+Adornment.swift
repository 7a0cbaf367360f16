import Rules

// Rare and lawful things, each now and then; and lies.
extension FrameSynthesizer {
  /// Extension headers, fragments, IPv4 options, more tags than anybody reads, tags inside tunnels, several critical
  /// options, padding, headers of any length, sums that come out as zero, and packets just around the usual MTUs.
  mutating func adorn(_ plan: inout FrameBlueprint, pattern: [Item]) {
    if random.oneIn(8) { adorn(&plan.outer) }
    if random.oneIn(8) { adorn(&plan.inner) }
    if random.oneIn(24) { fragment(&plan.outer) }
    if random.oneIn(40) { fragment(&plan.inner) }
    if random.oneIn(32) { reachLimit(&plan) }
    if random.oneIn(12) { meetZero(&plan.outer) }
    if random.oneIn(12) { meetZero(&plan.inner) }
    if plan.tunnel != nil, random.oneIn(12) { plan.inner.tags.append((random.pick(Self.tagTypes), random.value())) }
    if plan.tunnel?.kind == .geneve, random.oneIn(6), !pattern.looksAtOptionLength { addCriticalOptions(&plan) }
    if random.oneIn(12) { plan.padding = random.below(46) }
    if plan.tunnel != nil, random.oneIn(24) { plan.innerPadding = random.below(46) }
    if random.oneIn(10) {
      // The packet that a level carries is a byte or two around an MTU, with and without an outer header.
      let headers = plan.bytes().count - plan.payload.count
      let wanted = random.pick([1450, 1500, 1600]) + 14 - random.pick([0, 50, 58, 70]) + random.below(5) - 2
      if wanted > headers { plan.payload = random.bytes(wanted - headers) }
      if random.oneIn(4) { forbidAnswer(&plan.outer) }
    }
  }

  /// An IPv6 header chain behind which the transport begins about where the last offset lies that is recorded (P9).
  private mutating func reachLimit(_ plan: inout FrameBlueprint) {
    let level = plan.tunnel == nil ? plan.outer : plan.inner
    guard level.l3 == .ipv6, level.extensions.count < 8 else { return }
    let behind =
      switch level.l4 {
      case .tcp: 20
      case .none: 0
      default: 8
      }
    let begins = plan.bytes().count - plan.payload.count - behind
    let units = (510 - begins) / 8 - 2 + random.below(3)
    guard (0...255).contains(units) else { return }
    let options: (type: UInt8, bytes: [UInt8]) = (60, [UInt8(units)] + random.bytes(6 + units * 8))
    if plan.tunnel == nil { plan.outer.extensions.append(options) } else { plan.inner.extensions.append(options) }
  }

  /// What nobody may be answered about, however long it is (S1).
  private mutating func forbidAnswer(_ level: inout FrameBlueprint.Level) {
    let isIPv4 = level.l3 == .ipv4
    switch random.below(5) {
    case 0: level.dst |= 1 << 40
    case 1 where isIPv4: level.fragment = 0x4000 | 185
    case 2 where isIPv4: level.src128 = random.pick([0x7f00_0001, 0, 0xe000_0001, 0xffff_ffff])
    case 2: level.src128 = random.pick([0, 1, 0xff02 << 112 | 1])
    case 3 where isIPv4: level.dst128 = random.pick([0xe000_0001, 0xffff_ffff])
    case 3: level.dst128 = 0xff02 << 112 | 1
    default:
      level.l4 = isIPv4 ? .icmp : .icmp6
      level.icmp = (random.pick(isIPv4 ? [3, 4, 5, 11, 12] : [1, 2, 3, 4, 127, 137]), 0)
    }
  }

  private static var tagTypes: [UInt16] { [0x8100, 0x88a8, 0x9100] }

  private mutating func addCriticalOptions(_ plan: inout FrameBlueprint) {
    for _ in 0...random.below(2) {
      let known: [(UInt16, UInt8)] = [(0x0102, 0x80), (0x014b, 0x81), (0x0103, 0x80), (0x0102, 0xc0), (0x0102, 0x00)]
      let (optionClass, type) = random.pick(known)
      guard (plan.tunnel?.options.count ?? 0) <= 244 else { break }
      plan.tunnel?.options += be(optionClass) + [type, 1] + random.bytes(4)
      if type & 0x80 != 0, !random.oneIn(6) { plan.tunnel?.flags |= 0x40 }
    }
  }

  private mutating func adorn(_ level: inout FrameBlueprint.Level) {
    switch random.below(5) {
    case 0 where level.l3 == .ipv6 && level.extensions.isEmpty:
      // P4 walks eight.
      let count = random.oneIn(4) ? 7 + random.below(3) : 1 + random.below(2)
      for _ in 0..<count { level.extensions.append(extensionHeader()) }
    case 1 where level.l3 == .ipv4:
      level.options = random.oneIn(2) ? random.bytes(4 * (1 + random.below(10))) : lawfulOptions()
    case 2 where level.hasEthernet && level.tags.count < 3:
      level.tags.append((random.pick(Self.tagTypes), random.value()))
    case 3:
      // Protocols that nobody looks into, the other version's ICMP among them.
      level.l4 = .none
      level.protoOverride = random.pick([level.l3 == .ipv4 ? 58 : 1, 2, 4, 41, 50, 59, 132])
    default: level.ttl = random.pick([1, 2, 0, 255])
    }
  }

  private mutating func extensionHeader() -> (type: UInt8, bytes: [UInt8]) {
    switch random.below(8) {
    case 0:
      // Authentication (RFC 4302): its length counts words of four bytes, less two.
      let words = 1 + 2 * random.below(2)
      return (51, [UInt8(words)] + random.bytes(words * 4 + 6))
    case 1: return fragmentHeader()
    default:
      let units = random.oneIn(8) ? random.below(24) : random.below(2)
      return (random.pick([0, 43, 60]), [UInt8(units)] + random.bytes(6 + units * 8))
    }
  }

  /// A fragment header (RFC 8200 section 4.5): atomic, first, middle or last.
  mutating func fragmentHeader() -> (type: UInt8, bytes: [UInt8]) {
    let place: UInt16 = random.pick([0, 0, 1, 185 << 3 | 1, 185 << 3, 1 << 3])
    return (44, [0] + be(place) + be(random.value(UInt32.self)))
  }

  private mutating func fragment(_ level: inout FrameBlueprint.Level) {
    switch level.l3 {
    case .ipv4: level.fragment = random.pick([0x2000, 0x2000, 0x2000 | 185, 185, 0x6000, 0x8000, 0xc000])
    case .ipv6 where !level.extensions.contains { $0.type == 44 }:
      level.extensions.insert(fragmentHeader(), at: random.below(level.extensions.count + 1))
    default: break
    }
  }

  /// A list of options that can be walked (RFC 791 section 3.1), of both kinds: copied into fragments and not.
  private mutating func lawfulOptions() -> [UInt8] {
    var out: [UInt8] = []
    for _ in 0...random.below(3) {
      let length = 2 + random.below(7)
      switch random.below(4) {
      case 0: out.append(1)
      case 1 where out.count + length <= 40: out += [0x80 | random.value(), UInt8(length)] + random.bytes(length - 2)
      case _ where out.count + length <= 40: out += [0x44, UInt8(length)] + random.bytes(length - 2)
      default: break
      }
    }
    return out
  }

  /// Checksums that are zero, or become so when a field is changed (RFC 1624 section 3); never the other zero, all ones,
  /// which nobody computes.
  private mutating func meetZero(_ level: inout FrameBlueprint.Level) {
    let low = random.value(UInt16.self) & 0xfe00 | 0xff, high = random.value(UInt16.self) & 0xfe | 0xff00
    level.wantedTransportChecksum = random.pick([0, 0, low, high])
    level.wantedHeaderChecksum = random.pick([0, 0xfeff, low, high])
  }

  /// One or two bytes of the headers are not what they should be, and the checksums over them are made as if they were.
  mutating func lie(_ plan: inout FrameBlueprint) {
    for _ in 0...random.below(2) {
      let header: FrameBlueprint.Lie.Header
      if plan.tunnel == nil {
        header = random.pick([.outerEthernet, .outerIP, .outerTransport])
      } else {
        header = random.oneIn(3) ? .tunnel : random.pick(FrameBlueprint.Lie.Header.allCases)
      }
      let change: FrameBlueprint.Lie.Change
      switch random.below(4) {
      case 0...1: change = .flip(1 << UInt8(random.below(8)))
      case 2: change = .add(random.pick([1, 0xff, 4, 0xfc, 8, 0xf8]))
      default: change = .set(random.pick([0, 1, 0x7f, 0x80, 0xff, random.value()]))
      }
      // What counts stands in front.
      let front = header == .tunnel ? 2 : 8
      let at = random.oneIn(3) ? random.below(256) : random.below(front)
      plan.lies.append(.init(header: header, at: at, change: change))
    }
    // A control packet, or one without a VNI, whatever else is wrong with it.
    if plan.tunnel?.kind == .geneve, random.oneIn(8) { plan.tunnel?.flags |= 0x80 }
    if plan.tunnel?.kind == .vxlan, random.oneIn(8) { plan.tunnel?.flags ^= 0x08 }
    if plan.tunnel != nil, random.oneIn(6) {
      // To around the end of an Ethernet or IP header, or anywhere.
      plan.cutsInner = random.oneIn(2) ? random.pick([13, 14, 19, 20, 39, 40]) : random.below(60)
    }
  }
}
