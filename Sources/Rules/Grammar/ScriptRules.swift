// Making and removing rules.
extension ScriptState {
  mutating func create(_ request: RuleRequest) throws(ScriptError) -> UInt32 {
    guard slots.count < Int(UInt32.max) - 1 else { throw ScriptError("no rule ids are left") }
    if let user = request.userID, idByUser[user] != nil { throw ScriptError("user_id \(user) is taken") }
    let rule = try resolve(request)
    slots.append(rule)
    lines.append(currentLine)
    alive += 1
    let id = UInt32(slots.count)
    idsByPort[rule.attributes.port, default: []].append(id)
    if let user = request.userID {
      idByUser[user] = id
      userByID[id] = user
    }
    count(rule.actions, by: 1)
    return id
  }

  /// The rule with its tunnels in place, checked.
  mutating func resolve(_ request: RuleRequest) throws(ScriptError) -> Rule {
    var rule = request.rule
    rule.actions = try resolve(rule.actions)
    switch request.tunnel {
    case .set(let id)?:
      guard let tunnel = tunnels[id] else { throw ScriptError.noTunnel(id) }
      let index = Self.tunnelDecapsulation(of: tunnel.kind)
      if decapsulations[index] == nil { decapsulations[index] = .tunnel(tunnel.kind) }
      rule.actions.insert(.rawDecap(index: index), at: 0)
    // A tunnel_match rule sees the frame as it came, the runtime restores it: there is nothing to add.
    case .match(let id)?:
      guard tunnels[id] != nil else { throw ScriptError.noTunnel(id) }
    case nil: break
    }
    do throws(RuleError) { try check.check(rule) } catch { throw ScriptError(error.description) }
    return rule
  }

  mutating func destroy(_ port: UInt16, _ names: [UInt32], _ byUserID: Bool) throws(ScriptError) -> [UInt32] {
    var ids: [UInt32] = []
    var seen: Set<UInt32> = []
    for name in names {
      guard let id = byUserID ? idByUser[name] : name else { throw ScriptError("there is no rule of user_id \(name)") }
      guard let rule = rule(id) else { throw ScriptError.noRule(id) }
      guard rule.attributes.port == port else {
        throw ScriptError("rule #\(id) was made on port \(rule.attributes.port), not \(port)")
      }
      if seen.insert(id).inserted { ids.append(id) }
    }
    remove(ids)
    return ids
  }

  mutating func flush(_ port: UInt16) -> [UInt32] {
    let ids = (idsByPort.removeValue(forKey: port) ?? []).filter { rule($0) != nil }
    remove(ids)
    return ids
  }

  private mutating func remove(_ ids: [UInt32]) {
    for id in ids {
      guard let rule = rule(id) else { continue }
      slots[Int(id) - 1] = nil
      alive -= 1
      count(rule.actions, by: -1)
      if let user = userByID.removeValue(forKey: id) { idByUser[user] = nil }
    }
  }
}
