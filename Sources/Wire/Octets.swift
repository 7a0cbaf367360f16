extension Span where Element == UInt8 {
  /// The same bytes as a raw span, which parsers take. Safe, as `bytes` is not in general: bytes have no padding.
  @inlinable
  public var octets: RawSpan {
    @_lifetime(copy self)
    @inline(__always)
    get { unsafe bytes }
  }
}
