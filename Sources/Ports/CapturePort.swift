public import Device
import Memory

/// A capture file as a live port: frames come from one file and go to another, either of which may be missing.
public struct CapturePort: ~Copyable, BurstPort {
  /// How files are played and written.
  public struct Options: Equatable, Sendable {
    /// Frames come from this pcap or pcapng file; nil for none.
    public var input: String?
    /// Frames go to this file, its format by its ending; nil: they are counted and gone.
    public var output: String?
    /// Frames come at the distances of their stamps; otherwise as fast as they are fetched.
    public var isPaced = false
    /// The largest L3 packet, in bytes.
    public var mtu = 1500
    /// The port's own address, 48 bits.
    public var mac: UInt64 = 0
    /// Memory.
    public var sizes = PortSizes(small: 256, large: 64)

    /// Neither in nor out.
    public init() {}
  }

  // Boxes: the files are there or not.
  private final class Input {
    var reader: CaptureReader
    init(_ path: String) throws(CaptureError) { reader = try CaptureReader(path: path) }
  }

  private final class Output {
    var writer: CaptureWriter
    init(_ path: String, _ port: CaptureWriter.Port) throws(CaptureError) {
      writer = try CaptureWriter(path: path, ports: [port])
    }
  }

  /// See ``BurstPort/facts``.
  public let facts: PortFacts
  /// See ``BurstPort/link``. Down when the input has ended.
  public private(set) var link = LinkState.up
  /// See ``BurstPort/owner``.
  public let owner: UInt8
  /// See ``BurstPort/counters``.
  public private(set) var counters = PortCounters()
  /// What was wrong with a file, when something was: no frame comes, or goes, behind it.
  public private(set) var failure: CaptureError?
  private let id: UInt16
  private let isPaced: Bool
  private let input: Input?
  private let output: Output?
  private var pool: FramePool
  /// The frame that was read and is not due, and the file's time zero in the caller's clock.
  private var pending: CapturedFrame?
  private var start: (file: UInt64, clock: UInt64)?
  private var hasEnded: Bool

  /// Opens the files.
  ///
  /// - Throws: ``CaptureError``, also when there is no memory.
  public init(_ options: Options, name: String, id: UInt16, owner: UInt8) throws(CaptureError) {
    var input: Input?
    if let path = options.input { input = try Input(path) }
    var output: Output?
    if let path = options.output { output = try Output(path, .init(id: id, name: name)) }
    do throws(ArenaError) {
      pool = try FramePool(small: options.sizes.small, large: options.sizes.large, owner: owner)
    } catch {
      throw CaptureError(.cannotOpen, path: options.input ?? options.output ?? name, error.description)
    }
    facts = PortFacts(name: name, mac: options.mac, mtu: options.mtu)
    isPaced = options.isPaced
    hasEnded = options.input == nil
    self.input = input
    self.output = output
    self.id = id
    self.owner = owner
  }

  /// See ``BurstPort/arm(_:)``.
  public mutating func arm(_ descriptors: inout [Int32]) -> Waking { hasEnded ? .armed : .asking }

  /// See ``BurstPort/awake(now:)``.
  public mutating func awake(now: UInt64) {}

  /// See ``BurstPort/receive(_:now:)``.
  public mutating func receive(_ burst: inout FrameBurst, now: UInt64) {
    while !burst.isFull, !hasEnded {
      guard let next = pending ?? read(now) else { return }
      pending = next
      if isPaced, let start, next.time > start.file, now < start.clock &+ (next.time &- start.file) { return }
      guard pool.smallAvailable > 0, pool.largeAvailable > 0 else {
        counters.starved &+= 1
        return
      }
      pending = nil
      if let frame = frame(next) { _ = burst.append(frame) }
    }
  }

  private mutating func read(_ now: UInt64) -> CapturedFrame? {
    guard let input else { return nil }
    do throws(CaptureError) {
      if let frame = try input.reader.next() {
        if start == nil { start = (frame.time, now) }
        return frame
      }
    } catch {
      failure = error
    }
    hasEnded = true
    link = .down
    return nil
  }

  private mutating func frame(_ next: CapturedFrame) -> Frame? {
    guard let input, next.length <= 0xffff else {
      counters.drops.count(.receiveTruncated)
      return nil
    }
    let token = next.length <= FramePool.smallLength ? pool.takeSmall() : pool.takeLarge()
    guard let token, input.reader.copy(to: pool.buffer(token), at: FrameArena.defaultHeadroom) else {
      counters.drops.count(.noBuffer)
      return nil
    }
    var frame = pool.frame(token, length: next.length)
    frame.inPort = id
    counters.framesReceived &+= 1
    counters.bytesReceived &+= UInt64(next.length)
    return frame
  }

  /// See ``BurstPort/transmit(_:now:free:)``. Stamps are `now`.
  public mutating func transmit(_ burst: inout FrameBurst, now: UInt64, free: inout TokenList) {
    for index in 0..<burst.count {
      write(burst[index], now)
      _ = free.append(burst[index].token)
    }
    burst.removeAll()
  }

  private mutating func write(_ frame: Frame, _ now: UInt64) {
    guard frame.owed.isEmpty, frame.next == 0 else { return counters.drops.count(.malformedDebt) }
    if let output {
      guard failure == nil else { return counters.drops.count(.linkDown) }
      do throws(CaptureError) {
        try output.writer.write(frame.bytes, .init(time: now, port: id, direction: .outbound))
      } catch {
        failure = error
        return counters.drops.count(.transmitRefused)
      }
    }
    counters.framesSent &+= 1
    counters.bytesSent &+= UInt64(frame.length)
  }

  /// See ``BurstPort/recycle(_:)``.
  public mutating func recycle(_ token: UInt32) { pool.give(token) }

  /// See ``BurstPort/look(now:)``.
  public mutating func look(now: UInt64) {}

  /// Writes what is gathered and closes the output; it is whole when this does not throw.
  public mutating func close() throws(CaptureError) { try output?.writer.close() }
}
