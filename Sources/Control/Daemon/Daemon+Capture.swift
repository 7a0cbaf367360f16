import Device
import Offload
import Ports
import Rules
import Runtime

// Frames that pass, as they pass: captures that a client fetches, and traces of single frames.
extension Daemon {
  /// Begins a capture; the client fetches with `capture.read` and has to do so every ten seconds.
  func startCapture(_ input: Parameters) throws(RequestFailure) -> JSON {
    let named = try capturedPort(input)
    let snap = input.members["snap_length"] == nil ? 65_535 : try input.whole("snap_length", 1...65_535)
    let bytes =
      input.members["buffer_bytes"] == nil ? 16 << 20 : try input.whole("buffer_bytes", 65_536...1 << 30)
    let session = try CaptureSession(
      threads, bytes: bytes, snapLength: snap, port: named?.port.id, filter: try Self.filter(input))
    nextCapture += 1
    captures[nextCapture] = session
    tell(log.note(.notice, "capture.started", ["capture": .integer(nextCapture)]))
    return [
      "schema_version": 1, "capture": .integer(nextCapture),
      "ports": .array(
        configuration.ports.map { ["name": .string($0.name), "id": .integer(Int($0.port.id))] }),
    ]
  }

  /// Ends those that nobody fetches from.
  func tendCaptures(now: UInt64) {
    // It keeps the tables it asks.
    if let predictor, predictor.book !== book { self.predictor = nil }
    for (id, session) in captures where now > session.lastAsked &+ 10_000_000_000 {
      session.end()
      captures[id] = nil
      tell(log.note(.warning, "capture.abandoned", ["capture": .integer(id)]))
    }
  }

  /// Frames that passed since the last time; waits a while when there are none.
  func readCapture(_ input: Parameters) throws(RequestFailure) -> Answer {
    let id = try input.whole("capture", 1...Int.max)
    guard captures[id] != nil else { throw RequestFailure("capture.missing", "there is no capture \(id)") }
    let wait = input.members["wait_ms"] == nil ? 0 : try input.whole("wait_ms", 0...5000)
    let limit = input.members["limit"] == nil ? 256 : try input.whole("limit", 1...1024)
    let port = input.members["port"] == nil ? nil : try capturedPort(input)?.port.id
    let until = MonotonicClock.now + UInt64(wait) * 1_000_000
    return .later(deadline: until + 10_000_000_000) { [unowned self] in
      let now = MonotonicClock.now
      guard let session = captures[id] else {
        return .failure(RequestFailure("capture.missing", "capture \(id) was ended"))
      }
      let entries = session.take(limit, now: now).filter { port == nil || $0.record.port == port }
      guard !entries.isEmpty || now >= until else { return nil }
      return .result([
        "schema_version": 1, "frames": .array(entries.map { document($0, session) }),
        "dropped": .count(session.lost),
      ])
    }
  }

  /// Ends a capture.
  func stopCapture(_ input: Parameters) throws(RequestFailure) -> JSON {
    let id = try input.whole("capture", 1...Int.max)
    guard let session = captures.removeValue(forKey: id) else {
      throw RequestFailure("capture.missing", "there is no capture \(id)")
    }
    session.end()
    tell(log.note(.notice, "capture.ended", ["capture": .integer(id), "dropped": .count(session.lost)]))
    return ["schema_version": 1, "dropped": .count(session.lost)]
  }

  private func capturedPort(_ input: Parameters) throws(RequestFailure) -> Configuration.NamedPort? {
    input.members["port"] == nil ? nil : try port(named: try input.text("port"))
  }

  private static func filter(_ input: Parameters) throws(RequestFailure) -> PcapFilter? {
    guard input.members["filter"] != nil else { return nil }
    let text = try input.text("filter")
    do throws(CaptureError) { return try PcapFilter(text) } catch {
      throw RequestFailure("capture.filter", error.description, hint: "the language is that of pcap-filter(7)")
    }
  }

  private func document(_ entry: CaptureSession.Entry, _ session: CaptureSession) -> JSON {
    let record = entry.record
    let rule = entry.isInbound ? entry.results.map(\.frame.rule).max() ?? 0 : record.frame.rule
    let (path, steps) = path(entry)
    return [
      "time_ns": .count(record.time &+ session.epoch), "port": .string(configuration.name(of: record.port)),
      "port_id": .integer(Int(record.port)), "direction": .string(entry.isInbound ? "in" : "out"),
      "bytes": .integer(record.length), "frame_hex": .string(JSON.hex(record.bytes)),
      "rule": rule == 0 ? .null : .integer(Int(rule)), "path": .string(path),
      "device_steps": .array(steps.map { .string($0) }), "comment": .string(comment(entry, rule, path, steps)),
    ]
  }

  /// Where the frame's work was done, and what of it by the device.
  private func path(_ entry: CaptureSession.Entry) -> (path: String, steps: [String]) {
    guard let device = entry.device else {
      let isKnown = entry.isInbound ? entry.isKnown : entry.hasCome || devices == nil
      return (isKnown ? "software" : "unknown", [])
    }
    let steps = Steps.names.filter { device.frame.steps.contains($0.step) }.map(\.name)
    if device.isWholeInHardware { return ("hardware", steps) }
    let done = device.frame.steps.subtracting([.parse, .verifyChecksum])
    return (done.isEmpty ? "software" : done == .match ? "guarded" : "partial", steps)
  }

  private func comment(_ entry: CaptureSession.Entry, _ rule: UInt32, _ path: String, _ steps: [String]) -> String {
    var words = [
      rule == 0 ? "no rule" : "rule \(rule)", path + (steps.isEmpty ? "" : ": " + steps.joined(separator: " ")),
    ]
    if entry.isInbound {
      for result in entry.results {
        switch result.kind {
        case .sent: words.append("goes out of \(configuration.name(of: result.port))")
        case .absorbed: words.append("becomes other frames")
        default: words.append("dropped: \(result.frame.outcome.dropReason?.name ?? "unknown")")
        }
      }
    }
    if entry.record.frame.owed.contains(.checksum) { words.append("owes its checksum") }
    if entry.record.frame.segmentSize > 0 { words.append("owes segments of \(entry.record.frame.segmentSize)") }
    return words.joined(separator: ", ")
  }

  /// The next frame that comes in and is wanted, and its way.
  func traceLive(_ input: Parameters) throws(RequestFailure) -> Answer {
    let named = try capturedPort(input)
    let wait = input.members["timeout_ms"] == nil ? 10_000 : try input.whole("timeout_ms", 0...3_600_000)
    let session = try CaptureSession(
      threads, bytes: 1 << 20, snapLength: 65_535, port: named?.port.id, filter: try Self.filter(input))
    nextCapture += 1
    let id = nextCapture
    captures[id] = session
    // Zero is for ever.
    let deadline = wait == 0 ? .max : MonotonicClock.now + UInt64(wait) * 1_000_000
    return .later(deadline: deadline) { [unowned self] in
      guard let entry = session.take(64, now: MonotonicClock.now).first(where: \.isInbound) else { return nil }
      session.end()
      captures[id] = nil
      do throws(RequestFailure) { return .result(try liveTrace(entry)) } catch { return .failure(error) }
    }
  }

  private func liveTrace(_ entry: CaptureSession.Entry) throws(RequestFailure) -> JSON {
    let start = FrameCopy(bytes: entry.record.bytes, record: entry.record.frame)
    let (steps, leaves) = try predict(start)
    var trace = FrameTrace(configuration)
    trace.arrive(start, .observed)
    let isWhole = entry.device?.isWholeInHardware ?? false
    let seen = Set((entry.results + [entry.device].compactMap(\.self)).map(\.frame.rule)).subtracting([0])
    let up = isWhole ? nil : entry.device
    let done = up.flatMap { devices?.state(of: $0.frame.rule)?.actionsOnDevice } ?? 0
    let split =
      isWhole
      ? steps.count
      : up.map { up in
        up.frame.steps.contains(.match) ? FrameTrace.split(steps, .begun(rule: up.frame.rule, actionsDone: done)) : 0
      } ?? 0
    trace.add(Array(steps[..<split]), from: start, place: { _ in .hardware }, seen: seen)
    var middle = steps[..<split].last { $0.frame != nil }?.frame ?? start
    if let up {
      middle = FrameCopy(bytes: up.bytes, record: up.frame)
      trace.up(middle, actionsDone: split == 0 ? nil : done)
    }
    trace.add(Array(steps[split...]), from: middle, place: { _ in .software }, seen: seen)
    let results = entry.results.map { Predictor.Leave($0) }
    for leave in results { trace.leave(leave, .observed, place: isWhole ? "hardware" : "software") }
    if results.isEmpty { for leave in leaves { trace.leave(leave, .predicted, place: "software") } }
    trace.judge(leaves, results, configuration)
    return .object([.init(name: "schema_version", value: 1)] + trace.members)
  }
}

extension Predictor.Leave {
  fileprivate init(_ record: FrameTap.Record) {
    frame = FrameCopy(bytes: record.bytes, record: record.frame)
    rule = record.frame.rule
    port = record.port
    queue = record.frame.queue
    mark = 0
    outcome =
      switch record.kind {
      case .sent: .forward
      case .absorbed: .absorbed
      default: record.frame.outcome
      }
  }
}
