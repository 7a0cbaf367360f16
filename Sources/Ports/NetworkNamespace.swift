import CNet

/// A network namespace of this host, held open. Interfaces and sockets are made in it; afterwards they work from
/// anywhere.
public struct NetworkNamespace: ~Copyable {
  private let descriptor: Descriptor

  /// The namespace of this file: what `ip netns` keeps below /run/netns, or /proc/PID/ns/net.
  ///
  /// - Throws: ``PortError`` when it cannot be opened.
  public init(path: String) throws(PortError) { descriptor = Descriptor(try Kernel.openFile(path)) }

  /// The namespace that `ip netns` calls by this name.
  public init(name: String) throws(PortError) { try self.init(path: "/run/netns/" + name) }

  /// Takes the calling thread into the namespace for as long as `body` runs; `body` must not wait for other threads.
  ///
  /// - Throws: ``PortError`` of `body`, or when the thread may not enter.
  public borrowing func run<Result: ~Copyable>(
    _ body: () throws(PortError) -> Result
  ) throws(PortError) -> Result {
    let old = dpu_namespace_enter(descriptor.number)
    guard old >= 0 else { throw PortError("the network namespace", answer: old) }
    defer { _ = dpu_namespace_leave(old) }
    return try body()
  }
}
