import Device
import Memory
import Rules

/// An overlay as the flat tables that the device gets at its start.
struct StartTables {
  private(set) var bytes: [UInt8] = []
  private(set) var names = SlotNames()
  private let endpoint: EndpointPolicy
  private var parts: [Range<Int>] = []

  init(_ overlay: Overlay) {
    endpoint = overlay.endpoint
    names.decapsulations = overlay.decapsulations
    part { $0.criticalOptions(overlay.endpoint.knownCriticalOptions) }
    part { tables in for address in overlay.endpoint.ipv4 { tables.integer(UInt64(address), 4) } }
    part { tables in
      for address in overlay.endpoint.ipv6 {
        tables.integer(UInt64(truncatingIfNeeded: address >> 64), 8)
        tables.integer(UInt64(truncatingIfNeeded: address), 8)
      }
    }
    part { tables in for port in overlay.ports { tables.port(port) } }
    part { tables in
      for (slot, index) in overlay.encapsulations.keys.sorted().enumerated() {
        tables.names.headers[index] = UInt16(slot)
        if let template = overlay.encapsulations[index] { tables.template(template) }
      }
    }
    part { $0.samples(overlay) }
  }

  private mutating func part(_ write: (inout StartTables) -> Void) {
    let from = bytes.count
    write(&self)
    parts.append(from..<bytes.count)
  }

  private mutating func integer(_ value: UInt64, _ width: Int) {
    for byte in (0..<width).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(byte)))) }
  }

  private mutating func criticalOptions(_ options: [UInt32]) {
    for option in options { integer(UInt64(option), 4) }
  }

  private mutating func port(_ port: Port) {
    integer(UInt64(port.id), 2)
    bytes += [port.kind.rawValue, 0]
    integer(UInt64(port.mtu), 2)
    bytes += [0, 0]
  }

  /// A template that does not fit its slot gets an empty one; rules that name it are refused.
  private mutating func template(_ template: Encapsulation) {
    let slot = Self.slot(of: template)
    bytes += slot + [UInt8](repeating: 0, count: Templates.headerSlot - slot.count)
  }

  /// A template as ``Templates/Entry`` reads it, as long as it has to be.
  static func slot(of template: Encapsulation) -> [UInt8] {
    let fits = template.header.count <= Templates.headerSlot - 32 && template.l3 < 416 && template.l4 < 416
    let header = fits ? template.header : []
    let policy = template.policy
    func two(_ value: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)] }
    var slot = [template.kind.rawValue, template.isIPv6 ? 1 : 0]
    slot += two(fits ? max(0, template.l3) : 0) + two(fits ? max(0, template.l4) : 0) + two(header.count)
    slot += [
      policy.ecn.rawValue, policy.dscp.rawValue, policy.ttl.rawValue, policy.df.rawValue, policy.udpChecksum.rawValue,
    ]
    return slot + [UInt8](repeating: 0, count: 19) + header
  }

  private mutating func samples(_ overlay: Overlay) {
    for index in overlay.sampleActions.keys.sorted() {
      var writer = ProgramWriter()
      for action in overlay.sampleActions[index] ?? [] {
        var action = action
        if case .indirect(let id) = action, let shared = overlay.indirectActions[id] { action = shared }
        if case .sample = action { continue }
        writer.action(action, names)
      }
      guard writer.bytes.count + 2 <= Templates.sampleSlot else { continue }
      names.samples[index] = UInt16(names.samples.count)
      integer(UInt64(writer.bytes.count), 2)
      bytes += writer.bytes
      bytes += [UInt8](repeating: 0, count: Templates.sampleSlot - 2 - writer.bytes.count)
    }
  }

  /// The tables in the device's memory, which must have room for ``bytes``.
  func settings(in memory: Bytes) -> Settings {
    memory.copy(bytes, at: 0)
    func part(_ index: Int) -> Bytes { memory.slice(parts[index].lowerBound, count: parts[index].count) }
    var settings = Settings(
      criticalOptions: part(0), ipv4: part(1), ipv6: part(2), ports: part(3),
      templates: Templates(headers: part(4), samples: part(5)))
    settings.genevePort = endpoint.genevePort
    settings.vxlanPort = endpoint.vxlanPort
    settings.acceptsZeroUDPChecksumIPv6 = endpoint.acceptsZeroUDPChecksumIPv6
    settings.acceptsVXLANInnerVLAN = endpoint.acceptsVXLANInnerVLAN
    return settings
  }
}
