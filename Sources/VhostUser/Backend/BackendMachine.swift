public import Memory
public import Virtqueue

/// What a back end knows and does, without its socket: takes messages, gives answers, starts and stops rings.
///
/// One control thread calls it; rings are worked on by others through ``BackendQueue``. After a fault it is of no use
/// but for ``disconnect()``, after which the next front end begins anew.
public final class BackendMachine: @unchecked Sendable {
  /// What is offered.
  public let options: BackendOptions
  /// The rings, two a pair.
  public let queues: [BackendQueue]
  /// Feature bits that the front end took.
  public internal(set) var features: Features = []
  /// Protocol features that it took.
  public internal(set) var protocolFeatures: ProtocolFeatures = []
  /// The virtio status byte that it told, if it does.
  public internal(set) var status: UInt8 = 0
  /// The MTU that the driver told; 0 when it did not.
  public internal(set) var mtu: UInt16 = 0

  var vrings: [Vring]
  var map: AddressMap?
  var log: SharedRegion?
  var inflight: InflightMemory?

  /// What the front end said of one ring.
  struct Vring {
    var size: UInt32 = 0
    var addresses: RingAddresses?
    var base: UInt32 = 0
    var hasKick = false
    var kick: OwnedDescriptor?
    var call: EventDescriptor?
    var broken: EventDescriptor?
    var isEnabled = false
    /// A base was set since the ring last ran: only then the inflight region is asked where to go on.
    var isFresh = true
  }

  /// Where a ring's parts are, in the front end's own addresses.
  struct RingAddresses {
    var logs: Bool
    var descriptors: UInt64
    var used: UInt64
    var available: UInt64
    var logAddress: UInt64
  }

  /// The inflight region that the front end keeps for us.
  struct InflightMemory {
    var region: SharedRegion
    var queues: Int
    var size: Int
    var stride: Int
  }

  /// A back end with these offers.
  public init(_ options: BackendOptions) {
    self.options = options
    queues = (0..<options.queuePairs * 2).map { BackendQueue($0) }
    vrings = [Vring](repeating: Vring(), count: options.queuePairs * 2)
  }

  /// Feature bits as they are offered.
  var offered: Features { Features(low: options.features.low).union(.protocolFeatures) }

  /// Carries out a message.
  ///
  /// - Returns: the reply to send, or nil.
  /// - Throws: ``SessionFault``: the session is to be ended. When the request asked for an acknowledgement,
  ///   ``negative(_:)`` is what to send first.
  public func handle(_ message: Message) throws(SessionFault) -> Message? {
    guard let request = Request(rawValue: message.request), !message.isReply else {
      throw .unknownRequest(message.request)
    }
    let answer = try carryOut(request, message)
    if let answer { return answer }
    guard message.wantsReply, protocolFeatures.contains(.replyAck) else { return nil }
    return Message(request, [.u64(0)], isReply: true)
  }

  /// The acknowledgement that says no, for a request that ``handle(_:)`` refused; nil when none was asked for.
  public func negative(_ message: Message) -> Message? {
    guard message.wantsReply, protocolFeatures.contains(.replyAck) else { return nil }
    return Message(message.request, payload: Word.u64(1).bytes, isReply: true)
  }

  private func carryOut(_ request: Request, _ message: Message) throws(SessionFault) -> Message? {
    switch request {
    case .getFeatures, .setFeatures, .getProtocolFeatures, .setProtocolFeatures, .setOwner, .resetOwner, .getQueueNum,
      .netSetMtu, .getConfig, .setConfig, .resetDevice, .setStatus, .getStatus:
      return try carryOutSetup(request, message)
    case .setMemTable, .addMemReg, .remMemReg, .getMaxMemSlots, .setLogBase, .setLogFd, .getInflightFd, .setInflightFd:
      return try carryOutMemory(request, message)
    case .setVringNum, .setVringAddr, .setVringBase, .getVringBase, .setVringKick, .setVringCall, .setVringErr,
      .setVringEnable:
      return try carryOutRing(request, message)
    }
  }

  /// Checks a request's form.
  func expect(_ message: Message, bytes: Int, descriptors: Int = 0) throws(SessionFault) {
    guard message.payload.count == bytes else {
      throw .payload(request: message.request, expected: bytes, found: message.payload.count)
    }
    guard message.descriptors.count == descriptors else {
      throw .descriptors(request: message.request, expected: descriptors, found: message.descriptors.count)
    }
  }

  func expect(_ feature: ProtocolFeatures, _ message: Message) throws(SessionFault) {
    guard protocolFeatures.contains(feature) else { throw .notNegotiated(request: message.request) }
  }

  /// What the peers' rings were found to do wrong, the first of them; to be asked now and then.
  public func ringFault() -> SessionFault? {
    for queue in queues where queue.isRunning {
      // A worker writes `fault` in its burst; the gate makes the look safe.
      let fault = queue.cell.close { $0.queue.fault }
      queue.cell.reopen()
      if case .some(.some(let reason)) = fault { return .ring(index: queue.index, reason) }
    }
    if let map, map.isLost { return .ring(index: 0, .memoryLost) }
    return nil
  }

  /// The front end is gone: rings stop, its memory is given back, and the next one begins anew.
  public func disconnect() {
    for index in queues.indices { stop(index) }
    features = []
    protocolFeatures = []
    status = 0
    vrings = [Vring](repeating: Vring(), count: queues.count)
    map = nil
    log = nil
    inflight = nil
  }

  /// Descriptors that say that a driver made something available.
  public var kicks: [OwnedDescriptor] { vrings.compactMap(\.kick) }
}
