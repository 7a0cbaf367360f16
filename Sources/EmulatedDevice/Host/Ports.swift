public import Memory

/// What a driver asks beside rules: ports, idle times, the hash that spreads frames over queues.
extension EmulatedDevice {
  /// The device's hash of a frame's outermost addresses, protocol and ports (datasheet, section 5); 0 for a runt.
  public static func flowHash(of bytes: Bytes) -> UInt32 {
    guard bytes.count >= 14 else { return 0 }
    return FlowHash.of(bytes, Layers.fromEthernet(bytes, at: 0, end: bytes.count))
  }

  /// Gives a port another MTU; false when there is no such port.
  public mutating func setMTU(_ mtu: UInt16, ofPort id: UInt16) -> Bool {
    let ports = model.settings.ports
    for at in stride(from: 0, to: ports.count, by: 8) where ports.u16(at) == id {
      ports.store(mtu, at: at + 4)
      return true
    }
    return false
  }

  /// Takes a critical Geneve option (class << 8 | type) for known from now on, in a place of
  /// ``EndpointPolicy/knownCriticalOptions`` that was left 0 at the start; false when there is none.
  public mutating func learnCriticalOption(_ option: UInt32) -> Bool {
    let known = model.settings.criticalOptions
    for at in stride(from: 0, to: known.count, by: 4) {
      if known.u32(at) == option { return true }
      if known.u32(at) == 0 {
        known.store(option, at: at)
        return true
      }
    }
    return false
  }

  /// Whole seconds since a rule was hit, or since it came when it was not; nil when there is no such rule.
  public func idleSeconds(of id: UInt32, now: UInt64) -> UInt64? {
    guard let slot = model.store.slot(id: id) else { return nil }
    let lastHit = model.store.row(slot).lastHit
    return now > lastHit ? (now - lastHit) / 1_000_000_000 : 0
  }

  /// The ids of the rules that were made on a port, by no particular order.
  public func rules(ofPort port: UInt16) -> [UInt32] {
    var ids: [UInt32] = []
    for slot in 0..<model.store.slots {
      let row = model.store.row(slot)
      if row.id != 0, row.port == port { ids.append(row.id) }
    }
    return ids
  }
}
