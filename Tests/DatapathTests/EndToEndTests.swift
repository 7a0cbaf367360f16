import Classifier
import Datapath
import Device
import Rules
import Testing

@Suite struct EndToEndTests {
  @Test("A tenant's frame goes out of the uplink inside Geneve with its option, and comes back unchanged")
  func there() throws {
    var policy = EncapsulationPolicy()
    policy.udpChecksum = .off
    var overlay = Lab.overlay()
    let option: [UInt8] = [0x01, 0x02, 0x00, 0x01, 0xde, 0xad, 0xbe, 0xef]
    overlay.encapsulations[7] = Craft.template(.geneve, options: option, policy: policy)
    var lab = try Lab(overlay)
    try lab.rule(1, port: Lab.tenant, [.count(id: 0), .rawEncap(index: 7), .portID(Lab.uplink)])
    try lab.rule(
      2, port: Lab.uplink, [.count(id: 0), .rawDecap(index: 1), .portID(Lab.tenant)], pattern: [.geneve(.init())])
    let frame = Craft.tenant()
    let out = try lab.one(frame, port: Lab.tenant)
    #expect(out.outcome == .forward)
    #expect(out.port == Lab.uplink)
    let port = Craft.get16(out.bytes, 34)
    #expect(port >= 49152)
    let inside = Craft.geneve(0x123456, frame, options: option)
    let datagram = Craft.udp(port, 6081, inside, pseudo: { _ in 0 }, sum: .zero)
    let expected = Craft.ethernet(
      0x0800, Craft.ipv4(17, datagram, source: Craft.local4, destination: Craft.remote4))
    #expect(out.bytes == expected)
    let back = try lab.one(out.bytes, port: Lab.uplink)
    #expect(back.outcome == .forward)
    #expect(back.port == Lab.tenant)
    #expect(back.bytes == frame)
    #expect(back.frame.tunnelKey == 0x123456)
    #expect(lab.book.counts(of: 1)?.frames == 1)
    #expect(lab.book.counts(of: 1)?.bytes == UInt64(frame.count))
    #expect(lab.book.counts(of: 2)?.bytes == UInt64(out.bytes.count))
  }
}
