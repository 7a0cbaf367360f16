import Rules

/// Gives Geneve options places in the key; what finds none is verified against the frame itself.
struct OptionAllocator {
  private(set) var slots = OptionSlots()
  /// Data words in use, a bit each.
  private var words: UInt8 = 0

  /// Moves those of the match's options that fit into its words. True when the slots changed.
  mutating func place(_ match: inout CompiledMatch, inUse: () -> UInt8) -> Bool {
    var changed = false
    var residual: [GeneveOptionItem] = []
    var placed: [UInt32] = []
    // No table looks at this match's own slots yet.
    var own: UInt8 = 0
    for option in match.options {
      let head = UInt32(option.optionClass) << 16 | UInt32(option.type) << 8 | UInt32(option.length)
      let needed = (option.mask.lastIndex { $0 != 0 } ?? -1) + 1
      // A second item of one kind may be about a second option of that kind: the frame's bytes decide.
      guard !placed.contains(head), needed <= FlowKey.Layout.optionWords else {
        residual.append(option)
        continue
      }
      var slot = find(head, needed)
      if slot == nil {
        slot = make(head, needed)
        if slot == nil, release(inUse() | own) { slot = make(head, needed) }
        changed = changed || slot != nil
      }
      guard let slot else {
        residual.append(option)
        continue
      }
      placed.append(head)
      own |= 1 << slot
      want(&match, option, slot, needed)
    }
    match.options = residual
    return changed
  }

  private func want(_ match: inout CompiledMatch, _ option: GeneveOptionItem, _ slot: Int, _ needed: Int) {
    match.present(FlowKey.Presence.option0 << UInt64(slot))
    for index in 0..<needed {
      let place = Int(slots.slots[slot].first) + index
      let shift = UInt64(place & 1) * 32
      match.want(
        FlowKey.Layout.options + place >> 1, UInt64(option.data[index].byteSwapped) << shift,
        mask: UInt64(option.mask[index].byteSwapped) << shift)
    }
  }

  private func find(_ head: UInt32, _ needed: Int) -> Int? {
    (0..<slots.count).first { slots.slots[$0].head == head && Int(slots.slots[$0].count) >= needed }
  }

  private mutating func make(_ head: UInt32, _ needed: Int) -> Int? {
    let unused = (0..<slots.count).first { slots.slots[$0].head == OptionSlots.unused }
    guard let slot = unused ?? (slots.count < OptionSlots.most ? slots.count : nil) else { return nil }
    let run = UInt8(truncatingIfNeeded: (1 << needed) - 1)
    guard let first = (0...(8 - needed)).first(where: { words & run << $0 == 0 }) else { return nil }
    words |= run << first
    slots.slots[slot] = OptionSlot(head: head, first: UInt8(first), count: UInt8(needed))
    slots.count = max(slots.count, slot + 1)
    return slot
  }

  /// Takes back the slots whose bit in `inUse` is 0. True when there was one.
  private mutating func release(_ inUse: UInt8) -> Bool {
    var released = false
    for slot in 0..<slots.count where inUse & 1 << slot == 0 && slots.slots[slot].head != OptionSlots.unused {
      let place = slots.slots[slot]
      let run = UInt8(truncatingIfNeeded: (1 << Int(place.count)) - 1)
      words &= ~(run << place.first)
      slots.slots[slot] = OptionSlot(head: OptionSlots.unused, first: 0, count: 0)
      released = true
    }
    return released
  }
}
