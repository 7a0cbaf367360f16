import Device
import Rules

/// What has to be known of a rule to compare its results: which of their fields are device-chosen, and its samples.
struct RuleShape {
  /// A `sample` action.
  struct Sample {
    /// Its place in the rule's list.
    var action: Int
    /// It copies one frame in this many.
    var ratio: UInt64
    /// The headers in front of a copy, in the order in which they were put there.
    var layers: [Encapsulation]
  }

  /// The rule's group.
  var group: UInt32
  /// The group it goes on in.
  var jumps: UInt32?
  /// The headers that the rule puts in front, in order.
  var layers: [Encapsulation] = []
  /// The queues of its `rss`; empty without one.
  var queues: Set<UInt8> = []
  /// The queues of the `rss` of its copies.
  var copyQueues: Set<UInt8> = []
  /// Its samples, in order.
  var samples: [Sample] = []

  init(_ rule: Rule, _ overlay: Overlay) {
    group = rule.attributes.group
    for (index, action) in rule.actions.enumerated() {
      let action = overlay.resolved(action)
      overlay.note(action, in: &layers)
      switch action {
      case .jump(let group): jumps = group
      case .rss(let rss): queues = Set(rss.queues.map { UInt8(truncatingIfNeeded: $0) })
      case .sample(let ratio, let list):
        var sample = Sample(action: index, ratio: UInt64(max(1, ratio)), layers: layers)
        for action in overlay.sampleActions[list] ?? [] {
          let action = overlay.resolved(action)
          overlay.note(action, in: &sample.layers)
          if case .rss(let rss) = action { copyQueues.formUnion(rss.queues.map { UInt8(truncatingIfNeeded: $0) }) }
        }
        samples.append(sample)
      default: continue
      }
    }
  }
}

extension Overlay {
  /// The action behind an indirect one.
  func resolved(_ action: Action) -> Action {
    if case .indirect(let id) = action, let shared = indirectActions[id] { return shared }
    return action
  }

  /// The actions that put headers in front, of the frame or of a copy, and which.
  func encapsulations(of actions: [Action]) -> [(action: Int, encapsulations: Set<UInt16>)] {
    actions.enumerated().compactMap { place, action in
      switch resolved(action) {
      case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index): return (place, [index])
      case .sample(_, let list):
        let indices = encapsulations(of: sampleActions[list] ?? []).flatMap(\.encapsulations)
        return indices.isEmpty ? nil : (place, Set(indices))
      default: return nil
      }
    }
  }

  /// What one more action does to the headers that were put in front: another comes, or the outermost is changed.
  func note(_ action: Action, in layers: inout [Encapsulation]) {
    switch action {
    case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index):
      if let header = encapsulations[index] { layers.append(header) }
    case .set(.l4Source(let port)):
      guard let last = layers.indices.last, layers[last].hasUDP else { return }
      layers[last].header[layers[last].l4] = UInt8(port >> 8)
      layers[last].header[layers[last].l4 + 1] = UInt8(truncatingIfNeeded: port)
    case .rawDecap(let index) where decapsulations[index] == .ethernet:
      guard let last = layers.indices.last, layers[last].kind != .none else { return }
      layers[last].header.removeFirst(layers[last].l3)
      layers[last].moveIP(by: -layers[last].l3)
    case .pushVLAN(let type):
      guard let last = layers.indices.last else { return }
      layers[last].header.insert(contentsOf: be(type) + [0, 0], at: 12)
      layers[last].moveIP(by: 4)
    case .popVLAN:
      guard let last = layers.indices.last, layers[last].isTagged else { return }
      layers[last].header.removeSubrange(12..<16)
      layers[last].moveIP(by: -4)
    default: return
    }
  }
}

extension Encapsulation {
  fileprivate var hasUDP: Bool { kind == .geneve || kind == .vxlan }
  fileprivate var isTagged: Bool { kind == .none ? header.count > 14 : l3 > 14 }
  fileprivate mutating func moveIP(by count: Int) {
    guard kind != .none else { return }
    l3 += count
    l4 += count
  }
}

extension Configuration {
  /// The same rules, but that every frame of a `sample` is copied: what both sides' copies are held against, as each
  /// side has a count of its own (SPECIFICATION.md A5).
  public var copyingEverything: Configuration {
    func always(_ action: Action) -> Action {
      if case .sample(_, let index) = action { return .sample(ratio: 1, index: index) }
      return action
    }
    var copy = self
    for index in copy.rules.indices { copy.rules[index].rule.actions = copy.rules[index].rule.actions.map(always) }
    copy.overlay.indirectActions = copy.overlay.indirectActions.mapValues(always)
    return copy
  }
}
