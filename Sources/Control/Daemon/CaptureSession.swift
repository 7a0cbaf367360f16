import Device
import Foundation
import Memory
import Ports
import Runtime

/// Somebody who looks at frames that pass: a tap in every poll thread, and what came of each frame put to it.
final class CaptureSession {
  /// A frame that passed, with what is known of it.
  struct Entry {
    var record: FrameTap.Record
    /// What came of a frame that came in; a frame that leaves has nothing more to come.
    var results: [FrameTap.Record] = []
    /// What the device did of it; nil when it did not see it, or that is not known.
    var device: FrameTap.Record?
    var isKnown = false
    /// Of a frame that leaves: it was seen when it came in.
    var hasCome = false
    var isInbound: Bool { record.kind == .received }
  }

  fileprivate struct Lane {
    let thread: PollThread
    let tap: FrameTap
    var entries: [Entry] = []
    // Where the entry of a record's number is: its index plus what left before.
    var places: [UInt64: Int] = [:]
    var left = 0
  }

  /// How long a frame is waited for.
  private static let patience: UInt64 = 1_000_000_000
  private var lanes: [Lane] = []
  /// When somebody asked last.
  var lastAsked = MonotonicClock.now
  /// Nanoseconds between the monotonic clock and 1970.
  let epoch: UInt64
  private var retired: UInt64 = 0

  /// Frames that were not copied, because nobody fetched those before in time.
  var lost: UInt64 { lanes.reduce(retired) { $0 + $1.tap.lost } }

  init(
    _ threads: [PollThread], bytes: Int, snapLength: Int, port: UInt16?, filter: PcapFilter?
  ) throws(RequestFailure) {
    epoch = UInt64(max(0, Date().timeIntervalSince1970 * 1e9)) &- MonotonicClock.now
    for thread in threads {
      let tap: FrameTap
      do throws(ArenaError) {
        tap = try FrameTap(bytes: bytes / threads.count, snapLength: snapLength, port: port, filter: filter)
      } catch { throw RequestFailure("capture.memory", "no memory for \(bytes) bytes of frames") }
      let isAdded = thread.ask(seconds: 1) { loop in loop.add(tap) }
      guard isAdded == true else {
        end()
        throw RequestFailure(
          isAdded == nil ? "thread.stuck" : "busy.captures",
          isAdded == nil
            ? "queue \(thread.index) does not answer" : "there are \(PollLoop.mostTaps) captures and traces already")
      }
      lanes.append(Lane(thread: thread, tap: tap))
    }
  }

  /// Nobody looks any more.
  func end() {
    for lane in lanes {
      let tap = lane.tap
      retired += tap.lost
      lane.thread.control.post { loop in loop.remove(tap) }
    }
    lanes = []
  }

  /// Frames whose fate is known, or was waited for in vain; at most `limit`.
  func take(_ limit: Int, now: UInt64) -> [Entry] {
    lastAsked = now
    var taken: [Entry] = []
    for index in lanes.indices {
      // Not more than is fetched: the ring is the bound.
      while lanes[index].entries.count < 4096, let record = lanes[index].tap.take() { lanes[index].note(record) }
      taken += lanes[index].take(limit - taken.count, before: now &- Self.patience)
    }
    return taken
  }
}

extension CaptureSession.Lane {
  fileprivate mutating func note(_ record: FrameTap.Record) {
    switch record.kind {
    case .received:
      places[record.number] = left + entries.count
      entries.append(.init(record: record))
    case .sent:
      var entry = CaptureSession.Entry(record: record)
      if let place = places[record.cause] {
        entries[place - left].results.append(record)
        entries[place - left].isKnown = true
        entry.device = entries[place - left].device
        entry.hasCome = true
      }
      entry.isKnown = true
      entries.append(entry)
    case .dropped, .absorbed:
      guard let place = places[record.cause] else { return }
      entries[place - left].results.append(record)
      entries[place - left].isKnown = true
    case .cameBack:
      guard let place = places[record.cause] else { return }
      entries[place - left].device = record
    }
  }

  /// From the front: a frame that waits keeps those behind it waiting, so that they stay in order.
  fileprivate mutating func take(_ limit: Int, before: UInt64) -> [CaptureSession.Entry] {
    var count = 0
    while count < min(limit, entries.count), entries[count].isKnown || entries[count].record.time < before {
      places[entries[count].record.number] = nil
      count += 1
    }
    let taken = Array(entries[..<count])
    entries.removeFirst(count)
    left += count
    return taken
  }
}
