/// Why a ring's peer was cut off: what it wrote cannot be. Nothing it writes afterwards is looked at.
@frozen
public enum RingFault: UInt8, Error, CaseIterable, Sendable {
  /// The driver's available index is more than the ring's size ahead.
  case availableIndexJumped = 1
  /// The available ring names a descriptor that the ring does not have.
  case headOutOfRange
  /// A descriptor's `next` is one that its table does not have.
  case nextOutOfRange
  /// A chain has more descriptors than the ring: it runs in a circle.
  case descriptorLoop
  /// A chain of a packed ring goes on in a descriptor that was not made available.
  case chainNotAvailable
  /// An indirect table although the feature was not negotiated.
  case indirectNotNegotiated
  /// An indirect table that is empty, no multiple of 16 bytes, or has more entries than the ring.
  case indirectLength
  /// An indirect table in an indirect table.
  case indirectNested
  /// An indirect descriptor that is part of a chain.
  case indirectInChain
  /// A descriptor of no bytes.
  case emptyDescriptor
  /// An address and length that no memory of the peer has.
  case outsideMemory
  /// A part to read behind a part to write.
  case readableAfterWritable
  /// A frame to send with a part that is to be written.
  case writableInTransmit
  /// A buffer to receive into with a part that is to be read.
  case readableInReceive
  /// A frame to send that is shorter than its virtio-net header.
  case shorterThanHeader
  /// A buffer id that the ring does not have.
  case bufferIdOutOfRange
  /// Memory that the peer shared is not there any more: it cut its file short.
  case memoryLost
  /// A chain in more pieces than can be: its memory regions are smaller than its descriptors.
  case tooManySegments
  /// The device's used index is ahead of what was made available.
  case usedIndexJumped
  /// The device gives back a buffer that it does not have.
  case usedNotOutstanding
  /// The device says that it wrote more bytes than the buffer has.
  case usedLengthTooLong
  /// The device gives back a received frame shorter than its header.
  case usedShorterThanHeader
  /// A received frame's header says a number of buffers that cannot be.
  case mergeCountImpossible
  /// A ring size that is 0, over 32768, or (split) no power of two.
  case badRingSize
  /// A part of a ring that is not in the peer's memory.
  case ringOutsideMemory
  /// A part of a ring that is not aligned as virtio asks.
  case ringMisaligned
  /// A start index that cannot be.
  case badRingBase

  /// The name under which it is shown and counted.
  public var name: String {
    switch self {
    case .availableIndexJumped: "available_index_jumped"
    case .headOutOfRange: "head_out_of_range"
    case .nextOutOfRange: "next_out_of_range"
    case .descriptorLoop: "descriptor_loop"
    case .chainNotAvailable: "chain_not_available"
    case .indirectNotNegotiated: "indirect_not_negotiated"
    case .indirectLength: "indirect_length"
    case .indirectNested: "indirect_nested"
    case .indirectInChain: "indirect_in_chain"
    case .emptyDescriptor: "empty_descriptor"
    case .outsideMemory: "outside_memory"
    case .readableAfterWritable: "readable_after_writable"
    case .writableInTransmit: "writable_in_transmit"
    case .readableInReceive: "readable_in_receive"
    case .shorterThanHeader: "shorter_than_header"
    case .bufferIdOutOfRange: "buffer_id_out_of_range"
    case .memoryLost: "memory_lost"
    case .tooManySegments: "too_many_segments"
    case .usedIndexJumped: "used_index_jumped"
    case .usedNotOutstanding: "used_not_outstanding"
    case .usedLengthTooLong: "used_length_too_long"
    case .usedShorterThanHeader: "used_shorter_than_header"
    case .mergeCountImpossible: "merge_count_impossible"
    case .badRingSize: "bad_ring_size"
    case .ringOutsideMemory: "ring_outside_memory"
    case .ringMisaligned: "ring_misaligned"
    case .badRingBase: "bad_ring_base"
    }
  }

  /// The sentence a user reads.
  public var sentence: String {
    switch self {
    case .availableIndexJumped: "the driver's available index is further ahead than the ring is long"
    case .headOutOfRange: "the available ring names a descriptor outside of the table"
    case .nextOutOfRange: "a descriptor goes on in one outside of its table"
    case .descriptorLoop: "a chain has more descriptors than the ring"
    case .chainNotAvailable: "a chain goes on in a descriptor that was not made available"
    case .indirectNotNegotiated: "an indirect table was used, and indirect descriptors were not negotiated"
    case .indirectLength: "an indirect table is empty, torn or longer than the ring"
    case .indirectNested: "an indirect table refers to an indirect table"
    case .indirectInChain: "an indirect descriptor is part of a chain"
    case .emptyDescriptor: "a descriptor has no bytes"
    case .outsideMemory: "a descriptor reaches outside of the memory that the peer shared"
    case .readableAfterWritable: "a chain has a part to read behind a part to write"
    case .writableInTransmit: "a frame to send has a part that is to be written"
    case .readableInReceive: "a buffer to receive into has a part that is to be read"
    case .shorterThanHeader: "a frame to send is shorter than its virtio-net header"
    case .bufferIdOutOfRange: "a buffer id is not below the ring's size"
    case .memoryLost: "memory that the peer shared was cut short"
    case .tooManySegments: "a chain falls into more pieces than the ring has descriptors"
    case .usedIndexJumped: "the device's used index is ahead of what was made available"
    case .usedNotOutstanding: "the device gave back a buffer that it does not have"
    case .usedLengthTooLong: "the device wrote more bytes than the buffer has"
    case .usedShorterThanHeader: "the device gave back a frame that is shorter than its header"
    case .mergeCountImpossible: "a received frame is said to lie in a number of buffers that cannot be"
    case .badRingSize: "a ring's size is 0, over 32768, or not a power of two in a split ring"
    case .ringOutsideMemory: "a part of a ring is outside of the memory that the peer shared"
    case .ringMisaligned: "a part of a ring is not aligned as virtio asks"
    case .badRingBase: "a ring's start index is outside of the ring"
    }
  }
}
