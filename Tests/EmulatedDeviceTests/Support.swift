import Device
import EmulatedDevice
import Memory
import Rules

/// A device that can do everything.
func everything() -> Abilities {
  var abilities = Abilities()
  abilities.match = MatchAbilities(rawValue: MatchAbilities.names.reduce(0) { $0 | $1.ability.rawValue })
  abilities.actions = ActionAbilities(rawValue: ActionAbilities.names.reduce(0) { $0 | $1.ability.rawValue })
  abilities.frame = FrameAbilities(rawValue: FrameAbilities.names.reduce(0) { $0 | $1.ability.rawValue })
  abilities.geneveOptions.perRule = 63
  abilities.rules = 1000
  abilities.groups = 65_536
  abilities.priorities = .max
  abilities.largestHeader = 510
  return abilities
}

/// Port 0 is the uplink, 1 and 2 are tenants, 3 is the host's.
func somePorts() -> [Port] {
  [
    Port(id: 0, kind: .uplink, mtu: 1600), Port(id: 1, kind: .tenant), Port(id: 2, kind: .tenant, mtu: 9000),
    Port(id: 3, kind: .host),
  ]
}

/// What came out: the frame's record, its bytes as they were during the call, port and mark.
struct Out {
  var frame: Frame
  var bytes: [UInt8]
  var port: UInt16
  var mark: UInt32
}

/// A device with a buffer of its own for the frame that is sent through it.
struct Bench: ~Copyable {
  var device: EmulatedDevice
  private var arena: FrameArena
  private var next: UInt32 = 1

  init(
    _ overlay: Overlay, _ abilities: Abilities = everything(), seed: UInt64 = 1, faults: FaultPlan = FaultPlan()
  ) throws {
    let device = try EmulatedDevice(
      abilities: abilities, overlay: overlay, seed: seed, faults: faults, maximumRules: 4096)
    arena = try FrameArena(capacity: 1, bufferSize: 1 << 17)
    self.device = device
  }

  /// Adds a rule that the device does in full, unless told otherwise; gives its id.
  @discardableResult
  mutating func add(
    _ pattern: [Item], _ actions: [Action], group: UInt32 = 0, priority: UInt32 = 0, onDevice: Int? = nil,
    wide: Bool = false, port: UInt16? = nil, id: UInt32? = nil, now: UInt64 = 0
  ) throws -> UInt32 {
    var attributes = Attributes()
    attributes.group = group
    attributes.priority = priority
    attributes.transfer = port == nil
    attributes.ingress = port != nil
    attributes.port = port ?? 0
    let id = id ?? next
    next = max(next, id) + 1
    let rule = Rule(attributes: attributes, pattern: pattern, actions: actions)
    try device.insert(
      DeviceRule(id: id, rule: rule, actionsOnDevice: onDevice ?? actions.count, isWideGuard: wide), now: now)
    return id
  }

  /// A frame's record in the bench's buffer.
  func frame(_ bytes: [UInt8], headroom: Int = 512) -> Frame {
    let buffer = arena.buffer(0)
    buffer.copy(bytes, at: headroom)
    return Frame(buffer: buffer, headroom: headroom, length: bytes.count, token: 7)
  }

  mutating func receive(_ bytes: [UInt8], port: UInt16, now: UInt64 = 0, headroom: Int = 512) -> [Out] {
    receive(frame(bytes, headroom: headroom), port: port, now: now)
  }

  mutating func receive(_ frame: Frame, port: UInt16, now: UInt64 = 0) -> [Out] {
    var out: [Out] = []
    device.receive(frame, port: port, now: now) {
      out.append(Out(frame: $0.frame, bytes: $0.frame.bytes.array(), port: $0.port, mark: $0.mark))
    }
    return out
  }

  mutating func transmit(_ frame: Frame, port: UInt16) -> [Out] {
    var out: [Out] = []
    device.transmit(frame, port: port, now: 0) {
      out.append(Out(frame: $0.frame, bytes: $0.frame.bytes.array(), port: $0.port, mark: $0.mark))
    }
    return out
  }
}

/// The bytes of a hexadecimal text; blanks and line ends do not count.
func hex(_ text: String) -> [UInt8] {
  let digits = text.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

extension Overlay {
  static var somePortsOnly: Overlay {
    var overlay = Overlay()
    overlay.ports = somePorts()
    return overlay
  }
}

/// Bare items, which ask only that the header is there.
extension Item {
  static var anyEth: Item { .eth(EthItem()) }
  static var anyIPv4: Item { .ipv4(IPv4Item()) }
  static var anyIPv6: Item { .ipv6(IPv6Item()) }
  static var anyUDP: Item { .udp(L4Item()) }
  static var anyTCP: Item { .tcp(TCPItem()) }
  static var anyGeneve: Item { .geneve(GeneveItem()) }
  static var anyVXLAN: Item { .vxlan(VXLANItem()) }
  static var anyGRE: Item { .gre(GREItem()) }
  static var anyNVGRE: Item { .nvgre(NVGREItem()) }
}
