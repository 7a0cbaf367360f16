import Control
import Datapath
import Device
import Memory
import Rules

let flowCacheProperties = [
  Property(
    name: "flow-cache",
    promise:
      "With a flow cache of any size, all frames, counts and drops are as without one, while rules change.",
    cases: 400_000
  ) { seed, cases in
    var done = 0
    var configuration = seed &* 1000
    var recognised: UInt64 = 0
    while done < cases {
      configuration &+= 1
      recognised += try compare(seed: configuration, frames: min(4000, cases - done))
      done += 4000
    }
    guard recognised >= UInt64(cases) / 50 else {
      throw Counterexample("of \(cases) frames only \(recognised) were of a flow that the cache knew")
    }
  }
]

/// One data path and the buffers of its bursts.
private struct Side: ~Copyable {
  var path: Datapath
  let arena: FrameArena
  var burst = FrameBurst()
  var out = EmissionBurst(capacity: 4096)
  private static let room = FrameArena.defaultHeadroom

  init(_ rules: RuleBook, cachedFlows: Int) throws {
    let path = try Datapath(rules, buffers: 2048, bufferSize: 9728, cachedFlows: cachedFlows)
    let arena = try FrameArena(capacity: FrameBurst.capacity, bufferSize: 1 << 17)
    self.init(path, arena)
  }

  private init(_ path: consuming Datapath, _ arena: consuming FrameArena) {
    self.path = path
    self.arena = arena
  }

  mutating func take(_ made: [(TrafficGenerator.Generated, ChecksumKnowledge)], now: UInt64) {
    burst.removeAll()
    out.removeAll()
    for (slot, (one, known)) in made.enumerated() {
      let buffer = arena.buffer(UInt32(slot))
      buffer.copy(one.bytes, at: Self.room)
      var frame = Frame(buffer: buffer, headroom: Self.room, length: one.bytes.count, token: UInt32(slot))
      frame.inPort = one.port
      frame.checksums = known
      _ = burst.append(frame)
    }
    path.process(&burst, now: now, out: &out)
  }

  mutating func giveBack() {
    for index in 0..<out.count { path.recycle(out[index].frame.token) }
    for index in 0..<out.releaseCount { path.recycle(out.released(index)) }
  }
}

/// Gives the number of frames that the cache knew.
private func compare(seed: UInt64, frames: Int) throws -> UInt64 {
  var random = SplitMix(seed: seed)
  var configuration = RandomConfiguration.make(seed: seed)
  straighten(&configuration, &random)
  // One book each: fragments, samples and limits are counted a queue.
  let books = try (0..<2).map { _ in
    let rules = try RuleBook(configuration.overlay, limit: configuration.rules.count + 64)
    try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: 0)
    return rules
  }
  var plain = try Side(books[0], cachedFlows: 0)
  var cached = try Side(books[1], cachedFlows: [64, 256, 8192][random.below(3)])
  var mix = TrafficGenerator.Mix()
  mix.spoiledPercent = 10
  mix.repeatedPercent = 80
  var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
  var gone: [NumberedRule] = []
  var sent = 0
  while sent < frames {
    var made: [(TrafficGenerator.Generated, ChecksumKnowledge)] = []
    for _ in 0..<1 + random.below(FrameBurst.capacity) {
      var known = ChecksumKnowledge()
      if random.chance(1, of: 4) { known.rawValue = UInt8(random.below(256)) }
      made.append((traffic.next(), known))
    }
    sent += made.count
    let now = UInt64(sent) * 1_000_000
    plain.take(made, now: now)
    cached.take(made, now: now)
    try agree(plain.out, cached.out, made.map(\.0), "configuration \(seed), frames \(sent - made.count)…")
    plain.giveBack()
    cached.giveBack()
    if random.chance(1, of: 16) {
      let change = change(configuration.rules, &gone, &random)
      for book in books { try book.apply([change], now: now) }
    }
  }
  for numbered in configuration.rules {
    let (one, other) = (books[0].counts(of: numbered.id), books[1].counts(of: numbered.id))
    guard one == other else {
      throw Counterexample(
        "configuration \(seed), rule \(numbered.id): \(String(describing: one)) and \(String(describing: other))")
    }
  }
  for reason in DropReason.allCases where plain.path.drops[reason] != cached.path.drops[reason] {
    throw Counterexample(
      "configuration \(seed): \(plain.path.drops[reason]) and \(cached.path.drops[reason]) frames dropped as \(reason)")
  }
  return cached.path.statistics.recognised
}

/// Makes most rules such as a cache is for: encapsulate and send, or decapsulate and send.
private func straighten(_ configuration: inout Configuration, _ random: inout SplitMix) {
  let uplinks = configuration.ports.filter { $0.port.kind == .uplink }.map(\.port.id)
  let tenants = configuration.ports.filter { $0.port.kind == .tenant }.map(\.port.id)
  for index in configuration.rules.indices where random.chance(3, of: 4) {
    var isGeneve = false
    var isVXLAN = false
    for item in configuration.rules[index].rule.pattern {
      if case .geneve = item { isGeneve = true }
      if case .vxlan = item { isVXLAN = true }
    }
    let first: [Action] = [[.count(id: 0)], [.age(timeout: 1)], [.count(id: 0), .age(timeout: 60)], []][random.below(4)]
    let out = uplinks[random.below(uplinks.count)]
    let back = tenants[random.below(tenants.count)]
    let rest: [Action] =
      isGeneve || isVXLAN
      ? [.rawDecap(index: isGeneve ? 1 : 2), .portID(back)]
      : random.chance(1, of: 8) ? [.portID(back)] : [.rawEncap(index: UInt16(1 + random.below(12))), .portID(out)]
    configuration.rules[index].rule.actions = first + rest
  }
}

/// Takes a rule away, or gives back one that was taken.
private func change(_ rules: [NumberedRule], _ gone: inout [NumberedRule], _ random: inout SplitMix) -> RuleChange {
  if !gone.isEmpty, random.chance(1, of: 2) {
    let back = gone.remove(at: random.below(gone.count))
    return .add(back.id, back.rule)
  }
  let left = rules.filter { rule in !gone.contains { $0.id == rule.id } }
  guard left.count > 2 else {
    let back = gone.removeLast()
    return .add(back.id, back.rule)
  }
  let victim = left[random.below(left.count)]
  gone.append(victim)
  return .delete(victim.id)
}

private func agree(
  _ one: borrowing EmissionBurst, _ other: borrowing EmissionBurst, _ made: [TrafficGenerator.Generated],
  _ place: String
) throws {
  guard one.count == other.count, one.releaseCount == other.releaseCount else {
    throw Counterexample("\(place): \(one.count) and \(other.count) frames came out")
  }
  for index in 0..<one.count {
    let (a, b) = (one[index], other[index])
    let isSame =
      a.port == b.port && a.mark == b.mark && a.frame.bytes.array() == b.frame.bytes.array()
      && describe(a.frame) == describe(b.frame)
    guard isSame else {
      let text = { (bytes: [UInt8]) in bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }
      throw Counterexample(
        "\(place), emission \(index): port \(a.port) \(describe(a.frame)) \(text(a.frame.bytes.array())) without, "
          + "port \(b.port) \(describe(b.frame)) \(text(b.frame.bytes.array())) with a cache; in: "
          + made.map { "\($0.port):\(text($0.bytes))" }.joined(separator: " "))
    }
  }
}

/// What the record says, but for where the buffer is.
private func describe(_ frame: Frame) -> String {
  "\(frame.outcome) token \(frame.token & 0xff00_0000) rule \(frame.rule) key \(frame.tunnelKey) steps \(frame.steps.rawValue) "
    + "tail \(frame.headroom) \(frame.tailroom) owed \(frame.owed.rawValue) sums \(frame.checksums.rawValue) "
    + "offsets \(frame.outerL3) \(frame.outerL4) \(frame.innerL2) \(frame.innerL3) \(frame.innerL4) queue \(frame.queue) "
    + "port \(frame.inPort) group \(frame.group)"
}
