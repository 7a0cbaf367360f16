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

  private let encapsulations: [UInt32: Encapsulation]
  private let spread: [UInt32: Set<UInt8>]
  private let names: (_ port: UInt16) -> String
  /// Entropy and queue seen for each inner flow, for each of the two sides.
  private var ports: [[FlowOnSide: UInt16]] = [[:], [:]]
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
  public init(_ configuration: Configuration, limit: Int = 20) {
    var encapsulations: [UInt32: Encapsulation] = [:]
    var spread: [UInt32: Set<UInt8>] = [:]
    for numbered in configuration.rules {
      for action in numbered.rule.actions {
        switch action {
        case .rawEncap(let index), .vxlanEncap(let index), .nvgreEncap(let index):
          encapsulations[numbered.id] = configuration.overlay.encapsulations[index]
        case .rss(let rss): spread[numbered.id] = Set(rss.queues.map { UInt8(truncatingIfNeeded: $0) })
        default: continue
        }
      }
    }
    self.encapsulations = encapsulations
    self.spread = spread
    names = { configuration.name(of: $0) }
    self.limit = limit
  }

  /// Compares what the device side and the software side made of frame `number`.
  ///
  /// `wellFormed` frames are also held to "one flow, one port"; a spoiled frame's flow is a matter of opinion.
  public mutating func compare(
    frame number: Int, device: [Result], software: [Result], wellFormed: Bool = true,
    rightChecksums: Bool = true
  ) {
    let before = count
    self.wellFormed = wellFormed
    if device.count != software.count {
      note(number, "device side gave \(summary(device)), software side \(summary(software))")
      return
    }
    if wellFormed, rightChecksums { judgeChecksums(number, software) }
    for (ours, theirs) in zip(device, software) where count == before {
      compare(number, ours, theirs, isAlone: device.count == 1)
    }
  }

  private mutating func compare(_ number: Int, _ ours: Result, _ theirs: Result, isAlone: Bool) {
    guard ours.rule == theirs.rule, same(ours, theirs) else {
      return note(number, "device side gave \(summary([ours])), software side \(summary([theirs]))")
    }
    guard let encapsulation = encapsulations[ours.rule], case .forwarded = ours.fate,
      !(ours.bytes == theirs.bytes && encapsulation.l3 == 0)
    else {
      if ours.bytes != theirs.bytes { note(number, bytesDiffer(ours.bytes, theirs.bytes)) }
      return
    }
    let sides = [ours, theirs].map { DeviceChosen.canonical($0.bytes, encapsulation: encapsulation, isAlone: isAlone) }
    for (side, canonical) in zip(["device", "software"], sides) {
      for fault in canonical.faults { note(number, "\(side) side: \(fault)") }
    }
    if sides[0].bytes != sides[1].bytes { note(number, bytesDiffer(sides[0].bytes, sides[1].bytes)) }
    for (index, side) in ["device", "software"].enumerated() {
      // Fragments that were made here have the whole packet's port, which their own headers do not tell.
      guard isAlone, let entropy = sides[index].entropy else { continue }
      checkOneFlowOnePort(
        number, side, index, rule: ours.rule, sides[index].bytes, encapsulation, entropy,
        byDevice: index == 0 && ours.stepsInHardware.contains(.encapsulate))
    }
  }

  /// A frame that came with right checksums leaves with right ones: a promise that both sides could break alike.
  private mutating func judgeChecksums(_ number: Int, _ results: [Result]) {
    for result in results {
      guard case .forwarded = result.fate else { continue }
      let header = encapsulations[result.rule]?.header.count ?? 0
      guard header < result.bytes.count, !ChecksumJudge.isRight(Array(result.bytes[header...])) else { continue }
      note(number, "a checksum of what the frame carries is wrong (rule \(result.rule))")
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
      let queues = spread[ours.rule]
    {
      return mark == other && queues.contains(a) && queues.contains(b)
    }
    return ours.fate == theirs.fate
  }

  private mutating func note(_ frame: Int, _ what: String) {
    count += 1
    if differences.count < limit { differences.append(Difference(frame: frame, what: what)) }
  }

  /// Says which frame the last ``compare(frame:device:software:wellFormed:)`` was about, for its differences.
  public mutating func attach(frame number: Int, port: UInt16, input: [UInt8]) {
    for index in differences.indices where differences[index].frame == number {
      differences[index].port = port
      differences[index].input = input
    }
  }

  private func summary(_ results: [Result]) -> String {
    if results.isEmpty { return "nothing" }
    return results.map { result in
      let rule = result.rule == 0 ? "no rule" : "rule \(result.rule)"
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

/// The identity of the flow inside a tunnel, for "one flow, one port".
enum FlowIdentity {
  /// Addresses, protocol and (when it is no fragment) ports of a frame that begins with Ethernet or IP; nil when it is
  /// not IP.
  static func of(_ frame: [UInt8]) -> [UInt8]? {
    guard let at = packet(in: frame) else { return nil }
    if frame[at] >> 4 == 4, at + 20 <= frame.count {
      let header = Int(frame[at] & 15) * 4
      let end = at + Int(word(frame, at + 2))
      guard header >= 20, at + header <= end, end <= frame.count else { return nil }
      let key = Array(frame[at + 12..<at + 20]) + [frame[at + 9]]
      if word(frame, at + 6) & 0x3fff != 0 { return key }
      return ports(frame, frame[at + 9], at: at + header, end: end).map { key + $0 }
    }
    if frame[at] >> 4 == 6, at + 44 <= frame.count {
      // Behind extension headers may be ports, or the rest of a fragment.
      let end = at + 40 + Int(word(frame, at + 4))
      guard ![0, 43, 44, 51, 60].contains(frame[at + 6]), end <= frame.count else { return nil }
      let key = Array(frame[at + 8..<at + 40]) + [frame[at + 6]]
      return ports(frame, frame[at + 6], at: at + 40, end: end).map { key + $0 }
    }
    return nil
  }

  /// The ports of a TCP or UDP header, none of other protocols; nil when the header is not sound (P6), so that the frame
  /// is in no flow that another is in.
  private static func ports(_ frame: [UInt8], _ proto: UInt8, at: Int, end: Int) -> [UInt8]? {
    switch proto {
    case 6:
      guard at + 20 <= end else { return nil }
      let header = Int(frame[at + 12] >> 4) * 4
      guard header >= 20, at + header <= end else { return nil }
    case 17:
      guard at + 8 <= end, word(frame, at + 4) >= 8, at + Int(word(frame, at + 4)) <= end else { return nil }
    default: return []
    }
    return Array(frame[at..<at + 4])
  }

  /// Where the IP packet begins in a frame that begins with Ethernet or IP; nil when there is none.
  static func packet(in frame: [UInt8]) -> Int? {
    guard frame.count > 1 else { return nil }
    var at = 0
    // A frame that begins with IP begins with 0x4N or 0x60: Ethernet addresses of this project begin with 0 or 1.
    if frame[0] >> 4 != 4 && frame[0] >> 4 != 6 || looksLikeEthernet(frame) {
      at = 12
      // A third tag hides the packet (SPECIFICATION.md, P2).
      while at < 20, at + 4 <= frame.count, [0x8100, 0x88a8, 0x9100].contains(word(frame, at)) { at += 4 }
      at += 2
      guard at < frame.count, word(frame, at - 2) == (frame[at] >> 4 == 4 ? 0x0800 : 0x86dd) else { return nil }
    }
    guard at + 20 <= frame.count, frame[at] >> 4 == 4 || frame[at] >> 4 == 6 else { return nil }
    return at
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> UInt16 {
    at + 1 < bytes.count ? UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) : 0
  }

  private static func looksLikeEthernet(_ bytes: [UInt8]) -> Bool {
    [0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100].contains(word(bytes, 12))
  }
}
