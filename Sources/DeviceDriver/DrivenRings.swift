import Device
import DeviceBus
import Memory
import Virtqueue

/// The driver's side of all rings of one generation, and the administration queue's slots.
struct DrivenRings: ~Copyable {
  let region: SharedRegion
  let registers: Registers
  let layout: BusLayout
  let generation: UInt64
  var admin: DriverQueue
  var pairs: OwnedTable<DrivenPair>
  private var freeSlots: [Int]

  /// Lays rings out in `region` for `generation`, with all output buffers handed to the device.
  init(_ layout: BusLayout, _ region: SharedRegion, generation: UInt64) throws(RingFault) {
    let admin = try DriverQueue(
      try layout.adminPlace(region.shared), region: region, features: [.version1, .eventIndex])
    var pairs = OwnedTable<DrivenPair>(capacity: layout.pairs)
    for pair in 0..<layout.pairs { pairs.append(try DrivenPair(layout, pair, region)) }
    self.admin = admin
    self.pairs = pairs
    self.region = region
    self.layout = layout
    self.generation = generation
    registers = Registers(region.shared)
    freeSlots = Array(0..<BusLayout.adminSlots)
  }

  /// Frames that the device has and has not answered.
  var unanswered: Int {
    var sum = 0
    for pair in 0..<pairs.count { sum += pairs[pair].unanswered }
    return sum
  }

  /// What the device did against the rules, if it did.
  var loss: DeviceLoss? {
    if let fault = admin.fault { return .ring(fault) }
    for pair in 0..<pairs.count {
      if let fault = pairs[pair].input.fault ?? pairs[pair].output.fault { return .ring(fault) }
      if let fault = pairs[pair].fault { return .answer(fault) }
    }
    return nil
  }

  // MARK: Commands

  /// Commands under way.
  var commands: Int { BusLayout.adminSlots - freeSlots.count }

  /// Hands a command to the device; its slot, or nil when there is no room now. A command longer than a slot is the
  /// caller's bug and traps.
  mutating func submit(_ command: [UInt8]) -> Int? {
    precondition(command.count <= BusLayout.adminBuffer)
    guard let slot = freeSlots.last, admin.free >= 2, admin.fault == nil else { return nil }
    freeSlots.removeLast()
    let at = layout.command(slot)
    for (index, byte) in command.enumerated() { region.shared.store8(byte, at: at + index) }
    let parts = [
      BufferPart(address: UInt64(at), length: UInt32(command.count), isWritable: false),
      BufferPart(address: UInt64(layout.result(slot)), length: UInt32(BusLayout.adminBuffer), isWritable: true),
    ]
    guard admin.add(parts.span, token: UInt32(slot)) else { return nil }
    return slot
  }

  /// A command that has ended: its slot, and the result's bytes.
  mutating func reap() -> (slot: Int, bytes: [UInt8])? {
    guard let used = admin.reap() else { return nil }
    let slot = Int(used.token)
    freeSlots.append(slot)
    let at = layout.result(slot)
    return (slot, (0..<Int(used.written)).map { region.shared.load8(at + $0) })
  }

  /// Shows the device everything that was handed out; whether it wants to be kicked.
  mutating func publish() -> Bool {
    var kick = admin.publish()
    for pair in 0..<pairs.count where pairs[pair].publish() { kick = true }
    return kick
  }

  /// Asks to be called, and looks once more; whether it is safe to sleep.
  mutating func requestCalls() -> Bool {
    var isQuiet = admin.requestCalls()
    for pair in 0..<pairs.count {
      if !pairs[pair].input.requestCalls() { isQuiet = false }
      if !pairs[pair].output.requestCalls() { isQuiet = false }
    }
    return isQuiet
  }
}
