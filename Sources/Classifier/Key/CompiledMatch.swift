import Rules

/// A rule's match as masked words of a ``FlowKey``, and what does not fit into one.
struct CompiledMatch {
  /// Wanted bits, masked.
  var spec = FlowKey()
  /// Bits that count.
  var mask = FlowKey()
  /// Geneve options of the pattern; ``OptionAllocator`` moves those that it has slots for into words.
  var options: [GeneveOptionItem] = []
  /// The pattern contradicts itself, or asks for what no frame from outside has: it is kept and never matches.
  var neverMatches = false

  /// Adds wanted bits; two different wants for one bit never match.
  mutating func want(_ word: Int, _ value: UInt64, mask bits: UInt64) {
    let both = mask.words[word] & bits
    if spec.words[word] & both != value & both { neverMatches = true }
    spec.words[word] |= value & bits
    mask.words[word] |= bits
  }

  /// A value with bits past its field's width is had by no frame.
  mutating func narrow<T>(_ field: Field<T>, bits: Int) {
    if field.spec >> T(bits) != 0 { neverMatches = true }
  }

  /// Wants presence bits (already shifted).
  mutating func present(_ bits: UInt64) { want(FlowKey.Layout.meta, bits, mask: bits) }

  /// Wants a big-endian field of `width` bytes whose first byte is byte `byte` from the start of `word` on.
  mutating func field<T>(_ word: Int, byte: Int, width: Int = MemoryLayout<T>.size, _ field: Field<T>) {
    guard field.isUsed else { return }
    for index in 0..<width {
      let down = T(8 * (width - 1 - index))
      let place = byte + index
      let shift = UInt64(place & 7) * 8
      want(
        word + place >> 3, UInt64(UInt8(truncatingIfNeeded: field.spec >> down)) << shift,
        mask: UInt64(UInt8(truncatingIfNeeded: field.mask >> down)) << shift)
    }
  }
}

/// Compiles patterns (SPECIFICATION.md, M1–M5).
struct MatchCompiler {
  private typealias Layout = FlowKey.Layout
  private typealias Presence = FlowKey.Presence
  private var match = CompiledMatch()
  /// 0 outer, 1 inner.
  private var level = 0
  /// What may come next: the rank of the last item within its level.
  private var rank = Rank.start
  private var tags = 0

  private enum Rank: Int, Comparable {
    case start, port, ethernet, vlan, network, transport, tunnel, option
    static func < (a: Rank, b: Rank) -> Bool { a.rawValue < b.rawValue }
  }

  /// The match of `rule`, or what about it cannot be carried out.
  static func compile(_ rule: Rule) throws(ClassifierError) -> CompiledMatch {
    guard !rule.attributes.egress else { throw .egress }
    guard rule.attributes.group <= 0xffff else { throw .groupOutOfRange(rule.attributes.group) }
    var compiler = MatchCompiler()
    if !rule.attributes.transfer {
      compiler.match.want(Layout.meta, UInt64(rule.attributes.port), mask: 0xffff)
    }
    for index in rule.pattern.indices { try compiler.add(rule.pattern[index], index) }
    return compiler.match
  }

  private mutating func step(_ next: Rank, _ index: Int) throws(ClassifierError) {
    // Behind a tunnel item the inner frame begins.
    if rank >= .tunnel, next < .tunnel, next > .port {
      guard level == 0 else { throw .itemOutOfOrder(index: index) }
      level = 1
      rank = .start
      tags = 0
    }
    let again = next == rank && (next == .vlan || next == .port || next == .option)
    guard next > rank || again, next != .tunnel || level == 0 else { throw .itemOutOfOrder(index: index) }
    rank = next
  }

  private mutating func present(_ bits: UInt64) {
    match.present(bits << Presence.shift(level: level))
  }

  private mutating func add(_ item: Item, _ index: Int) throws(ClassifierError) {
    switch item {
    case .representedPort(let port):
      try step(.port, index)
      match.want(Layout.meta, UInt64(port.spec), mask: UInt64(port.mask))
    case .portRepresentor:
      try step(.port, index)
      match.neverMatches = true
    case .eth(let item):
      try step(.ethernet, index)
      ethernet(item)
    case .vlan(let item):
      try step(.vlan, index)
      guard tags < 2 else { throw .itemOutOfOrder(index: index) }
      vlan(item)
    case .ipv4(let item):
      try step(.network, index)
      ipv4(item)
    case .ipv6(let item):
      try step(.network, index)
      ipv6(item)
    case .udp(let item):
      try transport(Presence.udp, index)
      ports(item.src, item.dst)
    case .tcp(let item):
      try transport(Presence.tcp, index)
      ports(item.src, item.dst)
      match.field(Layout.level(level) + Layout.extra, byte: 7, item.flags)
    case .icmp(let item):
      try transport(Presence.icmp, index)
      icmp(item)
    case .icmp6(let item):
      try transport(Presence.icmp6, index)
      icmp(item)
    case .esp(let spi):
      try transport(Presence.esp, index)
      match.field(Layout.level(level) + Layout.transport, byte: 0, spi)
    case .geneve, .vxlan, .gre, .nvgre, .geneveOption, .greKey:
      try tunnel(item, index)
    }
  }

  private mutating func transport(_ presence: UInt64, _ index: Int) throws(ClassifierError) {
    try step(.transport, index)
    present(presence)
  }

  private mutating func ethernet(_ item: EthItem) {
    let word = Layout.level(level)
    present(Presence.ethernet)
    match.narrow(item.dst, bits: 48)
    match.narrow(item.src, bits: 48)
    match.narrow(item.hasVLAN, bits: 1)
    match.field(word, byte: 0, width: 6, item.dst)
    match.field(word, byte: 6, width: 6, item.src)
    match.field(word, byte: 12, item.type)
    if item.hasVLAN.mask & 1 != 0 {
      let bit = Presence.tag0 << Presence.shift(level: level)
      match.want(Layout.meta, item.hasVLAN.spec & 1 != 0 ? bit : 0, mask: bit)
    }
  }

  private mutating func vlan(_ item: VLANItem) {
    let word = Layout.level(level)
    if tags == 0 {
      present(Presence.tag0)
      match.field(word, byte: 14, item.tci)
      match.field(word + Layout.extra, byte: 0, item.innerType)
    } else {
      present(Presence.tag1)
      match.field(word + Layout.extra, byte: 2, item.tci)
      match.field(word + Layout.extra, byte: 4, item.innerType)
    }
    tags += 1
  }

  private mutating func ipv4(_ item: IPv4Item) {
    let word = Layout.level(level)
    present(Presence.ipv4)
    match.field(word + Layout.extra, byte: 6, item.tos)
    match.field(word + Layout.network, byte: 2, item.fragmentOffset)
    match.field(word + Layout.network, byte: 4, item.ttl)
    match.field(word + Layout.network, byte: 5, item.proto)
    match.field(word + Layout.addresses, byte: 0, item.src)
    match.field(word + Layout.addresses, byte: 4, item.dst)
  }

  private mutating func ipv6(_ item: IPv6Item) {
    let word = Layout.level(level) + Layout.network
    present(Presence.ipv6)
    match.narrow(item.flow, bits: 20)
    match.narrow(item.hasFragment, bits: 1)
    match.field(
      word, byte: 0,
      Field<UInt32>(
        UInt32(item.tc.spec) << 20 | item.flow.spec & 0xf_ffff,
        mask: UInt32(item.tc.mask) << 20 | item.flow.mask & 0xf_ffff))
    match.field(word, byte: 6, item.proto)
    match.field(word, byte: 7, item.hop)
    match.field(Layout.ipv6(level), byte: 0, item.src)
    match.field(Layout.ipv6(level) + 2, byte: 0, item.dst)
    if item.hasFragment.mask & 1 != 0 {
      let bit = Presence.fragmentHeader << Presence.shift(level: level)
      match.want(Layout.meta, item.hasFragment.spec & 1 != 0 ? bit : 0, mask: bit)
    }
  }

  private mutating func ports(_ source: Field<UInt16>, _ destination: Field<UInt16>) {
    match.field(Layout.level(level) + Layout.transport, byte: 0, source)
    match.field(Layout.level(level) + Layout.transport, byte: 2, destination)
  }

  private mutating func icmp(_ item: ICMPItem) {
    match.field(Layout.level(level) + Layout.transport, byte: 0, item.type)
    match.field(Layout.level(level) + Layout.transport, byte: 1, item.code)
  }

  private mutating func tunnel(_ item: Item, _ index: Int) throws(ClassifierError) {
    let word = Layout.tunnel
    switch item {
    case .geneve(let item):
      try step(.tunnel, index)
      match.present(Presence.geneve)
      match.narrow(item.vni, bits: 24)
      match.narrow(item.optionLength, bits: 6)
      match.want(word, UInt64(item.vni.spec & 0xff_ffff), mask: UInt64(item.vni.mask & 0xff_ffff))
      match.want(word, UInt64(item.proto.spec) << 32, mask: UInt64(item.proto.mask) << 32)
      match.want(word, UInt64(item.optionLength.spec & 63) << 48, mask: UInt64(item.optionLength.mask & 63) << 48)
    case .vxlan(let item):
      try step(.tunnel, index)
      match.present(Presence.vxlan)
      match.narrow(item.vni, bits: 24)
      match.want(word, UInt64(item.vni.spec & 0xff_ffff), mask: UInt64(item.vni.mask & 0xff_ffff))
    case .gre(let item):
      try step(.tunnel, index)
      match.present(Presence.gre)
      match.field(Layout.level(0) + Layout.transport, byte: 0, item.flags)
      match.field(Layout.level(0) + Layout.transport, byte: 2, item.proto)
    case .nvgre(let item):
      try step(.tunnel, index)
      match.present(Presence.nvgre)
      match.narrow(item.tni, bits: 24)
      match.want(word, UInt64(item.tni.spec & 0xff_ffff) << 8, mask: UInt64(item.tni.mask & 0xff_ffff) << 8)
      match.want(word, UInt64(item.flowID.spec), mask: UInt64(item.flowID.mask))
    case .geneveOption(let option):
      try self.option(option, index)
    case .greKey(let key):
      try step(.option, index)
      guard match.mask.words[0] & Presence.gre != 0 else { throw .itemOutOfOrder(index: index) }
      match.present(Presence.greKey)
      match.want(word, UInt64(key.spec), mask: UInt64(key.mask))
    default:
      throw .itemOutOfOrder(index: index)
    }
  }

  private mutating func option(_ option: GeneveOptionItem, _ index: Int) throws(ClassifierError) {
    try step(.option, index)
    guard match.mask.words[0] & Presence.geneve != 0 else { throw .itemOutOfOrder(index: index) }
    guard match.options.count < 63 else { throw .tooManyOptions(index: index) }
    match.options.append(option)
  }
}
