import DeviceBus

/// What an emulated device is started with beside its abilities: the part of the profile object that a driver carries
/// without looking into it.
///
/// le64 seed, le32 rules at most, le32 table full at, busy insertion, slow insertion, le64 slowness, le32 lost frame, stale counter,
/// lying checksum, lying action, le64 reset at frame, le32 reset depth.
public struct StartSettings: Equatable, Sendable {
  /// Seed of everything that is drawn.
  public var seed: UInt64
  /// What goes wrong.
  public var faults: FaultPlan
  /// A cap on the abilities' rules.
  public var maximumRules: UInt32

  /// Settings.
  public init(seed: UInt64 = 0, faults: FaultPlan = FaultPlan(), maximumRules: UInt32 = 1 << 20) {
    self.seed = seed
    self.faults = faults
    self.maximumRules = maximumRules
  }

  /// The bytes.
  public var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.put(seed)
    writer.put(maximumRules)
    writer.put(faults.tableFullAt)
    writer.put(faults.busyInsertion)
    writer.put(faults.slowInsertion)
    writer.put(faults.slowness)
    writer.put(faults.lostFrame)
    writer.put(faults.staleCounter)
    writer.put(faults.lyingChecksum)
    writer.put(faults.lyingAction)
    writer.put(faults.resetAtFrame)
    writer.put(faults.resetDepth)
    return writer.bytes
  }

  /// The settings that `reader` goes on with, to its end.
  init(_ reader: inout ByteReader) throws(FormatError) {
    seed = try reader.take()
    maximumRules = min(try reader.take(), 1 << 20)
    faults = FaultPlan()
    faults.tableFullAt = try reader.take()
    faults.busyInsertion = try reader.take()
    faults.slowInsertion = try reader.take()
    faults.slowness = try reader.take()
    faults.lostFrame = try reader.take()
    faults.staleCounter = try reader.take()
    faults.lyingChecksum = try reader.take()
    faults.lyingAction = try reader.take()
    faults.resetAtFrame = try reader.take()
    faults.resetDepth = try reader.take()
    try reader.ends()
  }
}
