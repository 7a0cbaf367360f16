// Tools/threads: two queues carry frames out while one thread changes rules and another next hops; the program is built
// with ThreadSanitizer, which ends it at the first race. What the queues see is held to what readers are promised.
import Classifier
import Datapath
import Device
import Glibc
import Memory
import Rules
import Synchronization

/// Two rules change together, from one encapsulation to the other; they must never differ within a burst.
private let script = """
  set raw_encap 1 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:fe / ipv4 src is 198.51.100.1 dst is 198.51.100.7 / udp dst is 6081 / geneve vni is 1 / end_set
  set raw_encap 2 eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:fe / ipv4 src is 198.51.100.1 dst is 198.51.100.7 / udp dst is 6081 / geneve vni is 2 / end_set
  flow create 1 ingress pattern eth / ipv4 dst is 10.0.1.1 / end actions count / raw_encap index 1 / port_id id 0 / end
  flow create 1 ingress pattern eth / ipv4 dst is 10.0.1.2 / end actions count / raw_encap index 1 / port_id id 0 / end
  flow create 1 ingress pattern eth / ipv4 dst is 10.0.1.1 / end actions count / raw_encap index 2 / port_id id 0 / end
  flow create 1 ingress pattern eth / ipv4 dst is 10.0.1.2 / end actions count / raw_encap index 2 / port_id id 0 / end
  """

/// What a queue found.
private final class Queue: @unchecked Sendable {
  let isStopped = Atomic(false)
  let bursts = Atomic(0)
  let lost = Atomic(0)
  let torn = Atomic(0)
  private var path: Datapath
  private var arena: FrameArena
  private var burst = FrameBurst()
  private var out = EmissionBurst(capacity: 64)
  private var identity: pthread_t = 0

  init(_ book: RuleBook, owner: UInt8, cachedFlows: Int) throws {
    path = try Datapath(book, buffers: 64, owner: owner, cachedFlows: cachedFlows)
    arena = try FrameArena(capacity: 8, bufferSize: 2048)
  }

  private func run() {
    var now: UInt64 = 1
    while !isStopped.load(ordering: .relaxed) {
      now += 1000
      burst.removeAll()
      out.removeAll()
      var taken: [UInt32] = []
      for host in UInt8(1)...2 {
        guard let index = arena.take() else { continue }
        taken.append(index)
        let bytes = frame(to: host)
        let headroom = FrameArena.defaultHeadroom
        var frame = Frame(buffer: arena.buffer(index), headroom: headroom, length: bytes.count, token: index)
        frame.bytes.copy(bytes, at: 0)
        frame.inPort = 1
        _ = burst.append(frame)
      }
      path.process(&burst, now: now, out: &out)
      var keys: [UInt8] = []
      for index in 0..<out.count {
        let frame = out[index].frame
        // The last byte of the VNI, behind Ethernet, IPv4 and UDP.
        if out[index].port == 0, frame.length > 60 { keys.append(frame.bytes[48]) }
        if frame.token >> 24 != 0 { path.recycle(frame.token) }
      }
      for index in taken { arena.give(index) }
      if keys.count != 2 {
        lost.add(1, ordering: .relaxed)
      } else if keys[0] != keys[1] {
        torn.add(1, ordering: .relaxed)
      }
      bursts.add(1, ordering: .relaxed)
    }
  }

  private func frame(to host: UInt8) -> [UInt8] {
    let ip: [UInt8] = [0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 1, host]
    return [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0] + ip + [0xc0, 1, 0, 53, 0, 10, 0, 0, 1, 2]
  }

  func start() { identity = thread { self.run() } }
  func stop() {
    isStopped.store(true, ordering: .relaxed)
    pthread_join(identity, nil)
  }
}

private final class Work {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// A thread of the system's: ThreadSanitizer knows when it begins and ends.
private func thread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
  var identity: pthread_t = 0
  let work = unsafe Unmanaged.passRetained(Work(body)).toOpaque()
  let result = unsafe pthread_create(
    &identity, nil,
    { argument in
      if let argument = unsafe argument { unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
      return nil
    }, work)
  precondition(result == 0, "no thread")
  return identity
}

/// Changes next hops until it is stopped, as a daemon's first poll thread does.
private final class Hops: @unchecked Sendable {
  let isStopped = Atomic(false)
  let changes = Atomic(0)
  private let book: RuleBook
  init(_ book: RuleBook) { self.book = book }
  func run() {
    var turn: UInt64 = 0
    while !isStopped.load(ordering: .relaxed) {
      turn += 1
      let hops = [UInt16(1), 2].map {
        OuterAddresses(index: $0, destination: 0x02_00_00_00_01_00 | turn & 0xff, source: 1)
      }
      if book.setOuterAddresses(hops) { changes.add(1, ordering: .relaxed) }
      usleep(200)
    }
  }
}

private func seconds() -> Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

private func main() throws -> Int32 {
  let limit = CommandLine.arguments.dropFirst().first.flatMap(Double.init) ?? 3
  let state = try FlowScript.load(script)
  var overlay = Overlay()
  overlay.ports = [Port(id: 0, kind: .uplink), Port(id: 1, kind: .tenant, tenant: 1)]
  overlay.encapsulations = state.encapsulations
  let rules = state.rules.map(\.rule)
  let book = try RuleBook(overlay, limit: 4096, queues: 2)
  try book.apply([.add(1, rules[0]), .add(2, rules[1])], now: 0)
  // One queue with a flow cache and one without.
  let queues = [
    try Queue(book, owner: 0xd0, cachedFlows: 1024), try Queue(book, owner: 0xd1, cachedFlows: 0),
  ]
  let hops = Hops(book)
  for queue in queues { queue.start() }
  let hopper = thread { hops.run() }
  var present: Set<UInt32> = []
  var changes = 0
  let end = seconds() + limit
  while seconds() < end || queues.contains(where: { $0.bursts.load(ordering: .relaxed) < 100 }) {
    changes += 1
    let turn = changes % 2 * 2
    var batch: [RuleChange] = [.replace(1, rules[turn])]
    // Others come and go, so that rows move, tables grow, and rows are used again.
    for step in 0..<6 {
      let id = UInt32(3 + (changes * 7919 + step * 104_729) % 600)
      if present.remove(id) != nil {
        batch.append(.delete(id))
      } else {
        present.insert(id)
        var ip = IPv4Item()
        ip.dst = Field(id)
        var rule = Rule(pattern: [.eth(EthItem()), .ipv4(ip)], actions: [.count(id: 0), .drop])
        rule.attributes = rules[0].attributes
        batch.append(.add(id, rule))
      }
    }
    batch.append(.replace(2, rules[turn + 1]))
    try book.apply(batch, now: UInt64(changes))
    _ = book.counts(of: 1)
    _ = book.aged(now: UInt64(changes))
  }
  hops.isStopped.store(true, ordering: .relaxed)
  pthread_join(hopper, nil)
  for queue in queues { queue.stop() }
  var bursts = 0, lost = 0, torn = 0
  for queue in queues {
    bursts += queue.bursts.load(ordering: .relaxed)
    lost += queue.lost.load(ordering: .relaxed)
    torn += queue.torn.load(ordering: .relaxed)
  }
  let counted = [UInt32(1), 2].map { book.counts(of: $0)?.frames ?? 0 }
  let right = lost == 0 && torn == 0 && counted.allSatisfy { $0 == UInt64(bursts) }
  print(
    "\(bursts) bursts, \(changes) changes of rules, \(hops.changes.load(ordering: .relaxed)) of next hops: "
      + "\(lost) bursts with a frame missing, \(torn) that saw half a change, \(counted) counted")
  return right ? 0 : 1
}

exit(try main())
