import Memory
import Virtqueue

// Features, configuration, reset.
extension BackendMachine {
  func carryOutSetup(_ request: Request, _ message: Message) throws(SessionFault) -> Message? {
    switch request {
    case .getFeatures:
      try expect(message, bytes: 0)
      return Message(request, [.u64(offered.low)], isReply: true)
    case .setFeatures:
      try expect(message, bytes: 8)
      let wanted = Features(low: message.u64(0))
      guard wanted.isSubset(of: offered) else {
        throw .featuresNotOffered(wanted.subtracting(offered).low)
      }
      try changeFeatures(wanted)
      return nil
    case .getProtocolFeatures:
      try expect(message, bytes: 0)
      return Message(request, [.u64(options.protocolFeatures.rawValue)], isReply: true)
    case .setProtocolFeatures:
      try expect(message, bytes: 8)
      let wanted = ProtocolFeatures(rawValue: message.u64(0))
      guard wanted.isSubset(of: options.protocolFeatures) else {
        throw .featuresNotOffered(wanted.subtracting(options.protocolFeatures).rawValue)
      }
      protocolFeatures = wanted
      return nil
    case .setOwner:
      try expect(message, bytes: 0)
      return nil
    case .resetOwner:
      try expect(message, bytes: 0)
      for index in queues.indices { stop(index) }
      return nil
    case .getQueueNum:
      try expect(message, bytes: 0)
      try expect(.mq, message)
      return Message(request, [.u64(UInt64(options.queuePairs))], isReply: true)
    case .netSetMtu:
      try expect(message, bytes: 8)
      try expect(.netMtu, message)
      let value = message.u64(0)
      guard value >= 68, value <= 65535 else {
        throw .badValue(request: message.request, "an MTU of \(value); 68…65535 are possible")
      }
      mtu = UInt16(value)
      return nil
    case .getConfig, .setConfig:
      return try configuration(request, message)
    case .resetDevice:
      try expect(message, bytes: 0)
      try expect(.resetDevice, message)
      reset()
      return nil
    case .setStatus:
      try expect(message, bytes: 8)
      try expect(.status, message)
      guard message.u64(0) <= 255 else { throw .badValue(request: message.request, "a status of more than 8 bits") }
      status = UInt8(truncatingIfNeeded: message.u64(0))
      if status == 0 { reset() }
      return nil
    default:
      try expect(message, bytes: 0)
      try expect(.status, message)
      return Message(request, [.u64(UInt64(status))], isReply: true)
    }
  }

  /// Rings stop and begin anew; memory and features stay, as vhost-user has it.
  private func reset() {
    for index in queues.indices {
      stop(index)
      vrings[index] = Vring()
    }
    status = 0
  }

  private func configuration(_ request: Request, _ message: Message) throws(SessionFault) -> Message? {
    try expect(.config, message)
    let found = message.payload.count
    guard found >= 12, found <= 12 + 256, message.descriptors.isEmpty else {
      throw .payload(request: message.request, expected: 12 + 256, found: found)
    }
    let (offset, size) = (Int(message.u32(0)), Int(message.u32(4)))
    guard found == 12 + size, offset <= 256, offset + size <= 256 else {
      throw .badValue(request: message.request, "bytes \(offset)…\(offset + size) of a configuration of 256")
    }
    // Nothing of a network device's configuration is written by its driver.
    guard request == .getConfig else { throw .badValue(request: message.request, "the configuration is read only") }
    let whole = (options.configuration + [UInt8](repeating: 0, count: 256)).prefix(256)
    let part = Array(whole[offset..<offset + size])
    return Message(message.request, payload: Array(message.payload.prefix(12)) + part, isReply: true)
  }

  /// Rings that run go on with the new features: a front end that migrates takes the log's bit in the middle.
  private func changeFeatures(_ wanted: Features) throws(SessionFault) {
    guard wanted != features else { return }
    let old = features
    features = wanted
    for index in queues.indices where queues[index].cell.isOpen {
      guard wanted.symmetricDifference(old).subtracting(.logAll).isEmpty else {
        throw .badValue(request: Request.setFeatures.rawValue, "features change while ring \(index) runs")
      }
      try restart(index)
    }
  }
}
