// Frames that carry an option of the key more than once: rare, and M4 asks for "some option". Every choice of one option
// a slot is looked up; at most 31 options of a word fit into a header, so the choices are few but for hostile frames.
extension Reader {
  mutating func searchRepeated(_ group: UnsafeMutablePointer<GroupView>, slots: UInt64) {
    var rest = slots
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      unsafe choose(group, slot, option: 0)
    }
  }

  /// Tries every option that can stand in slot `option` of the key, and for each those of the next ones.
  private mutating func choose(_ group: UnsafeMutablePointer<GroupView>, _ slot: Int, option: Int) {
    let slots = unsafe view.pointee.slots
    guard option < slots.count else {
      unsafe searchTables(group, slots: 1 &<< UInt64(slot))
      return
    }
    let place = slots.slots[option]
    var tried = false
    // An option without data in the key differs in nothing.
    if place.count > 0, let options = unsafe scratch[slot].options {
      var at = 0
      while unsafe at < scratch[slot].optionsLength {
        let head = unsafe UInt32(bigEndian: options.loadUnaligned(fromByteOffset: at, as: UInt32.self)) & 0xffff_ff1f
        if head == place.head {
          let data = unsafe UnsafeMutableRawPointer(keys + (slot &* FlowKey.stride &+ FlowKey.Layout.options))
          unsafe slots.copy(option, options + at, to: data)
          tried = true
          unsafe choose(group, slot, option: option + 1)
        }
        at += 4 + Int(head & 31) * 4
      }
    }
    if !tried { unsafe choose(group, slot, option: option + 1) }
  }
}
