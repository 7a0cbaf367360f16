public import HostInventory

/// How neighbours are asked for (RFC 4861 section 10's constants, for ARP too).
public struct NeighbourTimes: Equatable, Sendable {
  /// Nanoseconds between two questions.
  public var interval: UInt64 = 1_000_000_000
  /// Questions before a neighbour counts as not there.
  public var probes = 3
  /// Nanoseconds that an answer is good for; then the neighbour is asked again, itself alone.
  public var reachable: UInt64 = 30_000_000_000
  /// Nanoseconds before a neighbour that did not answer is asked again.
  public var retry: UInt64 = 5_000_000_000

  /// The usual.
  public init() {}
}

/// The neighbours that are next hops of the overlay, each with its state. It reads no clock and sends nothing: it says what
/// is to be asked.
public struct NeighbourTable: Sendable {
  /// A question to be sent.
  public struct Probe: Equatable, Sendable {
    /// Whose address is asked for.
    public var target: IPAddress
    /// The address that it had, 48 bits, which alone is asked; 0: everybody is.
    public var mac: UInt64

    /// A question for `target`.
    public init(target: IPAddress, mac: UInt64) {
      self.target = target
      self.mac = mac
    }
  }

  /// What is known of one neighbour.
  public enum State: Equatable, Sendable {
    /// Asked `asked` times, nothing known.
    case incomplete(asked: Int)
    /// It answered.
    case reachable
    /// It answered once and is asked again; `asked` times so far.
    case probing(asked: Int)
    /// It did not answer.
    case failed
    /// Somebody set it: never asked.
    case permanent
  }

  private struct Entry: Sendable {
    var state: State
    var mac: UInt64
    /// When something is due.
    var due: UInt64
  }

  private var entries: [IPAddress: Entry] = [:]
  private let times: NeighbourTimes

  /// No neighbours.
  public init(_ times: NeighbourTimes = NeighbourTimes()) { self.times = times }

  /// Begins to ask for these neighbours, and forgets all others.
  public mutating func want(_ addresses: Set<IPAddress>, now: UInt64) {
    entries = entries.filter { addresses.contains($0.key) }
    for address in addresses where entries[address] == nil {
      entries[address] = Entry(state: .incomplete(asked: 0), mac: 0, due: now)
    }
  }

  /// The state of a neighbour; nil when it is not wanted.
  public func state(of address: IPAddress) -> State? { entries[address]?.state }

  /// The address of a neighbour, 48 bits; 0 while it is not known.
  public func mac(of address: IPAddress) -> UInt64 { entries[address]?.mac ?? 0 }

  /// A neighbour said its address. Those that are not wanted are not learned.
  public mutating func heard(_ address: IPAddress, mac: UInt64, now: UInt64) {
    // A group's address is nobody's own.
    guard let entry = entries[address], entry.state != .permanent, mac != 0, mac >> 40 & 1 == 0 else { return }
    entries[address] = Entry(state: .reachable, mac: mac, due: now &+ times.reachable)
  }

  /// Somebody set a neighbour's address, or takes that back with nil.
  public mutating func set(_ address: IPAddress, mac: UInt64?, now: UInt64) {
    guard let entry = entries[address] else { return }
    if let mac, mac != 0 {
      entries[address] = Entry(state: .permanent, mac: mac, due: .max)
    } else if entry.state == .permanent {
      entries[address] = Entry(state: .incomplete(asked: 0), mac: 0, due: now)
    }
  }

  /// What is due: questions to be sent, in order of addresses.
  public mutating func due(now: UInt64) -> [Probe] {
    var probes: [Probe] = []
    for (address, entry) in entries where entry.due <= now {
      var next = entry
      next.due = now &+ times.interval
      switch entry.state {
      case .permanent: continue
      case .incomplete(let asked) where asked >= times.probes, .probing(let asked) where asked >= times.probes:
        next = Entry(state: .failed, mac: 0, due: now &+ times.retry)
      case .incomplete(let asked): next.state = .incomplete(asked: asked + 1)
      case .probing(let asked): next.state = .probing(asked: asked + 1)
      case .reachable: next.state = .probing(asked: 1)
      case .failed: next.state = .incomplete(asked: 1)
      }
      entries[address] = next
      if next.state != .failed { probes.append(Probe(target: address, mac: next.mac)) }
    }
    return probes.sorted { $0.target.description < $1.target.description }
  }

  /// When something is due next; nil when nothing ever is.
  public var nextDue: UInt64? { entries.values.map(\.due).min().flatMap { $0 == .max ? nil : $0 } }
}
