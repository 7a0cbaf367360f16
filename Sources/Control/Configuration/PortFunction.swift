/// What the owner of a tenant port may do: the key `function` of a port, as of a virtual function.
public struct PortFunction: Equatable, Sendable {
  /// Bytes a second that it may send; 0: no limit.
  public var rate: UInt64 = 0
  /// Bytes that may be sent at once; nil: 1/100 s of the rate, and at least 128 KiB.
  public var burst: UInt64?
  /// Frames that it sends from another address than the port's are dropped.
  public var holdsAddress = false
  /// The name of the port that stands for it on the host.
  public var representor: String?

  static func read(_ value: YAMLValue, mac: UInt64) throws(YAMLError) -> PortFunction {
    var function = PortFunction()
    var map = try value.map()
    if let rate = map.optional("rate_bytes") { function.rate = UInt64(try rate.integer(1...1 << 40)) }
    if let burst = map.optional("burst_bytes") { function.burst = UInt64(try burst.integer(1514...1 << 34)) }
    if let check = map.optional("check_mac") {
      function.holdsAddress = try check.bool()
      guard !function.holdsAddress || mac != 0 else { throw check.error("the port has no mac to be held to") }
    }
    function.representor = try map.optional("representor")?.string()
    try map.finish()
    return function
  }
}
