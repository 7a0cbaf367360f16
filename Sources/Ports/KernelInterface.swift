import CNet
public import Device

/// A network interface of the kernel's, by name, in the namespace where this was made.
public struct KernelInterface: ~Copyable {
  /// Its name.
  public let name: String
  private let socket: Descriptor

  /// The interface of this name; whether it is there is asked when something is done with it.
  public init(_ name: String) throws(PortError) {
    self.name = name
    let answer = dpu_interface_socket()
    guard answer >= 0 else { throw PortError("interface '\(name)'", answer: answer) }
    socket = Descriptor(answer)
  }

  /// What is known of an interface now.
  public struct State: Equatable, Sendable {
    /// The kernel's number of it.
    public var index: Int32
    /// 48 bits.
    public var mac: UInt64
    /// The largest L3 packet, in bytes.
    public var mtu: Int
    /// It was switched on.
    public var isUp: Bool
    /// It has a carrier.
    public var isRunning: Bool
    /// Frames have Ethernet headers.
    public var isEthernet: Bool
    /// Whether frames can pass.
    public var link: LinkState { isUp && isRunning ? .up : .down }
  }

  /// Asks the kernel.
  public func state() throws(PortError) -> State {
    let found = try Kernel.interface(socket.number, name)
    return State(
      index: found.index, mac: found.address, mtu: Int(found.mtu), isUp: found.is_up != 0,
      isRunning: found.is_running != 0, isEthernet: found.is_ethernet != 0)
  }

  /// Gives it another address (48 bits).
  public func set(mac: UInt64) throws(PortError) { try Kernel.setMAC(socket.number, name, mac) }
  /// Gives it another MTU, in bytes.
  public func set(mtu: Int) throws(PortError) { try Kernel.setMTU(socket.number, name, mtu) }
  /// Switches it on or off.
  public func set(up: Bool) throws(PortError) { try Kernel.setUp(socket.number, name, up) }
}
