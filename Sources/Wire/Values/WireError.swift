/// What is wrong with a header, exactly: which field of which layer, where, what was needed and what was there.
@frozen
public struct WireError: Error, Equatable, Sendable {
  /// What kind of wrong.
  @frozen public enum Problem: UInt8, Equatable, Sendable {
    /// Bytes are missing: `needed` bytes from `offset` on, `got` are there.
    case truncated = 0
    /// A value that the field must not have: `needed` is the value (or smallest value) asked for, `got` the one found.
    case invalid
    /// A value over the field's largest: `needed` is the largest, `got` the one found.
    case tooLarge
    /// No room to write: `needed` bytes, `got` are free.
    case noRoom
  }

  /// The layer.
  public var layer: WireLayer
  /// The field.
  public var field: WireField
  /// What kind of wrong.
  public var problem: Problem
  /// Bytes from the start of what was parsed or written (the frame's first byte when offsets were passed on).
  public var offset: Int
  /// What was needed, in the unit that ``Problem`` says.
  public var needed: Int
  /// What was there.
  public var got: Int

  /// An error.
  @inlinable
  public init(_ layer: WireLayer, _ field: WireField, _ problem: Problem, offset: Int, needed: Int, got: Int) {
    self.layer = layer
    self.field = field
    self.problem = problem
    self.offset = offset
    self.needed = needed
    self.got = got
  }
}

/// The layers that Wire knows.
@frozen
public enum WireLayer: UInt8, Equatable, Sendable, CaseIterable {
  /// Named as in their RFCs.
  case ethernet = 0, vlan, arp, ipv4, ipv6, ipv6Extension, udp, tcp, icmp, icmp6, geneve, geneveOption, vxlan, gre,
    nvgre, esp
}

/// The fields that an error can be about.
@frozen
public enum WireField: UInt8, Equatable, Sendable, CaseIterable {
  /// Named as in their RFCs; `header` is the header as a whole.
  case header = 0, version, headerLength, totalLength, length, dataOffset, option, options, flags, reserved, proto,
    hardwareType, addressLength, identifier, fragmentOffset, address, tag, trafficClass, flowLabel, data
}

#if !hasFeature(Embedded)
  extension WireError: CustomStringConvertible {
    /// One sentence: where, what was expected, what was found.
    public var description: String {
      let place = "\(layer) \(field) at byte \(offset)"
      return switch problem {
      case .truncated: "\(place): \(needed) bytes needed, \(got) there"
      case .invalid: "\(place): \(needed) expected, \(got) found"
      case .tooLarge: "\(place): at most \(needed) allowed, \(got) found"
      case .noRoom: "\(place): \(needed) bytes to write, room for \(got)"
      }
    }
  }
#endif
