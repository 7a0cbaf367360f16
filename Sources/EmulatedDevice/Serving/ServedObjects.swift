import Device
import DeviceBus
import Memory

/// The objects that a driver made, and the device that is made of them.
struct ServedObjects {
  /// A device; a class, since there is none before the profile comes.
  final class Box {
    var device: EmulatedDevice
    init(_ device: consuming EmulatedDevice) { self.device = device }
  }

  private var overlay = Overlay()
  private var box: Box?
  private var classifiers: [UInt32: [UInt8]] = [:]
  private var uses: [UInt32: Int] = [:]
  private var shapes: [UInt32: UInt32] = [:]
  /// Idle rules that were not told yet.
  private var idle: [UInt32] = []

  /// Whether there is a device.
  var isStarted: Bool { box != nil }
  /// Whether it works.
  var isAlive: Bool { box?.device.isAlive ?? true }

  /// The drop that the device found in the last frame.
  var foundDrop: DropReason? { box?.device.foundDrop }

  /// Frames: into the model, and what comes of them to `emit`. Without a device nothing comes.
  func carry(_ frame: Frame, _ header: FrameHeader, emit: (Emission) -> Void) {
    guard let box else { return }
    if header.kind == FrameHeader.received {
      box.device.receive(frame, port: header.port, now: header.now, emit: emit)
    } else {
      box.device.transmit(frame, port: header.port, now: header.now, emit: emit)
    }
  }

  /// A reset: rules and classifiers are gone.
  mutating func reset() {
    box?.device.recover(now: 0)
    classifiers = [:]
    uses = [:]
    shapes = [:]
    idle = []
  }

  /// The answer to a command; at most `room` bytes stand behind its header.
  mutating func answer(_ bytes: [UInt8], room: Int) -> AdminResult {
    let result: AdminResult
    do throws(FormatError) {
      result = try carryOut(try AdminCommand(bytes), room: room)
    } catch {
      result = AdminResult(.invalid)
    }
    return result.body.count <= room ? result : AdminResult(.noMemory)
  }

  private mutating func carryOut(_ command: AdminCommand, room: Int) throws(FormatError) -> AdminResult {
    switch command.opcode {
    case .capabilityList:
      var writer = ByteWriter()
      for capability in Capability.allCases { writer.put(capability.rawValue) }
      return AdminResult(.ok, body: writer.bytes)
    case .capabilityGet: return capability(command.type)
    case .create, .modify, .query, .destroy:
      guard let type = ObjectType(rawValue: command.type) else { return AdminResult(.invalid) }
      switch command.opcode {
      case .create: return try create(type, command)
      case .query: return query(type, command, room: room)
      case .destroy: return destroy(type, command)
      default: return AdminResult(.invalid)
      }
    }
  }

  // MARK: Capabilities

  /// Resources: le32 groups, classifiers, rules, rules a group, priorities, u8 selectors a classifier. Selectors and actions:
  /// le64 abilities. Profile: all of them.
  private func capability(_ number: UInt16) -> AdminResult {
    guard let box, let capability = Capability(rawValue: number) else { return AdminResult(.noObject) }
    let abilities = box.device.abilities
    var writer = ByteWriter()
    switch capability {
    case .resources:
      writer.put(abilities.groups)
      writer.put(UInt32(clamping: box.device.ruleCapacity))
      writer.put(UInt32(clamping: box.device.ruleCapacity))
      writer.put(UInt32(clamping: box.device.ruleCapacity))
      writer.put(abilities.priorities)
      writer.put(UInt8(PatternFormat.mostItems))
    case .selectors: writer.put(abilities.match.rawValue)
    case .actions: writer.put(abilities.actions.rawValue)
    case .profile: writer.put(ProfileFormat.encode(abilities))
    }
    return AdminResult(.ok, body: writer.bytes)
  }

  // MARK: Objects

  private mutating func create(_ type: ObjectType, _ command: AdminCommand) throws(FormatError) -> AdminResult {
    switch type {
    case .classifier: return try createClassifier(command)
    case .rule: return try createRule(command)
    case .profile: return try start(command)
    case .counter, .aging, .statistics: return AdminResult(.invalid)
    default:
      // What a device is told, it is told before it starts.
      guard box == nil else { return AdminResult(.busy) }
      return try OverlayFormat.take(type, id: command.id, body: command.body, into: &overlay)
        ? AdminResult(.ok) : AdminResult(.invalid)
    }
  }

  private mutating func start(_ command: AdminCommand) throws(FormatError) -> AdminResult {
    guard box == nil else { return AdminResult(.busy) }
    var reader = ByteReader(command.body)
    let abilities = try ProfileFormat.decode(&reader)
    let settings = try StartSettings(&reader)
    do throws(ArenaError) {
      box = Box(
        try EmulatedDevice(
          abilities: abilities, overlay: overlay, seed: settings.seed, faults: settings.faults,
          maximumRules: Int(settings.maximumRules)))
    } catch { return AdminResult(.noMemory) }
    return AdminResult(.ok)
  }

  private mutating func createClassifier(_ command: AdminCommand) throws(FormatError) -> AdminResult {
    guard box != nil, classifiers[command.id] == nil else { return AdminResult(.busy) }
    guard classifiers.count < 1 << 20 else { return AdminResult(.noSpace) }
    try PatternFormat.check(classifier: command.body)
    classifiers[command.id] = command.body
    return AdminResult(.ok)
  }

  private mutating func createRule(_ command: AdminCommand) throws(FormatError) -> AdminResult {
    guard let box else { return AdminResult(.busy) }
    let classifiers = classifiers
    let (rule, number) = try RuleFormat.decode(command.body, id: command.id) { classifiers[$0] }
    do throws(Refusal) {
      try box.device.insert(rule, now: command.now)
    } catch { return RefusalFormat.result(error) }
    uses[number, default: 0] += 1
    shapes[command.id] = number
    return AdminResult(.ok)
  }

  private mutating func destroy(_ type: ObjectType, _ command: AdminCommand) -> AdminResult {
    switch type {
    case .rule:
      guard let box else { return AdminResult(.noObject) }
      do throws(Refusal) {
        let reading = try box.device.remove(command.id, now: command.now)
        if let number = shapes.removeValue(forKey: command.id) { uses[number, default: 1] -= 1 }
        return AdminResult(.ok, body: CounterFormat.encode(reading))
      } catch { return RefusalFormat.result(error) }
    case .classifier:
      guard classifiers[command.id] != nil else { return AdminResult(.noObject) }
      guard uses[command.id, default: 0] == 0 else { return AdminResult(.busy) }
      classifiers[command.id] = nil
      uses[command.id] = nil
      return AdminResult(.ok)
    default: return AdminResult(.invalid)
    }
  }

  private mutating func query(_ type: ObjectType, _ command: AdminCommand, room: Int) -> AdminResult {
    guard let box else { return AdminResult(.noObject) }
    var writer = ByteWriter()
    switch type {
    case .counter:
      do throws(Refusal) {
        writer.put(CounterFormat.encode(try box.device.query(command.id, now: command.now)))
      } catch { return RefusalFormat.result(error) }
    case .aging:
      // le32 ids, as many as there is room for; the others are told at the next question.
      idle += box.device.aged(now: command.now)
      let count = min(idle.count, max(0, room) / 4)
      for id in idle.prefix(count) { writer.put(id) }
      idle.removeFirst(count)
    case .statistics: for word in box.device.tallyWords { writer.put(word) }
    case .profile: writer.put(ProfileFormat.encode(box.device.abilities))
    default: return AdminResult(.invalid)
    }
    return AdminResult(.ok, body: writer.bytes)
  }
}
