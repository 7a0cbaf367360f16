/// The shape of many rules: where they stand and which bits they look at. The values come with each of them.
///
/// Made by ``Classifier/template(for:)`` from one rule of the shape; what that rule wants is every rule's, unless a
/// field is set.
public struct RuleTemplate: Sendable {
  let subtable: Subtable.Key
  let priority: UInt32
  let timeout: UInt32
  /// What every row asks of a key's first word.
  let meta: UInt64
  /// The words of a row, as the template's own rule has them.
  @usableFromInline let words: InlineArray<26, UInt64>
  /// The row's words in a key, and the bits of each that are looked at.
  let indices: [Int]
  let masks: [UInt64]

  /// Words of a rule's key.
  public var wordCount: Int { indices.count }

  /// Where a field that the template looks at is in a row; nil when it does not look at any bit of it.
  public func field(_ field: RuleField) -> FieldPlace? {
    let (word, shift, width, swapped) = field.place
    guard let at = indices.firstIndex(of: word) else { return nil }
    let bits: UInt64 = (.max >> UInt64(64 - width)) << UInt64(shift)
    let mask = subtable.mask.words[word] & bits
    return mask == 0 ? nil : FieldPlace(word: at, shift: UInt64(shift), width: width, mask: mask, isSwapped: swapped)
  }
}

/// A field whose values may differ from rule to rule.
public enum RuleField: Sendable {
  /// Outer or inner headers.
  public enum Level: Int, Sendable { case outer = 0, inner }
  /// IPv4 source, 32 bits.
  case ipv4Source(Level)
  /// IPv4 destination, 32 bits.
  case ipv4Destination(Level)
  /// The high (0) or low (1) 64 bits of the IPv6 source.
  case ipv6Source(Level, half: Int)
  /// The high (0) or low (1) 64 bits of the IPv6 destination.
  case ipv6Destination(Level, half: Int)
  /// TCP or UDP source port.
  case l4Source(Level)
  /// TCP or UDP destination port.
  case l4Destination(Level)
  /// ESP's SPI, 32 bits.
  case spi(Level)
  /// VNI of Geneve and VXLAN, key of GRE, VSID << 8 | flow id of NVGRE.
  case tunnelKey

  /// Word of the key, bit in it, bits, and whether the bytes are in the frame's order.
  var place: (word: Int, shift: Int, width: Int, swapped: Bool) {
    typealias Layout = FlowKey.Layout
    switch self {
    case .ipv4Source(let level): return (Layout.level(level.rawValue) + Layout.addresses, 0, 32, true)
    case .ipv4Destination(let level): return (Layout.level(level.rawValue) + Layout.addresses, 32, 32, true)
    case .ipv6Source(let level, let half): return (Layout.ipv6(level.rawValue) + (half & 1), 0, 64, true)
    case .ipv6Destination(let level, let half): return (Layout.ipv6(level.rawValue) + 2 + (half & 1), 0, 64, true)
    case .l4Source(let level): return (Layout.level(level.rawValue) + Layout.transport, 0, 16, true)
    case .l4Destination(let level): return (Layout.level(level.rawValue) + Layout.transport, 16, 16, true)
    case .spi(let level): return (Layout.level(level.rawValue) + Layout.transport, 0, 32, true)
    case .tunnelKey: return (Layout.tunnel, 0, 32, false)
    }
  }
}

/// Where a field of a template is in its rows.
@frozen
public struct FieldPlace: Sendable, BitwiseCopyable {
  @usableFromInline let word: Int
  @usableFromInline let shift: UInt64
  @usableFromInline let width: Int
  @usableFromInline let mask: UInt64
  @usableFromInline let isSwapped: Bool

  init(word: Int, shift: UInt64, width: Int, mask: UInt64, isSwapped: Bool) {
    self.word = word
    self.shift = shift
    self.width = width
    self.mask = mask
    self.isSwapped = isSwapped
  }
}

/// One rule of a batch.
@frozen
public struct BatchRule: BitwiseCopyable {
  /// The rule's id.
  public var id: UInt32
  /// What comes with its hits.
  public var payload: UInt32
  @usableFromInline var words: InlineArray<26, UInt64>

  @usableFromInline
  init(words: InlineArray<26, UInt64>) {
    id = 0
    payload = 0
    self.words = words
  }

  /// Sets a field's value (host order); bits outside of the template's mask are not looked at.
  @inlinable @inline(__always)
  public mutating func set(_ place: FieldPlace, _ value: UInt64) {
    let ordered =
      place.isSwapped ? value.byteSwapped &>> UInt64(64 &- place.width) : value
    words[place.word] = words[place.word] & ~place.mask | (ordered &<< place.shift) & place.mask
  }
}
