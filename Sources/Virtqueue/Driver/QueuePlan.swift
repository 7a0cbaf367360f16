public import Memory

/// Where one queue of a driver of ours lies in a shared region: the ring, a buffer a descriptor, and the tables of indirect
/// descriptors.
public struct QueuePlan: Equatable, Sendable {
  /// The ring.
  public let ring: RingLayout
  /// Offset of the ring in the region.
  public let offset: Int
  /// Bytes of one buffer, a multiple of 64.
  public let bufferSize: Int
  /// Offset of the buffers; there are as many as descriptors.
  public let buffers: Int
  /// Offset of the indirect tables, one a buffer; equal to ``end`` when there are none.
  public let tables: Int
  /// The first offset behind the queue, a multiple of 64.
  public let end: Int

  /// Entries of one indirect table: a frame of 64 KiB in buffers of 1 KiB.
  public static let tableEntries = 80

  /// A plan that begins at `offset`, a multiple of 64.
  ///
  /// - Parameters:
  ///   - size: descriptors, and buffers.
  ///   - bufferSize: bytes of a buffer, virtio-net header included; 64…65,536 and a multiple of 64.
  /// - Throws: ``RingFault/badRingSize``.
  public init(
    offset: Int, size: Int, isPacked: Bool, bufferSize: Int = 2048, hasTables: Bool = false
  ) throws(RingFault) {
    guard bufferSize >= 64, bufferSize <= 65_536, bufferSize & 63 == 0, offset >= 0, offset & 63 == 0 else {
      throw .badRingSize
    }
    ring = try RingLayout(size: size, isPacked: isPacked)
    self.offset = offset
    self.bufferSize = bufferSize
    buffers = offset + ring.bytes
    tables = buffers + size * bufferSize
    end = tables + (hasTables ? size * Self.tableEntries * 16 : 0)
  }

  /// Whether there are indirect tables.
  public var hasTables: Bool { end > tables }

  /// The ring's parts in `region`.
  ///
  /// - Throws: ``RingFault/ringOutsideMemory``.
  public func place(in region: SharedRegion) throws(RingFault) -> RingPlace {
    guard end <= region.count else { throw .ringOutsideMemory }
    return try RingPlace(ring, in: region.shared, at: offset)
  }
}
