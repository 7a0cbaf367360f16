import Classifier
public import Device
import Memory
import Wire

/// One queue of the fast loop: tenant port → parse → match → carry out actions → port, and back (SPECIFICATION.md,
/// P–M–A–D–R–E–S–B). It belongs to one thread, waits for nobody and, once made, allocates nothing.
///
/// Frames go in as a ``Device/FrameBurst`` and come out as an ``Device/EmissionBurst``. A frame that comes half done
/// from a device (``Device/Frame/steps``) goes on where the device stopped.
public struct Datapath: ~Copyable {
  // Keeps the tables alive; never touched on a frame's way.
  let rules: RuleBook
  var reader: Reader
  let programs: TableView<RuleProgram>
  let ops: TableView<Op>
  let resume: TableView<UInt64>
  var ports: PortTable
  var templates: TemplateStore
  // Which half of the templates' bytes is seen, and how many slots a half has.
  private let templateHalf: TableView<UInt64>
  private let templateCount: Int
  let endpoint: EndpointAddresses
  /// How to parse: 0 without looking into tunnels, 1 with. A table, so that a frame copies no options.
  let parseOptions: FlatTable<ParseOptions>
  let tunnelPorts: TunnelPorts
  let policy: DecapsulationPolicy
  /// The burst's headers, and its slots' in-ports; ``skip`` for a frame that is done.
  var stacks: FlatTable<HeaderStack>
  var inPorts: FlatTable<Int32>
  /// The burst's candidates of ``cache``, 0 for none.
  var flows: FlatTable<UInt64>
  var cache: FlowCache
  var arena: FrameArena
  /// The top byte of the tokens of frames that were made here.
  public let owner: UInt8
  var buckets: TenantBuckets
  var coalescer: Coalescer
  /// Nil when outer fragments are dropped.
  var reassembler: Reassembler?
  let sampleCounts: SharedTable<UInt64>
  /// Frames and bytes of each indirect counter, of this queue.
  let sharedCounts: SharedTable<UInt64>
  /// What errors from the underlay told (I3); what this queue has taken over of it, and how often it wrote.
  let paths: PathTable
  let pathView: TableView<UInt64>
  var pathGeneration: UInt64 = 0
  var pathDeadline: UInt64 = .max
  var pathChanges: UInt64 = 0
  var identification: UInt16 = 0
  /// Nanoseconds, of the burst at hand.
  var now: UInt64 = 0
  /// Dropped frames by reason.
  public internal(set) var drops = DropCounters()
  /// What else was done.
  public internal(set) var statistics = DatapathStatistics()

  /// A slot of the reader's for frames that are looked up alone.
  static let singleSlot = 63
  /// Marks a slot whose frame is done or goes its own way.
  static let skip: Int32 = -1

  /// A queue for `rules`.
  ///
  /// - Parameters:
  ///   - buffers: how many buffers for copies, segments, fragments and answers.
  ///   - bufferSize: bytes of each, 512…131,072; the largest frame that can be copied is 448 shorter.
  ///   - owner: the top byte of the tokens of these buffers; no other owner may have it.
  ///   - seed: of hashes that nobody outside should know.
  ///   - cachedFlows: flows that the cache in front of the tables knows, 256 bytes each; 0 for no cache. What comes out
  ///     is the same.
  ///   - answers: ICMP answers that a tenant may cause each second, and at once (S1).
  /// - Throws: ``DatapathError/memory(_:)``, and ``DatapathError/rules(_:)`` when all queues of the book are taken.
  public init(
    _ rules: RuleBook, buffers: Int = 1024, bufferSize: Int = 2560, owner: UInt8 = 0xd0, seed: UInt64 = 0,
    cachedFlows: Int = 8192, answers: (perSecond: UInt32, burst: UInt32) = (100, 10)
  ) throws(DatapathError) {
    // A packet that was put together has up to 65,535 bytes.
    let whole = rules.overlay.endpoint.reassembly == nil ? 0 : 0xffff + TemplateStore.slotSize
    self.init(
      rules, reader: try Self.reader(rules),
      arena: try Self.arena(capacity: buffers, bufferSize: max(bufferSize, whole)),
      reassembler: try Self.reassembler(rules.overlay.endpoint, seed: seed),
      templates: try TemplateStore(rules.encapsulations, rules.templateBytes),
      sampleCounts: try SharedTable.make(count: rules.store.opView.count),
      sharedCounts: try rules.makeSharedCounts(), owner: owner, cachedFlows: cachedFlows, answers: answers)
  }

  private init(
    _ rules: RuleBook, reader: consuming Reader, arena: consuming FrameArena,
    reassembler: consuming Reassembler?, templates: consuming TemplateStore,
    sampleCounts: SharedTable<UInt64>, sharedCounts: SharedTable<UInt64>, owner: UInt8, cachedFlows: Int,
    answers: (perSecond: UInt32, burst: UInt32)
  ) {
    let overlay = rules.overlay
    self.rules = rules
    self.reader = reader
    self.arena = arena
    self.reassembler = reassembler
    self.templates = templates
    templateHalf = rules.templateBytes.halfView
    templateCount = rules.encapsulations.count
    self.sampleCounts = sampleCounts
    self.sharedCounts = sharedCounts
    paths = rules.paths
    pathView = rules.paths.view
    self.owner = owner
    programs = rules.store.programView
    ops = rules.store.opView
    resume = rules.resume.view
    ports = PortTable(overlay.ports)
    endpoint = EndpointAddresses(overlay.endpoint)
    parseOptions = Self.parseOptions(overlay.endpoint)
    tunnelPorts = TunnelPorts(geneve: overlay.endpoint.genevePort, vxlan: overlay.endpoint.vxlanPort)
    policy = DecapsulationPolicy(acceptsZeroUDPChecksumIPv6: overlay.endpoint.acceptsZeroUDPChecksumIPv6)
    stacks = FlatTable(repeating: HeaderStack(), count: FrameBurst.capacity)
    inPorts = FlatTable(repeating: Self.skip, count: FrameBurst.capacity)
    flows = FlatTable(repeating: 0, count: FrameBurst.capacity)
    cache = FlowCache(capacity: cachedFlows)
    // A burst's frames are merged with each other alone, so more flows than frames are never held.
    let flows = overlay.ports.contains(where: \.coalesces) ? FrameBurst.capacity : 1
    coalescer = Coalescer(flows: flows, ports: tunnelPorts, intoTunnels: false)
    buckets = TenantBuckets(highest: ports.highestTenant, rate: answers.perSecond, burst: answers.burst)
  }

  private static func reader(_ rules: RuleBook) throws(DatapathError) -> Reader {
    do throws(ClassifierError) {
      return try rules.classifier.makeReader()
    } catch {
      throw .rules(error)
    }
  }

  private static func arena(capacity: Int, bufferSize: Int) throws(DatapathError) -> FrameArena {
    do throws(ArenaError) {
      return try FrameArena(capacity: capacity, bufferSize: bufferSize, headroom: TemplateStore.slotSize)
    } catch {
      throw .memory(error)
    }
  }

  private static func reassembler(_ policy: EndpointPolicy, seed: UInt64) throws(DatapathError) -> Reassembler? {
    guard let bounds = policy.reassembly else { return nil }
    do throws(ArenaError) {
      return try Reassembler(bounds, seed: seed)
    } catch {
      throw .memory(error)
    }
  }

  private static func parseOptions(_ policy: EndpointPolicy) -> FlatTable<ParseOptions> {
    var options = ParseOptions(
      lookIntoTunnels: true, genevePort: policy.genevePort, vxlanPort: policy.vxlanPort,
      acceptsVXLANInnerVLAN: policy.acceptsVXLANInnerVLAN)
    for option in policy.knownCriticalOptions { _ = options.addCriticalOption(option) }
    var table = FlatTable(repeating: options, count: 2)
    table[0].lookIntoTunnels = false
    return table
  }

  /// Takes the templates' half that is shown now; called behind the reader's entry, in front of a burst's first frame.
  @inline(__always)
  mutating func seeTemplates() {
    templates.first = templateHalf.acquire(0) == 0 ? 0 : templateCount
  }

  /// Says which debts the port pays itself (a device's transmit abilities); none at first. An unknown port is ignored.
  public mutating func setCarried(_ debts: Owed, port id: UInt16) {
    let index = ports.index(of: id)
    if index != PortTable.none { ports.setCarried(debts, at: index) }
  }

  /// Says where frames go that came in through the port `id` and that no rule wants, when the port's miss is the host:
  /// a representor in the place of the first host port. False when one of the two is not there.
  public mutating func setMissPort(_ other: UInt16, of id: UInt16) -> Bool {
    let index = ports.index(of: id)
    let target = ports.index(of: other)
    guard index != PortTable.none, target != PortTable.none else { return false }
    ports.setMissPort(target, at: index)
    return true
  }

  /// Takes back a buffer of this data path's own: every emission whose token's top byte is ``owner`` comes back by this
  /// when it was sent.
  public mutating func recycle(_ token: UInt32) {
    guard UInt8(truncatingIfNeeded: token >> 24) == owner else { return }
    arena.give(token & 0xff_ffff)
  }

  /// Buffers of this data path's own that are free.
  public var buffersAvailable: Int { arena.available }
}
