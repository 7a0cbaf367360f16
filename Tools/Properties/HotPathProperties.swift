import Control
import Datapath
import Device
import Memory

let hotPathProperties = [
  Property(
    name: "quiet", promise: "The software path allocates nothing and counts no reference while it carries out a burst.",
    cases: 200_000
  ) { seed, cases in
    // The first frames are not judged: a thrown reason's witness table is made once a process.
    try quiet(seed: seed, frames: 2000, isJudged: false)
    var done = 0
    var configuration = seed
    while done < cases {
      configuration &+= 1
      try quiet(seed: configuration, frames: min(4000, cases - done), isJudged: true)
      done += 4000
    }
  }
]

/// Sends frames of a drawn configuration, spoiled ones among them, through the software path in whole bursts.
private func quiet(seed: UInt64, frames: Int, isJudged: Bool) throws {
  let configuration = RandomConfiguration.make(seed: seed)
  let rules = try RuleBook(configuration.overlay, limit: configuration.rules.count + 64)
  try rules.apply(configuration.rules.map { .add($0.id, $0.rule) }, now: 0)
  var path = try Datapath(rules, buffers: 2048, bufferSize: 9728)
  // Every other configuration has ports that take merged frames.
  if seed % 2 == 0 {
    for port in configuration.ports {
      path.setCarried([.checksum, .tcpSegmentation, .udpSegmentation], port: port.port.id)
    }
  }
  let room = FrameArena.defaultHeadroom
  let arena = try FrameArena(capacity: FrameBurst.capacity, bufferSize: 1 << 17)
  var mix = TrafficGenerator.Mix()
  mix.spoiledPercent = 20
  mix.repeatedPercent = 50
  var traffic = TrafficGenerator(configuration, mix: mix, seed: seed)
  var burst = FrameBurst()
  var out = EmissionBurst(capacity: 4096)
  var sent = 0
  var came = 0
  while sent < frames {
    burst.removeAll()
    out.removeAll()
    for slot in 0..<UInt32(FrameBurst.capacity) {
      let made = traffic.next()
      let buffer = arena.buffer(slot)
      buffer.copy(made.bytes, at: room)
      var frame = Frame(buffer: buffer, headroom: room, length: made.bytes.count, token: slot)
      frame.inPort = made.port
      if slot % 8 == 7, made.bytes.count > 40 {
        // In two segments.
        let half = made.bytes.count / 2
        frame.setLength(half)
        let rest = Frame(buffer: buffer, headroom: room + half, length: made.bytes.count - half, token: slot)
        frame.next = burst.appendSegment(rest) ?? 0
      }
      _ = burst.append(frame)
    }
    sent += FrameBurst.capacity
    let now = UInt64(sent) * 1_000_000
    let counts = HotPathCounts.during { path.process(&burst, now: now, out: &out) }
    if isJudged, counts != HotPathCounts() {
      throw Counterexample("configuration \(seed), burst of frames \(sent - FrameBurst.capacity)…: \(counts)")
    }
    came += out.count
    for index in 0..<out.count { path.recycle(out[index].frame.token) }
    for index in 0..<out.releaseCount { path.recycle(out.released(index)) }
  }
  guard came >= sent / 2 else { throw Counterexample("configuration \(seed): of \(sent) frames \(came) came out") }
}
