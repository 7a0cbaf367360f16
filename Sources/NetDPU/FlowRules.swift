import CNetDPU
import Device
import EmulatedDevice
import Memory
import Rules

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A rule in our words, with the way back to the library's lists.
struct ReadRule {
  var rule: Rule
  var own: Overlay
  var itemPlaces: [Int]
  var actionPlaces: [Int]
  var age: (context: UInt64, timeout: UInt32)?
  var shared: [UInt32]
}

/// rte_flow over the model.
extension NetDevice {
  /// Reads a rule, or says what in it cannot be read.
  func read(_ foreign: ForeignRule) throws(FlowError) -> ReadRule {
    guard let side = side(foreign.port) else { throw .malformed(.rule, "there is no such port on this device") }
    guard !side.isFunction else {
      throw .unsupported(
        .rule, "a virtual function takes no rules: make them on its representor or on the physical function")
    }
    guard !foreign.egress else {
      throw .unsupported(.attributes, "egress: frames are matched where they come in; use a transfer rule")
    }
    guard foreign.ingress || foreign.transfer else {
      throw .malformed(.attributes, "neither ingress nor transfer: say which frames the rule is for")
    }
    let port: (UInt64) -> UInt16? = { ethdev in
      UInt16(exactly: ethdev).flatMap { self.side($0)?.port }
    }
    let pattern = try PatternReader(foreign.pattern, port: port)
    let actions = profile.abilities.actions
    let context = ActionReader.ActionContext(
      port: port, queues: foreign.queues, shared: rules.shared,
      prefersGRE: !actions.contains(.encapNVGRE) && actions.contains(.encapGRE))
    let read = try ActionReader(foreign.actions, tunnel: pattern.tunnel, device: context)
    guard read.actions.last.map({ isFate($0) }) ?? false else {
      throw .malformed(
        .rule, "the rule has no fate: end it with queue, rss, port_id, represented_port, port_representor, jump or drop"
      )
    }
    var attributes = Attributes()
    attributes.group = foreign.group
    attributes.priority = foreign.priority
    attributes.ingress = foreign.ingress
    attributes.transfer = foreign.transfer
    attributes.port = side.port
    return ReadRule(
      rule: Rule(attributes: attributes, pattern: pattern.items, actions: read.actions), own: read.own,
      itemPlaces: pattern.places, actionPlaces: read.places, age: read.age, shared: read.shared)
  }

  private func isFate(_ action: Action) -> Bool {
    if case .indirect(let id) = action { return rules.shared[id]?.isFate ?? false }
    return action.isFate
  }

  /// Whether the device would take a rule now.
  func validate(_ foreign: ForeignRule, now: UInt64) throws(FlowError) {
    let read = try read(foreign)
    do {
      try model.check(deviceRule(0xffff_ffff, read), own: read.own, now: now)
    } catch { throw flowError(error, read) }
  }

  /// Makes a rule and gives its id.
  func create(_ foreign: ForeignRule, now: UInt64) throws(FlowError) -> UInt32 {
    let read = try read(foreign)
    let id = rules.nextID()
    do {
      try model.insert(deviceRule(id, read), own: read.own, now: now)
    } catch { throw flowError(error, read) }
    for case .geneveOption(let option) in read.rule.pattern where option.type & 0x80 != 0 {
      _ = model.learnCriticalOption(UInt32(option.optionClass) << 8 | UInt32(option.type))
    }
    if let age = read.age { rules.ages[id] = age }
    rules.use(read.shared, by: id)
    return id
  }

  /// The rule under other values (``ShapeReader``), compiled; nil when it is refused.
  func compile(_ foreign: ForeignRule, values: Bytes) -> CompiledRule? {
    var foreign = foreign
    var at = 0
    for index in foreign.pattern.indices {
      guard let count = foreign.pattern[index].spec?.count else { continue }
      foreign.pattern[index].spec = values.slice(at, count: count)
      at += count
    }
    for index in foreign.actions.indices where foreign.actions[index].kind == NET_DPU_ACTION_MARK.rawValue {
      foreign.actions[index].value = UInt64(values.u32(at))
      at += 4
    }
    guard let read = try? read(foreign) else { return nil }
    return try? model.compile(deviceRule(0xffff_ffff, read), own: read.own)
  }

  private func deviceRule(_ id: UInt32, _ read: ReadRule) -> DeviceRule {
    DeviceRule(id: id, rule: read.rule, actionsOnDevice: read.rule.actions.count)
  }

  /// Ends a rule.
  func destroy(_ id: UInt32, now: UInt64) throws(FlowError) {
    do {
      let last = try model.remove(id, now: now)
      rules.forget(id, frames: last.frames, bytes: last.bytes)
    } catch {
      throw FlowError(number: error.reason.number, part: .rule, sentence: Words.sentence(error))
    }
  }

  /// Ends every rule that was made on an ethdev.
  func flush(_ ethdev: UInt16, now: UInt64) throws(FlowError) {
    guard let side = side(ethdev), !side.isFunction else { return }
    for id in model.rules(ofPort: side.port) { try destroy(id, now: now) }
  }

  /// What a rule counted, since its counter was last reset.
  func query(_ id: UInt32, reset: Bool, now: UInt64) throws(FlowError) -> RuleCount {
    do {
      let reading = try model.query(id, now: now)
      let base = rules.bases[id] ?? (0, 0)
      if reset { rules.bases[id] = (reading.frames, reading.bytes) }
      let idle = model.idleSeconds(of: id, now: now) ?? 0
      let isAged = rules.ages[id].map { idle >= UInt64($0.timeout) } ?? false
      return RuleCount(
        frames: reading.frames &- base.frames, bytes: reading.bytes &- base.bytes, idleSeconds: idle, isAged: isAged)
    } catch {
      throw FlowError(number: error.reason.number, part: .rule, sentence: Words.sentence(error))
    }
  }

  /// The contexts of an ethdev's rules that aged and were not asked for yet; `most` 0 asks how many there are.
  func aged(_ ethdev: UInt16, most: Int, now: UInt64) -> (count: Int, contexts: [UInt64]) {
    guard !rules.ages.isEmpty, let side = side(ethdev), !side.isFunction else { return (0, []) }
    rules.aged += model.aged(now: now)
    let mine = Set(model.rules(ofPort: side.port))
    let ready = rules.aged.filter { mine.contains($0) }
    guard most > 0 else { return (ready.count, []) }
    let told = Set(ready.prefix(most))
    rules.aged.removeAll { told.contains($0) }
    let contexts = ready.prefix(most).map { id in
      rules.ages[id].map { $0.context == 0 ? UInt64(id) : $0.context } ?? UInt64(id)
    }
    return (contexts.count, contexts)
  }

  /// Makes a shared action.
  func share(_ foreign: ForeignAction, queues: UInt16) throws(FlowError) -> UInt32 {
    let context = ActionReader.ActionContext(
      port: { UInt16(exactly: $0).flatMap { self.side($0)?.port } }, queues: queues, shared: [:], prefersGRE: false)
    let read = try ActionReader([foreign], tunnel: .none, device: context)
    guard let action = read.actions.first, read.actions.count == 1 else {
      throw .malformed(.action(0), "a shared action is one action")
    }
    switch action {
    case .rawEncap, .rawDecap, .vxlanEncap, .nvgreEncap, .sample, .indirect:
      throw .unsupported(.action(0), "a shared action cannot bring a template or a list; put it in the rule")
    default: break
    }
    guard profile.abilities.actions.contains(.indirect) else {
      throw FlowError(
        number: ENOTSUP, part: .action(0),
        sentence:
          "\(title): the device has no shared actions (actions.indirect: \(profile.citation("actions.indirect")))")
    }
    return rules.share(action)
  }

  /// Ends a shared action.
  func unshare(_ id: UInt32) throws(FlowError) {
    guard rules.shared[id] != nil else {
      throw FlowError(number: ENOENT, part: .rule, sentence: "there is no shared action #\(id)")
    }
    let users = rules.users(of: id).count
    guard users == 0 else {
      throw FlowError(number: EBUSY, part: .rule, sentence: "\(users) rules use the shared action #\(id)")
    }
    rules.unshare(id)
  }

  /// What all rules of a shared action counted, and how long the last of them was idle.
  func querySharedAction(_ id: UInt32, now: UInt64) throws(FlowError) -> RuleCount {
    guard let action = rules.shared[id] else {
      throw FlowError(number: ENOENT, part: .rule, sentence: "there is no shared action #\(id)")
    }
    let past = rules.past(of: id)
    var sum = RuleCount(frames: past.frames, bytes: past.bytes)
    var idle: UInt64?
    for rule in rules.users(of: id) {
      let one = try query(rule, reset: false, now: now)
      sum.frames &+= one.frames
      sum.bytes &+= one.bytes
      idle = min(idle ?? one.idleSeconds, one.idleSeconds)
    }
    sum.idleSeconds = idle ?? 0
    if case .age(let timeout) = action {
      sum.isAge = true
      sum.isAged = idle.map { $0 >= UInt64(timeout) } ?? false
    }
    return sum
  }
}

/// What a query tells.
struct RuleCount: Equatable {
  var frames: UInt64 = 0
  var bytes: UInt64 = 0
  var idleSeconds: UInt64 = 0
  var isAged = false
  /// Of a shared action: it is an age and no counter.
  var isAge = false
}
