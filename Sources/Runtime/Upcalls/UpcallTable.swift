import Datapath
import Device
import Memory

/// Flows that wait for a controller's answer, and their frames. Bounded in both, and for each tenant: one has at most as
/// many flows as are free, so that others always find room.
struct UpcallTable: ~Copyable {
  // Not private: see PortSet.
  struct Flow: BitwiseCopyable {
    var id: UInt64 = 0
    var key: UInt64 = 0
    var since: UInt64 = 0
    var lastRule: UInt32 = 0
    var isTold = false
    var count = 0
    var tenant = -1
  }

  let policy: UpcallPolicy
  let box: UpcallBox
  private var flows = FlatTable(repeating: Flow(), count: UpcallPolicy.mostFlows)
  private var frames = FlatTable(repeating: Frame(), count: UpcallPolicy.mostFlows * UpcallPolicy.mostFrames)
  private(set) var count = 0
  private var nextID: UInt64
  private var bucket: TokenBucket
  private(set) var statistics = UpcallStatistics()
  /// Some flow was not told yet.
  private var hasUntold = false

  /// `firstID` keeps the ids of queues apart.
  init(_ policy: UpcallPolicy, _ box: UpcallBox, firstID: UInt64) {
    self.policy = policy
    self.box = box
    nextID = firstID
    bucket = TokenBucket(rate: policy.perSecond, burst: policy.burst)
  }

  /// Takes a frame in; the reason when it has to go at once. `tenant` is -1 for none.
  mutating func take(_ emission: Emission, tenant: Int, now: UInt64) -> DropReason? {
    let frame = emission.frame
    let place = UInt64(frame.inPort) << 16 | UInt64(frame.group)
    let key = (UInt64(frame.flowHash) << 32 | UInt64(frame.tunnelKey)) ^ place &* 0x9e37_79b9_7f4a_7c15
    for index in 0..<count where flows[index].key == key {
      statistics.repeated &+= 1
      guard flows[index].count < UpcallPolicy.mostFrames else { return .controllerFull }
      frames[index &* UpcallPolicy.mostFrames &+ flows[index].count] = frame
      flows[index].count &+= 1
      return nil
    }
    guard box.hasController else { return .noController }
    let free = min(policy.flows, UpcallPolicy.mostFlows) &- count
    guard free > 0 else { return .controllerFull }
    if tenant >= 0 {
      var own = 0
      for index in 0..<count where flows[index].tenant == tenant { own &+= 1 }
      guard own < free else { return .controllerFull }
    }
    guard bucket.take(now: now) else { return .controllerRate }
    flows[count] = Flow(id: nextID, key: key, since: now, lastRule: emission.mark, count: 1, tenant: tenant)
    frames[count &* UpcallPolicy.mostFrames] = frame
    nextID &+= 1
    statistics.asked &+= 1
    count &+= 1
    tell(count &- 1)
    return nil
  }

  private mutating func tell(_ index: Int) {
    let flow = flows[index]
    let frame = frames[index &* UpcallPolicy.mostFrames]
    let bytes = frame.bytes.slice(0, count: min(frame.length, Upcall.mostBytes)).array()
    flows[index].isTold = box.offer(
      Upcall(
        id: flow.id, port: frame.inPort, length: frame.length, bytes: bytes, group: frame.group,
        lastRule: flow.lastRule, startsAtIP: frame.steps.contains(.startsAtIP), tunnelKey: frame.tunnelKey,
        flowHash: frame.flowHash, deadline: flow.since &+ policy.deadline))
    if !flows[index].isTold { hasUntold = true }
  }

  /// Tells what could not be told before.
  mutating func tellAgain() {
    guard hasUntold else { return }
    hasUntold = false
    for index in 0..<count where !flows[index].isTold { tell(index) }
  }

  /// The next flow whose time is over, out of the table; nil when there is none.
  mutating func expired(now: UInt64) -> [Frame]? {
    for index in 0..<count where now &- flows[index].since >= policy.deadline && now > flows[index].since {
      statistics.expired &+= 1
      return remove(index)
    }
    return nil
  }

  /// The frames of the flow that was asked about under `id`, out of the table; nil when it does not wait.
  mutating func answered(_ id: UInt64) -> [Frame]? {
    for index in 0..<count where flows[index].id == id {
      statistics.answered &+= 1
      return remove(index)
    }
    return nil
  }

  /// Frames that came in through this port.
  func count(from port: UInt16) -> Int {
    (0..<count).reduce(0) {
      $0 &+ (frames[$1 &* UpcallPolicy.mostFrames].inPort == port ? flows[$1].count : 0)
    }
  }

  /// Any flow, out of the table.
  mutating func removeLast() -> [Frame]? { count == 0 ? nil : remove(count &- 1) }

  private mutating func remove(_ index: Int) -> [Frame] {
    let first = index &* UpcallPolicy.mostFrames
    let found = (0..<flows[index].count).map { frames[first &+ $0] }
    count &-= 1
    if index != count {
      flows[index] = flows[count]
      for place in 0..<UpcallPolicy.mostFrames {
        frames[first &+ place] = frames[count &* UpcallPolicy.mostFrames &+ place]
      }
    }
    return found
  }
}

/// What a queue asked its controller.
public struct UpcallStatistics: Equatable, Sendable {
  /// Flows that it was asked about.
  public var asked: UInt64 = 0
  /// Flows for which an answer came in time.
  public var answered: UInt64 = 0
  /// Flows for which none came in time.
  public var expired: UInt64 = 0
  /// Frames of flows that it was asked about already.
  public var repeated: UInt64 = 0

  /// Zeroes.
  public init() {}
}

/// A table that a loop may have.
final class UpcallDesk {
  var table: UpcallTable
  init(_ table: consuming UpcallTable) { self.table = table }
}
