import Memory
import Testing
import Virtqueue

@testable import VhostUser

/// What a back end answers to right and to hostile messages, without a socket.
struct BackendMachineTests {
  private func ready(_ protocolFeatures: ProtocolFeatures? = nil) throws -> BackendMachine {
    let machine = BackendMachine(BackendOptions())
    _ = try machine.handle(
      Message(.setProtocolFeatures, [.u64((protocolFeatures ?? machine.options.protocolFeatures).rawValue)]))
    return machine
  }

  private func fault(_ machine: BackendMachine, _ message: Message) -> SessionFault? {
    do throws(SessionFault) {
      _ = try machine.handle(message)
      return nil
    } catch {
      return error
    }
  }

  @Test("Features, protocol features, queues, status and configuration are told as they are")
  func asks() throws {
    let machine = BackendMachine(BackendOptions(queuePairs: 3, mac: [2, 3, 4, 5, 6, 7], mtu: 9000))
    let offered = try #require(try machine.handle(Message(.getFeatures)))
    #expect(
      offered.isReply && Features(low: offered.u64(0)).isSuperset(of: [.version1, .ringPacked, .protocolFeatures]))
    #expect(fault(machine, Message(.getQueueNum)) == .notNegotiated(request: 17))
    let ours = try #require(try machine.handle(Message(.getProtocolFeatures)))
    _ = try machine.handle(Message(.setProtocolFeatures, [.u64(ours.u64(0))]))
    #expect(try machine.handle(Message(.getQueueNum))?.u64(0) == 3)
    _ = try machine.handle(Message(.setStatus, [.u64(7)]))
    #expect(try machine.handle(Message(.getStatus))?.u64(0) == 7)
    _ = try machine.handle(Message(.netSetMtu, [.u64(1400)]))
    #expect(machine.mtu == 1400)
    let asked = Message(
      Request.getConfig.rawValue, payload: [0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 12))
    let told = try #require(try machine.handle(asked))
    #expect(told.payload.dropFirst(12) == [2, 3, 4, 5, 6, 7, 1, 0, 3, 0, 0x28, 0x23])
  }

  @Test("A request that asks for an acknowledgement gets one, a refused one a negative one")
  func acknowledges() throws {
    let machine = try ready()
    var owner = Message(.setOwner)
    owner.wantsReply = true
    let reply = try #require(try machine.handle(owner))
    #expect(reply.isReply && reply.u64(0) == 0 && reply.payload.count == 8)
    var bad = Message(.setVringNum, [.u32(9), .u32(8)])
    bad.wantsReply = true
    #expect(fault(machine, bad) == .noSuchRing(index: 9))
    #expect(machine.negative(bad)?.u64(0) == 1)
    bad.wantsReply = false
    #expect(machine.negative(bad) == nil)
  }

  @Test(
    "A payload of another size, or another number of descriptors, ends the session by name", arguments: Request.allCases
  )
  func forms(request: Request) throws {
    let machine = try ready()
    let event = try EventDescriptor().descriptor
    for count in [0, 1, 3, 7, 9, 13, 21, 39, 41, 265, 4096] {
      let payload = [UInt8](repeating: 0, count: count)
      let sizes: [Request: Set<Int>] = [.getConfig: [], .setConfig: []]
      guard sizes[request] == nil || count < 12 else { continue }
      let found = fault(machine, Message(request.rawValue, payload: payload, descriptors: [event, event, event]))
      #expect(found != nil, "\(request) \(count)")
    }
  }

  @Test("Values that cannot be are refused by name")
  func values() throws {
    let machine = try ready()
    #expect(fault(machine, Message(999)) == .unknownRequest(999))
    #expect(fault(machine, Message(.getFeatures, isReply: true)) == .unknownRequest(1))
    #expect(fault(machine, Message(.setFeatures, [.u64(1 << 63)])) == .featuresNotOffered(1 << 63))
    #expect(fault(machine, Message(.setProtocolFeatures, [.u64(1 << 40)])) == .featuresNotOffered(1 << 40))
    #expect(fault(machine, Message(.setVringNum, [.u32(0), .u32(0)])) == .ring(index: 0, .badRingSize))
    #expect(fault(machine, Message(.setVringNum, [.u32(1), .u32(65536)])) == .ring(index: 1, .badRingSize))
    #expect(fault(machine, Message(.setVringBase, [.u32(2), .u32(0)])) == .noSuchRing(index: 2))
    #expect(fault(machine, Message(.setVringKick, [.u64(0)])) == .descriptors(request: 12, expected: 1, found: 0))
    #expect(
      fault(machine, Message(.setVringEnable, [.u32(0), .u32(2)])) == .badValue(request: 18, "neither on nor off"))
    #expect(fault(machine, Message(.setMemTable, [.u32(0), .u32(0)])) == .regionCount(0))
    #expect(fault(machine, Message(.setMemTable, [.u32(99), .u32(0)])) == .regionCount(99))
    #expect(fault(machine, Message(.netSetMtu, [.u64(1)])) != nil)
    let event = try EventDescriptor().descriptor
    let region: [Word] = [.u32(1), .u32(0), .u64(0), .u64(4096), .u64(0), .u64(0)]
    #expect(
      fault(machine, Message(.setMemTable, region, descriptors: [event]))
        == .memory("the descriptor that was handed over is no memory file"))
    let file = try SharedRegion(bytes: 4096).descriptor
    let long: [Word] = [.u32(1), .u32(0), .u64(0), .u64(8192), .u64(0), .u64(0)]
    #expect(
      fault(machine, Message(.setMemTable, long, descriptors: [file]))
        == .memory("the memory file has 4096 bytes, and 8192 were to be mapped"))
    let two: [Word] = [
      .u32(2), .u32(0), .u64(0), .u64(4096), .u64(0), .u64(0), .u64(100), .u64(4096), .u64(8192), .u64(0),
    ]
    #expect(
      fault(machine, Message(.setMemTable, two, descriptors: [file, file]))
        == .memory("the region at 100 overlaps another"))
  }

  @Test("A ring that is started before its memory is known, or outside of it, ends the session")
  func order() throws {
    let machine = try ready()
    let event = try EventDescriptor().descriptor
    for message in [
      Message(.setVringNum, [.u32(0), .u32(256)]),
      Message(.setVringAddr, [.u32(0), .u32(0), .u64(0), .u64(8192), .u64(16384), .u64(0)]),
    ] { _ = try machine.handle(message) }
    #expect(
      fault(machine, Message(.setVringKick, [.u64(0)], descriptors: [event])) == .ring(index: 0, .ringOutsideMemory))
    let region = try SharedRegion(bytes: 65536)
    let table: [Word] = [.u32(1), .u32(0), .u64(0), .u64(4096), .u64(0), .u64(0)]
    _ = try machine.handle(Message(.setMemTable, table, descriptors: [region.descriptor]))
    #expect(
      fault(machine, Message(.setVringKick, [.u64(0)], descriptors: [event])) == .ring(index: 0, .ringOutsideMemory))
    #expect(!machine.queues[0].isRunning)
    machine.disconnect()
    #expect(fault(machine, Message(.setVringKick, [.u64(0)], descriptors: [event])) == nil)
  }

  @Test("Random messages with random descriptors never trap, and no descriptor stays open")
  func random() throws {
    var draw = Draw(5)
    let name = "dpu-hostile"
    let before = openMemoryFiles(name)
    for _ in 0..<300 {
      let machine = BackendMachine(BackendOptions(queuePairs: 2))
      for _ in 0..<40 {
        let request = Request.allCases[draw.below(Request.allCases.count)]
        let sizes = [0, 8, 8, 8, 12, 16, 20, 24, 40, 40, 72, draw.below(300)]
        var payload = [UInt8](repeating: 0, count: sizes[draw.below(sizes.count)])
        for at in stride(from: 0, to: payload.count, by: 4) where draw.below(3) > 0 {
          payload[at] = UInt8(draw.below(5))
          if draw.below(8) == 0 { payload[at] = UInt8(truncatingIfNeeded: draw.next()) }
        }
        if request == .setProtocolFeatures, payload.count == 8 {
          payload = Word.u64(machine.options.protocolFeatures.rawValue & (draw.next() | draw.next())).bytes
        }
        if request == .setMemTable, payload.count == 40 { payload = region(&draw, 8) }
        if request == .addMemReg, payload.count == 40 { payload = region(&draw, 8) }
        let descriptors = try (0..<[0, 1, 1, 1, 2][draw.below(5)]).map { _ in
          try SharedRegion(bytes: 65536, name: name).descriptor
        }
        var message = Message(request.rawValue, payload: payload, descriptors: descriptors)
        message.wantsReply = draw.below(2) == 0
        do throws(SessionFault) { _ = try machine.handle(message) } catch {
          #expect(!error.description.isEmpty)
          if draw.below(3) == 0 { machine.disconnect() }
        }
        var buffers = try NetBuffers(frames: 2, segmented: 1)
        var burst = NetBurst()
        for queue in machine.queues { _ = queue.receive(into: &burst, from: &buffers) }
      }
      machine.disconnect()
    }
    #expect(openMemoryFiles(name) == before)
  }

  private func region(_ draw: inout Draw, _ header: Int) -> [UInt8] {
    let words: [Word] = [
      .u32(1), .u32(0), .u64(UInt64(draw.below(3)) << 16), .u64(UInt64(1 + draw.below(70000))),
      .u64(UInt64(draw.below(3)) << 16),
      .u64(UInt64(draw.below(2)) * 4096),
    ]
    return words.flatMap(\.bytes)
  }
}
