import Datapath
import Device
import Memory
import Testing

@Suite("Frames: coalescing")
struct FramesCoalescingTests {
  /// What comes of offering `frames` in order and flushing, in order of departure; the offered frames' buffers are given
  /// back when they were absorbed.
  static func run(_ coalescer: inout Coalescer, _ frames: [[UInt8]], _ arena: inout FrameArena) throws -> [Frame] {
    var out: [Frame] = []
    for bytes in frames {
      let frame = try frameOf(bytes, &arena)
      let answer = coalescer.offer(frame, arena: &arena, owner: 4)
      if let flushed = answer.flushed { out.append(flushed.frame) }
      if answer.absorbed { arena.giveBack(frame) } else { out.append(frame) }
    }
    while let flushed = coalescer.flush() { out.append(flushed.frame) }
    return out
  }

  @Test("Cut and merged again a frame is what it was, debts and record too; merged and cut again segments are too")
  func inverse() throws {
    var arena = try largeArena(32)
    var random = SeededGenerator(state: 11)
    for tunnel in TestPacket.Tunnel.all {
      for bits in 0..<32 {
        var packet = TestPacket(tunnel: tunnel)
        packet.innerIPv6 = bits & 1 != 0
        packet.isTCP = bits & 2 != 0
        packet.outerIPv6 = bits & 4 != 0 && tunnel != .none
        packet.tags = bits & 8 != 0 ? 1 : 0
        packet.outerUDPChecksum = bits & 16 != 0
        packet.tcpOptions = bits & 9 == 9 ? [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8] : []
        packet.flags = packet.isTCP ? [0x10, 0x18, 0x91, 0xd0].randomElement(using: &random) ?? 0 : 0x10
        packet.payload = random.bytes(Int.random(in: 201...900, using: &random))
        let size = Int.random(in: 100...200, using: &random)
        let whole = try packet.owing(&arena, size: size)
        let segments = try FramesSegmentationTests.cut(whole, &arena)
        var coalescer = Coalescer(intoTunnels: tunnel != .none)
        let merged = try Self.run(&coalescer, segments, &arena)
        #expect(merged.count == 1, "\(tunnel) \(bits)")
        guard let one = merged.first, merged.count == 1 else { continue }
        #expect(one.bytes.array() == whole.bytes.array(), "\(tunnel) \(bits)")
        #expect(one.owed == whole.owed)
        #expect(one.segmentSize == whole.segmentSize)
        #expect(one.segmentHeaderLength == whole.segmentHeaderLength)
        #expect(one.checksumStart == whole.checksumStart)
        #expect(one.checksumOffset == whole.checksumOffset)
        #expect(
          [one.outerL3, one.outerL4, one.innerL2, one.innerL3, one.innerL4]
            == [whole.outerL3, whole.outerL4, whole.innerL2, whole.innerL3, whole.innerL4])
        #expect(try FramesSegmentationTests.cut(one, &arena) == segments)
        arena.giveBack(one)
        arena.giveBack(whole)
      }
    }
  }

  /// Two segments of one flow; `change` alters the second.
  private func count(_ packet: TestPacket, size: Int = 50, _ change: (inout TestPacket) -> Void) throws -> Int {
    var arena = try largeArena(8)
    var packet = packet
    packet.payload = Array(0..<100)
    var segments = packet.segments(size: size)
    change(&segments[1])
    var coalescer = Coalescer(intoTunnels: packet.tunnel != .none)
    return try Self.run(&coalescer, segments.map { $0.make().bytes }, &arena).count
  }

  @Test("Segments that differ in more than segmentation makes differ are not merged")
  func differences() throws {
    for tunnel in [TestPacket.Tunnel.none, .geneve(options: 8), .gre(key: true, checksum: true)] {
      let packet = TestPacket(tunnel: tunnel)
      #expect(try count(packet) { _ in } == 1)
      #expect(try count(packet) { $0.sequence &+= 1 } == 2)
      #expect(try count(packet) { $0.ack &+= 1 } == 2)
      #expect(try count(packet) { $0.window = 600 } == 2)
      #expect(try count(packet) { $0.ttl = 60 } == 2)
      #expect(try count(packet) { $0.ports.0 = 1 } == 2)
      #expect(try count(packet) { $0.flags = 0x90 } == 2)
      #expect(try count(packet) { $0.flags = 0x50 } == 2)
      #expect(try count(packet) { $0.flags = 0x14 } == 2)
      #expect(try count(packet) { $0.flags = 0x30 } == 2)
      #expect(try count(packet) { $0.innerID += 1 } == 2)
      #expect(try count(packet) { $0.innerID -= 1 } == 2)
      #expect(try count(packet) { $0.innerDF = true } == 2)
      #expect(try count(packet) { $0.payload.append(1) } == 2)
      #expect(try count(packet) { $0.payload = [] } == 2)
      #expect(try count(packet) { $0.tags = 1 } == 2)
      #expect(try count(packet) { $0.tcpOptions = [1, 1, 1, 1] } == 2)
      #expect(try count(packet) { $0.ipOptions = [1, 1, 1, 1] } == 2)
      if tunnel != .none {
        #expect(try count(packet) { $0.vni += 1 } == 2)
        #expect(try count(packet) { $0.innerTags = 1 } == 2)
        #expect(try count(packet) { $0.outerID += 5 } == 2)
        #expect(try count(packet) { $0.outerIPv6 = true } == 2)
      }
      if tunnel == .geneve(options: 8) {
        #expect(try count(packet) { $0.outerUDPChecksum = false } == 2)
        #expect(try count(packet) { $0.tunnel = .geneve(options: 4) } == 2)
      }
      var datagram = packet
      datagram.isTCP = false
      #expect(try count(datagram) { _ in } == 1)
      #expect(try count(datagram, size: 40) { $0.payload.append(1) } > 1)
      #expect(try count(datagram) { $0.innerID += 1 } == 2)
    }
  }

  @Test("Identifications of packets with DF may stand still; they count up when cut again (RFC 6864)")
  func atomic() throws {
    var packet = TestPacket(tunnel: .vxlan)
    packet.innerDF = true
    #expect(try count(packet) { $0.innerID -= 1 } == 1)
    #expect(try count(packet) { $0.outerID -= 1 } == 1)
  }

  @Test("A frame with a wrong checksum, padding, a sequence number in GRE or Geneve's O bit is never merged")
  func unsound() throws {
    var arena = try largeArena(16)
    func merged(_ packet: TestPacket, _ change: (inout [UInt8]) -> Void) throws -> Int {
      var packet = packet
      packet.payload = Array(0..<100)
      var frames = packet.segments(size: 50).map { $0.make().bytes }
      change(&frames[0])
      change(&frames[1])
      var coalescer = Coalescer(intoTunnels: true)
      let out = try Self.run(&coalescer, frames, &arena)
      for frame in out { arena.giveBack(frame) }
      if out.count == 2 { #expect(out.map { $0.bytes.array() } == frames) }
      return out.count
    }
    let plain = TestPacket()
    #expect(try merged(plain) { _ in } == 1)
    #expect(try merged(plain) { $0[$0.count - 1] ^= 1 } == 2)
    #expect(try merged(plain) { $0[24] ^= 1 } == 2)
    #expect(try merged(plain) { $0.append(0) } == 2)
    let geneve = TestPacket(tunnel: .geneve(options: 0))
    #expect(try merged(geneve) { _ in } == 1)
    #expect(try merged(geneve) { $0[24] ^= 1 } == 2)
    #expect(try merged(geneve) { $0[40] ^= 1 } == 2)
    #expect(
      try merged(geneve) {
        $0[43] |= 0x80
        $0[40] = 0
        $0[41] = 0
      } == 2)
    #expect(
      try merged(geneve) {
        $0[42] |= 0x40
        $0[40] = 0
        $0[41] = 0
      } == 2)
    #expect(
      try merged(geneve) {
        $0[40] = 0
        $0[41] = 0
      } == 1)
    let gre = TestPacket(tunnel: .gre(key: true, checksum: false))
    #expect(try merged(gre) { _ in } == 1)
    #expect(try merged(gre) { $0[34] |= 0x40 } == 2)
    var checked = gre
    checked.tunnel = .gre(key: true, checksum: true)
    #expect(try merged(checked) { $0[38] ^= 1 } == 2)
  }

  @Test("Identifications that first stand and then count, or the other way round, end a merge")
  func mixedIdentification() throws {
    var arena = try largeArena(16)
    for ids in [[5, 5, 7], [5, 6, 5], [5, 5, 6]] {
      var packet = TestPacket()
      packet.innerDF = true
      packet.payload = Array(0..<90)
      var segments = packet.segments(size: 30)
      for index in 0..<3 { segments[index].innerID = ids[index] }
      var coalescer = Coalescer(intoTunnels: false)
      let out = try Self.run(&coalescer, segments.map { $0.make().bytes }, &arena)
      #expect(out.count == 2, "\(ids)")
      for frame in out { arena.giveBack(frame) }
    }
  }

  @Test("A checksum that is the other zero is not merged: cut again it would not come out as it was")
  func otherZero() throws {
    var arena = try largeArena(32)
    // The first payload word is chosen so that TCP's checksum is 0; the identification so that the header's is.
    func merged(_ tweak: (inout TestPacket) -> Void, field: Int) throws -> Int {
      var packet = TestPacket()
      packet.innerDF = true
      packet.innerID = 0
      packet.payload = Array(repeating: 0, count: 60)
      var segments = packet.segments(size: 30)
      for index in 0..<2 {
        segments[index].innerID = 0
        tweak(&segments[index])
      }
      var frames = segments.map { $0.make().bytes }
      for index in 0..<2 {
        #expect(Array(frames[index][field..<field + 2]) == [0, 0])
        frames[index].replaceSubrange(field..<field + 2, with: [255, 255])
      }
      var coalescer = Coalescer(intoTunnels: false)
      let out = try Self.run(&coalescer, frames, &arena)
      for frame in out { arena.giveBack(frame) }
      return out.count
    }
    func word(_ bytes: [UInt8], _ at: Int) -> [UInt8] { Array(bytes[at..<at + 2]) }
    #expect(try merged({ $0.payload.replaceSubrange(0..<2, with: word($0.make().bytes, 50)) }, field: 50) == 2)
    #expect(
      try merged(
        {
          let checksum = word($0.make().bytes, 24)
          $0.innerID = Int(checksum[0]) << 8 | Int(checksum[1])
        }, field: 24) == 2)
  }

  @Test("A datagram without a checksum is not merged, even when somebody says that it is good")
  func noChecksum() throws {
    var arena = try largeArena(8)
    var packet = TestPacket()
    packet.isTCP = false
    packet.payload = Array(0..<60)
    var coalescer = Coalescer(intoTunnels: false)
    for segment in packet.segments(size: 30) {
      var bytes = segment.make().bytes
      bytes.replaceSubrange(40..<42, with: [0, 0])
      var frame = try frameOf(bytes, &arena)
      frame.checksums[.outerL4] = .good
      let answer = coalescer.offer(frame, arena: &arena, owner: 0)
      #expect(!answer.absorbed && answer.flushed == nil)
    }
  }

  @Test("Padding inside a tunnel keeps a frame from being merged")
  func innerPadding() throws {
    var arena = try largeArena(8)
    var packet = TestPacket(tunnel: .gre(key: false, checksum: false))
    packet.outerIPv6 = true
    packet.payload = Array(0..<60)
    let frames = packet.segments(size: 30).map { segment in
      var bytes = segment.make().bytes + [0, 0]
      let length = Int(bytes[18]) << 8 | Int(bytes[19])
      bytes.replaceSubrange(18..<20, with: be16(length + 2))
      return bytes
    }
    var coalescer = Coalescer(intoTunnels: true)
    #expect(try Self.run(&coalescer, frames, &arena).count == 2)
  }

  @Test("Flows that differ in VNI, key or port of arrival are held side by side")
  func sideBySide() throws {
    for tunnel in [TestPacket.Tunnel.vxlan, .gre(key: true, checksum: false), .gre(key: true, checksum: true), .nvgre] {
      var arena = try largeArena(16)
      var one = TestPacket(tunnel: tunnel)
      one.payload = Array(0..<60)
      var two = one
      two.vni += 1
      let a = one.segments(size: 30).map { $0.make().bytes }
      let b = two.segments(size: 30).map { $0.make().bytes }
      var coalescer = Coalescer(intoTunnels: true)
      let out = try Self.run(&coalescer, [a[0], b[0], a[1], b[1]], &arena)
      #expect(out.count == 2)
      // The same frames through two ports.
      for index in 0..<4 {
        var frame = try frameOf(a[index / 2], &arena)
        frame.inPort = UInt16(index % 2)
        #expect(coalescer.offer(frame, arena: &arena, owner: 0).absorbed)
      }
      #expect(coalescer.held == 2)
    }
  }

  @Test("A full table gives up its oldest flow for one that may be merged, and for nothing else")
  func fullTable() throws {
    var arena = try largeArena(16)
    var packet = TestPacket()
    packet.payload = Array(0..<30)
    var coalescer = Coalescer(flows: 1, intoTunnels: false)
    let first = packet.make().bytes
    #expect(coalescer.offer(try frameOf(first, &arena), arena: &arena, owner: 0).absorbed)
    packet.ports.0 = 1
    packet.flags = 0x18
    let pushed = coalescer.offer(try frameOf(packet.make().bytes, &arena), arena: &arena, owner: 0)
    #expect(!pushed.absorbed && pushed.flushed == nil)
    packet.flags = 0x10
    let other = coalescer.offer(try frameOf(packet.make().bytes, &arena), arena: &arena, owner: 0)
    #expect(other.absorbed && other.flushed?.frame.bytes.array() == first)
  }

  @Test("A flow's held frame leaves before anything else of the flow, and PSH or FIN sends it at once")
  func order() throws {
    var arena = try largeArena(16)
    var packet = TestPacket()
    packet.payload = Array(0..<90)
    let segments = packet.segments(size: 30)
    var coalescer = Coalescer(intoTunnels: false)
    let first = try frameOf(segments[0].make().bytes, &arena)
    #expect(coalescer.offer(first, arena: &arena, owner: 0).absorbed)
    #expect(coalescer.held == 1)
    var reset = segments[1]
    reset.flags = 0x14
    let answer = coalescer.offer(try frameOf(reset.make().bytes, &arena), arena: &arena, owner: 0)
    #expect(!answer.absorbed)
    #expect(answer.flushed?.frame.bytes.array() == segments[0].make().bytes)
    #expect(coalescer.held == 0)
    _ = coalescer.offer(first, arena: &arena, owner: 0)
    var last = segments[1]
    last.flags |= 0x08
    let closing = coalescer.offer(try frameOf(last.make().bytes, &arena), arena: &arena, owner: 0)
    #expect(closing.absorbed)
    #expect(closing.flushed?.frame.owed.contains(.tcpSegmentation) == true)
    #expect(coalescer.held == 0)
    let alone = coalescer.offer(try frameOf(last.make().bytes, &arena), arena: &arena, owner: 0)
    #expect(!alone.absorbed && alone.flushed == nil)
  }

  @Test("A merged frame is at most 65,535 bytes, and 64 datagrams")
  func limits() throws {
    var arena = try largeArena(96)
    var packet = TestPacket(tunnel: .vxlan)
    packet.payload = SeededGenerator(state: 2).filled(70 * 1400)
    let segments = packet.segments(size: 1400).map { $0.make().bytes }
    var coalescer = Coalescer(intoTunnels: true)
    let out = try Self.run(&coalescer, segments, &arena)
    #expect(out.count == 2)
    #expect(out[0].length + 1400 > 65535)
    var cut: [[UInt8]] = []
    for frame in out { cut += try FramesSegmentationTests.cut(frame, &arena) }
    #expect(cut == segments)
    packet.isTCP = false
    packet.payload = SeededGenerator(state: 2).filled(70 * 100)
    let datagrams = packet.segments(size: 100).map { $0.make().bytes }
    let merged = try Self.run(&coalescer, datagrams, &arena)
    #expect(merged.map { $0.length > 5000 } == [true, false])
  }

  @Test("Whatever is offered, each flow's frames come out in order and, cut again, as they came")
  func randomFlows() throws {
    var arena = try largeArena(256)
    var random = SeededGenerator(state: 99)
    for round in 0..<60 {
      var flows = (0..<6).map { index -> TestPacket in
        var packet = TestPacket(tunnel: TestPacket.Tunnel.all[(index * 5 + round) % TestPacket.Tunnel.all.count])
        packet.ports.0 = UInt16(1000 + index)
        packet.isTCP = index % 3 != 0
        packet.innerIPv6 = index % 2 == 0
        return packet
      }
      var sent: [UInt16: [[UInt8]]] = [:]
      var frames: [[UInt8]] = []
      for _ in 0..<60 {
        let index = Int.random(in: 0..<flows.count, using: &random)
        flows[index].payload = random.bytes(Int.random(in: 0...9, using: &random) == 0 ? 7 : 60)
        var packet = flows[index]
        switch Int.random(in: 0..<14, using: &random) {
        case 0: packet.ack &+= 1
        case 1: packet.flags = 0x18
        case 2: packet.sequence &+= 9
        case 3: packet.ttl = 3
        case 4: packet.innerID += 3
        default: break
        }
        var bytes = packet.make().bytes
        if Int.random(in: 0..<20, using: &random) == 0 { bytes[bytes.count - 1] ^= 0x55 }
        frames.append(bytes)
        sent[packet.ports.0, default: []].append(bytes)
        flows[index].sequence &+= UInt32(packet.payload.count)
        flows[index].innerID += 1
        flows[index].outerID += 1
      }
      var coalescer = Coalescer(flows: 4, intoTunnels: true)
      var got: [UInt16: [[UInt8]]] = [:]
      var merged = 0
      for frame in try Self.run(&coalescer, frames, &arena) {
        let l4 = frame.innerL4 > 0 ? frame.innerL4 : frame.outerL4
        if frame.owed.isEmpty {
          let bytes = frame.bytes.array()
          let flow = sent.first { $0.value.contains(bytes) }?.key ?? 0
          got[flow, default: []].append(bytes)
        } else {
          merged += 1
          got[frame.bytes.u16(l4), default: []] += try FramesSegmentationTests.cut(frame, &arena)
        }
        arena.giveBack(frame)
      }
      #expect(merged > 0)
      #expect(got == sent)
      #expect(arena.available == arena.capacity)
    }
  }
}
