/// One header field of a match: the value wanted and the bits of it that count.
///
/// A mask of zero means that the field is not looked at. `spec` is kept masked, so that equal matches are equal values.
@frozen
public struct Field<Value: FixedWidthInteger & UnsignedInteger & Sendable & BitwiseCopyable>: Equatable, Hashable,
  Sendable, BitwiseCopyable
{
  /// The wanted value, already masked; host order.
  public let spec: Value
  /// The bits that count.
  public let mask: Value

  /// Looks at the bits of `mask` only.
  @inlinable
  public init(_ spec: Value, mask: Value) {
    self.spec = spec & mask
    self.mask = mask
  }

  /// Looks at every bit of the type; for fields narrower than it (MAC, VNI, flow label) give the mask.
  @inlinable
  public init(_ spec: Value) { self.init(spec, mask: .max) }

  /// Looks at nothing.
  @inlinable
  public static var any: Self { Self(0, mask: 0) }

  /// Whether the field is looked at.
  @inlinable
  public var isUsed: Bool { mask != 0 }

  /// Whether `value` has the wanted bits.
  @inlinable
  public func matches(_ value: Value) -> Bool { value & mask == spec }
}
