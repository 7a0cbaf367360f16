import Device
import Rules

/// Takes the device-chosen fields out of a frame, checking what must hold of them, so that two sides can be compared
/// byte for byte. SPECIFICATION.md, E2 and E3, says which fields those are.
struct DeviceChosen {
  /// What was found wrong with a device-chosen field.
  enum Fault: Equatable, Sendable {
    case ipv4Checksum, udpChecksum, greChecksum, identificationWithDF, sourcePortRange(UInt16)
  }

  /// The frame with its chosen fields made equal; `entropy` is the source port when it was chosen.
  struct Canonical: Equatable {
    var bytes: [UInt8]
    var entropy: UInt16?
    var faults: [Fault] = []
  }

  /// `frame` as it left with `encapsulation` in front.
  ///
  /// `isAlone` says that it is no segment or fragment of a larger one: those count identifications up even with DF.
  static func canonical(_ frame: [UInt8], encapsulation: Encapsulation, isAlone: Bool = false) -> Canonical {
    var out = Canonical(bytes: frame)
    let l3 = encapsulation.l3, l4 = encapsulation.l4
    guard encapsulation.kind != .none, frame.count >= l3 + (encapsulation.isIPv6 ? 40 : 20) else { return out }
    if !encapsulation.isIPv6 {
      if sum(Array(frame[l3..<l3 + 20])) != 0xffff { out.faults.append(.ipv4Checksum) }
      let hasDF = frame[l3 + 6] & 0x40 != 0
      if isAlone, hasDF, frame[l3 + 4] | frame[l3 + 5] != 0 { out.faults.append(.identificationWithDF) }
      set(&out.bytes, l3 + 4, 0)
      // 1 stands for "was right": the sum itself follows from the other fields.
      set(&out.bytes, l3 + 10, out.faults.contains(.ipv4Checksum) ? 0 : 1)
    }
    if encapsulation.kind == .gre, encapsulation.header[l4] & 0x80 != 0, frame.count >= l4 + 8 {
      // It covers what other headers put in front before may have chosen.
      if sum(Array(frame[l4...])) != 0xffff { out.faults.append(.greChecksum) }
      set(&out.bytes, l4 + 4, out.faults.contains(.greChecksum) ? 2 : 1)
    }
    guard encapsulation.kind == .geneve || encapsulation.kind == .vxlan, frame.count >= l4 + 8 else { return out }
    if frame[l4 + 6] | frame[l4 + 7] != 0 {
      if checksum(frame, l3: l3, l4: l4, isIPv6: encapsulation.isIPv6) != 0xffff { out.faults.append(.udpChecksum) }
      set(&out.bytes, l4 + 6, out.faults.contains(.udpChecksum) ? 2 : 1)
    }
    if encapsulation.header[l4] | encapsulation.header[l4 + 1] == 0 {
      let port = UInt16(frame[l4]) << 8 | UInt16(frame[l4 + 1])
      if port < 0xc000 { out.faults.append(.sourcePortRange(port)) }
      out.entropy = port
      set(&out.bytes, l4, 0xc000)
    }
    return out
  }

  /// `frame` as it left with `layers` put in front one after the other; `entropy` is that of the last of them.
  static func canonical(_ frame: [UInt8], layers: [Encapsulation], isAlone: Bool = false) -> Canonical {
    var out = Canonical(bytes: [])
    var rest = frame
    for (depth, layer) in layers.reversed().enumerated() {
      let part = canonical(rest, encapsulation: layer, isAlone: isAlone)
      out.faults += part.faults
      if depth == 0 { out.entropy = part.entropy }
      let header = min(layer.header.count, part.bytes.count)
      out.bytes += part.bytes[..<header]
      rest = Array(part.bytes[header...])
    }
    out.bytes += rest
    return out
  }

  /// The outer IPv4 identification, when the packet may be cut.
  static func identification(_ frame: [UInt8], _ encapsulation: Encapsulation) -> UInt16? {
    let l3 = encapsulation.l3
    guard encapsulation.kind != .none, !encapsulation.isIPv6, l3 + 20 <= frame.count, frame[l3 + 6] & 0x40 == 0 else {
      return nil
    }
    return UInt16(frame[l3 + 4]) << 8 | UInt16(frame[l3 + 5])
  }

  private static func checksum(_ frame: [UInt8], l3: Int, l4: Int, isIPv6: Bool) -> UInt16 {
    let length = Int(frame[l4 + 4]) << 8 | Int(frame[l4 + 5])
    guard length >= 8, l4 + length <= frame.count else { return 0 }
    let addresses = isIPv6 ? frame[l3 + 8..<l3 + 40] : frame[l3 + 12..<l3 + 20]
    return sum(Array(addresses) + be(UInt32(length)) + [0, 0, 0, 17] + frame[l4..<l4 + length])
  }
}

extension Result {
  /// The bytes with device-chosen fields made equal, so that two sides' files can be compared byte for byte.
  public func canonicalBytes(in configuration: Configuration) -> [UInt8] {
    guard case .forwarded = fate, let rule = configuration.rules.first(where: { $0.id == self.rule })?.rule
    else { return bytes }
    let shape = RuleShape(rule, configuration.overlay)
    // Which sample made a copy is not told: the first one whose headers it has.
    let candidates = isCopy ? shape.samples.map(\.layers) : [shape.layers]
    let sides = candidates.map { DeviceChosen.canonical(bytes, layers: $0) }
    return (sides.first { $0.faults.isEmpty } ?? sides.first)?.bytes ?? bytes
  }
}
