import CNetDPU
import Device
import EmulatedDevice
import Memory
import Rules
import Testing

@testable import NetDPU

@Suite("rules of net_dpu")
struct RuleTests {
  let lent = Lent()

  private func item(_ kind: net_dpu_item_kind, _ spec: [UInt8]? = nil, mask: [UInt8]? = nil) throws -> ForeignItem {
    var item = ForeignItem(kind: kind.rawValue)
    if let spec {
      item.spec = try lent.bytes(spec)
      item.mask = try lent.bytes(mask ?? [UInt8](repeating: 0xff, count: spec.count))
    }
    return item
  }

  private func rule(_ pattern: [ForeignItem], _ actions: [ForeignAction], transfer: Bool = false) -> ForeignRule {
    var rule = ForeignRule()
    rule.ingress = !transfer
    rule.transfer = transfer
    rule.pattern = pattern
    rule.actions = actions
    rule.queues = 2
    return rule
  }

  private func action(_ kind: net_dpu_action_kind, _ value: UInt64 = 0) -> ForeignAction {
    ForeignAction(kind: kind.rawValue, value: value)
  }

  private func header(_ kind: net_dpu_action_kind, _ bytes: [UInt8]) throws -> ForeignAction {
    var action = action(kind)
    action.bytes = try lent.bytes(bytes)
    action.size = bytes.count
    return action
  }

  /// Geneve with VNI 5 and an option whose data is `word`.
  private func genevePattern(_ word: UInt32 = 1) throws -> [ForeignItem] {
    var option = try item(NET_DPU_ITEM_GENEVE_OPT, [1, 2, 0x80, 1])
    option.data = try lent.bytes((0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) })
    return [
      try item(NET_DPU_ITEM_ETH), try item(NET_DPU_ITEM_IPV4), try item(NET_DPU_ITEM_UDP),
      try item(NET_DPU_ITEM_GENEVE, [0, 0, 0, 0, 0, 0, 5, 0], mask: [0, 0, 0, 0, 0xff, 0xff, 0xff, 0]), option,
    ]
  }

  @Test("a rule that is hit gives its mark, its queue and its count, and is gone when it is destroyed")
  func markAndCount() throws {
    let host = try #require(TestHost("profile=bluefield3"))
    let id = try host.model.create(
      rule(
        [try item(NET_DPU_ITEM_ETH), try item(NET_DPU_ITEM_IPV4), try item(NET_DPU_ITEM_UDP)],
        [action(NET_DPU_ACTION_MARK, 7), action(NET_DPU_ACTION_COUNT), action(NET_DPU_ACTION_QUEUE, 1)]), now: 0)
    let hit = try #require(host.send(Sample.inner).first)
    #expect(hit.mark == 7 && hit.queue == 1)
    #expect(try host.model.query(id, reset: true, now: 1).frames == 1)
    #expect(try host.model.query(id, reset: false, now: 1).frames == 0)
    try host.model.destroy(id, now: 2)
    #expect(throws: FlowError.self) { try host.model.query(id, reset: false, now: 3) }
    let miss = try #require(host.send(Sample.inner).first)
    #expect(miss.mark == nil && miss.queue == nil)
  }

  @Test("a mark of 0 is a mark")
  func zeroMark() throws {
    let host = try #require(TestHost("profile=ideal"))
    _ = try host.model.create(
      rule([try item(NET_DPU_ITEM_ETH)], [action(NET_DPU_ACTION_MARK, 0), action(NET_DPU_ACTION_QUEUE, 0)]), now: 0)
    #expect(try #require(host.send(Sample.inner).first).mark == 0)
  }

  @Test("raw_decap removes the tunnel with its option, and raw_encap puts one on that comes round the loopback")
  func tunnels() throws {
    let host = try #require(TestHost("profile=bluefield3"))
    let model = host.model
    _ = try model.create(
      rule(
        try genevePattern(),
        [
          try header(NET_DPU_ACTION_RAW_DECAP, Sample.geneve()), action(NET_DPU_ACTION_MARK, 9),
          action(NET_DPU_ACTION_QUEUE, 0),
        ]), now: 0)
    let arrived = try #require(host.send(Sample.geneve(inside: Sample.inner)).first)
    #expect(arrived.bytes == Sample.inner)
    #expect(arrived.mark == 9)
    // Now a frame that is wrapped by a rule, goes out, comes back and is unwrapped by the other.
    var udp = try item(NET_DPU_ITEM_UDP, [3, 0xe8, 7, 0xd0, 0, 0, 0, 0], mask: [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
    udp.number = 1
    _ = try model.create(
      rule(
        [try item(NET_DPU_ITEM_ETH), try item(NET_DPU_ITEM_IPV4), udp],
        [try header(NET_DPU_ACTION_RAW_ENCAP, Sample.geneve()), action(NET_DPU_ACTION_PORT_ID, 0)], transfer: true),
      now: 0)
    let round = try #require(host.send(Sample.inner).first)
    #expect(round.bytes == Sample.inner)
    #expect(round.mark == 9)
    #expect(model.statistics.first { $0.name == "bypassed" }?.count == 1)
    #expect(host.held == 0 && host.faults == 0)
  }

  @Test("what a profile does not allow is refused with its reason, the limit, and the nearest rule that would fit")
  func refusals() throws {
    let host = try #require(TestHost("profile=bluefield3"))
    var pattern = try genevePattern()
    pattern.append(pattern[4])
    do {
      try host.model.validate(rule(pattern, [action(NET_DPU_ACTION_QUEUE, 0)]), now: 0)
      Issue.record("two options were taken by a device that matches one")
    } catch {
      #expect(error.part == .item(5))
      #expect(error.sentence.contains("geneve_option"))
      #expect(error.sentence.contains("Limit:") && error.sentence.contains("Nearest:"))
    }
    let zero = rule(try genevePattern(0), [action(NET_DPU_ACTION_QUEUE, 0)])
    #expect { try host.model.validate(zero, now: 0) } throws: {
      ($0 as? FlowError)?.sentence.contains("geneve_option_zero_data") ?? false
    }
  }

  @Test("a rule without a fate, with a queue that is not there, or for frames that go out is refused by its part")
  func malformed() throws {
    let host = try #require(TestHost("profile=ideal"))
    let eth = [try item(NET_DPU_ITEM_ETH)]
    func part(_ rule: ForeignRule) -> FlowError.Part? {
      do {
        try host.model.validate(rule, now: 0)
        return nil
      } catch { return error.part }
    }
    #expect(part(rule(eth, [action(NET_DPU_ACTION_COUNT)])) == .rule)
    #expect(part(rule(eth, [action(NET_DPU_ACTION_VOID), action(NET_DPU_ACTION_QUEUE, 2)])) == .action(1))
    #expect(part(rule(eth, [action(NET_DPU_ACTION_PORT_ID, 3)])) == .action(0))
    #expect(part(rule(eth, [action(NET_DPU_ACTION_UNKNOWN)])) == .action(0))
    #expect(
      part(rule([try item(NET_DPU_ITEM_VOID), try item(NET_DPU_ITEM_UNKNOWN)], [action(NET_DPU_ACTION_DROP)]))
        == .item(1))
    var egress = rule(eth, [action(NET_DPU_ACTION_DROP)])
    egress.egress = true
    #expect(part(egress) == .attributes)
    var checksum = [UInt8](repeating: 0, count: 20)
    checksum[10] = 0xff
    let item = try item(NET_DPU_ITEM_IPV4, [UInt8](repeating: 0, count: 20), mask: checksum)
    #expect(part(rule([item], [action(NET_DPU_ACTION_DROP)])) == .item(0))
    #expect(part(rule(eth, [action(NET_DPU_ACTION_DROP)])) == nil)
  }

  @Test("a shared counter sums its rules, and what rules that are gone had counted")
  func sharedCounter() throws {
    let host = try #require(TestHost("profile=ideal"))
    let model = host.model
    let shared = try model.share(action(NET_DPU_ACTION_COUNT), queues: 1)
    let actions = [action(NET_DPU_ACTION_INDIRECT, UInt64(shared)), action(NET_DPU_ACTION_QUEUE, 0)]
    let id = try model.create(rule([try item(NET_DPU_ITEM_ETH)], actions), now: 0)
    _ = host.send(Sample.inner)
    #expect(throws: FlowError.self) { try model.unshare(shared) }
    try model.destroy(id, now: 1)
    _ = try model.create(rule([try item(NET_DPU_ITEM_ETH)], actions), now: 1)
    _ = host.send(Sample.inner, now: 2)
    let count = try model.querySharedAction(shared, now: 3)
    #expect(count.frames == 2)
    #expect(count.bytes == UInt64(2 * Sample.inner.count))
  }

  @Test("a rule that no frame hits for its timeout is told once, by its context")
  func ages() throws {
    let host = try #require(TestHost("profile=ideal"))
    let model = host.model
    var age = action(NET_DPU_ACTION_AGE, 2)
    age.context = 77
    let id = try model.create(rule([try item(NET_DPU_ITEM_ETH)], [age, action(NET_DPU_ACTION_QUEUE, 0)]), now: 0)
    let second: UInt64 = 1_000_000_000
    #expect(model.aged(0, most: 8, now: second).count == 0)
    _ = host.send(Sample.inner, now: second)
    #expect(model.aged(0, most: 0, now: 3 * second).count == 1)
    #expect(try model.query(id, reset: false, now: 4 * second) == RuleCount(idleSeconds: 3, isAged: true))
    #expect(model.aged(0, most: 8, now: 4 * second).contexts == [77])
    #expect(model.aged(0, most: 8, now: 5 * second).count == 0)
  }

  @Test("flush ends a port's rules alone, and an isolated port drops its misses")
  func flushAndIsolate() throws {
    let host = try #require(TestHost("profile=ideal,vfs=1"))
    let model = host.model
    for port in [UInt16(0), 1] {
      var one = rule([try item(NET_DPU_ITEM_ETH)], [action(NET_DPU_ACTION_QUEUE, 0)])
      one.port = port
      _ = try model.create(one, now: 0)
    }
    try model.flush(0, now: 0)
    #expect(model.model.ruleCount == 1)
    model.isolated[0] = true
    #expect(host.send(Sample.inner).isEmpty)
    #expect(model.counters.isolated == 1)
    #expect(host.held == 0)
  }

  @Test(
    "a virtual function's frames come up at its representor, and what the representor sends arrives at the function")
  func representors() throws {
    let host = try #require(TestHost("profile=bluefield3,vfs=2"))
    // Ethdevs: 0 physical, 1 and 2 representors, 3 and 4 functions.
    #expect(host.send(Sample.inner, port: 4).map(\.port) == [2])
    #expect(host.send(Sample.inner, port: 1).map(\.port) == [3])
    var bypass = rule([try item(NET_DPU_ITEM_ETH)], [action(NET_DPU_ACTION_PORT_ID, 2)], transfer: true)
    bypass.port = 1
    var from = ForeignItem(kind: NET_DPU_ITEM_REPRESENTED_PORT.rawValue)
    from.spec = try lent.bytes([])
    from.mask = from.spec
    (from.specBits, from.maskBits) = (1, 0xffff)
    bypass.pattern.insert(from, at: 0)
    _ = try host.model.create(bypass, now: 0)
    #expect(host.send(Sample.inner, port: 3).map(\.port) == [4])
    #expect(host.held == 0 && host.faults == 0)
  }
}
