/// Rule ids to dense indices: open addressing, linear, with the id's low bits as the start so that ids given out in
/// order lie in order and never meet; the bits above the table's size are spread.
struct IDMap {
  private var ids: [UInt32]
  private var places: [UInt32]
  private var mask: UInt32
  private(set) var count = 0
  private static let empty = UInt32.max

  init() {
    ids = Array(repeating: 0, count: 16)
    places = Array(repeating: Self.empty, count: 16)
    mask = 15
  }

  private func start(_ id: UInt32) -> UInt32 { (id &+ (id >> UInt32(mask.nonzeroBitCount)) &* 0x9e37_79b1) & mask }

  /// The index of `id`.
  subscript(id: UInt32) -> UInt32? {
    var at = Int(start(id))
    while places[at] != Self.empty {
      if ids[at] == id { return places[at] }
      at = (at + 1) & Int(mask)
    }
    return nil
  }

  /// Adds an id that is not there.
  mutating func insert(_ id: UInt32, _ place: UInt32) {
    if (count + 1) * 3 > ids.count * 2 { rebuild(slots: ids.count * 2) }
    put(id, place)
    count += 1
  }

  /// Adds an id, for which room was made with ``reserve(_:)``; false when it is there.
  mutating func insertIfAbsent(_ id: UInt32, _ place: UInt32) -> Bool {
    if (count + 1) * 3 > ids.count * 2 { rebuild(slots: ids.count * 2) }
    var at = Int(start(id))
    while places[at] != Self.empty {
      if ids[at] == id { return false }
      at = (at + 1) & Int(mask)
    }
    ids[at] = id
    places[at] = place
    count += 1
    return true
  }

  private mutating func put(_ id: UInt32, _ place: UInt32) {
    var at = Int(start(id))
    while places[at] != Self.empty { at = (at + 1) & Int(mask) }
    ids[at] = id
    places[at] = place
  }

  /// Makes room for `more` ids.
  mutating func reserve(_ more: Int) {
    var slots = ids.count
    while (count + more) * 3 > slots * 2 { slots *= 2 }
    if slots > ids.count { rebuild(slots: slots) }
  }

  private mutating func rebuild(slots: Int) {
    let (oldIDs, oldPlaces) = (ids, places)
    ids = Array(repeating: 0, count: slots)
    places = Array(repeating: Self.empty, count: slots)
    mask = UInt32(slots - 1)
    for at in oldIDs.indices where oldPlaces[at] != Self.empty { put(oldIDs[at], oldPlaces[at]) }
  }

  /// Removes an id that is there; those behind it close the gap.
  mutating func remove(_ id: UInt32) {
    var gap = Int(start(id))
    while ids[gap] != id || places[gap] == Self.empty { gap = (gap + 1) & Int(mask) }
    count -= 1
    var at = gap
    while true {
      at = (at + 1) & Int(mask)
      guard places[at] != Self.empty else { break }
      // Whether `at`'s home lies cyclically in (gap, at]: then it must stay.
      let home = Int(start(ids[at]))
      let stays = gap <= at ? gap < home && home <= at : gap < home || home <= at
      if stays { continue }
      ids[gap] = ids[at]
      places[gap] = places[at]
      gap = at
    }
    places[gap] = Self.empty
  }

  /// Every id.
  var all: [UInt32] { ids.indices.filter { places[$0] != Self.empty }.map { ids[$0] } }
}
