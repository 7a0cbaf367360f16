import Device
public import DeviceBus
public import Memory
import Virtqueue

/// The device's end of its rings: takes commands and frames out of shared memory, lets the model answer, and puts the
/// answers back. It reads no clock: each frame and command says what time it is.
///
/// The driver is not trusted. What it writes is copied out once and checked; the first thing that cannot be stops all
/// serving, with the reason in the registers, until the driver asks for a reset. One thread owns a server; no call waits.
public final class DeviceServer {
  /// Frames of one queue that are served in a row.
  static let burst = 32
  /// Room in front of and behind a frame in the server's own buffer: as much as a record can say.
  static let margin = 65_536

  let region: SharedRegion
  let registers: Registers
  let layout: BusLayout
  var queues: ServedQueues
  var objects = ServedObjects()
  private let memory: Region
  private var generation: UInt64 = 0
  private var served: UInt64 = 0
  private var isStopped = false
  private var isServing = false

  /// A server on `region`, whose registers a driver has written.
  ///
  /// - Throws: ``DeviceBus/BusError``.
  public init(_ region: SharedRegion) throws(BusError) {
    let layout = try Registers.attach(region.shared)
    self.region = region
    self.layout = layout
    registers = Registers(region.shared)
    do throws(RingFault) { queues = try ServedQueues(layout, region) } catch { throw .layout(error) }
    do throws(ArenaError) {
      memory = try Region(bytes: FrameHeader.size + 2 * Self.margin + 65_536)
    } catch { throw .tooSmall(needed: 3 * Self.margin, bytes: 0) }
  }

  /// Does what waits, a burst of each queue at most.
  ///
  /// - Returns: how many chains were served; 0 when nothing waited.
  public func serve() -> Int {
    let wanted = registers.wanted
    if wanted != generation { reset(to: wanted) }
    guard generation != 0, !isStopped, isLaidOut() else { return 0 }
    var count = serveAdmin()
    for pair in 0..<layout.pairs where !isStopped { count += servePair(pair) }
    if count > 0 {
      served &+= UInt64(count)
      registers.set(progress: served)
    }
    return count
  }

  /// Whether a driver wants to be called for what was given back. Ask once after ``serve()``.
  public func needsCall() -> Bool { queues.needsCall() }

  /// Asks the driver to kick, and looks once more.
  ///
  /// - Returns: whether nothing waits and it is safe to sleep.
  public func requestKicks() -> Bool {
    guard registers.wanted == generation else { return false }
    guard isServing, !isStopped else { return registers.laidOut != generation || isStopped }
    return queues.requestKicks()
  }

  /// Says that the driver need not kick: this side polls.
  public func suppressKicks() { queues.suppressKicks() }

  /// A new generation: no rules, and the device's own counters as they were. Nothing of the one before is touched any
  /// more.
  private func reset(to wanted: UInt64) {
    objects.reset()
    isStopped = false
    isServing = false
    registers.set(objects.isStarted ? .started : [])
    generation = wanted
    registers.serve(wanted)
  }

  /// Whether the driver has laid the rings out; begins on them when it just has.
  private func isLaidOut() -> Bool {
    guard !isServing else { return true }
    guard registers.laidOut == generation else { return false }
    do throws(RingFault) { queues = try ServedQueues(layout, region) } catch {
      stop(error)
      return false
    }
    isServing = true
    return true
  }

  /// The driver broke the rules.
  private func stop(_ fault: RingFault) {
    isStopped = true
    registers.set(reason: fault)
    registers.set(.failed)
  }

  // MARK: Commands

  private func serveAdmin() -> Int {
    var count = 0
    while count < BusLayout.adminSlots {
      guard let chain = queues.admin.takeChain() else { break }
      guard chain.readable <= BusLayout.adminBuffer else {
        stop(.tooManySegments)
        return count
      }
      let place = memory.bytes.slice(0, count: chain.readable)
      let came = queues.admin.read(place)
      let room = min(chain.writable, BusLayout.adminBuffer) - AdminResult.headerSize
      let result = objects.answer(place.slice(0, count: came).array(), room: room)
      let bytes = result.bytes
      guard bytes.count <= memory.bytes.count else { break }
      memory.bytes.copy(bytes, at: 0)
      announce()
      let written = queues.admin.write(memory.bytes.slice(0, count: bytes.count))
      queues.admin.finish(written: written)
      count += 1
    }
    if let fault = queues.admin.fault { stop(fault) }
    return count
  }

  /// The registers follow the model, before the answer that shows it.
  private func announce() {
    var status: Registers.Status = []
    if objects.isStarted { status.insert(.started) }
    if !objects.isAlive { status.insert(.needsReset) }
    if status != registers.status { registers.set(status) }
  }

  // MARK: Frames

  private func servePair(_ pair: Int) -> Int {
    var count = 0
    while count < Self.burst, serveFrame(pair) { count += 1 }
    if let fault = queues.pairs[pair].input.fault ?? queues.pairs[pair].output.fault { stop(fault) }
    return count
  }

  /// Serves one frame; false when none waits, or there is no room for what may come of it.
  private func serveFrame(_ pair: Int) -> Bool {
    // Room for the answers of an ordinary frame is asked for before the frame is taken; for segments, behind it.
    guard !isStopped, queues.pairs[pair].hasRoom, let chain = queues.pairs[pair].input.takeChain() else { return false }
    let all = memory.bytes
    let head = all.slice(0, count: FrameHeader.size)
    let length = chain.readable - FrameHeader.size
    guard length >= 0, length <= 0xffff, chain.writable == 0, queues.pairs[pair].input.read(head) == head.count,
      let header = FrameHeader(head), Int(header.length) == length,
      header.kind == FrameHeader.received || header.kind == FrameHeader.sent
    else {
      if queues.pairs[pair].input.fault == nil { stop(.shorterThanHeader) }
      return false
    }
    let most = header.mostAnswers
    if most > 5 {
      guard most <= layout.outputSize else {
        refuse(header, pair)
        queues.pairs[pair].input.finish(written: 0)
        return true
      }
      guard queues.pairs[pair].output.hasWork(atLeast: most) else {
        queues.pairs[pair].input.putTakenBack()
        queues.pairs[pair].waitsFor = most
        return false
      }
    }
    queues.pairs[pair].waitsFor = 5
    let start = FrameHeader.size + Self.margin
    guard queues.pairs[pair].input.read(all.slice(start, count: length), at: FrameHeader.size) == length else {
      return false
    }
    let buffer = all.slice(
      start - Int(header.headroom), count: Int(header.headroom) + length + Int(header.tailroom))
    var frame = Frame(buffer: buffer, headroom: Int(header.headroom), length: length, token: 0)
    header.describe(&frame)
    carry(frame, header, pair)
    announce()
    registers.set(foundDrop: objects.foundDrop)
    queues.pairs[pair].input.finish(written: 0)
    return true
  }

  private func carry(_ frame: Frame, _ header: FrameHeader, _ pair: Int) {
    objects.carry(frame, header) { emission in
      // The frame's own record comes last; copies and segments are nobody's.
      put(emission, header, pair, isLast: emission.frame.token != EmulatedDevice.noToken)
    }
  }

  /// A frame that would fall into more segments than an output queue has buffers.
  private func refuse(_ header: FrameHeader, _ pair: Int) {
    var frame = Frame(buffer: memory.bytes, headroom: 0, length: 0, token: 0)
    header.describe(&frame)
    frame.outcome = .dropped(.malformedDebt)
    put(Emission(frame: frame, port: header.port), header, pair, isLast: true)
  }

  private func put(_ emission: Emission, _ asked: FrameHeader, _ pair: Int, isLast: Bool) {
    let length = emission.frame.length
    guard !isStopped, let chain = queues.pairs[pair].output.takeChain() else {
      // Room was there a moment ago.
      return stop(queues.pairs[pair].output.fault ?? .availableIndexJumped)
    }
    guard chain.readable == 0 else { return stop(.readableInReceive) }
    guard chain.writable >= FrameHeader.size + length else { return stop(.shorterThanHeader) }
    var header = FrameHeader(emission, cookie: asked.cookie, isLast: isLast)
    header.generation = UInt16(truncatingIfNeeded: generation)
    let head = memory.bytes.slice(0, count: FrameHeader.size)
    header.write(to: head)
    var written = queues.pairs[pair].output.write(head)
    if length > 0 { written += queues.pairs[pair].output.write(emission.frame.bytes, at: FrameHeader.size) }
    queues.pairs[pair].output.finish(written: written)
  }
}
