/// One place in the key for the data of one kind of Geneve option.
@frozen @usableFromInline
struct OptionSlot: Equatable, Sendable, BitwiseCopyable {
  /// Class << 16 | type << 8 | length in words: the option's first four bytes without the reserved bits.
  @usableFromInline var head: UInt32
  /// The first of the slot's data words, 0…7.
  @usableFromInline var first: UInt8
  /// How many data words are kept; the option's first ones.
  @usableFromInline var count: UInt8

  @usableFromInline
  init(head: UInt32, first: UInt8, count: UInt8) {
    self.head = head
    self.first = first
    self.count = count
  }
}

/// Which Geneve options rules look at, and where a key keeps them. Readers get it with the view of a burst.
@frozen @usableFromInline
struct OptionSlots: Sendable, BitwiseCopyable {
  /// A key has room for this many options.
  @usableFromInline static let most = 8
  /// Slots in use; those behind are empty. A slot whose `head` is `unused` waits for a new owner.
  @usableFromInline var count = 0
  @usableFromInline var slots = InlineArray<8, OptionSlot>(repeating: OptionSlot(head: 0, first: 0, count: 0))
  /// No option has this head: its reserved bits are set.
  @usableFromInline static let unused: UInt32 = 0xff

  @usableFromInline init() {}

  /// Copies the options that have a slot into the key at `words`, and sets their presence bits.
  ///
  /// `options` are the `length` bytes of options of a sound tunnel, which HeaderStack walked to their exact end.
  /// - Returns: whether an option of a slot is there more than once; then the key holds the first of each.
  @inlinable
  func extract(
    into words: UnsafeMutablePointer<UInt64>, options: UnsafeRawPointer, length: Int
  ) -> Bool {
    var seen: UInt64 = 0
    var repeated = false
    var at = 0
    let data = unsafe UnsafeMutableRawPointer(words + FlowKey.Layout.options)
    while at < length {
      let head = unsafe UInt32(bigEndian: options.loadUnaligned(fromByteOffset: at, as: UInt32.self)) & 0xffff_ff1f
      var slot = 0
      while slot < count {
        if slots[slot].head == head {
          let bit: UInt64 = 1 &<< UInt64(slot)
          if seen & bit != 0 {
            repeated = true
          } else {
            seen |= bit
            unsafe copy(slot, options + at, to: data)
          }
        }
        slot &+= 1
      }
      at &+= 4 &+ Int(head & 31) &* 4
    }
    unsafe words[FlowKey.Layout.meta] |= seen &* FlowKey.Presence.option0
    return repeated
  }

  /// Copies the data of the option at `option` to its slot's place.
  @inlinable @inline(__always)
  func copy(_ slot: Int, _ option: UnsafeRawPointer, to data: UnsafeMutableRawPointer) {
    let place = slots[slot]
    var word = 0
    while word < Int(place.count) {
      let value = unsafe option.loadUnaligned(fromByteOffset: 4 &+ word &* 4, as: UInt32.self)
      unsafe data.storeBytes(of: value, toByteOffset: (Int(place.first) &+ word) &* 4, as: UInt32.self)
      word &+= 1
    }
  }
}
