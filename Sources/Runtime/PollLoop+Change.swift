public import Datapath
public import Device
import Memory

// Changes while the loop runs; called on its thread, between passes.
extension PollLoop {
  /// Puts another queue in the place of the one there is: that of a new set of rules and ports. Next hops have to be given
  /// anew; frames that wait for one go, as `next_hop_timeout`. Nothing else is under way
  /// between passes but what the old queue holds: fragments of packets that are not whole go, as `fragment_timeout`.
  ///
  /// Returns what the old queue had counted.
  public mutating func exchange(_ next: consuming Datapath, now: UInt64) -> QueueCounts {
    flush(now)
    dropUpcalls()
    // Frames that wait for a next hop may lie in buffers of the old queue's.
    for index in 0..<held.count { drop(held.held[index].frame, .nextHopTimeout) }
    held.removeAll()
    underlays = []
    datapath.expire(now: .max)
    let counts = QueueCounts(datapath)
    datapath = next
    for index in 0..<ports.count {
      isResolved[index] = false
      datapath.setCarried(ports.facts(index).carries, port: ports.id(index))
    }
    return counts
  }

  /// Takes a port out; frames that rules send there are dropped by name afterwards. False when there is none.
  public mutating func remove(id: UInt16, now: UInt64) -> Bool {
    let index = ports.index(of: id)
    guard index >= 0 else { return false }
    flush(now)
    dropUpcalls()
    share.removeAll()
    let last = ports.count - 1
    if hostPort == index { hostPort = -1 } else if hostPort == last { hostPort = index }
    let dropped = held.move(last, to: index, owner: ports.owner(index))
    for frame in dropped { drop(frame, .noSuchPort) }
    underlays.removeAll { $0.port == index }
    for place in underlays.indices where underlays[place].port == last { underlays[place].port = index }
    isResolved[index] = isResolved[last]
    isResolved[last] = false
    admissions[index] = admissions[last]
    admissions[last] = Admission()
    ports.remove(index)
    return true
  }
}

/// What a queue of the data path counted: a copy that can be handed on.
public struct QueueCounts: Equatable, Sendable {
  /// Frames dropped, by reason; those that there were.
  public var drops: [DropReason: UInt64] = [:]
  /// The rest.
  public var statistics = DatapathStatistics()

  /// Nothing.
  public init() {}

  /// A copy.
  public init(_ datapath: borrowing Datapath) {
    statistics = datapath.statistics
    for reason in DropReason.allCases where datapath.drops[reason] > 0 { drops[reason] = datapath.drops[reason] }
  }
}
