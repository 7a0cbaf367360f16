import DPDKDevice
import Device
import Ports
import Runtime
import VhostUser

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Makes the port of an attachment and adds it to a loop; called on the loop's thread.
enum PortOpener {
  /// - Throws: ``Ports/PortError``, ``Ports/CaptureError``, or ``RequestFailure`` when there is no room.
  static func open(_ named: Configuration.NamedPort, threads: Int, eal: EAL.Options, in loop: inout PollLoop) throws {
    guard let attachment = named.attachment else { return }
    let port = named.port
    guard let owner = (0..<0xd0).map({ UInt8($0) }).first(where: { loop.ports.hasNoOwner($0) }) else {
      throw RequestFailure("port.room", "port '\(named.name)': there are too many ports")
    }
    let isAdded: Bool
    switch attachment.kind {
    case .tap(let name):
      var wanted = TapPort.Options(name: name)
      wanted.offloads = attachment.offloads
      wanted.multiQueue = threads > 1
      wanted.mac = port.mac == 0 ? nil : port.mac
      wanted.mtu = Int(port.mtu)
      isAdded = loop.add(
        try inside(attachment.namespace) { () throws(PortError) in try TapPort(wanted, id: port.id, owner: owner) },
        id: port.id)
    case .packet(let interface):
      var wanted = PacketPort.Options(interface: interface)
      wanted.offloads = attachment.offloads
      wanted.bypassesQueues = attachment.bypassesQueues
      wanted.isUplink = port.kind == .uplink
      isAdded = loop.add(
        try inside(attachment.namespace) { () throws(PortError) in try PacketPort(wanted, id: port.id, owner: owner) },
        id: port.id)
    case .capture(let input, let output):
      var wanted = CapturePort.Options()
      wanted.input = input
      wanted.output = output
      wanted.mtu = Int(port.mtu)
      wanted.mac = port.mac
      isAdded = loop.add(try CapturePort(wanted, name: named.name, id: port.id, owner: owner), id: port.id)
    case .vhostUser(let path, let isClient, let driver):
      var wanted = VirtqueuePort.Options(path: path)
      wanted.role = isClient ? .client : .server
      if let driver { wanted.side = .driver(isPacked: driver == .packed) }
      wanted.offloads = attachment.offloads
      if port.mac != 0 { wanted.mac = port.mac }
      wanted.mtu = port.mtu
      isAdded = loop.add(try VirtqueuePort(wanted, id: port.id, owner: owner), id: port.id)
    case .dpdk(var wanted):
      do throws(DPDKError) { try EAL.start(eal) } catch { throw PortError(error) }
      wanted.mtu = wanted.keepsMTU ? 0 : port.mtu
      let options = wanted
      // Drivers over interfaces open them in the namespace of the thread that probes.
      isAdded = loop.add(
        try inside(attachment.namespace) { () throws(PortError) in
          do throws(DPDKError) { return try DPDKPort(options, id: port.id, owner: owner) } catch {
            throw PortError(error)
          }
        }, id: port.id)
    }
    guard isAdded else { throw RequestFailure("port.room", "port '\(named.name)': there is no room for it") }
    if port.kind == .host { loop.setHostPort(id: port.id) }
  }

  private static func inside<Port: ~Copyable>(
    _ namespace: String?, _ make: () throws(PortError) -> Port
  ) throws(PortError) -> Port {
    guard let namespace else { return try make() }
    return try NetworkNamespace(name: namespace).run(make)
  }
}

extension PortError {
  /// What DPDK said, as any port's error.
  init(_ error: DPDKError) {
    let kind: Kind =
      switch error.number {
      case EPERM, EACCES: .notPermitted
      case ENODEV, ENOENT, ENXIO: .notFound
      case EBUSY, EEXIST: .busy
      case ENOTSUP: .notSupported
      case ENOMEM: .noMemory
      case EINVAL, ERANGE: .badValue
      default: .system
      }
    self.init(kind, error.place, error.sentence)
  }
}
