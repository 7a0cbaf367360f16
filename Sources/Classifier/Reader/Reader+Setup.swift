extension Reader {
  /// A reader at `place` of the board.
  init(shared: SharedState, place: Int) {
    self.shared = shared
    self.place = place
    epochs = shared.epochs
    unsafe counters = shared.counterBase(place)
    unsafe ids = shared.idBase
    unsafe keys = .allocate(capacity: Reader.burst * FlowKey.stride)
    unsafe keys.initialize(repeating: 0, count: Reader.burst * FlowKey.stride)
    unsafe packed = .allocate(capacity: Reader.burst * FlowKey.stride)
    unsafe packed.initialize(repeating: 0, count: Reader.burst * FlowKey.stride)
    unsafe waiting = .allocate(capacity: Reader.burst)
    unsafe waiting.initialize(repeating: WaitingKey(), count: Reader.burst)
    unsafe scratch = .allocate(capacity: Reader.burst)
    for slot in 0..<Reader.burst { unsafe (scratch + slot).initialize(to: BurstScratch()) }
    let address = unsafe Machine().acquire64(shared.viewPlace)
    // The writer puts a view there before it makes readers.
    guard let view = unsafe UnsafeMutablePointer<View>(bitPattern: UInt(address)) else {
      preconditionFailure("a reader before the first view")
    }
    unsafe self.view = view
  }
}
