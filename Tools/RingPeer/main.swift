import Memory
import VhostUser
import Virtqueue

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// One end of a vhost-user link, for programs that others wrote at the other end: see Tools/peers.

func nanoseconds() -> UInt64 {
  var time = timespec()
  _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

let arguments = Arguments(Array(CommandLine.arguments.dropFirst()))
if arguments.core >= 0 { _ = PollTicks.pin(arguments.core) }

func report(_ text: String) {
  print(text)
  fflush(nil)
}

/// One round between the link and the TAP; sleeps a little when nothing came.
func bridge(_ link: some Link, _ burst: inout NetBurst, _ got: inout NetBurst, _ buffers: inout NetBuffers) {
  let came = link.receive(into: &got, from: &buffers)
  for index in 0..<came {
    let bytes = got[index].bytes
    _ = unsafe write(arguments.descriptor, bytes.unsafeBase, bytes.count)
    buffers.give(got[index].token)
  }
  got.removeAll()
  while burst.room > 0, let token = buffers.take(length: 1600) {
    let buffer = buffers.buffer(token)
    let start = buffers.headroom(token)
    let count = unsafe read(arguments.descriptor, buffer.unsafeBase + start, 1600)
    guard count > 0 else {
      buffers.give(token)
      break
    }
    burst.append(NetFrame(buffer: buffer, start: start, length: count, token: token))
  }
  _ = link.send(burst, from: 0)
  if came == 0, burst.count == 0 { usleep(100) }
  for index in 0..<burst.count { buffers.give(burst[index].token) }
  burst.removeAll()
}

/// Runs a link for its time: the control socket is looked at every 256 rounds, the rings in each.
func run(_ link: some Link) throws -> Int32 {
  var buffers = try NetBuffers(frames: 1024, segmented: 32)
  var burst = NetBurst(capacity: 64)
  var got = NetBurst(capacity: 64)
  var traffic = Traffic(shortest: arguments.shortest, longest: arguments.longest)
  var echoed: UInt64 = 0
  var dropped: UInt64 = 0
  var began: UInt64?
  let patience = nanoseconds() + 30_000_000_000
  var rounds = 0
  var wasReady = false
  var now = nanoseconds()
  var moved: UInt64 = 0
  var knockedAt: UInt64 = 0
  while true {
    if rounds & 255 == 0 {
      now = nanoseconds()
      for event in link.service(now) {
        report("event: \(event)")
        if case .ended(let fault) = event {
          if began != nil && fault == .closed && arguments.mode == "echo" { break }
        }
      }
      if link.isReady != wasReady {
        wasReady = link.isReady
        if wasReady {
          report("ready")
          if began == nil, arguments.mode != "verify" { began = nanoseconds() }
        }
      }
      if let began {
        let done = arguments.mode == "verify" && arguments.frames > 0 && traffic.received >= UInt64(arguments.frames)
        if done || Double(now &- min(now, began)) > arguments.seconds * 1e9 || traffic.complaint != nil { break }
      } else if now > patience {
        report("nobody came")
        return 1
      }
    }
    rounds &+= 1
    guard wasReady else {
      usleep(1000)
      rounds = 0
      continue
    }
    if rounds & 1023 == 1 { link.suppress() }
    if arguments.mode == "bridge" {
      bridge(link, &burst, &got, &buffers)
      continue
    }
    if arguments.mode == "echo" {
      // What came goes back; a frame that finds no room is dropped, as testpmd does.
      guard link.receive(into: &got, from: &buffers) > 0 else { continue }
      for index in 0..<got.count { got[index].header = NetHeader() }
      let went = link.send(got, from: 0)
      echoed += UInt64(went)
      dropped += UInt64(got.count - went)
      for index in 0..<got.count { buffers.give(got[index].token) }
      got.removeAll()
      continue
    }
    if !traffic.isHeard {
      // Drivers throw away what came before they were started: knock until something comes back.
      if now > knockedAt + 20_000_000 {
        knockedAt = now
        traffic.knock(&burst, &buffers)
        _ = link.send(burst, from: 0)
        for index in 0..<burst.count { buffers.give(burst[index].token) }
        burst.removeAll()
      }
    } else if began == nil {
      began = nanoseconds()
    }
    let room = !traffic.isHeard ? 0 : arguments.window - Int(traffic.sent - traffic.received) - burst.count
    let wanted = arguments.frames > 0 ? min(room, arguments.frames - Int(traffic.sent)) : room
    if burst.count == 0, wanted > 0 { traffic.fill(&burst, &buffers, count: min(wanted, 32)) }
    if burst.count > 0 {
      var at = 0
      while at < burst.count {
        let went = link.send(burst, from: at)
        at += went
        if went == 0 { break }
      }
      // What found no room is sent in the next round, in order.
      var rest: [NetFrame] = []
      for index in 0..<burst.count {
        if index < at { buffers.give(burst[index].token) } else { rest.append(burst[index]) }
      }
      burst.removeAll()
      for frame in rest { burst.append(frame) }
    }
    if link.receive(into: &got, from: &buffers) > 0 {
      for index in 0..<got.count {
        traffic.check(got[index])
        buffers.give(got[index].token)
      }
      got.removeAll()
    }
    moved = traffic.received
  }
  let seconds = Double(nanoseconds() - (began ?? now)) / 1e9
  if arguments.mode == "echo" {
    report("echoed \(echoed), dropped \(dropped), \(Int(Double(echoed) / seconds)) a second")
    return echoed > 0 ? 0 : 1
  }
  report(
    "sent \(traffic.sent), received \(traffic.received), \(traffic.bytes) bytes, \(Int(Double(moved) / seconds)) a second"
  )
  if let complaint = traffic.complaint {
    report("wrong: \(complaint)")
    return 1
  }
  let missing = Int(traffic.sent - traffic.received) - burst.count
  guard traffic.received > 0, missing <= arguments.window,
    arguments.frames == 0 || traffic.received == UInt64(arguments.frames)
  else {
    report("wrong: \(missing) frames did not come back")
    return 1
  }
  return 0
}

do {
  let role: SocketRole = arguments.isServer ? .server : .client
  if arguments.side == "back-end" {
    var options = BackendOptions()
    if let path = arguments.kept { options.kept = try KeptRings(path: path, rings: 2) }
    exit(try run(BackendLink(port: VhostBackend(options, path: arguments.socket, role: role))))
  }
  let options = FrontendOptions(isPacked: arguments.isPacked)
  exit(try run(FrontendLink(port: VhostFrontend(options, path: arguments.socket, role: role))))
} catch {
  report("\(error)")
  exit(1)
}
