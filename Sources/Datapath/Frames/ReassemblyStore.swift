import Device
import Memory

/// Where fragments wait: everything is allocated at the start, so that a flood of them has a bound.
struct ReassemblyStore: ~Copyable {
  /// Bytes of one block of data.
  static let blockSize = 512

  /// One fragment's data: a chain of blocks.
  struct Piece: BitwiseCopyable {
    var offset: UInt16 = 0
    var length: UInt16 = 0
    var more = false
    /// First block, index plus one.
    var block: UInt32 = 0
    /// Next piece of the packet by offset, or next free piece; index plus one.
    var next: UInt32 = 0
  }

  /// A packet that is not whole yet, or whose later fragments are to be dropped.
  struct Packet: BitwiseCopyable {
    var key = FragmentView.Key()
    var deadline: UInt64 = 0
    /// Pieces by offset; index plus one.
    var first: UInt32 = 0
    var last: UInt32 = 0
    /// Block with the L2 and IP headers of the first fragment; index plus one.
    var header: UInt32 = 0
    /// Neighbours by age, and the next of the hash's bucket (or of the free list); index plus one.
    var older: UInt32 = 0
    var newer: UInt32 = 0
    var chained: UInt32 = 0
    /// Bytes of data that came.
    var have: Int32 = 0
    /// Bytes of data of the whole; −1 before the last fragment came.
    var end: Int32 = -1
    var headerLength: UInt16 = 0
    var l3: UInt16 = 0
    var typeField: UInt16 = 0
    var count: UInt16 = 0
    var nextHeader: UInt8 = 0
    /// Bit n for ECN n on a fragment.
    var ecn: UInt8 = 0
    /// Why what still comes of it is dropped; 0 when it is not.
    var poison: UInt8 = 0
  }

  /// What a block of data needs in all.
  static let bytesPerBlock =
    blockSize + 2 * MemoryLayout<UInt32>.stride + MemoryLayout<Piece>.stride + MemoryLayout<Packet>.stride
    + 2 * MemoryLayout<UInt32>.stride

  var packets: FlatTable<Packet>
  var pieces: FlatTable<Piece>
  private var blocks: FrameArena
  private var links: FlatTable<UInt32>
  private var buckets: FlatTable<UInt32>
  private var freePackets: UInt32 = 1
  private var freePieces: UInt32 = 1
  private let seed: UInt64
  /// The packet that came first, index plus one.
  private(set) var oldest: UInt32 = 0
  private var newest: UInt32 = 0
  /// Packets in it, poisoned ones included.
  private(set) var used = 0

  init(bytes: Int, seed: UInt64) throws(ArenaError) {
    let count = min(max(bytes / Self.bytesPerBlock, 4), 1 << 24)
    blocks = try FrameArena(capacity: count, bufferSize: Self.blockSize, headroom: 0)
    packets = FlatTable(repeating: Packet(), count: count)
    pieces = FlatTable(repeating: Piece(), count: count)
    links = FlatTable(repeating: 0, count: count)
    var size = 4
    while size < count { size *= 2 }
    buckets = FlatTable(repeating: 0, count: size)
    self.seed = seed
    for index in 0..<count - 1 {
      packets[index].chained = UInt32(index + 2)
      pieces[index].next = UInt32(index + 2)
    }
  }

  /// Blocks that are free.
  var room: Int { blocks.available }

  /// Blocks for `length` bytes.
  static func blocks(for length: Int) -> Int { (length &+ blockSize &- 1) / blockSize }

  private func bucket(_ key: FragmentView.Key) -> Int {
    var hash = seed ^ UInt64(key.id) << 8 ^ UInt64(key.proto)
    hash = Self.mix(hash ^ UInt64(truncatingIfNeeded: key.source))
    hash = Self.mix(hash ^ UInt64(truncatingIfNeeded: key.source >> 64))
    hash = Self.mix(hash ^ UInt64(truncatingIfNeeded: key.destination))
    hash = Self.mix(hash ^ UInt64(truncatingIfNeeded: key.destination >> 64))
    return Int(truncatingIfNeeded: hash & UInt64(buckets.count &- 1))
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
    return product.high ^ product.low
  }

  /// The packet of `key`, index plus one; 0 when there is none.
  func find(_ key: FragmentView.Key) -> UInt32 {
    var at = buckets[bucket(key)]
    while at != 0, packets[Int(at) &- 1].key != key { at = packets[Int(at) &- 1].chained }
    return at
  }

  /// A new packet, the newest; nil when all are in use.
  mutating func add(_ key: FragmentView.Key, deadline: UInt64) -> UInt32? {
    let id = freePackets
    guard id != 0 else { return nil }
    let index = Int(id) &- 1
    freePackets = packets[index].chained
    let bucket = bucket(key)
    packets[index] = Packet()
    packets[index].key = key
    packets[index].deadline = deadline
    packets[index].chained = buckets[bucket]
    packets[index].older = newest
    buckets[bucket] = id
    if newest != 0 { packets[Int(newest) &- 1].newer = id } else { oldest = id }
    newest = id
    used &+= 1
    return id
  }

  /// Gives back the data of `id`.
  mutating func empty(_ id: UInt32) {
    let index = Int(id) &- 1
    freeBlocks(packets[index].header)
    packets[index].header = 0
    var piece = packets[index].first
    while piece != 0 {
      let at = Int(piece) &- 1
      freeBlocks(pieces[at].block)
      let next = pieces[at].next
      pieces[at].next = freePieces
      freePieces = piece
      piece = next
    }
    packets[index].first = 0
    packets[index].last = 0
    packets[index].count = 0
  }

  /// Forgets `id` and gives its data back.
  mutating func remove(_ id: UInt32) {
    empty(id)
    let index = Int(id) &- 1
    let packet = packets[index]
    if packet.older != 0 { packets[Int(packet.older) &- 1].newer = packet.newer } else { oldest = packet.newer }
    if packet.newer != 0 { packets[Int(packet.newer) &- 1].older = packet.older } else { newest = packet.older }
    let bucket = bucket(packet.key)
    if buckets[bucket] == id {
      buckets[bucket] = packet.chained
    } else {
      var at = Int(buckets[bucket]) &- 1
      while packets[at].chained != id { at = Int(packets[at].chained) &- 1 }
      packets[at].chained = packet.chained
    }
    packets[index].chained = freePackets
    freePackets = id
    used &-= 1
  }

  /// Copies `data` into blocks; the first one's index plus one, or nil without room for all of it.
  mutating func store(_ data: Bytes) -> UInt32? {
    guard blocks.available >= Self.blocks(for: data.count) else { return nil }
    var first: UInt32 = 0
    var last = 0
    var at = 0
    while at < data.count {
      guard let block = blocks.take() else { return nil }
      let count = min(Self.blockSize, data.count &- at)
      blocks.buffer(block).copy(data.slice(at, count: count), at: 0)
      links[Int(block)] = 0
      if first == 0 { first = block &+ 1 } else { links[last] = block &+ 1 }
      last = Int(block)
      at &+= count
    }
    return first
  }

  /// Copies `length` bytes from the chain at `block` to `offset` of `out`.
  func load(_ block: UInt32, length: Int, into out: Bytes, at offset: Int) {
    var block = block
    var done = 0
    while done < length, block != 0 {
      let count = min(Self.blockSize, length &- done)
      out.copy(blocks.buffer(block &- 1).slice(0, count: count), at: offset &+ done)
      done &+= count
      block = links[Int(block) &- 1]
    }
  }

  /// Whether the chain at `block` holds exactly `data`.
  func holds(_ block: UInt32, _ data: Bytes) -> Bool {
    var block = block
    var done = 0
    while done < data.count, block != 0 {
      let count = min(Self.blockSize, data.count &- done)
      let buffer = blocks.buffer(block &- 1)
      for at in 0..<count where buffer[at] != data[done &+ at] { return false }
      done &+= count
      block = links[Int(block) &- 1]
    }
    return done == data.count
  }

  private mutating func freeBlocks(_ first: UInt32) {
    var block = first
    while block != 0 {
      let next = links[Int(block) &- 1]
      blocks.give(block &- 1)
      block = next
    }
  }

  /// Puts a piece into the packet `id` behind the piece `before` (0: first); the caller has seen that a block is there.
  mutating func insert(_ piece: Piece, into id: UInt32, behind before: UInt32) -> Bool {
    let new = freePieces
    guard new != 0 else { return false }
    let index = Int(id) &- 1
    freePieces = pieces[Int(new) &- 1].next
    pieces[Int(new) &- 1] = piece
    if before == 0 {
      pieces[Int(new) &- 1].next = packets[index].first
      packets[index].first = new
    } else {
      pieces[Int(new) &- 1].next = pieces[Int(before) &- 1].next
      pieces[Int(before) &- 1].next = new
    }
    if packets[index].last == before { packets[index].last = new }
    packets[index].count &+= 1
    return true
  }
}
