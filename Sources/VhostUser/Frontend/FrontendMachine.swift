import Memory
public import Virtqueue

/// What a front end says and in which order, without its socket.
///
/// ``next()`` gives the messages to send, one after the other; when it gives none and ``isAwaiting``, the next thing is
/// a reply, for ``take(_:)``. When ``isReady``, the rings run.
///
/// A device that dies and comes back goes on with the same rings when it keeps an inflight region with us: no frame is sent
/// twice, and what it had taken and not used is taken again. Without one the rings begin anew, and ``lost`` says how many
/// frames the device had.
public final class FrontendMachine: @unchecked Sendable {
  /// What is wanted.
  public let options: FrontendOptions
  /// The queues.
  public let pairs: [FrontendPair]
  /// What was negotiated.
  public private(set) var features: Features = []
  /// Frames that devices which went away had and did not say to have sent.
  public internal(set) var lost: UInt64 = 0
  /// Whether the rings run.
  public private(set) var isReady = false

  private var script: [Step] = []
  private var awaited: Request?
  private var protocolFeatures: ProtocolFeatures = []
  private var usedPairs = 0
  var region: SharedRegion?
  var plans: [QueuePlan] = []
  private var kicks: [EventDescriptor] = []
  var calls: [EventDescriptor] = []
  private var kept: Kept?

  /// What is left of a session whose device may come back.
  private struct Kept {
    var features: Features
    var pairs: Int
    var inflight: Message
  }

  private struct Step {
    var message: Message
    var awaitsReply: Bool
  }

  /// Where our region is in the addresses that the device sees.
  static let base: UInt64 = 1 << 32

  /// A front end that has said nothing.
  public init(_ options: FrontendOptions) {
    self.options = options
    pairs = (0..<options.queuePairs).map { FrontendPair($0) }
  }

  /// A connection is there: begins.
  public func connect() {
    isReady = false
    awaited = nil
    protocolFeatures = []
    script = [Step(message: Message(.getFeatures), awaitsReply: true)]
  }

  /// The device is gone: rings stop.
  public func disconnect() {
    script = []
    awaited = nil
    isReady = false
    for pair in pairs {
      pair.sending.close()
      pair.receiving.close()
    }
    if kept == nil { forget() }
  }

  private func forget() {
    for pair in pairs {
      let left = pair.sending.close { running in
        running.sender.reap()
        return running.sender.outstanding
      }
      lost += UInt64(left ?? 0)
      pair.sending.empty()
      pair.receiving.empty()
    }
    kept = nil
  }

  /// The next message to send, or nil when there is none now.
  public func next() -> Message? {
    guard awaited == nil, !script.isEmpty else { return nil }
    let step = script.removeFirst()
    if step.awaitsReply { awaited = Request(rawValue: step.message.request) }
    if script.isEmpty, awaited == nil { finish() }
    return step.message
  }

  /// The request whose reply is awaited.
  public var isAwaiting: Request? { awaited }

  /// A reply came.
  ///
  /// - Throws: ``SessionFault``: the session is to be ended.
  public func take(_ reply: Message) throws(SessionFault) {
    guard let request = awaited, reply.isReply, reply.request == request.rawValue else {
      throw .unexpectedReply(expected: awaited?.rawValue ?? 0, found: reply.request)
    }
    awaited = nil
    switch request {
    case .getFeatures: try takeFeatures(reply)
    case .getProtocolFeatures:
      try expect(reply, 8)
      let wanted: ProtocolFeatures = [.mq, .replyAck, .inflightShmFd]
      protocolFeatures = ProtocolFeatures(rawValue: reply.u64(0)).intersection(wanted)
      add(Message(.setProtocolFeatures, [.u64(protocolFeatures.rawValue)]))
      if protocolFeatures.contains(.mq) {
        add(Message(.getQueueNum), awaits: true)
      } else {
        try setUp(pairs: 1)
      }
    case .getQueueNum:
      try expect(reply, 8)
      guard reply.u64(0) > 0 else { throw .badValue(request: reply.request, "no queues") }
      try setUp(pairs: Int(min(UInt64(pairs.count), reply.u64(0))))
    case .getInflightFd:
      guard reply.payload.count == 20 || reply.payload.count == 24, reply.descriptors.count == 1 else {
        throw .descriptors(request: reply.request, expected: 1, found: reply.descriptors.count)
      }
      let inflight = Message(
        Request.setInflightFd.rawValue, payload: reply.payload, descriptors: reply.descriptors)
      kept = Kept(features: features, pairs: usedPairs, inflight: inflight)
      add(inflight)
      try addRings()
    default:
      try expect(reply, 8)
      guard reply.u64(0) == 0 else { throw .refused(request: reply.request) }
    }
    if script.isEmpty, awaited == nil { finish() }
  }

  private func expect(_ reply: Message, _ bytes: Int) throws(SessionFault) {
    guard reply.payload.count == bytes else {
      throw .payload(request: reply.request, expected: bytes, found: reply.payload.count)
    }
    guard reply.descriptors.isEmpty else {
      throw .descriptors(request: reply.request, expected: 0, found: reply.descriptors.count)
    }
  }

  private func add(_ message: Message, awaits: Bool = false) {
    script.append(Step(message: message, awaitsReply: awaits))
  }

  private func takeFeatures(_ reply: Message) throws(SessionFault) {
    try expect(reply, 8)
    let offered = Features(low: reply.u64(0))
    guard options.required.isSubset(of: offered) else {
      throw .missingFeatures(options.required.subtracting(offered).low)
    }
    features = offered.intersection(options.features.union(.protocolFeatures))
    if offered.contains(.protocolFeatures) {
      add(Message(.getProtocolFeatures), awaits: true)
    } else {
      try setUp(pairs: 1)
    }
  }

  /// Everything behind the negotiation.
  private func setUp(pairs count: Int) throws(SessionFault) {
    usedPairs = count
    if let kept, kept.features != features || kept.pairs != count || !protocolFeatures.contains(.inflightShmFd) {
      forget()
    }
    add(Message(.setOwner))
    add(Message(.setFeatures, [.u64(features.low)]))
    do throws(RingFault) { try layOut() } catch { throw .ring(index: 0, error) }
    if protocolFeatures.contains(.inflightShmFd) {
      if let kept {
        add(kept.inflight)
        try addRings()
      } else {
        let shape: [Word] = [
          .u64(0), .u64(0), .u16(UInt16(2 * count)), .u16(UInt16(truncatingIfNeeded: options.ringSize)), .u32(0),
        ]
        add(Message(.getInflightFd, shape), awaits: true)
      }
    } else {
      try addRings()
    }
  }

  /// A region for all rings, unless there is one from before.
  private func layOut() throws(RingFault) {
    guard kept == nil else { return }
    plans = []
    var end = 0
    for index in 0..<2 * usedPairs {
      let plan = try QueuePlan(
        offset: end, size: options.ringSize, isPacked: features.contains(.ringPacked),
        bufferSize: options.bufferSize, hasTables: index % 2 == 1 && features.contains(.indirectDescriptors))
      plans.append(plan)
      end = plan.end
    }
    // DPDK maps what it is told in whole huge pages where there are any; small ones do as well.
    guard let region = try? SharedRegion(bytes: end, pages: .hugeIfAny, name: "dpu-rings") else {
      throw .ringOutsideMemory
    }
    self.region = region
    for pair in pairs.prefix(usedPairs) {
      pair.sending.empty()
      pair.receiving.empty()
    }
  }

  private func addRings() throws(SessionFault) {
    guard let region else { return }
    var table = Message(
      .setMemTable,
      [.u32(1), .u32(0), .u64(Self.base), .u64(UInt64(region.count)), .u64(Self.base), .u64(0)],
      descriptors: [region.descriptor])
    table.wantsReply = protocolFeatures.contains(.replyAck)
    add(table, awaits: table.wantsReply)
    kicks = []
    calls = []
    for index in 0..<2 * usedPairs {
      let (kick, call): (EventDescriptor, EventDescriptor)
      do { (kick, call) = (try EventDescriptor(), try EventDescriptor()) } catch {
        throw .memory(error.description)
      }
      kicks.append(kick)
      calls.append(call)
      let start = try makeRing(index, region: region, kick: kick)
      let ring = plans[index]
      let place = Self.base + UInt64(ring.offset)
      let number = UInt32(index)
      let isPacked = ring.ring.isPacked
      add(Message(.setVringNum, [.u32(number), .u32(UInt32(options.ringSize))]))
      add(Message(.setVringBase, [.u32(number), .u32(start.word(isPacked: isPacked))]))
      add(
        Message(
          .setVringAddr,
          [
            .u32(number), .u32(0), .u64(place + UInt64(ring.ring.descriptors)), .u64(place + UInt64(ring.ring.device)),
            .u64(place + UInt64(ring.ring.driver)), .u64(0),
          ]))
      add(Message(.setVringCall, [.u64(UInt64(number))], descriptors: [call.descriptor]))
      add(Message(.setVringKick, [.u64(UInt64(number))], descriptors: [kick.descriptor]))
    }
    guard features.contains(.protocolFeatures) else { return }
    for index in 0..<2 * usedPairs { add(Message(.setVringEnable, [.u32(UInt32(index)), .u32(1)])) }
  }

  /// Makes a ring, or takes the one from before; gives where it begins.
  private func makeRing(_ index: Int, region: SharedRegion, kick: EventDescriptor) throws(SessionFault) -> RingBase {
    let pair = pairs[index / 2]
    if kept != nil {
      let base: RingBase?
      if index % 2 == 1 {
        base = pair.sending.close { running in
          running.kick = kick
          return running.sender.queue.base
        }
      } else {
        base = pair.receiving.close { running in
          running.kick = kick
          return running.receiver.queue.base
        }
      }
      if let base {
        return RingBase(
          available: base.used, availableWrap: base.usedWrap, used: base.used, usedWrap: base.usedWrap)
      }
    }
    do throws(RingFault) {
      if index % 2 == 1 {
        let sender = try NetSender(plans[index], region: region, features: features, base: Self.base)
        pair.sending.fill(RunningSender(sender: sender, kick: kick))
        pair.sending.close()
      } else {
        var receiver = try NetReceiver(plans[index], region: region, features: features, base: Self.base)
        _ = receiver.queue.publish()
        pair.receiving.fill(RunningReceiver(receiver: receiver, kick: kick))
        pair.receiving.close()
      }
    } catch {
      throw .ring(index: index, error)
    }
    return RingBase()
  }

  private func finish() {
    isReady = true
    // What was handed out before and during the set-up was kicked for by nobody.
    for kick in kicks { kick.signal() }
    for pair in pairs.prefix(usedPairs) {
      pair.sending.reopen()
      pair.receiving.reopen()
    }
  }

  /// What the device was found to do wrong in a ring.
  public func ringFault() -> SessionFault? {
    for pair in pairs.prefix(usedPairs) where pair.isRunning {
      let sent = pair.sending.close { $0.sender.queue.fault }
      pair.sending.reopen()
      let received = pair.receiving.close { $0.receiver.queue.fault }
      pair.receiving.reopen()
      if case .some(.some(let fault)) = sent { return .ring(index: 2 * pair.index + 1, fault) }
      if case .some(.some(let fault)) = received { return .ring(index: 2 * pair.index, fault) }
    }
    return nil
  }

  /// A device that lied does not get its rings back.
  public func discard() {
    kept = nil
    forget()
  }
}
