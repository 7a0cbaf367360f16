public import Ports
import Synchronization

/// The way of upcalls from a poll thread to whoever serves controllers. Bounded; the poll thread never waits.
public final class UpcallBox: Sendable {
  private let waiting = Mutex<[Upcall]>([])
  private let listens = Atomic<Bool>(false)
  private let waker: Waker?
  /// Upcalls in it at most.
  static let most = UpcallPolicy.mostFlows

  /// A box; `waker` is called when there is something in it.
  public init(waker: Waker? = nil) { self.waker = waker }

  /// Whether somebody is there to be told.
  public var hasController: Bool {
    get { listens.load(ordering: .relaxed) }
    set { listens.store(newValue, ordering: .relaxed) }
  }

  /// Puts one in; false when that would have meant to wait, or the box is full.
  func offer(_ upcall: Upcall) -> Bool {
    let isIn = waiting.withLockIfAvailable { waiting in
      guard waiting.count < Self.most else { return false }
      waiting.append(upcall)
      return true
    }
    guard isIn == true else { return false }
    waker?.wake()
    return true
  }

  /// What is in it, oldest first.
  public func take() -> [Upcall] {
    waiting.withLock { waiting in
      defer { waiting.removeAll(keepingCapacity: true) }
      return waiting
    }
  }
}
