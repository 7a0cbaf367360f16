import Device
import Rules

extension Overlay {
  /// The actions that put headers in front, of the frame or of a copy, and which.
  func encapsulations(in actions: [Action]) -> [(action: Int, encapsulations: Set<UInt16>)] {
    actions.enumerated().compactMap { place, action in
      let found = headers(of: action)
      return found.isEmpty ? nil : (place, found)
    }
  }

  private func headers(of action: Action) -> Set<UInt16> {
    switch action {
    case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index): [index]
    case .indirect(let id):
      if let action = indirectActions[id], !action.isIndirect { headers(of: action) } else { [] }
    case .sample(_, let list):
      (sampleActions[list] ?? []).reduce(into: []) { found, action in
        if case .sample = action { return }
        found.formUnion(headers(of: action))
      }
    default: []
    }
  }
}

extension Action {
  fileprivate var isIndirect: Bool { if case .indirect = self { true } else { false } }
}
