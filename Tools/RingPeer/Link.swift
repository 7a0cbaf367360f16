import Memory
import VhostUser
import Virtqueue

/// Either side of a vhost-user link, seen by a worker.
protocol Link {
  var isReady: Bool { get }
  func service(_ now: UInt64) -> [SessionEvent]
  func send(_ burst: borrowing NetBurst, from first: Int) -> Int
  func receive(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Int
  /// Stops the other side's notifications: this one polls.
  func suppress()
}

struct BackendLink: Link {
  let port: VhostBackend
  var isReady: Bool { port.queues[0].isRunning && port.queues[1].isRunning }
  func service(_ now: UInt64) -> [SessionEvent] { port.service() }
  func send(_ burst: borrowing NetBurst, from first: Int) -> Int { port.queues[0].deliver(burst, from: first) }
  func receive(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Int {
    port.queues[1].receive(into: &burst, from: &buffers)
  }
  func suppress() { for queue in port.queues { queue.suppressKicks() } }
}

struct FrontendLink: Link {
  let port: VhostFrontend
  var isReady: Bool { port.isReady }
  func service(_ now: UInt64) -> [SessionEvent] { port.service(now: now) }
  func send(_ burst: borrowing NetBurst, from first: Int) -> Int { port.pairs[0].send(burst, from: first) }
  func receive(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Int {
    port.pairs[0].receive(into: &burst, from: &buffers)
  }
  func suppress() { port.pairs[0].suppressCalls() }
}
