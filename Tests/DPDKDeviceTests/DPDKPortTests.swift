import DPDKDevice
import Device
import Foundation
import Memory
import Testing

/// EAL is one a process, and devices are: one test after the other.
@Suite("A port of a DPDK driver", .serialized)
struct DPDKPortTests {
  init() throws {
    var options = EAL.Options()
    options.memory = 192
    try EAL.start(options)
  }

  /// Sends copies of `patterns` that no DPDK port owns.
  private func send(_ patterns: [[UInt8]], _ arena: borrowing FrameArena, through port: inout DPDKPort) -> [UInt32] {
    var burst = FrameBurst()
    for (index, pattern) in patterns.enumerated() {
      let buffer = arena.buffer(UInt32(index))
      for (at, byte) in pattern.enumerated() { buffer[FrameArena.defaultHeadroom + at] = byte }
      _ = burst.append(
        Frame(
          buffer: buffer, headroom: FrameArena.defaultHeadroom, length: pattern.count,
          token: 0xee00_0000 | UInt32(index)))
    }
    return transmit(&burst, through: &port)
  }

  private func transmit(_ burst: inout FrameBurst, through port: inout DPDKPort) -> [UInt32] {
    var free = TokenList()
    port.transmit(&burst, now: 0, free: &free)
    return (0..<free.count).map { free[$0] }
  }

  private func patterns(_ count: Int, generator: inout some RandomNumberGenerator) -> [[UInt8]] {
    (0..<count).map { _ in (0..<Int.random(in: 14...1514, using: &generator)).map { _ in .random(in: 0...255) } }
  }

  @Test("Frames of other ports come back byte for byte over a driver's rings, and the sender has its buffers at once")
  func copies() throws {
    var port = try DPDKPort(.init(devargs: "net_ring0"), id: 7, owner: 0x20)
    let arena = try FrameArena(capacity: 32, bufferSize: 2432)
    var generator = SystemRandomNumberGenerator()
    let available = port.buffersAvailable
    for round in 1...20 {
      let sent = patterns(32, generator: &generator)
      #expect(send(sent, arena, through: &port).sorted() == (0..<32).map { 0xee00_0000 | $0 })
      var burst = FrameBurst()
      port.receive(&burst, now: 0)
      #expect(burst.count == 32)
      for index in 0..<burst.count {
        let frame = burst[index]
        #expect(frame.inPort == 7 && frame.headroom == FrameArena.defaultHeadroom)
        #expect((0..<frame.length).map { frame.bytes[$0] } == sent[index])
        port.recycle(frame.token)
      }
      #expect(port.sight.copies == UInt64(32 * round))
    }
    #expect(port.buffersAvailable == available)
    #expect(port.counters.framesSent == 640 && port.counters.framesReceived == 640)
    #expect(port.counters.bytesSent == port.counters.bytesReceived)
    #expect(port.sight.driver == "net_ring" && port.link == .up)
  }

  @Test(
    "A frame that came in goes out as the mbuf it is, with what fits in DPDK's headroom in front, and is copied beyond it"
  )
  func headroom() throws {
    var port = try DPDKPort(.init(devargs: "net_ring1"), id: 1, owner: 0x21)
    let arena = try FrameArena(capacity: 32, bufferSize: 2432)
    let available = port.buffersAvailable
    for front in [0, 50, 128, 130, 322, 384] {
      let copies = port.sight.copies
      #expect(send([Array(1...100)], arena, through: &port).count == 1)
      var burst = FrameBurst()
      port.receive(&burst, now: 0)
      try #require(burst.count == 1)
      var frame = burst[0]
      let token = frame.token
      frame.prepend(front)
      for at in 0..<front { frame.bytes[at] = UInt8(at & 0xff) ^ 0x5a }
      burst.removeAll()
      _ = burst.append(frame)
      let back = transmit(&burst, through: &port)
      let isCopied = front > 128
      #expect(back == (isCopied ? [token] : []), "\(front) bytes in front")
      #expect(port.sight.copies == copies + (isCopied ? 2 : 1))
      for token in back { port.recycle(token) }
      port.receive(&burst, now: 0)
      try #require(burst.count == 1)
      let got = burst[0]
      #expect(got.length == 100 + front)
      for at in 0..<front { #expect(got.bytes[at] == UInt8(at & 0xff) ^ 0x5a) }
      for at in 0..<100 { #expect(got.bytes[front + at] == UInt8(at + 1)) }
      port.recycle(got.token)
    }
    #expect(port.buffersAvailable == available)
  }

  @Test("A full queue drops by name and no mbuf is lost; a chain and a frame that owes are refused")
  func full() throws {
    var port = try DPDKPort(.init(devargs: "net_ring2"), id: 1, owner: 0x22)
    let arena = try FrameArena(capacity: 32, bufferSize: 2432)
    let available = port.buffersAvailable
    var sent = 0
    while port.counters.drops[.transmitFull] == 0, sent < 100_000 {
      #expect(send([[UInt8](repeating: 1, count: 60)], arena, through: &port).count == 1)
      sent += 1
    }
    #expect(port.counters.framesSent == UInt64(sent - 1) && port.counters.drops[.transmitFull] == 1)
    var received = 0
    while true {
      var burst = FrameBurst()
      port.receive(&burst, now: 0)
      guard burst.count > 0 else { break }
      received += burst.count
      for index in 0..<burst.count { port.recycle(burst[index].token) }
    }
    #expect(received == sent - 1)
    #expect(port.buffersAvailable == available)

    var burst = FrameBurst()
    var frame = Frame(buffer: arena.buffer(0), headroom: 384, length: 100, token: 0xee00_0000)
    frame.owed = .checksum
    _ = burst.append(frame)
    frame.owed = []
    frame.next = 1
    _ = burst.append(frame)
    #expect(transmit(&burst, through: &port).count == 2)
    #expect(port.counters.drops[.malformedDebt] == 2)
  }

  @Test("Frames pass from one port to another without a copy, and each mbuf goes back to the pool it came from")
  func between() throws {
    var first = try DPDKPort(.init(devargs: "net_ring3"), id: 1, owner: 0x23)
    var second = try DPDKPort(.init(devargs: "net_ring4"), id: 2, owner: 0x24)
    let arena = try FrameArena(capacity: 32, bufferSize: 2432)
    let available = (first.buffersAvailable, second.buffersAvailable)
    for _ in 0..<100 {
      var generator = SystemRandomNumberGenerator()
      let sent = patterns(8, generator: &generator)
      _ = send(sent, arena, through: &first)
      var burst = FrameBurst()
      first.receive(&burst, now: 0)
      #expect(transmit(&burst, through: &second).isEmpty)
      second.receive(&burst, now: 0)
      #expect(burst.count == 8)
      for index in 0..<burst.count {
        let frame = burst[index]
        #expect(frame.token >> 24 == 0x23 && frame.inPort == 2)
        #expect((0..<frame.length).map { frame.bytes[$0] } == sent[index])
        first.recycle(frame.token)
      }
    }
    #expect(second.sight.copies == 0)
    #expect(first.buffersAvailable == available.0 && second.buffersAvailable == available.1)
  }

  /// A capture file in pcap's classic format.
  private func capture(_ frames: [[UInt8]]) -> [UInt8] {
    func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    var bytes = word(0xa1b2_c3d4) + [2, 0, 4, 0] + word(0) + word(0) + word(65535) + word(1)
    for frame in frames { bytes += word(1) + word(2) + word(frame.count) + word(frame.count) + frame }
    return bytes
  }

  @Test("What a capture file holds comes in, and what goes out is in a file: a driver that reads and writes for itself")
  func captures() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "dpdk-port-\(UInt32.random(in: 0...(.max)))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var generator = SystemRandomNumberGenerator()
    let frames = patterns(20, generator: &generator)
    try Data(capture(frames)).write(to: folder.appending(path: "in.pcap"))
    let devargs = "net_pcap0,rx_pcap=\(folder.path)/in.pcap,tx_pcap=\(folder.path)/out.pcap"
    do {
      var port = try DPDKPort(.init(devargs: devargs), id: 1, owner: 0x25)
      var burst = FrameBurst()
      port.receive(&burst, now: 0)
      #expect(burst.count == 20)
      for index in 0..<burst.count {
        let frame = burst[index]
        #expect((0..<frame.length).map { frame.bytes[$0] } == frames[index])
      }
      #expect(transmit(&burst, through: &port).isEmpty)
      #expect(port.statistics.contains { $0.name == "rx_good_packets" && $0.value == 20 })
    }
    let written = try [UInt8](Data(contentsOf: folder.appending(path: "out.pcap")))
    var at = 24
    for frame in frames {
      try #require(at + 16 + frame.count <= written.count)
      #expect(Array(written[(at + 16)..<(at + 16 + frame.count)]) == frame)
      at += 16 + frame.count
    }
    #expect(at == written.count)
  }

  @Test(
    "A device that cannot be had is refused with the place and DPDK's own words, and leaves nothing behind",
    arguments: [
      ("net_nothing0", "net_nothing0"), ("net_tap9,iface=", "iface"), ("0000:ff:1f.7", "0000:ff:1f.7"), ("", "1023"),
      (String(repeating: "x", count: 2000), "1023"), ("net_ring9,,,=", "net_ring9"),
      ("net_null0,size=abc", "net_null0"),
    ])
  func refused(devargs: String, word: String) {
    do throws(DPDKError) {
      let port = try DPDKPort(.init(devargs: devargs), id: 1, owner: 0x26)
      // Some drivers take anything.
      #expect(port.link != .gone)
    } catch {
      #expect(error.description.contains(word), "\(error)")
    }
  }

  @Test("A port number that a device does not have is refused")
  func number() {
    var options = DPDKPort.Options(devargs: "net_null7")
    options.port = 3
    do throws(DPDKError) {
      _ = try DPDKPort(options, id: 1, owner: 0x27)
      Issue.record("opened")
    } catch { #expect(error.sentence.contains("1 ports")) }
  }

  @Test("A port that is there is found by its name alone, and a name of none is a device that is not there")
  func named() throws {
    var first = try DPDKPort(.init(devargs: "net_ring8"), id: 1, owner: 0x28)
    do throws(DPDKError) {
      // It is the same port: it is open already.
      _ = try DPDKPort(.init(devargs: "net_ring8"), id: 2, owner: 0x29)
      Issue.record("a port was opened twice")
    } catch { #expect(error.description.contains("net_ring8") && error.description.contains("in use")) }
    // And goes on as it was.
    let arena = try FrameArena(capacity: 32, bufferSize: 2432)
    #expect(send([[UInt8](repeating: 7, count: 90)], arena, through: &first).count == 1)
    var burst = FrameBurst()
    first.receive(&burst, now: 0)
    #expect(burst.count == 1 && first.link == .up)
    for index in 0..<burst.count { first.recycle(burst[index].token) }
  }

  @Test("PCI addresses are told from names of virtual devices")
  func addresses() {
    for address in ["0000:03:00.0", "03:00.1,dv_flow_en=2", "00000001:0a:1f.7"] { #expect(EAL.isPCI(address)) }
    for name in ["net_tap0", "net_dpu0,profile=bluefield3", "", "03:00", "03:00.", "03:0.0", "a:b:c:d.e"] {
      #expect(!EAL.isPCI(name), "\(name)")
    }
  }
}
