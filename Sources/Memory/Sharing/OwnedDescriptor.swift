import CShim

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file descriptor that is closed when nobody holds it any more. Set-up and control only: nothing on a frame's way
/// counts its references.
public final class OwnedDescriptor: Sendable {
  /// The number; open as long as this object lives.
  public let number: Int32

  /// Takes over `number`, which must be open and nobody else's to close.
  public init(owning number: Int32) { self.number = number }

  deinit { _ = close(number) }

  /// Another descriptor of the same open file.
  ///
  /// - Throws: ``SharedMemoryError/system(_:errno:)``, most likely too many open files.
  public func duplicate() throws(SharedMemoryError) -> OwnedDescriptor {
    let copy = dup(number)
    guard copy >= 0 else { throw .system("dup", errno: errno) }
    return OwnedDescriptor(owning: copy)
  }

  /// Waits until one of at most 64 descriptors can be read or was hung up.
  ///
  /// - Parameters:
  ///   - descriptors: what to wait for; more than 64 is the caller's bug and gives no bit.
  ///   - milliseconds: how long at most; −1 waits for ever, 0 only looks.
  /// - Returns: bit i set for each of `descriptors` that is ready; 0 when time ran out or a signal came.
  public static func wait(for descriptors: [OwnedDescriptor], milliseconds: Int32) -> UInt64 {
    let numbers = descriptors.map(\.number)
    var ready: UInt64 = 0
    _ = unsafe dpu_wait_readable(numbers, numbers.count, milliseconds, &ready)
    return ready
  }
}

/// An event counter between threads or processes (eventfd): a *kick* or a *call*. Never blocks.
public struct EventDescriptor: Sendable {
  /// The descriptor, to be waited for or handed to a peer.
  public let descriptor: OwnedDescriptor

  /// A new event, not signalled.
  ///
  /// - Throws: ``SharedMemoryError/system(_:errno:)``.
  public init() throws(SharedMemoryError) {
    let number = dpu_event_file()
    guard number >= 0 else { throw .system("eventfd", errno: -number) }
    descriptor = OwnedDescriptor(owning: number)
  }

  /// An event that a peer handed over; writing to one that is no eventfd does nothing worse than fail.
  public init(_ descriptor: OwnedDescriptor) { self.descriptor = descriptor }

  /// Signals it. An event that cannot be written (full, closed by the peer) stays as it is: the peer has been woken or
  /// is gone.
  public func signal() {
    var one: UInt64 = 1
    _ = unsafe write(descriptor.number, &one, 8)
  }

  /// Takes the signals there are.
  ///
  /// - Returns: whether there was one.
  @discardableResult
  public func clear() -> Bool {
    var count: UInt64 = 0
    return unsafe read(descriptor.number, &count, 8) == 8
  }
}
