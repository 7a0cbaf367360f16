import Device
import Memory

/// What the device was told when it was started: ports, endpoints, templates, as flat tables in its memory.
struct Settings {
  var genevePort: UInt16 = 6081
  var vxlanPort: UInt16 = 4789
  var acceptsZeroUDPChecksumIPv6 = false
  var acceptsVXLANInnerVLAN = false
  /// Known critical options, 4 bytes each.
  var criticalOptions: Bytes
  /// Endpoint addresses, 4 and 16 bytes each.
  var ipv4: Bytes
  var ipv6: Bytes
  /// Ports, 8 bytes each: id, kind, 0, mtu, 0, 0.
  var ports: Bytes
  /// Header templates and sample action lists.
  var templates: Templates

  /// One port as the device needs it.
  struct PortEntry {
    var kind: UInt8
    var mtu: Int
    var isUplink: Bool { kind == Port.Kind.uplink.rawValue }
  }

  func knowsCriticalOption(_ name: UInt32) -> Bool {
    var at = 0
    while at < criticalOptions.count {
      if criticalOptions.u32(at) == name { return true }
      at += 4
    }
    return false
  }

  func port(_ id: UInt16) -> PortEntry? {
    var at = 0
    while at < ports.count {
      if ports.u16(at) == id { return PortEntry(kind: ports[at + 2], mtu: Int(ports.u16(at + 4))) }
      at += 8
    }
    return nil
  }

  /// Whether the packet's destination is one of our tunnel endpoints.
  func isEndpoint(_ bytes: Bytes, _ layers: Layers) -> Bool {
    guard layers.l3 >= 0 else { return false }
    let (table, width, place) = layers.isIPv6 ? (ipv6, 16, layers.l3 + 24) : (ipv4, 4, layers.l3 + 16)
    var at = 0
    while at < table.count {
      var same = true
      var byte = 0
      while byte < width {
        if table[at + byte] != bytes[place + byte] { same = false }
        byte += 1
      }
      if same { return true }
      at += width
    }
    return false
  }
}
