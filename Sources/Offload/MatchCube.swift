import Device
import Rules

/// A match as a set of demands on named bits, so that two matches can be compared without any frame.
struct MatchCube: Sendable {
  /// A demand: these bits of this place have these values.
  struct Demand: Hashable, Sendable {
    /// The place: header level and field, or a fact such as "is IPv4".
    var key: UInt64
    var mask: UInt128
    var spec: UInt128
  }

  /// Sorted by key, each key once.
  private(set) var demands: [Demand] = []
  /// False when the demands say less than the rule does; such a cube covers nothing.
  private(set) var isExact = true

  /// The match of a rule, the port it is for included. Groups are the caller's to compare.
  init(_ rule: Rule) {
    if !rule.attributes.transfer { add(Key.field(0, .inPort), .max, UInt128(rule.attributes.port)) }
    var slot: UInt64 = 0
    var tags: UInt64 = 0
    for item in rule.pattern {
      switch item {
      case .eth: add(Key.fact(slot, 1), .max, 1)
      case .vlan:
        tags += 1
        add(Key.fact(slot + tags - 1, 2), .max, 1)
      case .ipv4: add(Key.fact(slot, 3), .max, 4)
      case .ipv6: add(Key.fact(slot, 3), .max, 6)
      case .udp: add(Key.fact(slot, 4), .max, 17)
      case .tcp: add(Key.fact(slot, 4), .max, 6)
      case .icmp: add(Key.fact(slot, 4), .max, 1)
      case .icmp6: add(Key.fact(slot, 4), .max, 58)
      case .esp: add(Key.fact(slot, 4), .max, 50)
      case .geneve: add(Key.fact(0, 5), .max, 1)
      case .vxlan: add(Key.fact(0, 5), .max, 2)
      case .gre: add(Key.fact(0, 5), .max, 3)
      case .nvgre:
        add(Key.fact(0, 5), .max, 3)
        add(Key.fact(0, 6), .max, 1)
      case .greKey: add(Key.fact(0, 7), .max, 1)
      case .geneveOption(let option):
        add(Key.option(option.key, 63), .max, 1)
        for (word, mask) in option.mask.enumerated() where mask != 0 {
          add(Key.option(option.key, UInt64(word)), UInt128(mask), UInt128(option.data[word]))
        }
      case .representedPort, .portRepresentor: break
      }
      let place: UInt64 = if case .vlan = item { slot + tags - 1 } else { slot }
      for use in item.uses { add(Key.field(place, use.field), use.mask, use.spec) }
      if item.isTunnel {
        slot = 8
        tags = 0
      }
    }
    demands.sort { $0.key < $1.key }
    for index in demands.indices.dropFirst() where demands[index].key == demands[index - 1].key { isExact = false }
    if !isExact {
      var seen: Set<UInt64> = []
      demands.removeAll { !seen.insert($0.key).inserted }
    }
  }

  private mutating func add(_ key: UInt64, _ mask: UInt128, _ spec: UInt128) {
    demands.append(Demand(key: key, mask: mask, spec: spec))
  }

  /// How places are numbered.
  private enum Key {
    static func field(_ slot: UInt64, _ field: ItemField) -> UInt64 { slot << 8 | UInt64(field.rawValue) }
    static func fact(_ slot: UInt64, _ fact: UInt64) -> UInt64 { slot << 8 | 0x80 | fact }
    static func option(_ key: OptionKey, _ word: UInt64) -> UInt64 {
      1 << 48 | UInt64(key.optionClass) << 24 | UInt64(key.type) << 16 | UInt64(key.length) << 8 | word
    }
  }
  private static let outerEthType = Key.field(0, .ethType)
  private static let outerL3 = Key.fact(0, 3)

  /// Which bits of which places are looked at.
  var shape: [ShapePart] { demands.map { ShapePart(key: $0.key, mask: $0.mask) } }

  /// One place of a shape.
  struct ShapePart: Hashable, Sendable {
    var key: UInt64
    var mask: UInt128
    /// Whether it is about a Geneve option, of which a frame may have several.
    var isOption: Bool { key >> 48 != 0 }
  }

  /// The values under another shape's masks; nil when this match does not fix all of its bits.
  func projected(onto shape: [ShapePart]) -> [UInt128]? {
    var values: [UInt128] = []
    values.reserveCapacity(shape.count)
    var index = 0
    for part in shape {
      while index < demands.count, demands[index].key < part.key { index += 1 }
      guard index < demands.count, demands[index].key == part.key else { return nil }
      guard demands[index].mask & part.mask == part.mask else { return nil }
      values.append(demands[index].spec & part.mask)
    }
    return values
  }

  /// Whether some frame may match both. Says yes when in doubt, never no when there is one.
  func mayOverlap(_ other: MatchCube) -> Bool {
    var i = 0, j = 0
    while i < demands.count, j < other.demands.count {
      let a = demands[i], b = other.demands[j]
      if a.key < b.key {
        i += 1
      } else if b.key < a.key {
        j += 1
      } else {
        if a.key >> 48 == 0, (a.spec ^ b.spec) & a.mask & b.mask != 0 { return false }
        i += 1
        j += 1
      }
    }
    return !excludesIP(other) && !other.excludesIP(self)
  }

  /// Whether this match is of frames whose EtherType rules out the other's IP header (P2, P3).
  private func excludesIP(_ other: MatchCube) -> Bool {
    guard let type = demands.first(where: { $0.key == Self.outerEthType }), type.mask == 0xffff else { return false }
    guard let l3 = other.demands.first(where: { $0.key == Self.outerL3 }) else { return false }
    return ![0x8100, 0x88a8, 0x9100, l3.spec == 4 ? 0x0800 : 0x86dd].contains(type.spec)
  }

  /// Whether every frame of `other` matches this. Says no when in doubt.
  func covers(_ other: MatchCube) -> Bool {
    isExact && other.projected(onto: shape) == demands.map(\.spec)
  }
}

/// Matches that are already taken, to ask whether one of them takes everything of another.
struct CoverIndex: Sendable {
  private var tables: [[MatchCube.ShapePart]: [[UInt128]: UInt32]] = [:]
  /// More shapes than this are not kept: a cover that is not found costs a place in the table, nothing else.
  static let largestShapeCount = 256

  /// Takes a match in, as that of rule `id`.
  mutating func insert(_ cube: MatchCube, id: UInt32) {
    let shape = cube.shape
    guard cube.isExact, tables[shape] != nil || tables.count < Self.largestShapeCount else { return }
    let values = cube.demands.map(\.spec)
    if tables[shape]?[values] == nil { tables[shape, default: [:]][values] = id }
  }

  /// The lowest rule id among those found that cover the match.
  func cover(of cube: MatchCube) -> UInt32? {
    var best: UInt32?
    for (shape, table) in tables {
      guard let values = cube.projected(onto: shape), let id = table[values] else { continue }
      if best.map({ id < $0 }) ?? true { best = id }
    }
    return best
  }
}

/// Matches by shape, to ask which of very many may overlap with one: a look-up a pair of shapes.
struct OverlapIndex: Sendable {
  private struct Bucket {
    var shape: [MatchCube.ShapePart]
    var cubes: [(cube: MatchCube, id: UInt32)] = []
    /// For each shape that asked: the bits both look at, and the values there of the first `count` cubes.
    var views: [[MatchCube.ShapePart]: View] = [:]

    mutating func overlap(with cube: MatchCube, asking: [MatchCube.ShapePart]) -> UInt32? {
      var view = views.removeValue(forKey: asking) ?? View(common: OverlapIndex.common(shape, asking))
      while view.count < cubes.count {
        view.values[cubes[view.count].cube.projected(onto: view.common) ?? [], default: []].append(view.count)
        view.count += 1
      }
      let candidates = view.values[cube.projected(onto: view.common) ?? []] ?? []
      views[asking] = view
      return candidates.first { cubes[$0].cube.mayOverlap(cube) }.map { cubes[$0].id }
    }
  }
  private struct View {
    var common: [MatchCube.ShapePart]
    var count = 0
    var values: [[UInt128]: [Int]] = [:]
  }
  private var buckets: [Bucket] = []
  private var places: [[MatchCube.ShapePart]: Int] = [:]

  /// Whether there is nothing in it.
  var isEmpty: Bool { buckets.isEmpty }

  /// Takes a match in.
  mutating func insert(_ cube: MatchCube, id: UInt32) {
    let shape = cube.shape
    if let place = places[shape] {
      buckets[place].cubes.append((cube, id))
    } else {
      places[shape] = buckets.count
      buckets.append(Bucket(shape: shape, cubes: [(cube, id)]))
    }
  }

  /// A rule whose match may overlap; nil when none does.
  mutating func overlap(with cube: MatchCube) -> UInt32? {
    let asking = cube.shape
    for place in buckets.indices {
      if let id = buckets[place].overlap(with: cube, asking: asking) { return id }
    }
    return nil
  }

  /// The bits that both shapes look at. Options are left out: a frame may have one twice, with different data.
  private static func common(
    _ a: [MatchCube.ShapePart], _ b: [MatchCube.ShapePart]
  ) -> [MatchCube.ShapePart] {
    let masks = Dictionary(b.map { ($0.key, $0.mask) }) { first, _ in first }
    return a.compactMap { part in
      guard !part.isOption, let mask = masks[part.key], mask & part.mask != 0 else { return nil }
      return MatchCube.ShapePart(key: part.key, mask: mask & part.mask)
    }
  }
}
