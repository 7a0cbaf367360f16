import CNetDPU
import Device
import EmulatedDevice
import Memory
import Rules
import Testing

@testable import NetDPU

@Suite("a host that lies or errs")
struct HostileTests {
  let lent = Lent()

  private func anyItem(_ random: inout Seeded) throws -> ForeignItem {
    var item = ForeignItem(
      kind: UInt32.random(in: 0...20, using: &random), number: UInt32(truncatingIfNeeded: random.next()))
    let sizes = [0, 1, 4, 8, 14, 20, 40]
    func window(_ random: inout Seeded) throws -> Bytes? {
      guard Int.random(in: 0..<4, using: &random) > 0 else { return nil }
      let count = sizes.randomElement(using: &random) ?? 4
      return try lent.bytes(Bool.random(using: &random) ? [UInt8](repeating: 0, count: count) : random.bytes(count))
    }
    item.spec = try window(&random)
    item.last = Int.random(in: 0..<8, using: &random) == 0 ? try window(&random) : nil
    item.mask = try window(&random)
    item.data = try window(&random)
    item.dataMask = try window(&random)
    item.specBits = UInt32.random(in: 0...3, using: &random)
    item.maskBits = UInt32.random(in: 0...2, using: &random)
    return item
  }

  private func anyAction(_ random: inout Seeded, depth: Int = 0) throws -> ForeignAction {
    var action = ForeignAction(kind: UInt32.random(in: 0...38, using: &random))
    action.value = Bool.random(using: &random) ? UInt64.random(in: 0...4, using: &random) : random.next()
    if Bool.random(using: &random) {
      let whole = Sample.geneve()
      let bytes =
        Bool.random(using: &random)
        ? Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
        : random.bytes(Int.random(in: 0...64, using: &random))
      action.bytes = try lent.bytes(bytes)
      action.size = Int(truncatingIfNeeded: random.next() & 0xffff_ffff)
    }
    action.queues = (0..<Int.random(in: 0...3, using: &random)).map { _ in UInt16.random(in: 0...2, using: &random) }
    if depth == 0, Bool.random(using: &random) {
      for _ in 0..<Int.random(in: 0...3, using: &random) { action.list.append(try anyAction(&random, depth: 1)) }
    }
    return action
  }

  @Test(
    "any lists of items and actions are taken or refused; what was taken can be destroyed", arguments: [UInt64](1...6))
  func anyRules(seed: UInt64) throws {
    var random = Seeded(state: seed)
    let host = try #require(TestHost(seed % 2 == 0 ? "profile=ideal,vfs=1" : "profile=bluefield3"))
    var taken: [UInt32] = []
    for _ in 0..<400 {
      var rule = ForeignRule()
      rule.ingress = Int.random(in: 0..<8, using: &random) > 0
      rule.transfer = Bool.random(using: &random)
      rule.egress = Int.random(in: 0..<16, using: &random) == 0
      rule.port = UInt16.random(in: 0...3, using: &random)
      rule.queues = UInt16.random(in: 0...2, using: &random)
      rule.group = UInt32.random(in: 0...2, using: &random)
      rule.priority = UInt32(truncatingIfNeeded: random.next() >> UInt64.random(in: 32...63, using: &random))
      for _ in 0..<Int.random(in: 0...4, using: &random) { rule.pattern.append(try anyItem(&random)) }
      for _ in 0..<Int.random(in: 0...3, using: &random) { rule.actions.append(try anyAction(&random)) }
      if Bool.random(using: &random) { rule.actions.append(ForeignAction(kind: NET_DPU_ACTION_DROP.rawValue)) }
      do {
        taken.append(try host.model.create(rule, now: 0))
      } catch { #expect(!error.sentence.isEmpty) }
    }
    #expect(!taken.isEmpty)
    for _ in 0..<50 { _ = host.send(random.bytes(Int.random(in: 1...200, using: &random))) }
    for id in taken.shuffled(using: &random) { try host.model.destroy(id, now: 1) }
    #expect(host.model.model.ruleCount == 0)
    #expect(host.held == 0 && host.faults == 0)
  }

  @Test(
    "debts of any offsets and lengths are paid or the frame is dropped, and each buffer comes back once",
    arguments: [UInt64](1...6))
  func anyDebts(seed: UInt64) throws {
    var random = Seeded(state: seed)
    let host = try #require(TestHost("profile=ideal"))
    for round in 0..<500 {
      host.hasBuffers = round % 7 != 0
      var sent = SentDebts(flags: UInt32.random(in: 1...255, using: &random))
      func offset() -> Int { Int.random(in: 0...(Bool.random(using: &random) ? 60 : 65535), using: &random) }
      (sent.outerL3, sent.outerL4, sent.innerL2, sent.l3, sent.l4) = (offset(), offset(), offset(), offset(), offset())
      (sent.segmentSize, sent.headers) = (UInt16(offset()), offset())
      let frame = Bool.random(using: &random) ? Sample.inner : Sample.geneve(inside: Sample.inner)
      _ = host.send(frame, debts: sent)
    }
    #expect(host.held == 0 && host.faults == 0)
  }

  @Test("a UDP checksum that is owed is right, whatever the field held before")
  func checksum() throws {
    let host = try #require(TestHost("profile=bluefield3"))
    var frame = Sample.inner
    (frame[40], frame[41]) = (0xab, 0xcd)
    var sent = SentDebts(flags: UInt32(NET_DPU_OWES_UDP))
    (sent.l3, sent.l4) = (14, 34)
    let out = try #require(host.send(frame, debts: sent).first)
    let pseudo = UInt32(Sample.fold(Array(out.bytes[26..<34]))) + 17 + UInt32(out.bytes.count - 34)
    #expect(Sample.fold(Array(out.bytes[34...]), pseudo) == 0xffff)
    #expect(out.outerL4 == UInt8(NET_DPU_GOOD))
  }

  @Test("buffers whose frame lies outside of their room are dropped and given back")
  func outsideOfRoom() throws {
    let memory = try Region(bytes: 256)
    for (start, length, room) in [(0, 300, 256), (250, 10, 256), (0, 0, 256), (70_000, 10, 80_000)] {
      let base = unsafe memory.bytes.unsafeBase.assumingMemoryBound(to: UInt8.self)
      let raw = unsafe net_dpu_buffer(
        cookie: nil, buffer: base, room: UInt32(room), start: UInt32(start), length: UInt32(length))
      #expect(unsafe HostBuffer(raw).record(0) == nil)
    }
  }

  @Test("frames that a device loses are given back to the host, and a reset is told and acknowledged")
  func losses() throws {
    let host = try #require(TestHost("profile=ideal,faults=[lost-frame=3,reset=20,reset-depth=2]"))
    for _ in 0..<30 { _ = host.send(Sample.inner) }
    #expect(!host.isAlive)
    #expect(host.held == 0 && host.faults == 0)
    let lost = host.model.statistics.first { $0.name == "lost_in_device" }?.count
    #expect(lost == UInt64(30 - host.arrivals.count))
    #expect(host.recover())
    #expect(host.isAlive)
  }

  @Test("NULL in every place is an error and no crash")
  func nulls() {
    var message = [CChar](repeating: 0, count: Int(NET_DPU_MESSAGE))
    let made = unsafe net_dpu_attach(nil, nil, nil, &message)
    #expect(unsafe made == nil)
    net_dpu_detach(nil)
    net_dpu_send(nil, 0, 0, nil, 1)
    #expect(net_dpu_flow_destroy(nil, 1, 0, nil) != 0)
    #expect(net_dpu_flow_validate(nil, nil, 0, nil) != 0)
    #expect(net_dpu_statistics(nil, nil, nil, 4) == 0)
    #expect(net_dpu_recover(nil, 0) != 0)
  }
}
