import Device
import Rules

/// Holds what becomes of packets that are too big for the underlay to SPECIFICATION.md S1, with the generator's
/// arithmetic. Only software cuts and answers, on both sides of a comparison, so that neither side finds the other out.
struct SizeJudge {
  /// A rule that puts one header around the frame as it came, and sends it out of an uplink.
  private struct Way {
    var index: UInt16
    var encapsulation: Encapsulation
    var mtu: Int

    /// Bytes of the outer packet in front of the frame that came.
    var overhead: Int { encapsulation.header.count - encapsulation.l3 }
  }

  private let ports: [UInt16: Port]
  /// Frames owe their checksums.
  private let owes: Bool
  private var ways: [UInt32: Way] = [:]
  private var rates: AnswerRates

  init(_ configuration: Configuration, owes: Bool = false) {
    self.owes = owes
    rates = AnswerRates(configuration.answers)
    let ports = Dictionary(configuration.ports.map { ($0.port.id, $0.port) }) { first, _ in first }
    self.ports = ports
    // What comes back to group 0 is not what came in.
    let comesBack = configuration.rules.flatMap(\.rule.actions).contains {
      if case .jump(let group) = configuration.overlay.resolved($0) { group == 0 } else { false }
    }
    for numbered in configuration.rules where !comesBack {
      if let way = Self.way(numbered.rule, configuration.overlay, ports) { ways[numbered.id] = way }
    }
  }

  private static func way(_ rule: Rule, _ overlay: Overlay, _ ports: [UInt16: Port]) -> Way? {
    guard rule.attributes.group == 0 else { return nil }
    var index: UInt16?
    var port: Port?
    for action in rule.actions {
      switch overlay.resolved(action) {
      case .count, .age, .mark: continue
      case .rawEncap(let number) where index == nil: index = number
      case .portID(let id), .representedPort(let id): port = ports[id]
      default: return nil
      }
    }
    guard let index, let encapsulation = overlay.encapsulations[index], encapsulation.kind != .none, let port,
      port.kind == .uplink
    else { return nil }
    return Way(index: index, encapsulation: encapsulation, mtu: Int(port.mtu))
  }

  /// What is wrong with what came of a frame that owes no segmentation; nil when nothing is. Of a frame that is nil, as a
  /// spoiled one should be, only the answer is counted. `pathMTU` is what the underlay said of an encapsulation's way.
  mutating func fault(
    of frame: [UInt8]?, port: UInt16, now: UInt64, _ results: [Result], pathMTU: (UInt16) -> UInt16?
  ) -> String? {
    let results = results.filter { !$0.isCopy }
    guard let frame, let first = results.first, var way = ways[first.rule] else { return note(port, now, results) }
    if results.count > 1 || !first.isForwarded, let narrow = pathMTU(way.index) { way.mtu = min(way.mtu, Int(narrow)) }
    if first.fate == .dropped(.tooBig) {
      let answer = results.count > 1 ? results[1].bytes : nil
      return judgeAnswer(answer, about: frame, way, ports[port], now)
    }
    guard results.allSatisfy({ $0.isForwarded }) else { return nil }
    if way.overhead + frame.count <= way.mtu { return results.count == 1 ? nil : "was cut, and fits" }
    let pieces = results.map { Array($0.bytes.dropFirst(way.encapsulation.header.count)) }
    if pieces.contains(where: { way.overhead + $0.count > way.mtu }) { return "a piece is longer than the MTU" }
    return Fragments.fault(of: pieces, cutFrom: frame)
  }

  /// An answer about a frame that is not judged takes from its tenant's rate all the same.
  private mutating func note(_ port: UInt16, _ now: UInt64, _ results: [Result]) -> String? {
    guard let drop = results.firstIndex(where: { $0.fate == .dropped(.tooBig) }), drop + 1 < results.count,
      let tenant = ports[port]?.tenant
    else { return nil }
    return rates.take(tenant, now) ? nil : "answered over the tenant's rate"
  }

  private mutating func judgeAnswer(
    _ answer: [UInt8]?, about frame: [UInt8], _ way: Way, _ port: Port?, _ now: UInt64
  ) -> String? {
    let l3 = FlowIdentity.packet(in: frame)
    let mtu = way.mtu - way.overhead - (l3 ?? 0)
    if let l3, frame[l3] >> 4 == 4, frame[l3 + 6] & 0x40 == 0, mtu >= Int(frame[l3] & 15) * 4 + 8 {
      return "is too big, and was not cut"
    }
    guard let port, port.kind == .tenant, let l3, TooBigJudge.mayBeAnswered(frame, l3) != false else {
      return answer == nil ? nil : "was answered, and must not be"
    }
    guard let answer else {
      let isDue = TooBigJudge.mayBeAnswered(frame, l3) == true && rates.has(port.tenant, now)
      return isDue ? "was not answered" : nil
    }
    if !rates.take(port.tenant, now) { return "was answered over the tenant's rate" }
    return TooBigJudge.fault(of: answer, about: frame, l3, mtu: mtu, owes: owes)
  }
}

/// What each tenant may still cause, of a configuration's `answers`.
private struct AnswerRates {
  /// One answer, in billionths.
  private static let one: UInt64 = 1_000_000_000

  private let perSecond: UInt64
  private let full: UInt64
  /// Billionths of an answer that a tenant has, and when.
  private var levels: [UInt16: (level: UInt64, at: UInt64)] = [:]

  init(_ rate: Configuration.AnswerRate) {
    perSecond = UInt64(UInt32(clamping: rate.perSecond))
    full = UInt64(UInt32(clamping: rate.burst)) * Self.one
  }

  private func level(_ tenant: UInt16, _ now: UInt64) -> UInt64 {
    guard let (level, at) = levels[tenant] else { return full }
    let gain = (now - min(now, at)).multipliedReportingOverflow(by: perSecond)
    return gain.overflow ? full : min(full, level &+ min(gain.partialValue, full))
  }

  func has(_ tenant: UInt16, _ now: UInt64) -> Bool { level(tenant, now) >= Self.one }

  mutating func take(_ tenant: UInt16, _ now: UInt64) -> Bool {
    let level = level(tenant, now)
    guard level >= Self.one else { return false }
    levels[tenant] = (level - Self.one, now)
    return true
  }
}
