import Device
import Memory

/// What errors from the underlay told about the paths to tunnel ends: the largest outer packet for each encapsulation,
/// for a time (SPECIFICATION.md, I3). Any queue that hears an error writes, every queue and the control side read.
public final class PathTable: Sendable {
  /// How long a path's MTU is believed, nanoseconds (RFC 1191 section 6.3: ten minutes).
  public static let lifetime: UInt64 = 600_000_000_000
  // Word 0 changes with every other word. A path's word: MTU in the top 16 bits, below when it is forgotten in seconds.
  private let words: SharedTable<UInt64>

  /// Of `count` encapsulations, nothing known.
  init(count: Int) throws(DatapathError) { words = try SharedTable.make(count: count + 1) }

  var view: TableView<UInt64> { words.view }

  /// Another value whenever something was learned.
  public var generation: UInt64 { words.view.acquire(0) }

  /// Notes that packets of more than `mtu` bytes do not pass; a larger one than is known does nothing but keep that.
  /// `change` is a value that was never given before.
  func learn(_ place: Int, mtu: UInt16, now: UInt64, change: UInt64) {
    let known = Self.mtu(words.view.acquire(place + 1), now: now) ?? .max
    let forgotten = (now &+ Self.lifetime) / 1_000_000_000
    words.publish(UInt64(min(mtu, known)) << 48 | forgotten & 0xffff_ffff_ffff, at: place + 1)
    words.publish(change, at: 0)
  }

  /// The MTU that a word tells; nil for none, or none any more.
  static func mtu(_ word: UInt64, now: UInt64) -> UInt16? {
    word == 0 || now >= end(word) ? nil : UInt16(truncatingIfNeeded: word >> 48)
  }

  /// When a word is forgotten, nanoseconds.
  static func end(_ word: UInt64) -> UInt64 {
    let (end, over) = (word & 0xffff_ffff_ffff).multipliedReportingOverflow(by: 1_000_000_000)
    return over ? .max : end
  }

  /// The MTU of the path at `place`, and when the first of all that are known is forgotten.
  func known(now: UInt64) -> (mtus: [UInt16?], until: UInt64) {
    var until = UInt64.max
    let mtus = (1..<max(1, words.count)).map { index -> UInt16? in
      let word = words.view.acquire(index)
      guard let mtu = Self.mtu(word, now: now) else { return nil }
      until = min(until, Self.end(word))
      return mtu
    }
    return (mtus, until)
  }
}

extension RuleBook {
  /// The encapsulations whose path carries less than their uplinks, as errors from the underlay told, and until when
  /// that stays as it is, nanoseconds.
  public func narrowPaths(now: UInt64) -> (paths: [(encapsulation: UInt16, mtu: UInt16)], until: UInt64) {
    let widest = overlay.ports.filter { $0.kind == .uplink }.map(\.mtu).max() ?? 0
    let known = paths.known(now: now)
    var narrow: [(encapsulation: UInt16, mtu: UInt16)] = []
    for (place, mtu) in known.mtus.enumerated() where place < encapsulations.count {
      if let mtu, mtu < widest { narrow.append((encapsulations[place].index, mtu)) }
    }
    return (narrow, known.until)
  }
}
