import DPDKDevice
import Device
import Rules
import Testing

@testable import Control

private let ports = """
  version: 1
  ports:
    - {name: up, id: 0, kind: uplink, mac: "02:00:00:00:00:01"}
    - {name: vm, id: 1, kind: tenant, tenant: blue}

  """

private func read(_ text: String) throws(YAMLError) -> Configuration {
  try Configuration.read(text, file: "c.yaml") { _ in throw YAMLError(file: "x", line: 0, column: 0, message: "none") }
}

private func complaint(_ text: String) -> YAMLError? {
  do throws(YAMLError) { _ = try read(text) } catch { return error }
  return nil
}

@Suite("A configuration")
struct ConfigurationTests {
  @Test("is read with its ports, policies and rules")
  func reads() throws {
    let configuration = try read(
      ports + """
        endpoint: {addresses: [198.51.100.1, "2001:db8::1"], geneve_port: 6082, zero_udp_checksum_ipv6: accept}
        encapsulations: [{index: 3, ecn: zero, dscp: copy, ttl: copy, df: copy, udp_checksum: off}]
        rules: |
          set raw_encap 3 eth / ipv4 dst is 198.51.100.7 / udp dst is 6081 / geneve vni is 5 / end_set
          flow create 1 ingress pattern eth / end actions raw_encap index 3 / represented_port ethdev_port_id 0 / end
        """)
    #expect(configuration.ports.map(\.name) == ["up", "vm"])
    #expect(configuration.overlay.ports[0].mac == 0x0200_0000_0001)
    #expect(configuration.overlay.endpoint.ipv6 == [0x2001_0db8 << 96 | 1])
    #expect(configuration.overlay.endpoint.genevePort == 6082)
    #expect(configuration.overlay.endpoint.acceptsZeroUDPChecksumIPv6)
    let policy = try #require(configuration.overlay.encapsulations[3]?.policy)
    #expect(policy.ecn == .zero && policy.dscp == .copy && policy.ttl == .copy && policy.df == .copy)
    #expect(policy.udpChecksum == .off)
    #expect(configuration.rules.map(\.id) == [1])
  }

  @Test(
    "with a mistake is refused at the place of the mistake, in words",
    arguments: [
      ("mtuu: 5", 5, "mtuu"),
      ("version: 1", 1, "twice"),
      ("endpoint: {addresses: [198.51.100]}", 5, "IPv4 or IPv6 address"),
      ("endpoint: {geneve_port: 0}", 5, "1 to 65535"),
      ("endpoint: {geneve_port: 4789}", 5, "both"),
      ("encapsulations: [{index: 3}]", 0, "raw_encap 3"),
      ("encapsulations: [{index: 1, ecn: maybe}]", 5, "copy, zero"),
      ("rules: |\n  flow create 1 ingress pattern eth / end actions dropp / end", 6, "drop"),
      ("rules: |\n  flow create 1 ingress pattern eth / end actions port_id id 9 / end", 6, "port 9"),
      ("rules_file: nowhere", 5, "none"),
      ("answers: {per_second: -1}", 5, "0 to 1000000"),
      ("ports: [", 6, ""),
    ])
  func refuses(line: String, at: Int, words: String) throws {
    let error = try #require(complaint(ports + line))
    #expect(error.line == at, "\(error)")
    #expect("\(error)".contains(words), "\(error)")
    #expect(error.file == "c.yaml")
  }

  @Test("that unfolds to billions of values is refused, at once")
  func bomb() {
    var text = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in 1...12 {
      text += "a\(i): &a\(i) [" + Array(repeating: "*a\(i - 1)", count: 10).joined(separator: ", ") + "]\n"
    }
    #expect(complaint(text)?.message.contains("million values") == true)
  }

  @Test("cut short anywhere gives an error or is read, and never traps")
  func truncation() {
    let text = ports + "endpoint: {addresses: [198.51.100.1], known_critical_options: [{class: 0x102, type: 0x80}]}\n"
    for end in text.indices { _ = complaint(String(text[..<end])) }
    #expect(complaint(text) == nil)
  }

  @Test(
    "port twice, unknown kinds and misplaced tenants are refused",
    arguments: [
      "[{name: a, id: 1, kind: uplink}, {name: a, id: 2, kind: uplink}]",
      "[{name: a, id: 1, kind: uplink}, {name: b, id: 1, kind: uplink}]",
      "[{name: a, id: 1, kind: uplnk}]", "[{name: a, id: 1, kind: uplink, tenant: t}]",
      "[{name: a=b, id: 1, kind: uplink}]",
      "[{name: a, id: 65536, kind: uplink}]", "[]", "[{id: 1, kind: uplink}]",
      "[{name: a, id: 1, kind: uplink, mac: 02:00:00:00:00}]", "[{name: a, id: 1, kind: uplink, mtu: 67}]",
    ])
  func badPorts(list: String) { #expect(complaint("version: 1\nports: \(list)\n") != nil) }

  @Test("names ports of DPDK drivers by their devargs, and PCI is looked at when one of them stands there")
  func dpdk() throws {
    let configuration = try read(
      """
      version: 1
      ports:
        - {name: up, id: 0, kind: uplink, attach: {dpdk: "0000:03:00.0,dv_flow_en=2"}}
        - {name: vm, id: 1, kind: tenant, attach: {dpdk: {device: "net_tap0,iface=t0", port: 2, buffers: 4096, checks: true, keep_mtu: true}}}
      dpdk: {hugepages: true, memory_mb: 512, drivers: [/opt/x.so], eal: ["--log-level=8"]}
      """)
    guard case .dpdk(let uplink)? = configuration.ports[0].attachment?.kind,
      case .dpdk(let tenant)? = configuration.ports[1].attachment?.kind
    else {
      Issue.record("no DPDK ports")
      return
    }
    #expect(uplink.devargs == "0000:03:00.0,dv_flow_en=2" && uplink.port == 0 && !uplink.checks && !uplink.keepsMTU)
    #expect(tenant.devargs == "net_tap0,iface=t0" && tenant.port == 2 && tenant.buffers == 4096)
    #expect(tenant.checks && tenant.keepsMTU)
    let eal = configuration.ealOptions
    #expect(eal.pci == ["0000:03:00.0,dv_flow_en=2"] && eal.hugepages && eal.memory == 512)
    #expect(eal.drivers == ["/opt/x.so"] && eal.arguments == ["--log-level=8"])
    try configuration.checkLive()
    var several = configuration
    several.live.threads = 2
    #expect(throws: YAMLError.self) { try several.checkLive() }
  }

  @Test(
    "refuses a DPDK device that is none, and values out of range",
    arguments: [
      "{dpdk: \"\"}", "{dpdk: \"net tap\"}", "{dpdk: {}}", "{dpdk: {device: net_null0, port: 64}}",
      "{dpdk: {device: net_null0, descriptors: 31}}", "{dpdk: {device: net_null0, buffers: 5}}",
      "{dpdk: {device: net_null0, colour: red}}", "{dpdk: net_null0, tap: t0}",
    ])
  func badDPDK(attach: String) {
    #expect(complaint("version: 1\nports:\n  - {name: a, id: 1, kind: uplink, attach: \(attach)}\n")?.line == 3)
  }
}

@Suite("An address's text")
struct AddressTests {
  @Test("comes back as the same address, canonical as RFC 5952 writes it")
  func roundTrip() {
    var random = SeededGenerator(seed: 6)
    for round in 0..<2000 {
      let mac: UInt64 = random.value() & 0xffff_ffff_ffff
      #expect(Address.mac(Address.text(mac: mac)) == mac)
      let v4: UInt32 = random.value()
      #expect(Address.ipv4(Address.text(ipv4: v4)) == v4)
      var v6: UInt128 = random.value()
      // Long runs of zeros are where the text is hard.
      if round % 2 == 0 { v6 &= UInt128.max << UInt128(random.below(128)) & UInt128.max >> UInt128(random.below(128)) }
      #expect(Address.ipv6(Address.text(ipv6: v6)) == v6)
    }
    #expect(Address.text(ipv6: 0) == "::")
    #expect(Address.text(ipv6: 1) == "::1")
    #expect(Address.text(ipv6: 0x2001_0db8_0000_0001_0000_0000_0000_0001) == "2001:db8:0:1::1")
    #expect(Address.ipv6("::ffff:198.51.100.1") == 0xffff_c633_6401)
  }

  @Test(
    "that is none is refused",
    arguments: [
      "", ":", ":::", "1::2::3", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "g::", "::1.2.3", "::256.1.1.1",
    ])
  func bad(text: String) {
    #expect(Address.ipv6(text) == nil)
    #expect(Address.ipv4(text) == nil)
    #expect(Address.mac(text) == nil)
  }
}
