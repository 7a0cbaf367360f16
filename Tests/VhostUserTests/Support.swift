import Foundation
import Memory
import Testing
import VhostUser
import Virtqueue

/// The generator behind every seed (SplitMix64).
struct Draw: RandomNumberGenerator {
  private var state: UInt64
  init(_ salt: UInt64) {
    let seed = ProcessInfo.processInfo.environment["DPU_SEED"].flatMap { UInt64($0) } ?? 1
    state = seed &* 0x1_0000_0001 &+ salt
  }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// A path for a socket that nobody else uses.
func socketPath() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent("dpu-\(UUID().uuidString.prefix(8))").path
}

/// Descriptors of this process that are memory files or sockets of these tests: others come and go with other tests.
func openMemoryFiles(_ name: String) -> Int {
  let folder = "/proc/self/fd"
  let all = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  return all.filter {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + $0))?.contains(name) == true
  }.count
}

/// A frame of a number, in a buffer of `buffers`.
func append(
  _ number: UInt64, length: Int = 60, to burst: inout NetBurst, from buffers: inout NetBuffers
) -> Bool {
  guard let token = buffers.take(length: length) else { return false }
  let frame = NetFrame(
    buffer: buffers.buffer(token), start: buffers.headroom(token), length: length, token: token)
  frame.bytes.fill(UInt8(truncatingIfNeeded: number), at: 0, count: length)
  frame.bytes.store(number, at: 0)
  return burst.append(frame)
}

/// The numbers of a burst's frames, and their buffers back.
func drain(_ burst: inout NetBurst, _ buffers: inout NetBuffers) -> [UInt64] {
  var numbers: [UInt64] = []
  for index in 0..<burst.count {
    numbers.append(burst[index].bytes.load(0))
    buffers.give(burst[index].token)
  }
  burst.removeAll()
  return numbers
}

/// A back end and a front end in one process, over a socket.
final class Link {
  var back: VhostBackend
  let front: VhostFrontend
  let options: BackendOptions
  let path: String
  let backRole: SocketRole
  var events: [SessionEvent] = []
  var now: UInt64 = 0

  init(
    _ frontOptions: FrontendOptions, _ backOptions: BackendOptions = BackendOptions(), backRole: SocketRole = .server
  ) throws {
    path = socketPath()
    self.backRole = backRole
    options = backOptions
    if backRole == .server {
      back = try VhostBackend(backOptions, path: path, role: .server)
      front = try VhostFrontend(frontOptions, path: path, role: .client)
    } else {
      front = try VhostFrontend(frontOptions, path: path, role: .server)
      back = try VhostBackend(backOptions, path: path, role: .client)
    }
  }

  deinit { _ = unsafe unlink(path) }

  /// Lets both sides speak until the rings run, or some rounds are over.
  func settle(rounds: Int = 200) {
    for _ in 0..<rounds {
      now += 1_000_000
      events += back.service()
      events += front.service(now: now)
      if front.isReady, front.pairs.prefix(1).allSatisfy(\.isRunning), back.queues[0].isRunning,
        back.queues[1].isRunning
      {
        return
      }
    }
  }

  /// The back end's process is gone, and another one comes.
  func replaceBackEnd() throws {
    back.end()
    events += front.service(now: now)
    back = try VhostBackend(options, path: path, role: backRole)
  }
}
