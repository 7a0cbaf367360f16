public import Device
public import Memory
import Rules

/// A SmartNIC in software: it enforces abilities, and is written from SPECIFICATION.md part one and the RFCs alone.
///
/// README.md beside it is its datasheet. All its memory is taken at the start; frames, segments and copies that it makes
/// lie in buffers of its own, valid during the call that emits them, and carry ``noToken``. A frame that it changes stays
/// in its owner's buffer when it fits there, and keeps its token in any case.
public struct EmulatedDevice: ~Copyable, OffloadDevice {
  /// The token of frames that nobody has to give back: copies and segments in the device's own buffers.
  public static let noToken = UInt32.max

  let storeMemory: Region
  let workMemory: Region
  let tableMemory: Region
  let overlay: Overlay
  let names: SlotNames
  var model: Model
  var ledger = OptionLedger()
  /// Patterns of rules with Geneve options, for the ledger.
  var patterns: [UInt32: [Rules.Item]] = [:]
  var pace: InsertionPace

  /// A device of these abilities, started with an overlay's ports, templates and endpoints.
  ///
  /// - Parameters:
  ///   - abilities: what it allows.
  ///   - overlay: what it is told at the start; the same value that software gets.
  ///   - seed: chance: when faults strike, the first IPv4 identification.
  ///   - faults: what goes wrong.
  ///   - maximumRules: a cap on ``Abilities/rules`` for the memory's sake; memory is only used as rules come.
  ///   - programBytes: what a rule's checks and actions need on average, 64…4096; when rules need more, the table is full
  ///     before it has that many. For hosts that lock all memory which they map.
  /// - Throws: when the system has no memory for its tables.
  public init(
    abilities: Abilities, overlay: Overlay, seed: UInt64 = 0, faults: FaultPlan = FaultPlan(),
    maximumRules: Int = 1 << 20, programBytes: Int = 4096
  ) throws(ArenaError) {
    let capacity = max(0, min(Int(abilities.rules), maximumRules))
    let tables = StartTables(overlay)
    let storeMemory = try Region(bytes: RuleStore.bytes(capacity: capacity, each: programBytes))
    let workMemory = try Region(bytes: Model.workBytes)
    let tableMemory = try Region(bytes: tables.bytes.count)
    self.overlay = overlay
    names = tables.names
    pace = InsertionPace(perSecond: abilities.insertionsPerSecond)
    model = Model(
      abilities: abilities, settings: tables.settings(in: tableMemory.bytes),
      store: RuleStore(capacity: capacity, each: programBytes, memory: storeMemory.bytes), works: workMemory.bytes,
      faults: faults,
      seed: seed)
    self.storeMemory = storeMemory
    self.workMemory = workMemory
    self.tableMemory = tableMemory
  }

  /// What it allows.
  public var abilities: Abilities { model.abilities }
  /// The drop that the device found in the last frame that came in and left to software to name (SPECIFICATION.md, V1);
  /// nil when it found none.
  public var foundDrop: DropReason? { model.lastCause?.drop }
  /// Whether it answers.
  public var isAlive: Bool { model.isAlive }
  /// Rules that it holds now.
  public var ruleCount: Int { model.store.count }
  /// Rules that it can hold.
  public var ruleCapacity: Int { model.store.capacity }

  /// A frame arrives from outside; see ``OffloadDevice/receive(_:port:now:emit:)``.
  public mutating func receive(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    model.receive(frame, port: port, now: now, emit: emit)
  }

  /// Software sends a frame; see ``OffloadDevice/transmit(_:port:now:emit:)``. The record of a frame that became
  /// segments comes last, with ``Outcome/absorbed``, so that its buffer can be given back.
  public mutating func transmit(_ frame: Frame, port: UInt16, now: UInt64, emit: (Emission) -> Void) {
    model.transmit(frame, port: port, emit: emit)
  }

  /// Acknowledges a reset: no rules, and alive. Its own counters and faults go on.
  public mutating func recover(now: UInt64) {
    model.store.removeAll()
    forgetRules()
    model.isAlive = true
  }

  mutating func forgetRules() {
    ledger = OptionLedger()
    patterns = [:]
    pace = InsertionPace(perSecond: model.abilities.insertionsPerSecond)
  }
}
