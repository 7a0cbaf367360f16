import Ports
import Runtime
import VhostUser

/// What a port of the configuration is live: `NAME=KIND:WHAT[,OPTION…][@NAMESPACE]`.
struct Attachment {
  enum Kind: String { case tap, packet, device, driver, capture }

  var port: String
  var kind: Kind
  var what: String
  var options: Set<String>
  var namespace: String?

  init?(_ text: String) {
    let sides = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard sides.count == 2 else { return nil }
    let places = sides[1].split(separator: "@", maxSplits: 1).map(String.init)
    let words = places[0].split(separator: ",").map(String.init)
    guard let first = words.first else { return nil }
    let parts = first.split(separator: ":", maxSplits: 1).map(String.init)
    guard parts.count == 2, let kind = Kind(rawValue: parts[0]) else { return nil }
    port = sides[0]
    self.kind = kind
    what = parts[1]
    options = Set(words.dropFirst())
    namespace = places.count > 1 ? places[1] : nil
  }

  /// Makes the port and adds it to the loop; false when the loop has no room for it.
  func attach(to loop: inout PollLoop, id: UInt16, mac: UInt64, mtu: Int, isUplink: Bool) throws -> Bool {
    // Owners count from 0; the data path's own is over all of them.
    let owner = UInt8(loop.ports.count)
    switch kind {
    case .tap:
      var wanted = TapPort.Options(name: what)
      wanted.offloads = !options.contains("plain")
      wanted.mac = mac == 0 ? nil : mac
      wanted.mtu = mtu
      return loop.add(try inNamespace { () throws(PortError) in try TapPort(wanted, id: id, owner: owner) }, id: id)
    case .packet:
      var wanted = PacketPort.Options(interface: what)
      wanted.offloads = !options.contains("plain")
      wanted.bypassesQueues = options.contains("bypass")
      wanted.isUplink = isUplink
      return loop.add(try inNamespace { () throws(PortError) in try PacketPort(wanted, id: id, owner: owner) }, id: id)
    case .device, .driver:
      var wanted = VirtqueuePort.Options(path: what)
      wanted.side = kind == .device ? .device : .driver(isPacked: options.contains("packed"))
      wanted.role = options.contains("client") ? .client : .server
      wanted.offloads = !options.contains("plain")
      wanted.mac = mac == 0 ? wanted.mac : mac
      wanted.mtu = UInt16(clamping: mtu)
      return loop.add(try VirtqueuePort(wanted, id: id, owner: owner), id: id)
    case .capture:
      var wanted = CapturePort.Options()
      wanted.output = what
      wanted.mtu = mtu
      wanted.mac = mac
      return loop.add(try CapturePort(wanted, name: port, id: id, owner: owner), id: id)
    }
  }

  private func inNamespace<Port: ~Copyable>(_ make: () throws(PortError) -> Port) throws(PortError) -> Port {
    guard let namespace else { return try make() }
    return try NetworkNamespace(name: namespace).run(make)
  }
}
