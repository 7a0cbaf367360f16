public import Rules

/// A port that somebody else owns: a virtual machine's, a container's.
public struct VirtualFunction: Equatable, Sendable {
  /// The port's number in rules.
  public var port: UInt16
  /// The tenant that owns it; 0 for none.
  public var owner: UInt16
  /// Its Ethernet address, 48 bits; frames it sends from another are dropped. 0: any.
  public var mac: UInt64
  /// Bytes a second that its owner may send; 0: no limit.
  public var rate: UInt64
  /// Bytes that may be sent at once; 1/100 s of the rate, and at least 128 KiB, when nil.
  public var burst: UInt64?
  /// The number of the port that stands for it on the host: what no rule takes goes there, and what is sent there goes out
  /// of the function. Nil for none.
  public var representor: UInt16?

  /// A function without limits.
  public init(port: UInt16, owner: UInt16 = 0, mac: UInt64 = 0) {
    self.port = port
    self.owner = owner
    self.mac = mac
    rate = 0
  }

  var bucket: ByteBucket { ByteBucket(rate: rate, burst: burst ?? max(rate / 100, 128 << 10)) }

  /// The rule by which frames sent to the representor go out of the function; nil without a representor.
  public var representorRule: Rule? { representor.map { PassRule.from($0, to: port) } }
}

/// Rules that pass everything on.
public enum PassRule {
  /// Every frame that comes in through `port` goes out of `other`, unless another rule is looked at first: what binds a
  /// representor to its function, and the host port to its uplink.
  public static func from(_ port: UInt16, to other: UInt16, priority: UInt32 = .max) -> Rule {
    var attributes = Attributes()
    attributes.transfer = true
    attributes.ingress = true
    attributes.priority = priority
    attributes.port = port
    return Rule(
      attributes: attributes, pattern: [.representedPort(Field(port, mask: .max)), .eth(EthItem())],
      actions: [.count(id: 0), .representedPort(other)])
  }
}
