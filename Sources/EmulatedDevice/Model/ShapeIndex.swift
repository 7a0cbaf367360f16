import Memory

/// Finds candidate rows for a frame: rows are filed under a hash of the values that their checks want, one *shape*
/// (which checks under which masks, in which group) at a time. It proposes; ``Sight/matches(_:)`` decides.
///
/// Geneve options are left out of the shape, because they have no place in the frame. When there are more shapes than
/// room for them, rows go to one list that is looked through for every frame.
struct ShapeIndex: ~Copyable {
  private static let shapeCapacity = 256
  /// A shape: rows (4), group (4), length (2), then `code level mask` of each check.
  private static let shapeSize = 512
  static let shapeBytes = shapeCapacity * shapeSize
  private static let unshaped = UInt16.max

  private let heads: Bytes
  private let table: Bytes
  private let shapes: Bytes
  private var usedShapes = 0
  /// First row of the list of rows without a shape, plus one.
  private var loose: UInt32 = 0

  /// Buckets for that many rows: a power of two.
  static func buckets(capacity: Int) -> Int {
    var buckets = 16
    while buckets < capacity { buckets *= 2 }
    return buckets
  }

  init(heads: Bytes, table: Bytes, shapes: Bytes) {
    self.heads = heads
    self.table = table
    self.shapes = shapes
  }

  mutating func removeAll() {
    table.fill(0, at: 0, count: table.count)
    shapes.fill(0, at: 0, count: usedShapes * ShapeIndex.shapeSize)
    usedShapes = 0
    loose = 0
  }

  private func row(_ slot: Int) -> Row { Row(head: heads.slice(slot * Row.size, count: Row.size)) }

  /// Calls `body` with every row of the group that the frame may match, and with some that it does not.
  func candidates(_ sight: Sight, group: UInt32, _ body: (Int) -> Void) {
    var shape = 0
    while shape < usedShapes {
      let place = shapes.slice(shape * ShapeIndex.shapeSize, count: ShapeIndex.shapeSize)
      if place.u32(0) != 0, place.u32(4) == group, let hash = ShapeIndex.hash(sight, place, shape) {
        var next = table.u32(bucket(hash))
        while next != 0 {
          let row = row(Int(next) - 1)
          if Int(row.shape) == shape { body(Int(next) - 1) }
          next = row.next
        }
      }
      shape += 1
    }
    var next = loose
    while next != 0 {
      body(Int(next) - 1)
      next = row(Int(next) - 1).next
    }
  }

  mutating func insert(_ slot: Int, _ match: Bytes) {
    let row = row(slot)
    guard let shape = shape(of: match, group: row.group) else {
      row.shape = ShapeIndex.unshaped
      row.next = loose
      loose = UInt32(slot + 1)
      return
    }
    row.shape = UInt16(shape)
    row.filedUnder = ShapeIndex.hash(match, shape)
    let at = bucket(row.filedUnder)
    row.next = table.u32(at)
    table.store(UInt32(slot + 1), at: at)
  }

  mutating func remove(_ slot: Int) {
    let row = row(slot)
    let link = UInt32(slot + 1)
    if row.shape == ShapeIndex.unshaped {
      if loose == link { loose = row.next } else { unlink(after: loose, link, row.next) }
      return
    }
    let count = Int(row.shape) * ShapeIndex.shapeSize
    shapes.store(shapes.u32(count) - 1, at: count)
    let at = bucket(row.filedUnder)
    if table.u32(at) == link { table.store(row.next, at: at) } else { unlink(after: table.u32(at), link, row.next) }
  }

  private func unlink(after first: UInt32, _ link: UInt32, _ next: UInt32) {
    var before = row(Int(first) - 1)
    while before.next != link { before = row(Int(before.next) - 1) }
    before.next = next
  }

  private func bucket(_ hash: UInt32) -> Int { (Int(hash) & (table.count / 4 - 1)) * 4 }

  /// The shape of a match, made when it is new; nil when there is no room.
  private mutating func shape(of match: Bytes, group: UInt32) -> Int? {
    var free: Int?
    var shape = 0
    while shape < usedShapes {
      let place = shapes.slice(shape * ShapeIndex.shapeSize, count: ShapeIndex.shapeSize)
      if place.u32(0) == 0 {
        free = shape
      } else if place.u32(4) == group, ShapeIndex.isShape(place, of: match) {
        place.store(place.u32(0) + 1, at: 0)
        return shape
      }
      shape += 1
    }
    if free == nil, usedShapes < ShapeIndex.shapeCapacity {
      free = usedShapes
      usedShapes += 1
    }
    guard let free else { return nil }
    let place = shapes.slice(free * ShapeIndex.shapeSize, count: ShapeIndex.shapeSize)
    guard ShapeIndex.write(match, to: place) else { return nil }
    place.store(UInt32(1), at: 0)
    place.store(group, at: 4)
    return free
  }

  /// Writes `code level mask` of each check; false when it does not fit.
  private static func write(_ match: Bytes, to place: Bytes) -> Bool {
    var to = 10
    var at = 0
    while at < match.count, let check = Check(rawValue: match[at]) {
      if check != .geneveOption {
        guard to + 2 + check.width <= place.count else { return false }
        place.copy(match.slice(at, count: 2), at: to)
        place.copy(match.slice(at + 2 + check.width, count: check.width), at: to + 2)
        to += 2 + check.width
      }
      at += check.size(match, at)
    }
    place.store(UInt16(to - 10), at: 8)
    return true
  }

  private static func isShape(_ place: Bytes, of match: Bytes) -> Bool {
    let end = 10 + Int(place.u16(8))
    var to = 10
    var at = 0
    while at < match.count, let check = Check(rawValue: match[at]) {
      if check != .geneveOption {
        let width = check.width
        guard to + 2 + width <= end, place[to] == match[at], place[to + 1] == match[at + 1] else { return false }
        var byte = 0
        while byte < width {
          guard place[to + 2 + byte] == match[at + 2 + width + byte] else { return false }
          byte += 1
        }
        to += 2 + width
      }
      at += check.size(match, at)
    }
    return to == end
  }

  private static func integer(_ bytes: Bytes, _ at: Int, _ width: Int) -> UInt64 {
    switch width {
    case 1: UInt64(bytes[at])
    case 2: UInt64(bytes.u16(at))
    case 4: UInt64(bytes.u32(at))
    case 8: bytes.load(at)
    default: 0
    }
  }

  private static func mix(_ hash: inout UInt64, _ value: UInt64) {
    hash = (hash ^ value) &* 0x9e37_79b9_7f4a_7c15
    hash ^= hash >> 29
  }

  /// The hash of what a match wants.
  private static func hash(_ match: Bytes, _ shape: Int) -> UInt32 {
    var hash = UInt64(shape)
    var at = 0
    while at < match.count, let check = Check(rawValue: match[at]) {
      if check != .geneveOption { mix(&hash, integer(match, at + 2, check.width)) }
      at += check.size(match, at)
    }
    return UInt32(truncatingIfNeeded: hash >> 16)
  }

  /// The hash of what a frame has where a shape looks; nil when a header is not there.
  private static func hash(_ sight: Sight, _ place: Bytes, _ shape: Int) -> UInt32? {
    var hash = UInt64(shape)
    let end = 10 + Int(place.u16(8))
    var at = 10
    while at < end, let check = Check(rawValue: place[at]) {
      guard let value = sight.value(check, inner: place[at + 1] != 0) else { return nil }
      mix(&hash, value & integer(place, at + 2, check.width))
      at += 2 + check.width
    }
    return UInt32(truncatingIfNeeded: hash >> 16)
  }
}
