import Device
import Rules

// What the ports of a configuration ask of the host's interfaces.
extension Doctor {
  mutating func lookAtPorts() {
    guard let configuration else { return }
    for named in configuration.ports {
      guard let attachment = named.attachment else { continue }
      let place = attachment.namespace.map { "ip netns exec \($0) " } ?? ""
      if case .packet(let interface) = attachment.kind {
        guard attachment.namespace == nil else {
          lookInside(attachment.namespace ?? "", named.name)
          continue
        }
        lookAt(interface, named, attachment, place)
      } else if attachment.namespace != nil {
        lookInside(attachment.namespace ?? "", named.name)
      }
    }
    overlayMTU(configuration)
  }

  private mutating func lookInside(_ namespace: String, _ port: String) {
    let isThere = host.isThere("/run/netns/\(namespace)")
    note(
      "port.namespace", port, isThere ? .ok : .missing, found: isThere ? "there" : "not there", wanted: namespace,
      why: "the port's interface stands in it", mend: "sudo ip netns add \(namespace)")
  }

  private mutating func lookAt(
    _ interface: String, _ named: Configuration.NamedPort, _ attachment: PortAttachment, _ place: String
  ) {
    let folder = "/sys/class/net/\(interface)"
    guard let mtu = number(folder + "/mtu") else {
      return note(
        "port.interface", named.name, .missing, found: "no interface \(interface)", wanted: interface,
        why: "frames of the port pass it",
        mend: "sudo ip link add \(interface) type veth (or name another in attach.packet)")
    }
    let flags = line(folder + "/flags").flatMap { Int($0.dropFirst(2), radix: 16) } ?? 0
    note(
      "port.link", named.name, flags & 1 == 1 ? .ok : .missing, found: flags & 1 == 1 ? "up" : "down", wanted: "up",
      why: "no frame passes an interface that is down", mend: "sudo \(place)ip link set dev \(interface) up")
    let wanted = Int(named.port.mtu)
    note(
      "port.mtu", named.name, mtu >= wanted ? .ok : .missing, found: "\(mtu)", wanted: "\(wanted)",
      why: "larger packets are dropped by the interface, without a word to the sender",
      mend: "sudo \(place)ip link set dev \(interface) mtu \(wanted)")
    guard let features = host.said("ethtool", ["-k", interface]) else { return }
    func isOn(_ name: String) -> Bool {
      features.split(separator: "\n").contains { $0.drop { $0 == " " || $0 == "\t" }.hasPrefix("\(name): on") }
    }
    if !attachment.offloads {
      let owes = isOn("tx-checksumming")
      note(
        "port.tx_checksum", named.name, owes ? .missing : .ok, found: owes ? "on" : "off", wanted: "off",
        why: "with offloads: false what the kernel sends here has checksums that nobody fills in",
        mend: "sudo \(place)ethtool -K \(interface) tx off")
    }
    let merges = isOn("large-receive-offload")
    note(
      "port.lro", named.name, merges ? .warning : .ok, found: merges ? "on" : "off", wanted: "off",
      why: "frames merged by LRO cannot be forwarded as they were",
      mend: "sudo \(place)ethtool -K \(interface) lro off")
  }

  /// A tenant's largest packet has to go through each uplink behind its headers.
  private mutating func overlayMTU(_ configuration: Configuration) {
    guard let tenant = configuration.ports.filter({ $0.port.kind == .tenant }).max(by: { $0.port.mtu < $1.port.mtu }),
      let uplink = configuration.ports.filter({ $0.port.kind == .uplink }).min(by: { $0.port.mtu < $1.port.mtu }),
      let longest = configuration.overlay.encapsulations.values.map({ Self.carried($0) }).max()
    else { return }
    let wanted = Int(tenant.port.mtu) + longest
    let isEnough = Int(uplink.port.mtu) >= wanted
    note(
      "overlay.mtu", uplink.name, isEnough ? .ok : .warning, found: "\(uplink.port.mtu)", wanted: "\(wanted)",
      why:
        "packets of \(tenant.name) have up to \(tenant.port.mtu) bytes and get \(longest) in front; larger ones are answered with ICMP, which some paths drop",
      mend:
        "set mtu of \(uplink.name) to \(wanted) (and on its interface: ip link set mtu \(wanted)), or mtu of \(tenant.name) to \(Int(uplink.port.mtu) - longest)"
    )
  }

  /// Bytes that an encapsulation adds to a tenant's L3 packet within the underlay's: its headers without its own Ethernet,
  /// and the tenant's Ethernet.
  private static func carried(_ encapsulation: Encapsulation) -> Int {
    max(0, encapsulation.header.count - 14) + 14
  }
}
