import Device
import Rules

/// Compares what two sides made of the same frames: byte for byte but for device-chosen fields, which are compared by
/// what must hold of them (one flow, one port or queue; checksums right).
public struct Comparator {
  /// One difference, ready to be shown.
  public struct Difference: Sendable, CustomStringConvertible {
    /// Number of the frame in its capture or run, from 1.
    public var frame: Int
    /// What differs.
    public var what: String
    /// The port the frame came in through.
    public var port: UInt16 = 0
    /// The frame as it came in; empty when it is about no single frame.
    public var input: [UInt8] = []
    /// The same, for people.
    public var description: String { "frame \(frame): \(what)" }
  }

  private let shapes: [UInt32: RuleShape]
  private var copies: CopyJudge
  private let names: (_ port: UInt16) -> String
  /// Ports for which frames wait to be merged: what goes there keeps its order within a flow alone (B6).
  private let merging: Set<UInt16>
  /// Entropy and queue seen for each inner flow, for each of the two sides.
  private var ports: [[FlowOnSide: UInt16]] = [[:], [:]]
  /// The last identification of packets that may be cut (RFC 6864), for each of the two sides.
  private var identifications: [[FlowOnSide: UInt16]] = [[:], [:]]
  /// Differences found, at most ``limit`` of them.
  public private(set) var differences: [Difference] = []
  /// All differences, those over the limit included.
  public private(set) var count = 0
  /// How many differences are kept.
  public let limit: Int

  private var wellFormed = true

  private struct FlowOnSide: Hashable {
    var rule: UInt32
    var flow: [UInt8]
    /// The device put the headers on: its hash need not be the software's.
    var byDevice: Bool
  }

  /// A comparator for the rules of a configuration.
  ///
  /// `framesMayBeCut` says that frames owe segmentation.
  public init(_ configuration: Configuration, framesMayBeCut: Bool = false, limit: Int = 20) {
    var shapes: [UInt32: RuleShape] = [:]
    for numbered in configuration.rules { shapes[numbered.id] = RuleShape(numbered.rule, configuration.overlay) }
    self.shapes = shapes
    copies = CopyJudge(shapes)
    copies.framesMayBeCut = framesMayBeCut
    names = { configuration.name(of: $0) }
    merging = Set(configuration.ports.filter(\.port.coalesces).map(\.port.id))
    self.limit = limit
  }

  /// Compares what the device side and the software side made of frame `number`.
  ///
  /// The software side copies every frame that a rule samples (``Configuration/copyingEverything``); the device side's
  /// copies must be among them, and with `handover`, which says what the device did, be exactly those of A5's count.
  /// `wellFormed` frames are also held to "one flow, one port"; a spoiled frame's flow is a matter of opinion.
  public mutating func compare(
    frame number: Int, device: [Result], software: [Result], handover: Handover? = nil, wellFormed: Bool = true,
    rightChecksums: Bool = true
  ) {
    let before = count
    self.wellFormed = wellFormed
    let (ours, theirs) = (device.filter { !$0.isCopy }, software.filter { !$0.isCopy })
    if ours.count != theirs.count {
      note(number, "device side gave \(summary(device)), software side \(summary(software))")
      return
    }
    if wellFormed, rightChecksums { judgeChecksums(number, theirs) }
    judgeKnowledge(number, "device", device)
    judgeKnowledge(number, "software", software)
    for (ours, theirs) in zip(ours, theirs) where count == before {
      compare(number, ours, theirs, isAlone: device.count == 1)
    }
    let copied = software.filter(\.isCopy)
    if count == before, !copied.isEmpty || device.contains(where: \.isCopy) {
      compareCopies(number, device.filter(\.isCopy), copied, handover)
    }
  }

  private mutating func compareCopies(
    _ number: Int, _ device: [Result], _ software: [Result], _ handover: Handover?
  ) {
    var ours = device.map(settled)
    let all = software.map(settled)
    let (theirs, isExact) = copies.expected(of: all, handover)
    guard isExact else {
      // Which of them the device side should have is not known: each must be one of them, in order.
      var rest = all
      var passed = 0
      for copy in ours {
        guard let place = rest.indices.first(where: { ($0 >= passed || waits(copy)) && isSame(copy, rest[$0]) }) else {
          return note(number, "a copy of the device side, \(summary([copy])), is none of \(summary(all))")
        }
        rest.remove(at: place)
        if !waits(copy) { passed = place }
      }
      return
    }
    if ours.count != theirs.count {
      return note(number, "device side copied \(summary(ours)), expected by its counts \(summary(theirs))")
    }
    ours = reordered(ours, like: theirs)
    for (ours, theirs) in zip(ours, theirs) { compare(number, ours, theirs, isAlone: false) }
  }

  /// Whether a result may have waited to be merged, and others have passed it.
  private func waits(_ result: Result) -> Bool {
    if case .forwarded(let port) = result.fate { merging.contains(port) } else { false }
  }

  /// A result without the identification that cutting a merged frame gives its pieces (B6: with DF it may stand still in
  /// what was merged).
  private func settled(_ result: Result) -> Result {
    guard waits(result), let at = FlowIdentity.packet(in: result.bytes), at + 20 <= result.bytes.count,
      result.bytes[at] >> 4 == 4, result.bytes[at + 6] & 0x40 != 0, ChecksumJudge.isRight(result.bytes)
    else { return result }
    var settled = result
    for place in [4, 5, 10, 11] { settled.bytes[at + place] = 0 }
    let check = ~sum(settled.bytes[at..<min(settled.bytes.count, at + Int(result.bytes[at] & 15) * 4)])
    (settled.bytes[at + 10], settled.bytes[at + 11]) = (UInt8(check >> 8), UInt8(check & 0xff))
    return settled
  }

  /// `ours` with those that may have waited moved to where their like is among `theirs`.
  private func reordered(_ ours: [Result], like theirs: [Result]) -> [Result] {
    guard ours.contains(where: waits) else { return ours }
    var waiting = ours.filter(waits), others = ours.filter { !waits($0) }[...]
    var ordered: [Result] = []
    for result in theirs {
      if waits(result), let place = waiting.firstIndex(where: { isSame($0, result) }) {
        ordered.append(waiting.remove(at: place))
      } else if let next = others.popFirst() {
        ordered.append(next)
      }
    }
    // What has no like stays, to be told.
    return ordered + waiting + others
  }

  /// Whether two results are the same but for device-chosen fields; nothing is noted.
  private func isSame(_ ours: Result, _ theirs: Result) -> Bool {
    var trial = self
    trial.compare(0, ours, theirs, isAlone: false)
    return trial.count == count
  }

  private mutating func compare(_ number: Int, _ ours: Result, _ theirs: Result, isAlone: Bool) {
    guard ours.rule == theirs.rule, same(ours, theirs) else {
      return note(number, "device side gave \(summary([ours])), software side \(summary([theirs]))")
    }
    if case .dropped = ours.fate {
    } else if ours.tunnelKey != theirs.tunnelKey {
      note(number, "tunnel key \(ours.tunnelKey) on the device side, \(theirs.tunnelKey) on the software side")
    }
    let candidates = layers(of: ours)
    guard candidates.contains(where: { !$0.isEmpty }) else {
      if ours.bytes != theirs.bytes { note(number, bytesDiffer(ours.bytes, theirs.bytes) + ", " + summary([ours])) }
      return
    }
    var first: [String]?
    for layers in candidates {
      let sides = [ours, theirs].map { DeviceChosen.canonical($0.bytes, layers: layers, isAlone: isAlone) }
      var faults: [String] = []
      // A frame to a queue may still owe its checksums.
      if case .forwarded = ours.fate {
        faults = zip(["device", "software"], sides).flatMap { side, canonical in
          canonical.faults.map { "\(side) side: \($0)" }
        }
      }
      if sides[0].bytes != sides[1].bytes {
        faults.append(bytesDiffer(sides[0].bytes, sides[1].bytes) + ", " + summary([ours]))
      }
      first = first ?? faults
      guard faults.isEmpty else { continue }
      checkFlows(number, [ours, theirs], sides, layers, isAlone: isAlone)
      return
    }
    for fault in first ?? [] { note(number, fault) }
  }

  /// The headers that were put in front of a result, in the order in which they were; of a copy, what they may be.
  private func layers(of result: Result) -> [[Encapsulation]] {
    guard let shape = shapes[result.rule] else { return [[]] }
    return result.isCopy ? shape.samples.map(\.layers) : [shape.layers]
  }

  private mutating func checkFlows(
    _ number: Int, _ results: [Result], _ sides: [DeviceChosen.Canonical], _ layers: [Encapsulation], isAlone: Bool
  ) {
    let ours = results[0]
    // Fragments that were made here have the whole packet's port, which their own headers do not tell.
    guard isAlone, layers.count == 1 else { return }
    for (index, side) in ["device", "software"].enumerated() {
      let byDevice = index == 0 && ours.stepsInHardware.contains(.encapsulate)
      if let identification = DeviceChosen.identification(results[index].bytes, layers[0]) {
        let key = FlowOnSide(rule: ours.rule, flow: [], byDevice: byDevice)
        if identifications[index].updateValue(identification, forKey: key) == identification {
          note(number, "\(side) side: two packets in a row that may be cut have identification \(identification)")
        }
      }
      guard let entropy = sides[index].entropy else { continue }
      checkOneFlowOnePort(
        number, side, index, rule: ours.rule, sides[index].bytes, layers[0], entropy,
        byDevice: byDevice)
    }
  }

  /// A frame that came with right checksums leaves with right ones: a promise that both sides could break alike.
  private mutating func judgeChecksums(_ number: Int, _ results: [Result]) {
    for result in results {
      guard case .forwarded = result.fate else { continue }
      let header = shapes[result.rule]?.layers.reduce(0) { $0 + $1.header.count } ?? 0
      guard header < result.bytes.count, !ChecksumJudge.isRight(Array(result.bytes[header...])) else { continue }
      note(number, "a checksum of what the frame carries is wrong (rule \(result.rule))")
    }
  }

  /// What the record of a frame that leaves says about its checksums is true.
  private mutating func judgeKnowledge(_ number: Int, _ side: String, _ results: [Result]) {
    for result in results where result.checksums.rawValue != 0 && !result.isCopy {
      let inner = shapes[result.rule]?.layers.last?.header.count
      guard let lie = ChecksumJudge.lie(result.checksums, result.bytes, inner: inner) else { continue }
      note(number, "\(side) side: \(lie), \(summary([result]))")
    }
  }

  private mutating func checkOneFlowOnePort(
    _ number: Int, _ side: String, _ index: Int, rule: UInt32, _ bytes: [UInt8], _ encapsulation: Encapsulation,
    _ entropy: UInt16, byDevice: Bool
  ) {
    guard wellFormed, let flow = FlowIdentity.of(Array(bytes.dropFirst(encapsulation.header.count))) else { return }
    let key = FlowOnSide(rule: rule, flow: flow, byDevice: byDevice)
    if let seen = ports[index][key], seen != entropy {
      note(number, "\(side) side: one flow left with UDP source ports \(seen) and \(entropy)")
    }
    if ports[index].count < 200_000 { ports[index][key] = entropy }
  }

  private func same(_ ours: Result, _ theirs: Result) -> Bool {
    if case .delivered(let a, let mark) = ours.fate, case .delivered(let b, let other) = theirs.fate,
      let queues = ours.isCopy ? shapes[ours.rule]?.copyQueues : shapes[ours.rule]?.queues, !queues.isEmpty
    {
      return mark == other && queues.contains(a) && queues.contains(b)
    }
    return ours.fate == theirs.fate
  }

  mutating func note(_ frame: Int, _ what: String) {
    count += 1
    if differences.count < limit { differences.append(Difference(frame: frame, what: what)) }
  }

  /// Rules that came to the device or left it: it begins to count for their samples again.
  public mutating func forgetCounts(of rules: Set<UInt32>) { copies.forget(rules) }

  /// Says which frame the last ``compare(frame:device:software:wellFormed:)`` was about, for its differences.
  public mutating func attach(frame number: Int, port: UInt16, input: [UInt8]) {
    for index in differences.indices where differences[index].frame == number {
      differences[index].port = port
      differences[index].input = input
    }
  }

  func summary(_ results: [Result]) -> String {
    if results.isEmpty { return "nothing" }
    return results.map { result in
      let rule = (result.rule == 0 ? "no rule" : "rule \(result.rule)") + (result.isCopy ? ", a copy" : "")
      switch result.fate {
      case .forwarded(let port): return "\(result.bytes.count) bytes out of \(names(port)) (\(rule))"
      case .delivered(let queue, let mark):
        return "\(result.bytes.count) bytes to queue \(queue) mark \(mark) (\(rule))"
      case .dropped(let reason): return "drop \(reason.name) (\(rule))"
      }
    }.joined(separator: " + ")
  }

  private func bytesDiffer(_ a: [UInt8], _ b: [UInt8]) -> String {
    guard let at = zip(a, b).enumerated().first(where: { $1.0 != $1.1 })?.offset else {
      return "device side sent \(a.count) bytes, software side \(b.count)"
    }
    func window(_ x: [UInt8]) -> String {
      x[max(0, at - 4)..<min(x.count, at + 8)].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        .joined(separator: " ")
    }
    return "bytes differ from offset \(at) on (device \(window(a)), software \(window(b)); "
      + "lengths \(a.count) and \(b.count))"
  }
}
