// What rules refer to: making it, and keeping it what it was while something refers to it.
extension ScriptState {
  /// Something that an action refers to.
  enum Reference: Hashable {
    case encapsulation(UInt16), decapsulation(UInt16), sample(UInt16), indirect(UInt32)

    init?(_ action: Action) {
      switch action {
      case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index): self = .encapsulation(index)
      case .rawDecap(let index): self = .decapsulation(index)
      case .sample(_, let index): self = .sample(index)
      case .indirect(let id): self = .indirect(id)
      default: return nil
      }
    }

    var words: String {
      switch self {
      case .encapsulation(let index): "raw_encap \(index)"
      case .decapsulation(let index): "raw_decap \(index)"
      case .sample(let index): "sample_actions \(index)"
      case .indirect(let id): "indirect action #\(id)"
      }
    }
  }

  mutating func count(_ actions: [Action], by step: Int) {
    for action in actions {
      guard let reference = Reference(action) else { continue }
      let uses = (uses[reference] ?? 0) + step
      self.uses[reference] = uses == 0 ? nil : uses
    }
  }

  private func demandUnused(_ reference: Reference) throws(ScriptError) {
    guard uses[reference] == nil else {
      throw ScriptError("\(reference.words) is in use and cannot become something else; use another number")
    }
  }

  mutating func set(_ command: Command) throws(ScriptError) {
    switch command {
    case .setRawEncap(let index, let items):
      let made: Encapsulation
      do throws(EncapsulationError) { made = try EncapsulationBuilder.encapsulation(of: items, policy: policy) } catch {
        throw ScriptError(error.description)
      }
      if encapsulations[index] != made { try demandUnused(.encapsulation(index)) }
      encapsulations[index] = made
    case .setRawDecap(let index, let items):
      let made: Decapsulation
      do throws(EncapsulationError) { made = try EncapsulationBuilder.decapsulation(of: items) } catch {
        throw ScriptError(error.description)
      }
      if decapsulations[index] != made { try demandUnused(.decapsulation(index)) }
      decapsulations[index] = made
    case .setSampleActions(let index, let actions):
      let resolved = try resolve(actions)
      do throws(RuleError) { try check.check(sampleActions: resolved) } catch { throw ScriptError(error.description) }
      if sampleActions[index] != resolved { try demandUnused(.sample(index)) }
      count(sampleActions[index] ?? [], by: -1)
      count(resolved, by: 1)
      sampleActions[index] = resolved
    case .setTunnel(let setting):
      if setting.kind == .nvgre { latestNVGRE = setting } else { latestVXLAN = setting }
    default: break
    }
  }

  /// Puts stored encapsulations in the place of "the tunnel that was set last".
  mutating func resolve(_ actions: [Action]) throws(ScriptError) -> [Action] {
    var result = actions
    for (at, action) in actions.enumerated() {
      switch action {
      case .vxlanEncap(Action.latestTunnel): result[at] = .vxlanEncap(index: try store(latestVXLAN, "set vxlan"))
      case .nvgreEncap(Action.latestTunnel): result[at] = .nvgreEncap(index: try store(latestNVGRE, "set nvgre"))
      default: break
      }
    }
    return result
  }

  private mutating func store(_ setting: TunnelSetting?, _ command: String) throws(ScriptError) -> UInt16 {
    guard let setting else { throw ScriptError("no tunnel is set: `\(command) …` comes before the rule") }
    if let index = tunnelIndices[setting] { return index }
    let isVXLAN = setting.kind == .vxlan
    let used = tunnelIndices.keys.reduce(0) { $0 + ($1.kind == setting.kind ? 1 : 0) }
    guard used < (isVXLAN ? 0x80 : 0x7f) else {
      throw ScriptError("more than \(used) different settings of `\(command)`; use `set raw_encap`")
    }
    let index = (isVXLAN ? Self.firstVXLAN : Self.firstNVGRE) + UInt16(used)
    do throws(EncapsulationError) {
      encapsulations[index] = try EncapsulationBuilder.encapsulation(
        of: EncapsulationBuilder.items(of: setting), policy: policy)
    } catch { throw ScriptError("\(command): \(error.sentence)") }
    tunnelIndices[setting] = index
    return index
  }

  mutating func addIndirect(_ id: UInt32?, _ action: Action) throws(ScriptError) -> UInt32 {
    if let id, indirectActions[id] != nil { throw ScriptError("indirect action #\(id) is there already") }
    let resolved = try resolveIndirect(action)
    while id == nil, indirectActions[nextIndirect] != nil { nextIndirect &+= 1 }
    let name = id ?? nextIndirect
    count([resolved], by: 1)
    indirectActions[name] = resolved
    return name
  }

  /// An update is meant for rules in use; it may change the value but not the kind, so that the rules stay well formed.
  mutating func updateIndirect(_ id: UInt32, _ action: Action) throws(ScriptError) -> UInt32 {
    guard let before = indirectActions[id] else { throw ScriptError.noIndirect(id) }
    let resolved = try resolveIndirect(action)
    guard resolved.name == before.name else {
      throw ScriptError("indirect action #\(id) is `\(before.name)` and cannot become `\(resolved.name)`")
    }
    count([before], by: -1)
    count([resolved], by: 1)
    indirectActions[id] = resolved
    return id
  }

  mutating func destroyIndirect(_ ids: [UInt32]) throws(ScriptError) -> UInt32 {
    for id in ids {
      guard indirectActions[id] != nil else { throw ScriptError.noIndirect(id) }
      try demandUnused(.indirect(id))
    }
    for id in ids {
      if let action = indirectActions.removeValue(forKey: id) { count([action], by: -1) }
    }
    return ids.last ?? 0
  }

  private mutating func resolveIndirect(_ action: Action) throws(ScriptError) -> Action {
    let resolved = try resolve([action])
    do throws(RuleError) { try check.check(indirectAction: resolved[0]) } catch { throw ScriptError(error.description) }
    return resolved[0]
  }
}
