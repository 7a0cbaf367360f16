import Memory
public import Virtqueue

/// A pair of queues of a front end, the same object over all reconnects. One worker thread a direction.
public final class FrontendPair: Sendable {
  /// Its number.
  public let index: Int
  let sending = GatedCell<RunningSender>()
  let receiving = GatedCell<RunningReceiver>()

  init(_ index: Int) { self.index = index }

  /// Whether both rings run.
  public var isRunning: Bool { sending.isOpen && receiving.isOpen }

  /// Sends frames, as many as there is room for, and kicks the device if it wants to be.
  ///
  /// - Returns: how many records from `first` on were dealt with; their buffers are the caller's again.
  public func send(_ burst: borrowing NetBurst, from first: Int = 0) -> Int {
    sending.withValue { running in
      let count = running.sender.send(burst, from: first)
      if running.sender.queue.publish() { running.kick.signal() }
      return count
    } ?? 0
  }

  /// Takes frames that came.
  ///
  /// - Returns: how many were added to `burst`; their tokens are `buffers`'.
  public func receive(into burst: inout NetBurst, from buffers: inout NetBuffers) -> Int {
    receiving.withValue { running in
      let count = running.receiver.receive(into: &burst, from: &buffers)
      if running.receiver.queue.publish() { running.kick.signal() }
      return count
    } ?? 0
  }

  /// Frames that the device has and did not say to have sent.
  public func outstanding() -> Int {
    sending.withValue { running in
      running.sender.reap()
      return running.sender.outstanding
    } ?? 0
  }

  /// Asks the device not to call when it has received something.
  public func suppressCalls() {
    receiving.withValue { $0.receiver.queue.suppressCalls() }
    sending.withValue { $0.sender.queue.suppressCalls() }
  }

  /// Asks the device to call when it has received something.
  ///
  /// - Returns: true when it is safe to sleep.
  public func requestCalls() -> Bool { receiving.withValue { $0.receiver.queue.requestCalls() } ?? true }
}

struct RunningSender: ~Copyable {
  var sender: NetSender
  var kick: EventDescriptor
}

struct RunningReceiver: ~Copyable {
  var receiver: NetReceiver
  var kick: EventDescriptor
}
