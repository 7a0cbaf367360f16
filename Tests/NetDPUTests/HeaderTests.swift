import Memory
import Rules
import Testing

@testable import NetDPU

@Suite("header bytes of raw_encap and raw_decap")
struct HeaderTests {
  let lent = Lent()

  @Test("a Geneve header is a template with its TTL and option length repaired and its checksum as it asks")
  func geneve() throws {
    let template = try HeaderReader.encapsulation(lent.bytes(Sample.geneve(ttl: 0)), prefersGRE: false)
    #expect(template.kind == .geneve)
    #expect(template.l3 == 14 && template.l4 == 34)
    #expect(template.header[14 + 8] == 64)
    #expect(template.policy.udpChecksum == .off)
    #expect(template.policy.df == .set)
  }

  @Test("a tunnel protocol of 0 is Ethernet's, as testpmd and flow-perf mean it")
  func protocolOfZero() throws {
    var header = Sample.geneve()
    (header[44], header[45]) = (0, 0)
    let template = try HeaderReader.encapsulation(lent.bytes(header), prefersGRE: false)
    #expect(Array(template.header[44..<46]) == [0x65, 0x58])
  }

  @Test("every cut of a header is told in words or is an Ethernet header, and never traps")
  func truncated() throws {
    let whole = Sample.geneve()
    for count in 0..<whole.count {
      let bytes = try lent.bytes(Array(whole.prefix(count)))
      if count == 14 {
        #expect(try HeaderReader.encapsulation(bytes, prefersGRE: false).kind == .none)
      } else if count < 42 {
        #expect(throws: HeaderError.self) { try HeaderReader.encapsulation(bytes, prefersGRE: false) }
      } else {
        #expect(try HeaderReader.encapsulation(bytes, prefersGRE: false).header.count == count)
      }
    }
  }

  @Test("any bytes of any length are read or refused", arguments: [UInt64](1...8))
  func random(seed: UInt64) throws {
    var random = Seeded(state: seed)
    for _ in 0..<500 {
      var bytes = random.bytes(Int.random(in: 0...600, using: &random))
      if bytes.count > 24, Bool.random(using: &random) {
        bytes.replaceSubrange(12..<15, with: [8, 0, 0x45])
        bytes[23] = Bool.random(using: &random) ? 17 : 47
      }
      let window = try lent.bytes(bytes)
      _ = try? HeaderReader.encapsulation(window, prefersGRE: false)
      _ = try? HeaderReader.decapsulation(window, size: bytes.count, tunnel: .none)
    }
  }

  @Test("UDP without a port is the tunnel that the pattern matches, and without one it is asked for")
  func portless() throws {
    var header = Sample.geneve()
    (header[36], header[37]) = (0, 0)
    let bytes = try lent.bytes(header)
    #expect(try HeaderReader.decapsulation(bytes, size: header.count, tunnel: .vxlan) == .tunnel(.vxlan))
    #expect(throws: HeaderError.self) { try HeaderReader.decapsulation(bytes, size: header.count, tunnel: .none) }
    #expect(throws: HeaderError.self) { try HeaderReader.encapsulation(bytes, prefersGRE: false) }
    #expect(try HeaderReader.decapsulation(nil, size: 14, tunnel: .geneve) == .ethernet)
    #expect(try HeaderReader.decapsulation(nil, size: 50, tunnel: .geneve) == .tunnel(.geneve))
  }

  @Test("ECN bits in a template are refused, because the device writes its own")
  func ecn() throws {
    var header = Sample.geneve()
    header[15] = 1
    #expect(throws: HeaderError.self) { try HeaderReader.encapsulation(lent.bytes(header), prefersGRE: false) }
  }
}
