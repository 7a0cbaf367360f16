import Device
import Memory

/// Deficit round robin among the tenants of one loop: who brought more than its share in a round is not asked until the
/// others had theirs. Ports without a tenant's share (uplinks, the host port) are asked in every round.
///
/// What a burst costs is its bytes and a fixed part a frame, for a frame of 64 bytes takes nearly the time of a long one.
struct FairShare: ~Copyable {
  /// What a tenant may bring in a round: about a burst of short frames, or eight of 1500 bytes.
  static let quantum = 12_000
  /// What a frame costs beside its bytes.
  static let frameCost = 300

  /// By port's index: its tenant's place in ``credit``; -1 for a port without a share.
  private var place = FlatTable<Int>(repeating: -1, count: PortSet.most)
  private var credit = FlatTable<Int>(repeating: FairShare.quantum, count: PortSet.most)
  /// Tenants, 0 when no port has a share.
  private(set) var tenants = 0
  /// The port that a round begins with.
  private(set) var first = 0
  /// The round brought nothing, and somebody was not asked: frames may wait there.
  private(set) var leftOut = false

  /// Forgets all shares.
  mutating func removeAll() {
    for index in 0..<PortSet.most { place[index] = -1 }
    tenants = 0
    first = 0
    leftOut = false
  }

  /// Ports of these indices share what one tenant gets.
  mutating func add(_ ports: [Int]) {
    guard tenants < PortSet.most else { return }
    for port in ports { place[port] = tenants }
    credit[tenants] = Self.quantum
    tenants += 1
  }

  /// The tenant of the port at `index`; -1 for a port without a share.
  func tenant(_ index: Int) -> Int { place[index] }

  /// Whether the port at `index` is asked in this round.
  @inline(__always)
  func mayAsk(_ index: Int) -> Bool { place[index] < 0 || credit[place[index]] > 0 }

  /// The port brought a burst.
  @inline(__always)
  mutating func charge(_ index: Int, _ burst: borrowing FrameBurst) {
    guard place[index] >= 0 else { return }
    var cost = 0
    for frame in 0..<burst.count { cost &+= burst[frame].length &+ Self.frameCost }
    credit[place[index]] &-= cost
  }

  /// The round is over. When it brought nothing and somebody was not asked, as many rounds pass as it takes until
  /// somebody is: a core is never idle because of this.
  mutating func endRound(ports: Int, isIdle: Bool) {
    guard tenants > 0 else { return }
    first = first &+ 1 < ports ? first &+ 1 : 0
    var rounds = 1
    leftOut = false
    if isIdle {
      var least = Int.max
      for tenant in 0..<tenants where credit[tenant] <= 0 { least = min(least, -credit[tenant] / Self.quantum &+ 1) }
      leftOut = least != .max
      if leftOut { rounds = least }
    }
    for tenant in 0..<tenants { credit[tenant] = min(credit[tenant] &+ rounds &* Self.quantum, Self.quantum) }
  }
}

extension PollLoop {
  /// Gives each of these groups of ports, named by their numbers in rules, the same share of the thread when there is not
  /// enough of it: a group is a tenant's ports. Ports in no group are asked in every round. Called anew when ports change.
  public mutating func setShares(_ tenants: [[UInt16]]) {
    share.removeAll()
    for ids in tenants {
      let indices = ids.map { ports.index(of: $0) }.filter { $0 >= 0 }
      if !indices.isEmpty { share.add(indices) }
    }
  }
}
