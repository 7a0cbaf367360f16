import DeviceBus
import EmulatedDevice
import Memory

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// The emulated device in a process of its own: rings on the one side, the model on the other. Its driver starts it, with a
// socket as descriptor 3.

/// Milliseconds that the driver may take to hand over the memory.
let patience: Int32 = 10_000

/// The socket when there is one: what a program started by hand has as descriptor 3 is none.
func attached() -> MessageSocket? {
  guard fcntl(3, F_GETFD) >= 0 else { return nil }
  _ = fcntl(3, F_SETFD, FD_CLOEXEC)
  return MessageSocket(OwnedDescriptor(owning: 3))
}

guard let line = attached() else {
  print("dpu-device is started by its driver: dpuctl replay --device process. It takes its memory from descriptor 3.")
  exit(64)
}

/// Ends, and tells the driver why.
func fail(_ text: String) -> Never {
  _ = line.send(Array(text.utf8))
  exit(1)
}

var message: [UInt8] = []
var descriptors: [OwnedDescriptor] = []
var isCut = false
_ = OwnedDescriptor.wait(for: [line.descriptor], milliseconds: patience)
_ = line.receive(
  room: Attachment.size, into: &message, descriptors: &descriptors, limit: Attachment.descriptors, cut: &isCut)
guard let bytes = Attachment.bytes(of: message), descriptors.count == Attachment.descriptors else {
  fail("no memory came: \(message.count) bytes and \(descriptors.count) descriptors were found")
}
let kick = EventDescriptor(descriptors[1])
let call = EventDescriptor(descriptors[2])

let server: DeviceServer
do {
  server = try DeviceServer(try SharedRegion(peer: descriptors[0], offset: 0, bytes: bytes))
} catch {
  fail("\(error)")
}

var poll = AdaptivePoll()
server.suppressKicks()
while true {
  if server.serve() > 0 {
    poll.worked(PollTicks.now)
    if server.needsCall() { call.signal() }
    continue
  }
  guard poll.shouldSleep(PollTicks.now) else {
    PollTicks.pause()
    continue
  }
  if server.requestKicks() {
    // A second at most: registers may have changed without a kick.
    let ready = OwnedDescriptor.wait(for: [kick.descriptor, line.descriptor], milliseconds: 1000)
    if ready & 1 != 0 { kick.clear() }
    // The driver says nothing more over the socket; readable means that it is gone.
    if ready & 2 != 0 { exit(0) }
  }
  server.suppressKicks()
  poll.slept(until: PollTicks.now)
}
