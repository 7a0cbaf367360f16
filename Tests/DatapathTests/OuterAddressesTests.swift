import Datapath
import Device
import Dispatch
import Memory
import Rules
import Synchronization
import Testing

@Suite("The addresses in front of encapsulations")
struct OuterAddressesTests {
  /// Four encapsulations; frames of port N get the Nth.
  private static func book(_ queues: Int) throws -> RuleBook {
    var overlay = Overlay()
    overlay.ports = [Port(id: 0, kind: .uplink, mtu: 1600)]
    for id in UInt16(1)...4 {
      overlay.ports.append(Port(id: id, kind: .tenant))
      var header = [UInt8](repeating: 0, count: 14 + 20 + 8 + 8 + 4 * Int(id - 1))
      header[12] = 8
      header[14] = 0x45
      header[22] = 64
      header[23] = 17
      header[36] = 0x17
      header[37] = 0xc1
      header[44] = 0x65
      header[45] = 0x58
      // One option that is as long as there is room.
      if id > 1 { header[53] = UInt8(id - 2) }
      var policy = EncapsulationPolicy()
      policy.udpChecksum = id % 2 == 0 ? .on : .off
      overlay.encapsulations[id] = Encapsulation(
        header: header, kind: .geneve, l3: 14, l4: 34, isIPv6: false, policy: policy)
    }
    let book = try RuleBook(overlay, limit: 16, queues: queues)
    for id in UInt16(1)...4 {
      var attributes = Attributes()
      attributes.transfer = true
      attributes.port = id
      let rule = Rule(
        attributes: attributes, pattern: [.representedPort(Field(id, mask: .max)), .eth(EthItem())],
        actions: [.rawEncap(index: id), .representedPort(0)])
      try book.add(UInt32(id), rule, now: 0)
    }
    return book
  }

  private static func addresses(_ number: UInt64) -> [OuterAddresses] {
    (UInt16(1)...4).map { OuterAddresses(index: $0, destination: number, source: number | 0x8000_0000_0000) }
  }

  /// What 28 frames of all ports get in front: every address that there is.
  private static func seen(_ path: inout Datapath, _ arena: inout FrameArena) -> Set<UInt64> {
    var burst = FrameBurst()
    var out = EmissionBurst()
    for number in 0..<28 {
      guard var frame = try? arena.takeFrame(length: 60, owner: 1) else { continue }
      frame.bytes.fill(1, at: 0, count: 60)
      frame.inPort = UInt16(number % 4 + 1)
      _ = burst.append(frame)
    }
    path.process(&burst, now: 1, out: &out)
    var found: Set<UInt64> = []
    for index in 0..<out.count {
      let bytes = out[index].frame.bytes
      let destination = UInt64(bytes.u16(0)) << 32 | UInt64(bytes.u32(2))
      let source = UInt64(bytes.u16(6)) << 32 | UInt64(bytes.u32(8))
      if source == destination | 0x8000_0000_0000 || destination == 0 {
        found.insert(destination)
      } else {
        found.insert(.max)
      }
      arena.giveBack(out[index].frame)
    }
    return found
  }

  @Test("change for the next burst, in all of them, and nothing else does")
  func change() throws {
    let book = try Self.book(1)
    var path = try Datapath(book, buffers: 64)
    var arena = try FrameArena(capacity: 64, bufferSize: 2048)
    #expect(Self.seen(&path, &arena) == [0])
    for number in UInt64(1)...5 {
      #expect(book.setOuterAddresses(Self.addresses(number) + [.init(index: 99, destination: 1, source: 1)]))
      #expect(Self.seen(&path, &arena) == [number])
      #expect(book.outerAddresses == Self.addresses(number))
    }
    // One alone: the others stay.
    #expect(book.setOuterAddresses([.init(index: 2, destination: 9, source: 9 | 0x8000_0000_0000)]))
    #expect(Self.seen(&path, &arena) == [5, 9])
  }

  @Test("are those of before or those of after in the whole of a burst, while another thread changes them")
  func atOnce() throws {
    let book = try Self.book(1)
    var path = try Datapath(book, buffers: 64)
    var arena = try FrameArena(capacity: 64, bufferSize: 2048)
    final class Shared: @unchecked Sendable {
      let book: RuleBook
      let stop = Atomic<Bool>(false)
      let changes = Atomic<Int>(0)
      init(_ book: RuleBook) { self.book = book }
    }
    let shared = Shared(book)
    let group = DispatchGroup()
    DispatchQueue.global().async(group: group) {
      var number: UInt64 = 1
      while !shared.stop.load(ordering: .relaxed) {
        if shared.book.setOuterAddresses(Self.addresses(number)) {
          number += 1
          shared.changes.store(Int(number), ordering: .relaxed)
        }
      }
    }
    var last: UInt64 = 0
    var bursts = 0
    while bursts < 2000 || shared.changes.load(ordering: .relaxed) < 100, bursts < 2_000_000 {
      let found = Self.seen(&path, &arena)
      #expect(found.count == 1, "\(found)")
      if let number = found.first {
        #expect(number >= last)
        last = number
      }
      bursts += 1
    }
    shared.stop.store(true, ordering: .relaxed)
    group.wait()
    #expect(last > 0)
  }
}
