/// What a script of commands has made: the rules and everything that they refer to.
///
/// Rules are numbered from 1 in the order of `flow create`, over all ports: id 0 means "no rule" in a frame. testpmd
/// counts from 0 on each port, so its `#0` is `#1` here. An id is never given twice.
///
/// testpmd copies an encapsulation into the rule when the rule is made. Here the rule keeps the index, so what a rule
/// refers to cannot be set to something else afterwards: that is refused, and another index is the way out.
///
/// Indices from 0xFE00 up are made here and cannot be set: ``tunnelDecapsulation(of:)``, and the encapsulations of `set
/// vxlan` (0xFF00…0xFF7F) and `set nvgre` (0xFF80…0xFFFE), one for each different setting that a rule uses.
public struct ScriptState: Sendable {
  /// The largest index of `set raw_encap` and its kin.
  public static let largestIndex: UInt16 = 0xfdff
  /// The first index of encapsulations of `set vxlan`.
  public static let firstVXLAN: UInt16 = 0xff00
  /// The first index of encapsulations of `set nvgre`.
  public static let firstNVGRE: UInt16 = 0xff80
  /// The index of the decapsulation that `tunnel_set` puts in front of a rule's actions.
  public static func tunnelDecapsulation(of kind: TunnelKind) -> UInt16 { 0xfe00 + UInt16(kind.rawValue) }

  /// What became of a command.
  public enum Effect: Equatable, Sendable {
    /// A rule was made.
    case created(rule: UInt32)
    /// A rule is well formed.
    case validated
    /// These rules are gone.
    case destroyed(rules: [UInt32])
    /// An indirect action was made, changed or removed.
    case indirect(id: UInt32)
    /// A tunnel was made or removed.
    case tunnel(id: UInt32)
    /// A setting was made.
    case set
    /// A question; whoever has counters and devices answers it.
    case asked
  }

  /// A tunnel of `flow tunnel create`.
  public struct Tunnel: Equatable, Sendable {
    /// The port it was made on.
    public var port: UInt16
    /// Its kind.
    public var kind: TunnelKind
  }

  /// How encapsulations of this script make the fields that depend on the frame; may be changed by index afterwards.
  public let policy: EncapsulationPolicy
  /// `set raw_encap`, `set vxlan`, `set nvgre`.
  public var encapsulations: [UInt16: Encapsulation] = [:]
  /// `set raw_decap`, and what `tunnel_set` removes.
  public internal(set) var decapsulations: [UInt16: Decapsulation] = [:]
  /// `set sample_actions`.
  public internal(set) var sampleActions: [UInt16: [Action]] = [:]
  /// `flow indirect_action`.
  public internal(set) var indirectActions: [UInt32: Action] = [:]
  /// `flow tunnel`, by id from 1.
  public internal(set) var tunnels: [UInt32: Tunnel] = [:]
  /// Ports in isolated mode.
  public internal(set) var isolatedPorts: Set<UInt16> = []

  // Rules by id − 1; nil where one was destroyed, so that ids stay what they are.
  var slots: [Rule?] = []
  // The line of the script that made each slot's rule; 0 when there was none.
  var lines: [UInt32] = []
  var currentLine: UInt32 = 0
  var alive = 0
  // Ids made on a port, destroyed ones included: a flush takes the list whole, so that each id is looked at once.
  var idsByPort: [UInt16: [UInt32]] = [:]
  var idByUser: [UInt32: UInt32] = [:]
  var userByID: [UInt32: UInt32] = [:]
  // How many rules, samples and indirect actions refer to something.
  var uses: [Reference: Int] = [:]
  var nextTunnel: UInt32 = 1
  var nextIndirect: UInt32 = 0
  var latestVXLAN: TunnelSetting?
  var latestNVGRE: TunnelSetting?
  var tunnelIndices: [TunnelSetting: UInt16] = [:]

  /// Nothing made yet.
  public init(policy: EncapsulationPolicy = EncapsulationPolicy()) { self.policy = policy }

  /// The rules in the order of their ids.
  public var rules: [(id: UInt32, rule: Rule)] {
    var result: [(id: UInt32, rule: Rule)] = []
    result.reserveCapacity(alive)
    for (index, rule) in slots.enumerated() {
      if let rule { result.append((UInt32(index) + 1, rule)) }
    }
    return result
  }

  /// How many rules there are.
  public var ruleCount: Int { alive }

  /// The rule of this id.
  public func rule(_ id: UInt32) -> Rule? { id == 0 || Int(id) > slots.count ? nil : slots[Int(id) - 1] }

  /// The line of the script that made the rule, from 1; nil when no script did.
  public func line(_ id: UInt32) -> Int? {
    id == 0 || Int(id) > lines.count || lines[Int(id) - 1] == 0 ? nil : Int(lines[Int(id) - 1])
  }

  /// The check of rules against what has been set.
  public var check: RuleCheck {
    RuleCheck(
      encapsulations: encapsulations, decapsulations: decapsulations, sampleActions: sampleActions,
      indirectActions: indirectActions)
  }

  /// Carries a command out; on an error nothing has changed that a rule could tell.
  public mutating func apply(_ command: Command) throws(ScriptError) -> Effect {
    switch command {
    case .create(let request): return .created(rule: try create(request))
    case .validate(let request):
      var trial = self
      _ = try trial.resolve(request)
      return .validated
    case .destroy(let port, let rules, let byUserID): return .destroyed(rules: try destroy(port, rules, byUserID))
    case .flush(let port): return .destroyed(rules: flush(port))
    case .isolate(let port, let on):
      if on { isolatedPorts.insert(port) } else { isolatedPorts.remove(port) }
      return .set
    case .query(_, let id, _):
      guard rule(id) != nil else { throw ScriptError.noRule(id) }
      return .asked
    case .list, .dump, .aged, .listTunnels: return .asked
    case .createIndirect(_, let id, _, let action): return .indirect(id: try addIndirect(id, action))
    case .updateIndirect(_, let id, let action): return .indirect(id: try updateIndirect(id, action))
    case .destroyIndirect(_, let ids): return .indirect(id: try destroyIndirect(ids))
    case .queryIndirect(_, let id):
      guard indirectActions[id] != nil else { throw ScriptError.noIndirect(id) }
      return .asked
    case .createTunnel(let port, let kind):
      let id = nextTunnel
      nextTunnel += 1
      tunnels[id] = Tunnel(port: port, kind: kind)
      return .tunnel(id: id)
    case .destroyTunnel(_, let id):
      guard tunnels.removeValue(forKey: id) != nil else { throw ScriptError.noTunnel(id) }
      return .tunnel(id: id)
    case .setRawEncap, .setRawDecap, .setSampleActions, .setTunnel:
      try set(command)
      return .set
    }
  }
}

/// Why a command cannot be carried out, as a sentence without a full stop.
public struct ScriptError: Error, Equatable, Hashable, Sendable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  init(_ description: String) { self.description = description }

  static func noRule(_ id: UInt32) -> ScriptError {
    ScriptError("there is no rule #\(id)" + (id == 0 ? ": rules are numbered from 1 here" : ""))
  }

  static func noIndirect(_ id: UInt32) -> ScriptError { ScriptError("there is no indirect action #\(id)") }

  static func noTunnel(_ id: UInt32) -> ScriptError {
    ScriptError("there is no tunnel #\(id): `flow tunnel create` makes one")
  }
}
