import CNetDPU
import Device
import Memory
import Rules

/// rte_flow's actions as ours, with the templates that they bring.
struct ActionReader {
  private(set) var actions: [Action] = []
  private(set) var places: [Int] = []
  /// What the actions' indices mean.
  private(set) var own = Overlay()
  /// The age action's context and timeout; nil without one.
  private(set) var age: (context: UInt64, timeout: UInt32)?
  /// The shared actions that the rule names.
  private(set) var shared: [UInt32] = []

  private let tunnel: TunnelKind
  private let device: ActionContext
  private var isSampleList = false

  /// What the reader has to know of the device.
  struct ActionContext {
    var port: (UInt64) -> UInt16?
    var queues: UInt16
    var shared: [UInt32: Action]
    /// The device puts GRE in front and not NVGRE.
    var prefersGRE: Bool
  }

  /// The largest `mark`; the two above 2^32 − 3 stand for a mark of 0 and for `flag`.
  static let largestMark: UInt64 = 0xffff_fffd
  /// What a mark of 0 is on the device, where 0 means none.
  static let zeroMark = UInt32.max
  /// What `flag` is on the device.
  static let flagMark = UInt32.max - 1

  init(_ list: [ForeignAction], tunnel: TunnelKind, device: ActionContext) throws(FlowError) {
    self.tunnel = tunnel
    self.device = device
    for (place, action) in list.enumerated() {
      guard action.kind != NET_DPU_ACTION_VOID.rawValue else { continue }
      guard actions.count < 64 else { throw .unsupported(.action(place), "more than 64 actions") }
      actions.append(try read(action, place))
      places.append(place)
    }
  }

  private mutating func read(_ action: ForeignAction, _ place: Int) throws(FlowError) -> Action {
    switch net_dpu_action_kind(action.kind) {
    case NET_DPU_ACTION_COUNT: return .count(id: UInt32(truncatingIfNeeded: action.value))
    case NET_DPU_ACTION_MARK:
      guard action.value <= Self.largestMark else {
        throw .unsupported(.action(place), "mark: at most \(Self.largestMark)")
      }
      return .mark(action.value == 0 ? Self.zeroMark : UInt32(action.value))
    case NET_DPU_ACTION_FLAG: return .mark(Self.flagMark)
    case NET_DPU_ACTION_AGE:
      guard 1...0xff_ffff ~= action.value else {
        throw .malformed(.action(place), "age: a timeout of \(action.value) s, of 1 to 16777215")
      }
      age = (action.context, UInt32(action.value))
      return .age(timeout: UInt32(action.value))
    case NET_DPU_ACTION_RAW_DECAP:
      let index = UInt16(own.decapsulations.count)
      do throws(HeaderError) {
        own.decapsulations[index] = try HeaderReader.decapsulation(action.bytes, size: action.size, tunnel: tunnel)
      } catch { throw .malformed(.action(place), "raw_decap: \(error.sentence)") }
      return .rawDecap(index: index)
    case NET_DPU_ACTION_RAW_ENCAP, NET_DPU_ACTION_VXLAN_ENCAP, NET_DPU_ACTION_NVGRE_ENCAP:
      return try encap(action, place)
    case NET_DPU_ACTION_VXLAN_DECAP: return .vxlanDecap
    case NET_DPU_ACTION_NVGRE_DECAP: return .nvgreDecap
    case NET_DPU_ACTION_DEC_TTL: return .decTTL
    case NET_DPU_ACTION_POP_VLAN: return .popVLAN
    case NET_DPU_ACTION_PUSH_VLAN:
      let type = UInt16(truncatingIfNeeded: action.value)
      guard [0x8100, 0x88a8, 0x9100].contains(type) else {
        throw .malformed(.action(place), "of_push_vlan: ethertype 0x\(String(type, radix: 16)) is no tag's")
      }
      return .pushVLAN(etherType: type)
    case NET_DPU_ACTION_SAMPLE: return try sample(action, place)
    case NET_DPU_ACTION_INDIRECT:
      let id = UInt32(truncatingIfNeeded: action.value)
      guard let meant = device.shared[id] else {
        throw .malformed(.action(place), "indirect: there is no action #\(id)")
      }
      own.indirectActions[id] = meant
      if case .age(let timeout) = meant { age = (0, timeout) }
      shared.append(id)
      return .indirect(id: id)
    default:
      if let field = try set(action, place) { return field }
      return try fate(action, place)
    }
  }

  private mutating func encap(_ action: ForeignAction, _ place: Int) throws(FlowError) -> Action {
    guard let bytes = action.bytes else { throw .malformed(.action(place), "encap: no header (data is NULL)") }
    let index = UInt16(own.encapsulations.count)
    do throws(HeaderError) {
      let template = try HeaderReader.encapsulation(bytes, prefersGRE: device.prefersGRE)
      own.encapsulations[index] = template
      switch net_dpu_action_kind(action.kind) {
      case NET_DPU_ACTION_VXLAN_ENCAP where template.kind == .vxlan: return .vxlanEncap(index: index)
      case NET_DPU_ACTION_NVGRE_ENCAP where template.kind == .nvgre: return .nvgreEncap(index: index)
      default: return .rawEncap(index: index)
      }
    } catch { throw .malformed(.action(place), "raw_encap: \(error.sentence)") }
  }

  private mutating func sample(_ action: ForeignAction, _ place: Int) throws(FlowError) -> Action {
    guard !isSampleList else { throw .unsupported(.action(place), "sample: a copy is not copied again") }
    guard 1...UInt64(UInt32.max) ~= action.value else {
      throw .malformed(.action(place), "sample: a ratio of \(action.value)")
    }
    let index = UInt16(own.sampleActions.count)
    var copies: [Action] = []
    isSampleList = true
    defer { isSampleList = false }
    for entry in action.list where entry.kind != NET_DPU_ACTION_VOID.rawValue {
      guard copies.count < 16 else { throw .unsupported(.action(place), "sample: more than 16 actions on a copy") }
      copies.append(try read(entry, place))
    }
    own.sampleActions[index] = copies
    return .sample(ratio: UInt32(action.value), index: index)
  }

  private func set(_ action: ForeignAction, _ place: Int) throws(FlowError) -> Action? {
    func bytes(_ count: Int) throws(FlowError) -> Bytes {
      guard let bytes = action.bytes, bytes.count == count else {
        throw .malformed(.action(place), "\(action.bytes?.count ?? 0) bytes of value, expected \(count)")
      }
      return bytes
    }
    func six() throws(FlowError) -> UInt64 {
      let value = try bytes(6)
      return UInt64(value.u16(0)) << 32 | UInt64(value.u32(2))
    }
    let field: SetField
    switch net_dpu_action_kind(action.kind) {
    case NET_DPU_ACTION_SET_MAC_SRC: field = .macSource(try six())
    case NET_DPU_ACTION_SET_MAC_DST: field = .macDestination(try six())
    case NET_DPU_ACTION_SET_IPV4_SRC: field = .ipv4Source(try bytes(4).u32(0))
    case NET_DPU_ACTION_SET_IPV4_DST: field = .ipv4Destination(try bytes(4).u32(0))
    case NET_DPU_ACTION_SET_IPV6_SRC: field = .ipv6Source(try bytes(16).load(0))
    case NET_DPU_ACTION_SET_IPV6_DST: field = .ipv6Destination(try bytes(16).load(0))
    case NET_DPU_ACTION_SET_TP_SRC: field = .l4Source(try bytes(2).u16(0))
    case NET_DPU_ACTION_SET_TP_DST: field = .l4Destination(try bytes(2).u16(0))
    case NET_DPU_ACTION_SET_TTL: field = .ttl(UInt8(truncatingIfNeeded: action.value))
    case NET_DPU_ACTION_SET_IPV4_DSCP: field = .ipv4DSCP(UInt8(truncatingIfNeeded: action.value & 63))
    case NET_DPU_ACTION_SET_IPV6_DSCP: field = .ipv6DSCP(UInt8(truncatingIfNeeded: action.value & 63))
    case NET_DPU_ACTION_SET_VLAN_VID:
      guard action.value < 4096 else { throw .malformed(.action(place), "of_set_vlan_vid: id \(action.value)") }
      field = .vlanID(UInt16(action.value))
    case NET_DPU_ACTION_SET_VLAN_PCP:
      guard action.value < 8 else { throw .malformed(.action(place), "of_set_vlan_pcp: priority \(action.value)") }
      field = .vlanPriority(UInt8(action.value))
    default: return nil
    }
    return .set(field)
  }

  private func fate(_ action: ForeignAction, _ place: Int) throws(FlowError) -> Action {
    func port() throws(FlowError) -> UInt16 {
      guard let port = device.port(action.value) else {
        throw .malformed(.action(place), "ethdev \(action.value) is no port of this device")
      }
      return port
    }
    func queue(_ index: UInt64) throws(FlowError) -> UInt16 {
      guard index < UInt64(device.queues) else {
        throw .malformed(.action(place), "queue \(index): the port has \(device.queues) receive queues")
      }
      return UInt16(index)
    }
    switch net_dpu_action_kind(action.kind) {
    case NET_DPU_ACTION_JUMP: return .jump(group: UInt32(truncatingIfNeeded: action.value))
    case NET_DPU_ACTION_QUEUE: return .queue(try queue(action.value))
    case NET_DPU_ACTION_RSS:
      guard !action.queues.isEmpty else { throw .malformed(.action(place), "rss: no queues") }
      var queues: [UInt16] = []
      for index in action.queues { queues.append(try queue(UInt64(index))) }
      guard let level = RSSAction.Level(rawValue: UInt8(clamping: action.value)) else {
        throw .unsupported(.action(place), "rss: level \(action.value), of 0 to 2")
      }
      return .rss(RSSAction(queues: queues, level: level))
    case NET_DPU_ACTION_DROP: return .drop
    case NET_DPU_ACTION_PORT_ID: return .portID(try port())
    case NET_DPU_ACTION_REPRESENTED_PORT: return .representedPort(try port())
    case NET_DPU_ACTION_PORT_REPRESENTOR: return .portRepresentor(try port())
    default:
      throw .unsupported(
        .action(place), "action type \(Int32(bitPattern: action.number)) of rte_flow is not known to this driver")
    }
  }
}
