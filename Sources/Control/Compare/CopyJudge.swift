/// Says which of the copies that a side may make it has to make: device and software each count the frames for which they
/// carry a `sample` action out, and copy the first and every ratio-th after it (SPECIFICATION.md A5).
struct CopyJudge {
  private struct Counted: Hashable {
    var rule: UInt32
    var action: Int
    var byDevice: Bool
  }

  private let shapes: [UInt32: RuleShape]
  private var counts: [Counted: UInt64] = [:]
  /// Rules for whose frames it could not be told once how often which action was carried out, or by whom.
  private var unknown: Set<UInt32> = []
  /// A frame may be cut into segments on its way, each of which is sampled by itself.
  var framesMayBeCut = false

  init(_ shapes: [UInt32: RuleShape]) {
    self.shapes = shapes
    // A rule to which its own jump leads back may be met any number of times.
    var targets: [UInt32: Set<UInt32>] = [:]
    for shape in shapes.values { targets[shape.group, default: []].formUnion(shape.jumps.map { [$0] } ?? []) }
    for (id, shape) in shapes {
      guard let first = shape.jumps else { continue }
      var reached: Set<UInt32> = [], ahead: Set<UInt32> = [first]
      while let group = ahead.popFirst() {
        if reached.insert(group).inserted { ahead.formUnion(targets[group] ?? []) }
      }
      if reached.contains(shape.group) { unknown.insert(id) }
    }
  }

  /// What the device counted for these rules begins again.
  mutating func forget(_ rules: Set<UInt32>) {
    guard !rules.isEmpty else { return }
    for key in counts.keys where key.byDevice && rules.contains(key.rule) { counts[key] = nil }
  }

  /// The copies that have to be there of `all` that a frame can leave, in order; not exact, and then of no use, when
  /// that cannot be told.
  mutating func expected(of all: [Result], _ handover: Handover?) -> (copies: [Result], isExact: Bool) {
    var expected: [Result] = []
    var isExact = true
    var seen: Set<UInt32> = []
    var rest = all[...]
    while let rule = rest.first?.rule {
      let own = rest.prefix { $0.rule == rule }
      rest = rest.dropFirst(own.count)
      guard let handover, !unknown.contains(rule), seen.insert(rule).inserted,
        let copies = required(of: Array(own), rule, handover)
      else {
        // A rule that was met twice, or whose copies were cut: from now on its counts are anybody's guess.
        if handover != nil { unknown.insert(rule) }
        isExact = false
        continue
      }
      expected += copies
    }
    return (expected, isExact)
  }

  private mutating func required(of own: [Result], _ rule: UInt32, _ handover: Handover) -> [Result]? {
    guard let shape = shapes[rule], shape.samples.count == 1 || shape.samples.count == own.count else { return nil }
    if framesMayBeCut, own.count > shape.samples.count { return nil }
    var copies: [Result] = []
    for (index, sample) in shape.samples.enumerated() {
      guard let byDevice = isDevices(rule, shape.group, sample.action, handover) else { return nil }
      let key = Counted(rule: rule, action: sample.action, byDevice: byDevice)
      let count = counts[key, default: 0]
      counts[key] = count + 1
      guard count % sample.ratio == 0 else { continue }
      // One action whose copy was cut left several pieces.
      copies += shape.samples.count == 1 ? own : [own[index]]
    }
    return copies
  }

  /// Whether the device carried an action out; nil when that cannot be told.
  private func isDevices(_ rule: UInt32, _ group: UInt32, _ action: Int, _ handover: Handover) -> Bool? {
    switch handover {
    case .untouched: return false
    case .finished: return true
    case .begun(let last, let actionsDone):
      if rule == last { return action < actionsDone }
      guard let other = shapes[last]?.group, other != group else { return nil }
      return group < other
    }
  }
}
