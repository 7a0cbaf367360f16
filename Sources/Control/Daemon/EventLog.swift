import Foundation
import Ports
import Synchronization

/// What happened, for people and programs: to standard error with the priority that journald reads, and the last thousand
/// for `dpuctl log`.
public final class EventLog: Sendable {
  /// How much it matters, as syslog counts.
  public enum Level: Int, Sendable, CaseIterable {
    /// Something does not work.
    case error = 3
    /// Something may not work.
    case warning = 4
    /// Something changed.
    case notice = 5
    /// For the curious.
    case info = 6
    /// The word.
    public var name: String { ["error", "warning", "notice", "info"][rawValue - 3] }
  }

  struct Entry: Sendable {
    var number: Int
    var seconds: Double
    var level: Level
    var event: String
    var fields: [JSON.Member]

    var document: JSON {
      .object(
        [
          .init(name: "number", value: .integer(number)), .init(name: "time", value: .number(seconds)),
          .init(name: "level", value: .string(level.name)), .init(name: "event", value: .string(event)),
        ] + fields)
    }
  }

  private let entries = Mutex<(last: Int, ring: [Entry])>((0, []))
  private let level: Level?
  private static let most = 1000

  /// A log; a quiet one writes nothing to standard error.
  public convenience init(isQuiet: Bool = false) { self.init(level: isQuiet ? nil : .info) }

  /// A log that writes what matters at least as much as `level` to standard error; nil: nothing. All events are kept.
  public init(level: Level?) { self.level = level }

  /// Notes an event: `port.link port=vm1 state=up`. Returns it as `monitor` shows it.
  @discardableResult
  public func note(_ level: Level, _ event: String, _ fields: KeyValuePairs<String, JSON> = [:]) -> JSON {
    let members = fields.map { JSON.Member(name: $0.key, value: $0.value) }
    let entry = entries.withLock { entries in
      entries.last += 1
      let entry = Entry(
        number: entries.last, seconds: Date().timeIntervalSince1970, level: level, event: event, fields: members)
      entries.ring.append(entry)
      if entries.ring.count > 2 * Self.most { entries.ring.removeFirst(Self.most) }
      return entry
    }
    if let most = self.level, level.rawValue <= most.rawValue {
      let words = members.map { " \($0.name)=" + String(decoding: $0.value.bytes(), as: UTF8.self) }.joined()
      FileHandle.standardError.write(Data("<\(level.rawValue)>\(event)\(words)\n".utf8))
    }
    return entry.document
  }

  /// The events behind number `after` that matter at least as much as `level`, a thousand at most.
  func entries(after: Int, level: Level = .info) -> [JSON] {
    entries.withLock { entries in
      entries.ring.suffix(Self.most).filter { $0.number > after && $0.level.rawValue <= level.rawValue }
        .map(\.document)
    }
  }
}
