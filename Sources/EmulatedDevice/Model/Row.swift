import Memory

/// One rule in the device's memory: a head of 128 bytes, and a program of checks and actions elsewhere.
struct Row {
  /// Bytes of a head.
  static let size = 128

  let head: Bytes

  /// What a row is besides match and actions.
  struct Flags: OptionSet {
    let rawValue: UInt16
    /// Frames of every port.
    static let transfer = Flags(rawValue: 1)
    /// Frames come up matched and untouched.
    static let guardOnly = Flags(rawValue: 2)
    /// Frames come up as a plain miss.
    static let wideGuard = Flags(rawValue: 4)
    /// Some actions are left to software.
    static let partial = Flags(rawValue: 8)
    static let counts = Flags(rawValue: 16)
    static let ages = Flags(rawValue: 32)
  }

  /// 0 when the row is free.
  var id: UInt32 {
    get { head.u32(0) }
    nonmutating set { head.store(newValue, at: 0) }
  }
  var group: UInt32 {
    get { head.u32(4) }
    nonmutating set { head.store(newValue, at: 4) }
  }
  var priority: UInt32 {
    get { head.u32(8) }
    nonmutating set { head.store(newValue, at: 8) }
  }
  var port: UInt16 {
    get { head.u16(12) }
    nonmutating set { head.store(newValue, at: 12) }
  }
  var flags: Flags {
    get { Flags(rawValue: head.u16(14)) }
    nonmutating set { head.store(newValue.rawValue, at: 14) }
  }
  /// When it takes effect.
  var effectiveAt: UInt64 {
    get { head.load(16) }
    nonmutating set { head.store(newValue, at: 16) }
  }
  /// Seconds.
  var ageTimeout: UInt32 {
    get { head.u32(28) }
    nonmutating set { head.store(newValue, at: 28) }
  }
  /// Where the program is, in granules of the heap; its length; how much of it is match.
  var program: UInt32 {
    get { head.u32(32) }
    nonmutating set { head.store(newValue, at: 32) }
  }
  var programCount: UInt16 {
    get { head.u16(36) }
    nonmutating set { head.store(newValue, at: 36) }
  }
  var matchCount: UInt16 {
    get { head.u16(38) }
    nonmutating set { head.store(newValue, at: 38) }
  }
  /// The index: next row of the bucket plus one, or of the free list; the shape.
  var next: UInt32 {
    get { head.u32(40) }
    nonmutating set { head.store(newValue, at: 40) }
  }
  var shape: UInt16 {
    get { head.u16(44) }
    nonmutating set { head.store(newValue, at: 44) }
  }
  /// 1 when the idle time was told.
  var isToldAged: Bool {
    get { head[46] != 0 }
    nonmutating set { head[46] = newValue ? 1 : 0 }
  }
  var lastHit: UInt64 {
    get { head.load(48) }
    nonmutating set { head.store(newValue, at: 48) }
  }
  /// Hits, whether counted or not: the pace of `sample`.
  var hits: UInt64 {
    get { head.load(56) }
    nonmutating set { head.store(newValue, at: 56) }
  }
  var frames: UInt64 {
    get { head.load(64) }
    nonmutating set { head.store(newValue, at: 64) }
  }
  var bytes: UInt64 {
    get { head.load(72) }
    nonmutating set { head.store(newValue, at: 72) }
  }
  /// The last reading that was shown.
  var shownFrames: UInt64 {
    get { head.load(80) }
    nonmutating set { head.store(newValue, at: 80) }
  }
  var shownBytes: UInt64 {
    get { head.load(88) }
    nonmutating set { head.store(newValue, at: 88) }
  }
  var shownAt: UInt64 {
    get { head.load(96) }
    nonmutating set { head.store(newValue, at: 96) }
  }
  /// The hash of the masked values, by which the row is filed.
  var filedUnder: UInt32 {
    get { head.u32(104) }
    nonmutating set { head.store(newValue, at: 104) }
  }
  /// The bucket of the id directory: next row plus one.
  var nextById: UInt32 {
    get { head.u32(108) }
    nonmutating set { head.store(newValue, at: 108) }
  }
}
