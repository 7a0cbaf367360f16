import Device

/// One frame's way through hardware and software: where each step is carried out, by which rule, the headers before and
/// behind it, and whether that was seen or is foretold.
public struct FrameTrace: Sendable {
  /// How a line is known.
  public enum Certainty: String, Sendable {
    /// It was seen.
    case observed
    /// It follows from the rules.
    case predicted
  }

  /// A line.
  public struct Line: Sendable {
    /// How it is known.
    public var certainty: Certainty
    /// `port`, `hardware` or `software`.
    public var place: String
    /// `arrive`, `match`, `miss`, `action`, `up`, `leave`, `drop`, `deliver`.
    public var step: String
    /// The rule; 0 for none.
    public var rule: UInt32
    /// In words.
    public var text: String
    /// The frame before; nil at the beginning.
    public var before: FrameCopy?
    /// The frame behind; nil when there is none.
    public var after: FrameCopy?
  }

  /// The lines, in order.
  public var lines: [Line] = []
  /// What was foretold came true; nil when only one of the two is there.
  public var agrees: Bool?
  private let endpoint: EndpointPolicy
  private let names: [UInt16: String]

  /// An empty trace of a frame through `configuration`.
  init(_ configuration: Configuration) {
    endpoint = configuration.overlay.endpoint
    names = Dictionary(configuration.ports.map { ($0.port.id, $0.name) }) { first, _ in first }
  }

  func name(_ port: UInt16) -> String { names[port] ?? "port \(port)" }

  mutating func arrive(_ frame: FrameCopy, _ certainty: Certainty) {
    lines.append(
      Line(
        certainty: certainty, place: "port", step: "arrive", rule: 0,
        text: "comes in through \(name(frame.record.inPort)), \(Self.size(frame))", after: frame))
  }

  /// The steps of a prediction; `place` says where each is carried out, `seen` which rules were seen to match.
  mutating func add(
    _ steps: [Predictor.Step], from start: FrameCopy, place: (Predictor.Step) -> Place, seen: Set<UInt32> = []
  ) {
    var before = start
    for step in steps {
      let side = place(step) == .hardware ? "hardware" : "software"
      let (name, words, certainty): (String, String, Certainty) =
        switch step.kind {
        case .match(let group):
          ("match", "group \(group): \(step.text)", seen.contains(step.rule) ? .observed : .predicted)
        case .miss(let group): ("miss", "group \(group): \(step.text)", .predicted)
        case .action(let index): ("action", "action \(index + 1): \(step.text)", .predicted)
        case .circle: ("match", step.text, .predicted)
        }
      let fate = step.drop.map { ": dropped, \($0.name)" } ?? ""
      lines.append(
        Line(
          certainty: certainty, place: side, step: name, rule: step.rule, text: words + fate, before: before,
          after: step.frame))
      if let frame = step.frame { before = frame }
    }
  }

  /// A frame that its device handed up: with a rule, of which so many actions were done, or as it came (nil).
  mutating func up(_ frame: FrameCopy, actionsDone: Int?) {
    let words =
      actionsDone.map { $0 == 0 ? "with its rule, as it came" : "with its rule, \($0) actions done" } ?? "as it came"
    lines.append(
      Line(
        certainty: .observed, place: "hardware", step: "up", rule: frame.record.rule, text: "comes up " + words,
        after: frame))
  }

  /// What came of the frame.
  mutating func leave(_ leave: Predictor.Leave, _ certainty: Certainty, place: String) {
    let copy = leave.isCopy ? "a copy " : ""
    let (step, words): (String, String) =
      if let reason = leave.outcome.dropReason {
        ("drop", "dropped, \(reason.name): \(reason.sentence)")
      } else if leave.outcome == .deliver {
        ("deliver", "\(copy)goes to queue \(leave.queue), mark \(leave.mark), \(Self.size(leave.frame))")
      } else if leave.outcome == .absorbed {
        ("absorb", "becomes part of other frames")
      } else {
        ("leave", "\(copy)goes out of \(name(leave.port)), \(Self.size(leave.frame))")
      }
    let isGone = step == "drop" || step == "absorb"
    lines.append(
      Line(
        certainty: certainty, place: place, step: step, rule: leave.rule, text: words,
        after: isGone ? nil : leave.frame))
  }

  static func size(_ frame: FrameCopy) -> String {
    let owed = frame.record.owed
    var debts: [String] = []
    if owed.contains(.checksum) { debts.append("checksum") }
    if !owed.isDisjoint(with: [.tcpSegmentation, .udpSegmentation]) {
      debts.append("segments of \(frame.record.segmentSize)")
    }
    if owed.contains(.outerUDPChecksum) { debts.append("outer UDP checksum") }
    if owed.contains(.outerIPv4Checksum) { debts.append("outer IPv4 checksum") }
    return "\(frame.bytes.count) bytes" + (debts.isEmpty ? "" : ", owes " + debts.joined(separator: ", "))
  }

  private func headers(_ frame: FrameCopy?) -> JSON {
    guard let frame else { return .null }
    let lines = HeaderWords.lines(
      frame.bytes, startsAtIP: frame.record.steps.contains(.startsAtIP), endpoint: endpoint)
    return .array(lines.map { .string($0) })
  }

  /// The lines as a document's member, and whether they agree.
  public var members: [JSON.Member] {
    let list: [JSON] = lines.map { line in
      [
        "certainty": .string(line.certainty.rawValue), "place": .string(line.place), "step": .string(line.step),
        "rule": line.rule == 0 ? .null : .integer(Int(line.rule)), "text": .string(line.text),
        "headers_before": headers(line.before), "headers_after": headers(line.after),
        "bytes_after": line.after.map { .integer($0.bytes.count) } ?? .null,
        "frame_after_hex": line.after.map { .string(JSON.hex($0.bytes)) } ?? .null,
      ]
    }
    return [
      .init(name: "lines", value: .array(list)),
      .init(name: "prediction_agrees", value: agrees.map { .bool($0) } ?? .null),
    ]
  }
}

extension JSON {
  /// Bytes as hexadecimal digits.
  public static func hex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes of a text of hexadecimal digits; nil when it is none.
  public static func bytes(hex text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var high: UInt8?
    for letter in text.utf8 {
      let value: UInt8
      switch letter {
      case 0x30...0x39: value = letter - 0x30
      case 0x41...0x46: value = letter - 0x37
      case 0x61...0x66: value = letter - 0x57
      case 0x20, 0x3a: continue
      default: return nil
      }
      if let first = high {
        bytes.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return high == nil ? bytes : nil
  }
}
