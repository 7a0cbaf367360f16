import Memory
import Rules

/// Header templates and sample lists in the device's memory, found by slot.
struct Templates {
  /// Bytes of one header slot: 32 of description, 416 of header, rest free.
  static let headerSlot = 448
  /// Bytes of one sample slot: two of length, then actions.
  static let sampleSlot = 512

  var headers: Bytes
  var samples: Bytes

  /// One header template.
  struct Entry {
    let slot: Bytes
    var kind: TunnelKind { TunnelKind(rawValue: slot[0]) ?? .none }
    var isIPv6: Bool { slot[1] != 0 }
    var l3: Int { Int(slot.u16(2)) }
    var l4: Int { Int(slot.u16(4)) }
    var count: Int { Int(slot.u16(6)) }
    var copiesECN: Bool { slot[8] == EncapsulationPolicy.ECN.copy.rawValue }
    var copiesDSCP: Bool { slot[9] == EncapsulationPolicy.DSCP.copy.rawValue }
    var copiesTTL: Bool { slot[10] == EncapsulationPolicy.TTL.copy.rawValue }
    var df: EncapsulationPolicy.DF { EncapsulationPolicy.DF(rawValue: slot[11]) ?? .set }
    var hasUDPChecksum: Bool { slot[12] == EncapsulationPolicy.Checksum.on.rawValue }
    var header: Bytes { slot.slice(32, count: count) }
  }

  func entry(_ slot: UInt16) -> Entry {
    Entry(slot: headers.slice(Int(slot) * Templates.headerSlot, count: Templates.headerSlot))
  }

  /// The actions of a sample list.
  func sample(_ slot: UInt16) -> Bytes {
    let at = Int(slot) * Templates.sampleSlot
    return samples.slice(at + 2, count: Int(samples.u16(at)))
  }
}
