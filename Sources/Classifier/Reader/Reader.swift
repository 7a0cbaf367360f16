public import CShim
public import Memory
public import Wire

/// One queue's way to the tables: cannot be copied, belongs to one thread, waits for nobody, allocates nothing.
///
/// A burst is `enter`, `prepare` for each frame, `lookup`, `hit` and `count` for each frame, `leave`. What a hit said is
/// valid until `leave`.
@safe @frozen
public struct Reader: ~Copyable, @unchecked Sendable {
  // `@unchecked`: the memory is the reader's own, or shared by the protocol of Epochs.
  /// Frames in a burst at most.
  public static let burst = 64

  @usableFromInline let shared: SharedState
  @usableFromInline let epochs: Epochs
  @usableFromInline let place: Int
  @usableFromInline let counters: UnsafeMutableRawPointer
  @usableFromInline let ids: UnsafeMutableRawPointer
  @usableFromInline let scratch: UnsafeMutablePointer<BurstScratch>
  @usableFromInline let keys: UnsafeMutablePointer<UInt64>
  /// The masked words for the table at hand, as many apart as the keys.
  @usableFromInline let packed: UnsafeMutablePointer<UInt64>
  /// The keys that the table at hand is asked for.
  @usableFromInline let waiting: UnsafeMutablePointer<WaitingKey>
  @usableFromInline var view: UnsafeMutablePointer<View>
  @usableFromInline var version: UInt32 = 0
  /// The rules of this burst by number, valid from ``enter(now:)`` to ``leave()``: what a lookup said under one number
  /// it says again under the same number, and no number comes twice. Never 0.
  @inlinable public var generation: UInt64 { entered }
  @usableFromInline var entered: UInt64 = 0
  @usableFromInline var now: UInt64 = 0
  /// Slots of the burst that hit a rule; `scratch` says which.
  @usableFromInline var found: UInt64 = 0
  /// Slots of the burst whose frame has an option of the key more than once.
  @usableFromInline var repeated: UInt64 = 0

  deinit {
    epochs.leave(Machine(), reader: place)
    unsafe keys.deallocate()
    unsafe packed.deallocate()
    unsafe waiting.deallocate()
    unsafe scratch.deallocate()
    shared.givePlace(place)
  }

  /// Enters: until ``leave()`` this reader sees the rules as they are now. `now` is in nanoseconds of the caller's clock.
  @inlinable
  public mutating func enter(now: UInt64) {
    // The version first: a view at least as new holds every row that the version shows.
    entered = epochs.enter(Machine(), reader: place)
    version = UInt32(truncatingIfNeeded: entered)
    let address = unsafe Machine().acquire64(epochs.board + 8)
    if let view = unsafe UnsafeMutablePointer<View>(bitPattern: UInt(address)) { unsafe self.view = view }
    self.now = now
    found = 0
    repeated = 0
  }

  /// Leaves. Hits of this burst must not be used any more.
  @inlinable
  public mutating func leave() { epochs.leave(Machine(), reader: place) }

  /// Takes the key of a frame into slot `slot` (0..<``burst``) of this burst.
  ///
  /// `stack` must have been parsed from `bytes`, which must stay as they are until the lookup. After a frame's headers
  /// were changed it has to be parsed and prepared again.
  @inlinable
  public mutating func prepare(_ slot: Int, _ stack: HeaderStack, _ bytes: Bytes, inPort: UInt16) {
    precondition(slot >= 0 && slot < Self.burst)
    let key = unsafe keys + slot &* FlowKey.stride
    let base = unsafe UnsafeRawPointer(bytes.unsafeBase)
    unsafe FlowKey.extract(into: key, stack: stack, base: base, count: bytes.count, inPort: inPort)
    if stack.optionsLength != 0, stack.hasSoundTunnel {
      unsafe scratch[slot].options = base + (Int(stack.tunnelOffset) &+ 8)
      unsafe scratch[slot].optionsLength = Int(stack.optionsLength)
      if unsafe view.pointee.slots.count != 0 {
        let again = unsafe view.pointee.slots.extract(
          into: key, options: base + (Int(stack.tunnelOffset) &+ 8), length: Int(stack.optionsLength))
        if again { repeated |= 1 &<< UInt64(slot) } else { repeated &= ~(1 &<< UInt64(slot)) }
      }
    } else {
      unsafe scratch[slot].optionsLength = 0
      repeated &= ~(1 &<< UInt64(slot))
    }
  }

  /// Takes a key as it is (tests and benchmarks; no options outside of the key).
  public mutating func prepare(_ slot: Int, key: FlowKey) {
    precondition(slot >= 0 && slot < Self.burst)
    for word in 0..<FlowKey.wordCount { unsafe keys[slot &* FlowKey.stride &+ word] = key.words[word] }
    unsafe scratch[slot].optionsLength = 0
    repeated &= ~(1 &<< UInt64(slot))
  }

  /// Sets one word of a slot's key: for callers that know what the rules look at. Word 0 comes with every frame.
  @inlinable @inline(__always)
  public mutating func set(_ slot: Int, word: Int, _ value: UInt64) {
    precondition(slot >= 0 && slot < Self.burst && word >= 0 && word < FlowKey.wordCount)
    unsafe keys[slot &* FlowKey.stride &+ word] = value
  }

  /// What the last lookup found for a slot.
  @inlinable @inline(__always)
  public func hit(_ slot: Int) -> RuleHit {
    precondition(slot >= 0 && slot < Self.burst)
    return found & 1 &<< UInt64(slot) == 0 ? .none : unsafe scratch[slot].hit
  }

  /// Counts a frame of `bytes` bytes at the rule and restarts its age timer.
  @inlinable @inline(__always)
  public func count(_ hit: RuleHit, bytes: Int) {
    guard hit.isHit else { return }
    let at = unsafe counters + Int(hit.index) &* RuleCounter.size
    let words = Machine()
    // Loads and stores, not read-modify-write: the queue is the only one that writes.
    unsafe words.release64(at + RuleCounter.frames, words.acquire64(at + RuleCounter.frames) &+ 1)
    unsafe words.release64(
      at + RuleCounter.bytes, words.acquire64(at + RuleCounter.bytes) &+ UInt64(truncatingIfNeeded: bytes))
    unsafe words.release64(at + RuleCounter.lastHit, now)
  }

  /// Restarts the rule's age timer and counts nothing: for rules without a `count` action.
  @inlinable @inline(__always)
  public func touch(_ hit: RuleHit) {
    guard hit.isHit else { return }
    unsafe Machine().release64(counters + Int(hit.index) &* RuleCounter.size + RuleCounter.lastHit, now)
  }

  /// Asks for the lines that ``count(_:bytes:)`` will write.
  @inlinable @inline(__always)
  public func prefetchCounter(_ hit: RuleHit) {
    guard hit.isHit else { return }
    unsafe dpu_prefetch_write(counters + Int(hit.index) &* RuleCounter.size)
  }

  /// The id of the rule that was hit; 0 for none.
  @inlinable @inline(__always)
  public func id(of hit: RuleHit) -> UInt32 {
    hit.isHit ? unsafe Machine().acquire32(ids + Int(hit.index) &* 4) : 0
  }
}

/// A key that a table is asked for.
@frozen @usableFromInline
struct WaitingKey: BitwiseCopyable {
  @usableFromInline var hash: UInt64 = 0
  /// What the looks at the buckets said.
  @usableFromInline var candidate: UInt32 = 0
  /// The frame's slot.
  @usableFromInline var slot: UInt32 = 0

  @usableFromInline init() {}
}

/// A slot's working memory.
@safe @frozen @usableFromInline
struct BurstScratch {
  @usableFromInline var hit: RuleHit
  /// The frame's Geneve options, when `optionsLength` is not 0.
  @usableFromInline var options: UnsafeRawPointer?
  @usableFromInline var optionsLength: Int

  @usableFromInline
  init() {
    hit = .none
    unsafe options = nil
    optionsLength = 0
  }
}
