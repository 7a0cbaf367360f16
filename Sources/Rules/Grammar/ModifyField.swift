// testpmd's `modify_field`, as far as it says what a `set_…` action says: then it is that action.
extension Cursor {
  /// A field that `modify_field` can write.
  private struct Target: Sendable {
    let name: String
    let bits: Int
    let make: @Sendable (UInt128) -> SetField

    init(_ name: String, _ bits: Int, _ make: @escaping @Sendable (UInt128) -> SetField) {
      self.name = name
      self.bits = bits
      self.make = make
    }

    static let all: [Target] = [
      Target("mac_dst", 48) { .macDestination(UInt64($0)) },
      Target("mac_src", 48) { .macSource(UInt64($0)) },
      Target("vlan_id", 12) { .vlanID(UInt16($0)) },
      Target("ipv4_dscp", 6) { .ipv4DSCP(UInt8($0)) },
      Target("ipv4_ttl", 8) { .ttl(UInt8($0)) },
      Target("ipv4_src", 32) { .ipv4Source(UInt32($0)) },
      Target("ipv4_dst", 32) { .ipv4Destination(UInt32($0)) },
      Target("ipv6_dscp", 6) { .ipv6DSCP(UInt8($0)) },
      Target("ipv6_hoplimit", 8) { .ttl(UInt8($0)) },
      Target("ipv6_src", 128) { .ipv6Source($0) },
      Target("ipv6_dst", 128) { .ipv6Destination($0) },
      Target("tcp_port_src", 16) { .l4Source(UInt16($0)) },
      Target("tcp_port_dst", 16) { .l4Destination(UInt16($0)) },
      Target("udp_port_src", 16) { .l4Source(UInt16($0)) },
      Target("udp_port_dst", 16) { .l4Destination(UInt16($0)) },
    ]
  }

  /// Fields that testpmd can write and this project cannot, with what to do instead.
  private static let foreignTargets: [String: String] = [
    "mark": "; use `mark id N`", "tag": "", "meta": "", "vlan_type": "", "mac_type": "", "tcp_seq_num": "",
    "tcp_ack_num": "", "tcp_flags": "", "vxlan_vni": "; the VNI stands in `set vxlan`",
    "geneve_vni": "; the VNI stands in `set raw_encap`", "gtp_teid": "",
  ]

  /// Reads `modify_field op set dst_type FIELD [dst_level N] [dst_offset N] src_type value src_value HEX width BITS`.
  ///
  /// The value's bytes are the field's in network order (the low bits of them, for a field that does not fill its bytes).
  mutating func modifyField() throws(GrammarError) -> Action {
    advance()
    try expect("op", "`op` behind `modify_field`")
    if word == "add" || word == "sub" {
      throw error(
        at: next, "`op \(shown(next))` is not supported; `op set` is, and `dec_ttl` lowers a TTL", expected: ["set"])
    }
    try expect("set", "`set`")
    try expect("dst_type", "`dst_type`")
    let target = try target()
    if take("dst_level") {
      guard word == "0" || word == "1" else {
        throw error(at: next, "a level behind the outermost header is not supported; decapsulate first")
      }
      advance()
    }
    if take("dst_offset") { try wholeField("dst_offset") }
    try expect("src_type", "`src_type`, `dst_level` or `dst_offset`")
    guard take("value") else {
      throw error(
        at: next,
        isAtEnd
          ? "expected what is written, found the end of the line"
          : "`src_type \(shown(next))` is not supported: only a value can be written, not another field",
        expected: ["value"])
    }
    if take("src_offset") { try wholeField("src_offset") }
    try expect("src_value", "`src_value`")
    let value = try value(for: target)
    try expect("width", "`width`")
    guard word == String(target.bits) else {
      throw error(
        at: next, "`\(target.name)` is written as a whole: `width \(target.bits)`", expected: [String(target.bits)])
    }
    advance()
    return .set(target.make(value))
  }

  private mutating func target() throws(GrammarError) -> Target {
    guard let word, let target = Target.all.first(where: { $0.name == word }) else {
      if let word, let hint = Self.foreignTargets[word] {
        throw error(at: next, "`\(word)` cannot be written here\(hint)", expected: Target.all.map(\.name))
      }
      throw unexpected(Target.all.map(\.name), "a field")
    }
    advance()
    return target
  }

  private mutating func wholeField(_ name: String) throws(GrammarError) {
    guard word == "0" else { throw error(at: next, "a field is written as a whole: `\(name)` is 0") }
    advance()
  }

  /// Reads the bytes of a value, in hexadecimal digits with or without 0x.
  private mutating func value(for target: Target) throws(GrammarError) -> UInt128 {
    let count = (target.bits + 7) / 8
    var digits = bytes
    if digits.starts(with: [0x30, 0x78]) || digits.starts(with: [0x30, 0x58]) { digits = digits.dropFirst(2) }
    guard digits.count == count * 2, let value = NumberText.parse([0x30, 0x78] + digits) else {
      throw error(
        at: next,
        "the value of `\(target.name)` is \(count) byte\(count == 1 ? "" : "s") in hexadecimal, in network order")
    }
    guard target.bits == 128 || value >> UInt128(target.bits) == 0 else {
      throw error(at: next, "the value is wider than the \(target.bits) bits of `\(target.name)`")
    }
    advance()
    return value
  }
}
