public import Memory
public import Virtqueue

/// Where everything lies in the memory that a driver shares with its device: the registers' page, the administration
/// queue and its slots, then the queue pairs. Both sides work it out from the same six numbers.
///
/// | offset | what |
/// |---|---|
/// | 0 | registers (``Registers``), one page |
/// | 4096 | administration queue: ring, command slots, result slots |
/// | behind it | for each pair: input ring, input buffers, output ring, output buffers |
///
/// Addresses in descriptors are offsets in the region.
public struct BusLayout: Equatable, Sendable {
  /// Queue pairs: one a port, or ports share them.
  public let pairs: Int
  /// Descriptors of an input queue.
  public let inputSize: Int
  /// Descriptors of an output queue. A frame leaves at most that many frames.
  public let outputSize: Int
  /// Whether rings are packed.
  public let isPacked: Bool

  /// Bytes of a frame's buffer: header, the longest frame, and a stride that spreads buffers over a cache's sets.
  public static let bufferSize = 66_624
  /// Descriptors of the administration queue, two a command.
  public static let adminSize = 16
  /// Commands under way at once.
  public static let adminSlots = adminSize / 2
  /// Bytes of a command, and of a result, at most.
  public static let adminBuffer = 65_536
  /// Pairs at most.
  public static let mostPairs = 64
  /// Bytes of the registers' page.
  public static let registerBytes = 4096

  /// The administration queue's ring.
  public let adminRing: RingLayout
  let inputRing: RingLayout
  let outputRing: RingLayout

  /// A layout of `pairs` pairs (1…64) and rings of these sizes (2…4096).
  ///
  /// - Throws: ``RingFault/badRingSize``.
  public init(
    pairs: Int, inputSize: Int = 256, outputSize: Int = 1024, isPacked: Bool = true
  ) throws(RingFault) {
    guard pairs >= 1, pairs <= Self.mostPairs, inputSize >= 2, inputSize <= 4096, outputSize >= 8, outputSize <= 4096
    else { throw .badRingSize }
    self.pairs = pairs
    self.inputSize = inputSize
    self.outputSize = outputSize
    self.isPacked = isPacked
    adminRing = try RingLayout(size: Self.adminSize, isPacked: isPacked)
    inputRing = try RingLayout(size: inputSize, isPacked: isPacked)
    outputRing = try RingLayout(size: outputSize, isPacked: isPacked)
  }

  /// Offset of the administration ring.
  public var admin: Int { Self.registerBytes }
  /// Offset of command slot `slot`; its result slot is one ``adminBuffer`` behind.
  public func command(_ slot: Int) -> Int { admin + adminRing.bytes + slot * 2 * Self.adminBuffer }
  /// Offset of result slot `slot`.
  public func result(_ slot: Int) -> Int { command(slot) + Self.adminBuffer }
  private var firstPair: Int { admin + adminRing.bytes + Self.adminSlots * 2 * Self.adminBuffer }
  private var pairBytes: Int { inputRing.bytes + outputRing.bytes + (inputSize + outputSize) * Self.bufferSize }
  /// Offset of a pair's input ring.
  public func input(_ pair: Int) -> Int { firstPair + pair * pairBytes }
  /// Offset of a pair's input buffers.
  public func inputBuffers(_ pair: Int) -> Int { input(pair) + inputRing.bytes }
  /// Offset of a pair's output ring.
  public func output(_ pair: Int) -> Int { inputBuffers(pair) + inputSize * Self.bufferSize }
  /// Offset of a pair's output buffers.
  public func outputBuffers(_ pair: Int) -> Int { output(pair) + outputRing.bytes }
  /// Bytes of all of it. Memory files are sparse: what is not touched takes no memory.
  public var bytes: Int { firstPair + pairs * pairBytes }

  /// The administration ring in `region`.
  ///
  /// - Throws: ``RingFault/ringOutsideMemory``.
  public func adminPlace(_ region: SharedBytes) throws(RingFault) -> RingPlace {
    try RingPlace(adminRing, in: region, at: admin)
  }
  /// A pair's input ring in `region`.
  ///
  /// - Throws: ``RingFault/ringOutsideMemory``.
  public func inputPlace(_ pair: Int, _ region: SharedBytes) throws(RingFault) -> RingPlace {
    try RingPlace(inputRing, in: region, at: input(pair))
  }
  /// A pair's output ring in `region`.
  ///
  /// - Throws: ``RingFault/ringOutsideMemory``.
  public func outputPlace(_ pair: Int, _ region: SharedBytes) throws(RingFault) -> RingPlace {
    try RingPlace(outputRing, in: region, at: output(pair))
  }
}
