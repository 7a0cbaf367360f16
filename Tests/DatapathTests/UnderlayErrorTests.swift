import Datapath
import Device
import Memory
import Rules
import Testing

@Suite struct UnderlayErrorTests {
  /// A router's error about `packet` (from its IP header on), to the address that sent it.
  private func error(
    about packet: [UInt8], mtu: Int, ipv6: Bool, type: UInt8? = nil, quoted: Int = 60, breaks: Bool = false
  ) -> [UInt8] {
    let quote = Array(packet.prefix(quoted))
    if ipv6 {
      var us: UInt128 = 0
      for byte in packet[8..<24] { us = us << 8 | UInt128(byte) }
      let router = Craft.remote6 + 99
      var icmp: [UInt8] = [type ?? 2, 0, 0, 0] + be32(UInt32(mtu)) + quote
      let sum = slowSum(icmp, Craft.pseudo6(router, us, 58, icmp.count))
      Craft.put(&icmp, 2, Int(~sum & 0xffff) ^ (breaks ? 1 : 0))
      return Craft.ethernet(0x86dd, Craft.ipv6(58, icmp, source: router, destination: us))
    }
    let us = packet[12..<16].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    var icmp: [UInt8] = [type ?? 3, 4, 0, 0, 0, 0] + be16(mtu) + quote
    Craft.put(&icmp, 2, Int(~slowSum(icmp) & 0xffff) ^ (breaks ? 1 : 0))
    return Craft.ethernet(0x0800, Craft.ipv4(1, icmp, source: Craft.remote4 + 99, destination: us))
  }

  /// A data path with one encapsulation from tenant to uplink, whose miss is the host.
  private func lab(_ kind: TunnelKind, ipv6: Bool, policy: EncapsulationPolicy = EncapsulationPolicy()) throws -> Lab {
    var overlay = Lab.overlay(mtu: 9000, uplinkMTU: 1500)
    overlay.ports[0].miss = .host
    overlay.encapsulations[1] = Craft.template(kind, ipv6: ipv6, policy: policy)
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.rawEncap(index: 1), .portID(Lab.uplink)])
    return lab
  }

  private func sends(_ lab: inout Lab, payload: Int) -> Bool {
    lab.send(Craft.tenant(payload: payload), port: Lab.tenant).first?.outcome == .forward
  }

  @Test("An error about a packet of ours narrows its path for ten minutes, and what is too big for it is answered (I3)")
  func learns() throws {
    for kind in [TunnelKind.geneve, .vxlan, .gre, .nvgre] {
      for ipv6 in [false, true] {
        var lab = try lab(kind, ipv6: ipv6)
        let sent = try lab.one(Craft.tenant(payload: 1350), port: Lab.tenant).bytes
        let told = error(about: Array(sent[14...]), mtu: 1400, ipv6: ipv6, quoted: ipv6 ? 48 : 28)
        let heard = try lab.one(told, port: Lab.uplink)
        #expect(heard.port == Lab.host && heard.bytes == told, "the error goes on as any frame")
        let statistics = lab.path.statistics
        #expect(statistics.underlayErrors == 1 && statistics.foreignQuotes == 0)
        #expect(lab.book.narrowPaths(now: lab.now).paths.map(\.mtu) == [1400])
        // The largest that fits is what D7's arithmetic gives for 1400.
        let overhead = sent.count - 14 - (1350 + 28)
        #expect(sends(&lab, payload: 1400 - overhead - 28), "\(kind) \(ipv6)")
        let large = lab.send(Craft.tenant(payload: 1400 - overhead - 27), port: Lab.tenant)
        #expect(large.first?.drop == .tooBig)
        #expect(Craft.get16(large.last?.bytes ?? [], 40) == 1400 - overhead)
        lab.now += PathTable.lifetime + 1_000_000_000
        #expect(sends(&lab, payload: 1350) && lab.book.narrowPaths(now: lab.now).paths.isEmpty)
      }
    }
  }

  @Test("Every bit of address, protocol and port that is not ours makes a quote foreign, and nothing is believed (I2)")
  func foreign() throws {
    for kind in [TunnelKind.geneve, .gre] {
      for ipv6 in [false, true] {
        var lab = try lab(kind, ipv6: ipv6)
        let packet = Array(try lab.one(Craft.tenant(payload: 1350), port: Lab.tenant).bytes[14...])
        let l4 = ipv6 ? 40 : 20
        var fields = Array(ipv6 ? 6..<7 : 9..<10) + Array(ipv6 ? 8..<40 : 12..<20)
        fields += kind == .gre ? Array(l4..<l4 + 4) : [l4 + 2, l4 + 3]
        for at in fields {
          for bit in 0..<8 {
            var other = packet
            other[at] ^= 1 << UInt8(bit)
            // The error itself comes to us: what it quotes is of somebody else.
            var told = error(about: packet, mtu: 1400, ipv6: ipv6)
            told.replaceSubrange((told.count - 60)..<told.count, with: other.prefix(60))
            resum(&told, ipv6: ipv6)
            _ = lab.send(told, port: Lab.uplink)
          }
        }
        #expect(lab.path.statistics.foreignQuotes == UInt64(fields.count * 8), "\(kind) \(ipv6)")
        #expect(sends(&lab, payload: 1350))
        // What is no part of who sent it may differ.
        var other = packet
        other[ipv6 ? 7 : 8] = 3
        _ = lab.send(error(about: other, mtu: 1400, ipv6: ipv6), port: Lab.uplink)
        #expect(!sends(&lab, payload: 1350))
      }
    }
  }

  @Test(
    "A quote is ours only when it was sent from the very address that the error came to (I2)", arguments: [false, true])
  func otherEndpoint(ipv6: Bool) throws {
    for bit in ipv6 ? Array(stride(from: 0, to: 128, by: 9)) + Array(120..<128) : Array(0..<32) {
      var overlay = Lab.overlay(mtu: 9000, uplinkMTU: 1500)
      overlay.encapsulations[1] = Craft.template(.geneve, ipv6: ipv6)
      overlay.endpoint.ipv4.append(Craft.local4 ^ 1 << UInt32(31 - bit % 32))
      overlay.endpoint.ipv6.append(Craft.local6 ^ 1 << UInt128(127 - bit))
      var lab = try Lab(overlay, buffers: 16)
      try lab.rule(1, port: Lab.tenant, [.rawEncap(index: 1), .portID(Lab.uplink)])
      let packet = Array(try lab.one(Craft.tenant(payload: 1350), port: Lab.tenant).bytes[14...])
      var told = error(about: packet, mtu: 1400, ipv6: ipv6)
      // The error is sent to our other address, and its own sums are right.
      told[(ipv6 ? 38 : 30) + bit / 8] ^= 0x80 >> UInt8(bit % 8)
      if ipv6 {
        resum(&told, ipv6: true)
      } else {
        Craft.put(&told, 24, 0)
        Craft.put(&told, 24, Int(~slowSum(told[14..<34]) & 0xffff))
      }
      _ = lab.send(told, port: Lab.uplink)
      #expect(lab.path.statistics.underlayErrors == 1 && lab.path.statistics.foreignQuotes == 1, "bit \(bit)")
      #expect(sends(&lab, payload: 1350))
    }
  }

  private func resum(_ frame: inout [UInt8], ipv6: Bool) {
    let at = ipv6 ? 54 : 34
    Craft.put(&frame, at + 2, 0)
    let message = Array(frame[at...])
    let sum =
      ipv6 ? slowSum(Array(frame[22..<54]) + be32(UInt32(message.count)) + [0, 0, 0, 58] + message) : slowSum(message)
    Craft.put(&frame, at + 2, Int(~sum & 0xffff))
  }

  @Test(
    "What cannot be true is not believed: a wrong checksum, a packet that fits, may be cut, or is no first fragment")
  func impossible() throws {
    for ipv6 in [false, true] {
      var lab = try lab(.geneve, ipv6: ipv6)
      let packet = Array(try lab.one(Craft.tenant(payload: 1350), port: Lab.tenant).bytes[14...])
      var bad: [[UInt8]] = [
        error(about: packet, mtu: 1400, ipv6: ipv6, breaks: true),
        error(about: packet, mtu: packet.count, ipv6: ipv6),
        error(about: packet, mtu: 1400, ipv6: ipv6, quoted: ipv6 ? 47 : 27),
      ]
      if !ipv6 {
        for (at, value) in [(6, UInt8(0)), (7, 1), (0, 0x46)] {
          var other = packet
          other[at] = value
          bad.append(error(about: other, mtu: 1400, ipv6: false))
        }
      }
      for (count, frame) in bad.enumerated() {
        _ = lab.send(frame, port: Lab.uplink)
        #expect(lab.path.statistics.foreignQuotes == UInt64(count + 1))
      }
      // Other errors are heard, and tell nothing about size; so does an old router's.
      for type in ipv6 ? [UInt8(1), 3, 4] : [11, 12] {
        _ = lab.send(error(about: packet, mtu: 1400, ipv6: ipv6, type: type), port: Lab.uplink)
      }
      if !ipv6 { _ = lab.send(error(about: packet, mtu: 0, ipv6: false), port: Lab.uplink) }
      #expect(lab.path.statistics.foreignQuotes == UInt64(bad.count))
      #expect(sends(&lab, payload: 1350))
      // Nor from a tenant.
      _ = lab.send(error(about: packet, mtu: 1400, ipv6: ipv6), port: Lab.tenant)
      #expect(sends(&lab, payload: 1350))
    }
  }

  @Test(
    "A path is never taken for narrower than what must pass, nor for wider again, and every queue learns of it (I3)")
  func bounds() throws {
    for ipv6 in [false, true] {
      var lab = try lab(.vxlan, ipv6: ipv6)
      let packet = Array(try lab.one(Craft.tenant(payload: 1400), port: Lab.tenant).bytes[14...])
      _ = lab.send(error(about: packet, mtu: 100, ipv6: ipv6), port: Lab.uplink)
      #expect(lab.book.narrowPaths(now: lab.now).paths.map(\.mtu) == [ipv6 ? 1280 : 576])
      _ = lab.send(error(about: packet, mtu: 1400, ipv6: ipv6), port: Lab.uplink)
      #expect(lab.book.narrowPaths(now: lab.now).paths.map(\.mtu) == [ipv6 ? 1280 : 576])
      let overhead = ipv6 ? 70 : 50
      #expect(sends(&lab, payload: (ipv6 ? 1280 : 576) - overhead - 28))
      #expect(!sends(&lab, payload: (ipv6 ? 1280 : 576) - overhead - 27))
    }
    var overlay = Lab.overlay(mtu: 9000)
    overlay.encapsulations[1] = Craft.template(.vxlan)
    let book = try RuleBook(overlay, limit: 16, queues: 2)
    var attributes = Attributes()
    attributes.port = Lab.tenant
    try book.add(
      1, Rule(attributes: attributes, pattern: [], actions: [.rawEncap(index: 1), .portID(Lab.uplink)]), now: 1)
    var first = try Datapath(book, owner: 0xd0), second = try Datapath(book, owner: 0xd1)
    func run(_ path: inout Datapath, _ bytes: [UInt8], _ port: UInt16) throws -> Outcome? {
      let arena = try FrameArenaBox(bytes)
      var frame = arena.frame
      frame.inPort = port
      var burst = FrameBurst()
      _ = burst.append(frame)
      var out = EmissionBurst(capacity: 16)
      path.process(&burst, now: 5, out: &out)
      return out.count > 0 ? out[0].frame.outcome : nil
    }
    let large = Craft.tenant(payload: 1400)
    #expect(try run(&second, large, Lab.tenant) == .forward)
    let outer = Craft.template(.vxlan).header[14...] + large
    var quote = Array(outer)
    Craft.put(&quote, 2, quote.count)
    quote[6] = 0x40
    Craft.put(&quote, 20, 0xc001)
    _ = try run(&first, error(about: quote, mtu: 1300, ipv6: false), Lab.uplink)
    #expect(first.statistics.foreignQuotes == 0)
    #expect(try run(&second, large, Lab.tenant) == .dropped(.tooBig))
  }

  @Test("A tenant's answers are as many as are asked for (S1)")
  func answerRate() throws {
    var overlay = Lab.overlay(mtu: 9000)
    overlay.encapsulations[1] = Craft.template(.vxlan)
    let other = try RuleBook(overlay, limit: 16)
    var attributes = Attributes()
    attributes.port = Lab.tenant
    try other.add(
      1, Rule(attributes: attributes, pattern: [], actions: [.rawEncap(index: 1), .portID(Lab.uplink)]), now: 1)
    var rare = try Datapath(other, answers: (perSecond: 1, burst: 3))
    for _ in 0..<5 {
      let arena = try FrameArenaBox(Craft.tenant(payload: 3000))
      var frame = arena.frame
      frame.inPort = Lab.tenant
      var burst = FrameBurst()
      _ = burst.append(frame)
      var out = EmissionBurst(capacity: 16)
      rare.process(&burst, now: 5, out: &out)
      for index in 0..<out.count { rare.recycle(out[index].frame.token) }
    }
    #expect(rare.statistics.answers == 3 && rare.statistics.answersSuppressed == 2)
  }
}

/// A frame in a buffer of its own.
private final class FrameArenaBox {
  private var arena: FrameArena
  let frame: Frame

  init(_ bytes: [UInt8]) throws {
    var arena = try FrameArena(capacity: 1, bufferSize: 1 << 16, headroom: 512)
    var made = Frame()
    if let index = arena.take() {
      made = Frame(buffer: arena.buffer(index), headroom: 512, length: bytes.count, token: index)
      made.bytes.copy(bytes, at: 0)
    }
    self.arena = arena
    frame = made
  }
}
