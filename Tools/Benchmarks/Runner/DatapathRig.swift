import CShim
import Datapath
import Device
import Memory
import Rules

/// One way to measure.
struct DatapathWay {
  var flows: Int
  var isBack = false
  var isIPv6 = false
  var sumsUDP = false
  var isZipf = false
  var hasCache = true
}

/// A data path with a rule a flow, and frames in a ring of buffers.
///
/// The frames of up to 1000 flows lie there once and for all (256 bytes apart, so in the second-level cache); of more
/// flows a frame is made in its buffer before the clock starts, as a NIC would have put it into the cache.
struct DatapathRig: ~Copyable {
  private static let ring = 1024
  private static let option: [UInt8] = [0x01, 0x02, 0x00, 0x01, 0, 0, 0, 7]
  let way: DatapathWay
  private let book: RuleBook
  private var path: Datapath
  private let arena: FrameArena
  private var order: FlowOrder
  private var burst = FrameBurst()
  private var out = EmissionBurst(capacity: 256)
  private var at = 0
  private var now: UInt64 = 1
  private let template: [UInt8]
  /// Where the flow's inner IPv4 header is.
  private let l3: Int
  /// Of a hundred frames, how many were of a flow that the cache knew.
  var recognised: Double { 100 * Double(path.statistics.recognised) / Double(max(1, frames)) }
  private var frames = 0
  /// Frames that did not come out where they should.
  private(set) var wrong = 0

  init(_ way: DatapathWay, seed: UInt64) throws {
    let book = try Self.book(way)
    try Self.addRules(book, way)
    let path = try Datapath(book, buffers: 64, cachedFlows: way.hasCache ? 8192 : 0)
    let template = Self.frame(way)
    let size = way.isBack ? 512 : 256
    let arena = try FrameArena(capacity: Self.ring, bufferSize: size, headroom: 128)
    self.init(way, book, path, arena, template, FlowOrder(way, seed: seed))
  }

  private init(
    _ way: DatapathWay, _ book: RuleBook, _ path: consuming Datapath, _ arena: consuming FrameArena,
    _ template: [UInt8], _ order: consuming FlowOrder
  ) {
    self.way = way
    self.book = book
    self.path = path
    self.arena = arena
    self.template = template
    self.order = order
    l3 = way.isBack ? (way.isIPv6 ? 20 : 0) + 14 + 20 + 8 + 16 + 14 : 14
    for slot in 0..<Self.ring { write(slot, flow: slot % way.flows) }
  }

  /// Cycles a frame, one figure a round: that of the middle burst, so that a burst during which the machine did
  /// something else does not count.
  mutating func measure(rounds: Int, bursts: Int) -> [Double] {
    var cycles: [Double] = []
    var each = [Double](repeating: 0, count: bursts)
    for round in -1..<rounds {
      for index in 0..<bursts {
        fill()
        now += 1000
        let start = dpu_ticks()
        path.process(&burst, now: now, out: &out)
        each[index] = Double(dpu_ticks() &- start)
        frames += FrameBurst.capacity
        check()
      }
      if round >= 0 { cycles.append(median(each) / Double(FrameBurst.capacity)) }
    }
    return cycles
  }

  private mutating func fill() {
    burst.removeAll()
    out.removeAll()
    for _ in 0..<FrameBurst.capacity {
      if way.flows > Self.ring { write(at, flow: order.next()) }
      var frame = Frame(
        buffer: arena.buffer(UInt32(at)), headroom: 128, length: template.count, token: UInt32(at))
      frame.inPort = way.isBack ? 0 : 1
      _ = burst.append(frame)
      at = (at + 1) % Self.ring
    }
  }

  private mutating func check() {
    if out.count != FrameBurst.capacity { wrong += 1 }
    for index in 0..<out.count where out[index].port != (way.isBack ? 1 : 0) || out[index].frame.outcome != .forward {
      wrong += 1
    }
  }

  /// Puts the flow's frame into its buffer. Addresses change in complementary pairs, so that no checksum does.
  private func write(_ slot: Int, flow: Int) {
    let bytes = arena.buffer(UInt32(slot))
    bytes.copy(template, at: 128)
    bytes.store(Self.source(flow), at: 128 + l3 + 12)
    bytes.store(Self.destination(flow), at: 128 + l3 + 16)
  }

  private static func source(_ flow: Int) -> UInt32 { 0x0a00_0000 | UInt32(flow) }
  private static func destination(_ flow: Int) -> UInt32 { ~source(flow) }

  private static func book(_ way: DatapathWay) throws -> RuleBook {
    var overlay = Overlay()
    overlay.ports = [
      Port(id: 0, kind: .uplink), Port(id: 1, kind: .tenant, mtu: 1450, tenant: 1), Port(id: 2, kind: .host),
    ]
    overlay.endpoint.ipv4 = [0x0101_0101]
    overlay.decapsulations[1] = .tunnel(.geneve)
    var policy = EncapsulationPolicy()
    policy.udpChecksum = way.sumsUDP ? .on : .off
    overlay.encapsulations[1] = Encapsulation(
      header: outer(way, sourcePort: 0), kind: .geneve, l3: 14, l4: way.isIPv6 ? 54 : 34, isIPv6: way.isIPv6,
      policy: policy)
    return try RuleBook(overlay, limit: way.flows + 16)
  }

  private static func addRules(_ book: RuleBook, _ way: DatapathWay) throws {
    var changes: [RuleChange] = []
    for flow in 0..<way.flows {
      var ip = IPv4Item()
      (ip.src, ip.dst, ip.proto) = (Field(source(flow)), Field(destination(flow)), Field(17))
      var udp = L4Item()
      (udp.src, udp.dst) = (Field(1111), Field(2222))
      var attributes = Attributes()
      attributes.port = way.isBack ? 0 : 1
      var pattern: [Item] = [.eth(EthItem()), .ipv4(ip), .udp(udp)]
      var actions: [Action] = [.count(id: 0), .age(timeout: 60), .rawEncap(index: 1), .portID(0)]
      if way.isBack {
        var geneve = GeneveItem()
        geneve.vni = Field(0x1234, mask: 0xff_ffff)
        let option = GeneveOptionItem(optionClass: 0x0102, type: 0, length: 1, data: [7], mask: [.max])
        pattern = [.geneve(geneve), .geneveOption(option)] + pattern
        actions = [.count(id: 0), .age(timeout: 60), .rawDecap(index: 1), .portID(1)]
      }
      changes.append(
        .add(UInt32(flow + 1), Rule(attributes: attributes, pattern: pattern, actions: actions)))
    }
    try book.apply(changes, now: 0)
  }

  /// The outer header: Ethernet, IP, UDP, Geneve with one option of four bytes.
  private static func outer(_ way: DatapathWay, sourcePort: UInt16) -> [UInt8] {
    var bytes: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]
    if way.isIPv6 {
      bytes += [0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 17, 64] + [0xfd] + [UInt8](repeating: 0, count: 14) + [1]
      bytes += [0xfd] + [UInt8](repeating: 0, count: 14) + [2]
    } else {
      bytes += [8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 9, 8, 7, 1, 1, 1, 1]
    }
    bytes += [UInt8(sourcePort >> 8), UInt8(sourcePort & 255), 0x17, 0xc1, 0, 0, 0, 0]
    return bytes + [2, 0, 0x65, 0x58, 0, 0x12, 0x34, 0] + option
  }

  /// A frame of 64 bytes without FCS, for the way back inside its tunnel packet.
  private static func frame(_ way: DatapathWay) -> [UInt8] {
    var inner: [UInt8] = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0]
    inner += [0x45, 0, 0, 50, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]
    inner += [0x04, 0x57, 0x08, 0xae, 0, 30, 0, 0] + [UInt8](repeating: 5, count: 22)
    put(&inner, 24, ~sum(inner[14..<34]))
    guard way.isBack else { return inner }
    var bytes = outer(way, sourcePort: 50000) + inner
    let l4 = way.isIPv6 ? 54 : 34
    let length = UInt16(bytes.count - l4)
    put(&bytes, l4 + 4, length)
    if way.isIPv6 {
      put(&bytes, 18, length)
    } else {
      put(&bytes, 16, UInt16(bytes.count - 14))
      put(&bytes, 24, ~sum(bytes[14..<34]))
    }
    if way.sumsUDP {
      let pseudo = sum(bytes[(way.isIPv6 ? 22 : 26)..<l4] + [0, 17, UInt8(length >> 8), UInt8(length & 255)])
      put(&bytes, l4 + 6, ~sum(bytes[l4...] + [UInt8(pseudo >> 8), UInt8(pseudo & 255)]))
    }
    return bytes
  }

  private static func put(_ bytes: inout [UInt8], _ at: Int, _ value: UInt16) {
    bytes[at] = UInt8(value >> 8)
    bytes[at + 1] = UInt8(value & 255)
  }

  private static func sum(_ bytes: ArraySlice<UInt8>) -> UInt16 {
    var total: UInt32 = 0
    for (place, byte) in bytes.enumerated() { total += place % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
    while total > 0xffff { total = total & 0xffff + total >> 16 }
    return UInt16(total)
  }
}

/// Which flow comes next: uniform, or Zipf with exponent 1 (rank r with weight 1/r).
struct FlowOrder {
  private let flows: Int
  private let cumulative: [Double]
  private var state: UInt64

  init(_ way: DatapathWay, seed: UInt64) {
    flows = way.flows
    state = seed
    var total = 0.0
    var sums: [Double] = []
    if way.isZipf {
      sums.reserveCapacity(way.flows)
      for rank in 1...way.flows {
        total += 1 / Double(rank)
        sums.append(total)
      }
    }
    cumulative = sums
  }

  mutating func next() -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let random = state >> 33
    guard let total = cumulative.last else { return Int(random) % flows }
    let wanted = Double(random) / Double(1 << 31) * total
    var low = 0
    var high = flows - 1
    while low < high {
      let middle = (low + high) / 2
      if cumulative[middle] < wanted { low = middle + 1 } else { high = middle }
    }
    // Ranks are spread over the table, as flows are.
    return Int(UInt64(low) &* 2_654_435_761 % UInt64(flows))
  }
}
