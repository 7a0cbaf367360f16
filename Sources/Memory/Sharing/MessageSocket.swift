import CShim

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A unix stream socket that carries bytes and descriptors. It never blocks, and keeps nothing: who reads less than
/// came has the rest in the next call.
public struct MessageSocket: Sendable {
  /// The socket.
  public let descriptor: OwnedDescriptor

  /// Wraps a connected socket.
  public init(_ descriptor: OwnedDescriptor) { self.descriptor = descriptor }

  /// Connects to the socket at `path`.
  ///
  /// - Throws: ``SharedMemoryError/system(_:errno:)``: nobody listens, or the path is too long (107 bytes at most).
  public init(connectingTo path: String) throws(SharedMemoryError) {
    let number = unsafe dpu_unix_connect(path)
    guard number >= 0 else { throw .system("connect to \(path)", errno: -number) }
    descriptor = OwnedDescriptor(owning: number)
  }

  /// Two sockets connected with each other.
  ///
  /// - Throws: ``SharedMemoryError/system(_:errno:)``.
  public static func pair() throws(SharedMemoryError) -> (MessageSocket, MessageSocket) {
    var ends: [Int32] = [-1, -1]
    let answer = unsafe dpu_unix_pair(&ends)
    guard answer == 0 else { throw .system("socketpair", errno: -answer) }
    return (
      MessageSocket(OwnedDescriptor(owning: ends[0])), MessageSocket(OwnedDescriptor(owning: ends[1]))
    )
  }

  /// What a call on a socket gave.
  public enum Outcome: Equatable, Sendable {
    /// So many bytes went or came.
    case bytes(Int)
    /// Nothing now: nobody has written, or the other side does not read.
    case wait
    /// The other side is gone; `errno` is 0 when it left in good order.
    case gone(errno: Int32)
  }

  /// Sends `bytes` with `descriptors` (at most 64) at their beginning.
  ///
  /// - Returns: how many bytes went; what did not go is sent again without the descriptors.
  public func send(_ bytes: [UInt8], descriptors: [OwnedDescriptor] = []) -> Outcome {
    let numbers = descriptors.map(\.number)
    let went = unsafe dpu_send_message(descriptor.number, bytes, bytes.count, numbers, numbers.count)
    guard went < 0 else { return .bytes(went) }
    return went == -Int(EAGAIN) ? .wait : .gone(errno: Int32(truncatingIfNeeded: -went))
  }

  /// Receives at most `room` bytes, added to `bytes`, and the descriptors that came with them, added to `descriptors`.
  ///
  /// - Parameter limit: descriptors that are kept; more are closed, and `cut` becomes true.
  public func receive(
    room: Int, into bytes: inout [UInt8], descriptors: inout [OwnedDescriptor], limit: Int = 64, cut: inout Bool
  ) -> Outcome {
    var numbers = [Int32](repeating: -1, count: 64)
    var found = 0
    var overflowed: Int32 = 0
    var came = 0
    let chunk = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      came = unsafe dpu_receive_message(
        descriptor.number, buffer.baseAddress, room, &numbers, min(limit, 64), &found, &overflowed)
      count = max(0, came)
    }
    for number in numbers.prefix(found) { descriptors.append(OwnedDescriptor(owning: number)) }
    if overflowed != 0 { cut = true }
    guard came > 0 else {
      if came == 0 && room > 0 { return .gone(errno: 0) }
      return came == -Int(EAGAIN) || room == 0 ? .wait : .gone(errno: Int32(truncatingIfNeeded: -came))
    }
    bytes += chunk
    return .bytes(came)
  }
}

/// A unix stream socket that others connect to.
public struct ListeningSocket: Sendable {
  /// The socket.
  public let descriptor: OwnedDescriptor

  /// Listens at `path`; a socket that an ended process left there is removed, any other file is not.
  ///
  /// - Throws: ``SharedMemoryError/system(_:errno:)``.
  public init(path: String) throws(SharedMemoryError) {
    let number = unsafe dpu_unix_listen(path)
    guard number >= 0 else { throw .system("listen at \(path)", errno: -number) }
    descriptor = OwnedDescriptor(owning: number)
  }

  /// The next connection, or nil when nobody waits for one.
  public func accept() -> MessageSocket? {
    let number = dpu_unix_accept(descriptor.number)
    return number >= 0 ? MessageSocket(OwnedDescriptor(owning: number)) : nil
  }
}
