public import Datapath
public import Device
public import HostInventory
import Rules

/// The next hops of one uplink: where each tunnel end is reached, and at which Ethernet address.
///
/// An encapsulation whose Ethernet destination is 00:00:00:00:00:00 in the configuration is resolved here: the route to its
/// outer destination (netlink's, or the configuration's) gives a neighbour, who is asked for its address; the answer is
/// written into all encapsulations that go by it, at once (``Datapath/RuleBook/setOuterAddresses(_:)``). It belongs to the
/// thread that owns the rule book.
public final class Underlay {
  /// What becomes of frames to a tunnel end.
  public enum Fate: Equatable, Sendable {
    /// Its next hop is being asked for.
    case wait
    /// They go to this Ethernet address, from this one; 48 bits each.
    case addresses(destination: UInt64, source: UInt64)
    /// They are dropped.
    case refused(DropReason)
  }

  /// Where routes and neighbours come from, and how an uplink behaves.
  public struct Options: Sendable {
    /// Routes, addresses and neighbours from the configuration; their interface is ``link``.
    public var view = HostView()
    /// The number of the uplink's interface in ``view``; found by ``interface`` when there is netlink.
    public var link: Int32 = 0
    /// The interface whose routes and neighbours count: the uplink's own, or the host port's TAP device.
    public var interface: String?
    /// The uplink's Ethernet address, 48 bits.
    public var mac: UInt64 = 0
    /// Questions for the endpoint's addresses are answered here: nobody else does.
    public var answers = false
    /// How neighbours are asked.
    public var times = NeighbourTimes()

    /// The configuration's, with no routes.
    public init() {}
  }

  /// An encapsulation that is resolved here.
  private struct Client {
    var index: UInt16
    var remote: IPAddress
    var local: IPAddress
    /// 0: the uplink's.
    var source: UInt64
  }

  private let rules: RuleBook
  private let options: Options
  private let netlink: NetlinkSocket?
  private var clients: [Client] = []
  private let own: Set<IPAddress>
  /// The neighbours that are asked for.
  public private(set) var neighbours: NeighbourTable
  /// The neighbour of each tunnel end; nil without a route.
  private var hops: [IPAddress: IPAddress] = [:]
  private var isStale = true
  /// The uplink's Ethernet address, 48 bits.
  public private(set) var mac: UInt64
  /// Times that encapsulations were rewritten.
  public private(set) var rewrites: UInt64 = 0
  /// Why netlink is not read any more; what was known stays.
  public private(set) var failure: NetlinkSocketError?

  /// The next hops of the encapsulations of `rules`. `netlink` is the socket of the namespace that ``Options/interface`` is
  /// in.
  public init(_ rules: RuleBook, options: Options, netlink: NetlinkSocket? = nil) {
    self.rules = rules
    self.options = options
    self.netlink = netlink
    mac = options.mac
    neighbours = NeighbourTable(options.times)
    let endpoint = rules.overlay.endpoint
    own = Set(endpoint.ipv4.map { IPAddress.v4($0) } + endpoint.ipv6.map { IPAddress.v6($0) })
    for address in rules.outerAddresses where address.destination == 0 {
      guard let encapsulation = rules.overlay.encapsulations[address.index], encapsulation.kind != .none else {
        continue
      }
      let ip = encapsulation.header.dropFirst(encapsulation.l3)
      let width = encapsulation.isIPv6 ? 16 : 4
      let at = encapsulation.isIPv6 ? 8 : 12
      guard let local = IPAddress(ip.dropFirst(at).prefix(width)),
        let remote = IPAddress(ip.dropFirst(at + width).prefix(width))
      else { continue }
      clients.append(Client(index: address.index, remote: remote, local: local, source: address.source))
    }
  }

  private var view: HostView { netlink?.view ?? options.view }

  private var link: Int32? {
    guard netlink != nil, let interface = options.interface else { return options.link }
    return view.link(named: interface)?.index
  }

  /// A descriptor that becomes readable when netlink has something to tell.
  public var descriptor: Int32? { netlink?.descriptor }

  /// Takes in what netlink tells, and does what is due. Returns frames to be sent out of the uplink. `mac` is the
  /// uplink's address now, 0 when it has none.
  public func tick(now: UInt64, mac: UInt64) -> [[UInt8]] {
    if mac != 0, mac != self.mac {
      self.mac = mac
      isStale = true
    }
    if let netlink, failure == nil {
      do throws(NetlinkSocketError) {
        if try netlink.read() { isStale = true }
      } catch {
        failure = error
      }
    }
    if isStale, netlink?.isComplete ?? true {
      isStale = false
      route(now)
    }
    let questions = neighbours.due(now: now).map { ask($0) }
    rewrite()
    return questions
  }

  /// Takes in what an ARP or neighbour discovery frame said. Returns frames to be sent out of the uplink.
  public func hear(_ words: [NeighbourMessages.Word], now: UInt64) -> [[UInt8]] {
    var answers: [[UInt8]] = []
    for word in words {
      switch word {
      case .isAt(let address, let mac): neighbours.heard(address, mac: mac, now: now)
      case .answered(let address): neighbours.heard(address, mac: neighbours.mac(of: address), now: now)
      case .asks(let address, let asker, let asking):
        guard options.answers, own.contains(address), mac != 0 else { continue }
        answers.append(NeighbourMessages.answer(address, sender: mac, to: asker, mac: asking))
      }
    }
    rewrite()
    return answers
  }

  /// Every encapsulation that is resolved here, with its neighbour; nil without a route.
  var hopList: [(index: UInt16, neighbour: IPAddress?)] { clients.map { ($0.index, hops[$0.remote]) } }

  /// What becomes of frames to the tunnel end `remote`, an IPv4 one as RFC 4291's mapped address.
  func fate(of remote: UInt128) -> Fate {
    guard let client = clients.first(where: { $0.remote.mapped == remote }) else { return .refused(.noRoute) }
    guard let hop = hops[client.remote] else { return isStale ? .wait : .refused(.noRoute) }
    let destination = neighbours.mac(of: hop)
    if destination != 0, mac != 0 || client.source != 0 {
      return .addresses(destination: destination, source: client.source == 0 ? mac : client.source)
    }
    return neighbours.state(of: hop) == .failed ? .refused(.nextHopTimeout) : .wait
  }

  /// Finds the neighbour of every tunnel end again.
  private func route(_ now: UInt64) {
    hops = [:]
    let view = view
    let link = link
    for client in clients {
      guard case .neighbour(let hop, let through) = view.nextHop(to: client.remote), through == link else { continue }
      hops[client.remote] = hop
    }
    neighbours.want(Set(hops.values), now: now)
    guard let link else { return }
    for hop in Set(hops.values) {
      let known = view.neighbours[.init(link: link, address: hop)]
      neighbours.set(hop, mac: known?.state == .permanent ? known?.mac : nil, now: now)
      if let known, known.state == .reachable { neighbours.heard(hop, mac: known.mac, now: now) }
    }
  }

  /// The question for a neighbour, from an address of ours in its network when there is one.
  private func ask(_ probe: NeighbourTable.Probe) -> [UInt8] {
    let link = link
    let ours = view.addresses.filter { $0.link == link && $0.address.isIPv6 == probe.target.isIPv6 }
    let near = ours.first { IPPrefix($0.address, length: $0.prefixLength).contains(probe.target) }
    let client = clients.first { hops[$0.remote] == probe.target }
    let fallback: IPAddress = probe.target.isIPv6 ? .v6(0) : .v4(0)
    let local = client.flatMap { $0.local.isIPv6 == probe.target.isIPv6 ? $0.local : nil }
    let source = near?.address ?? local ?? ours.first?.address ?? fallback
    return NeighbourMessages.question(probe.target, mac: probe.mac, from: source, sender: mac)
  }

  /// Writes what changed into the encapsulations, all at once.
  private func rewrite() {
    var wanted: [UInt16: OuterAddresses] = [:]
    for client in clients {
      let destination = hops[client.remote].map { neighbours.mac(of: $0) } ?? 0
      wanted[client.index] = OuterAddresses(
        index: client.index, destination: mac == 0 && client.source == 0 ? 0 : destination,
        source: client.source == 0 ? mac : client.source)
    }
    let changes = rules.outerAddresses.compactMap { known in
      wanted[known.index].flatMap { $0 == known ? nil : $0 }
    }
    // A queue that is still in an old burst makes this wait for the next tick.
    if !changes.isEmpty, rules.setOuterAddresses(changes) { rewrites += 1 }
  }
}
