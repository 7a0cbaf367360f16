import Datapath
import HostInventory
import Ports
import Runtime

/// Where the next hops of an uplink come from: `UPLINK=INTERFACE[@NAMESPACE]` or `UPLINK=on-link`.
struct UnderlayChoice {
  var uplink: String
  var interface: String?
  var namespace: String?

  init?(_ text: String) {
    let sides = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard sides.count == 2 else { return nil }
    uplink = sides[0]
    guard sides[1] != "on-link" else { return }
    let places = sides[1].split(separator: "@", maxSplits: 1).map(String.init)
    interface = places[0]
    namespace = places.count > 1 ? places[1] : nil
  }

  func make(_ rules: RuleBook, mac: UInt64) throws -> Underlay {
    var options = Underlay.Options()
    options.mac = mac
    guard let interface else {
      options.answers = true
      options.view.apply(.route(HostRoute(IPPrefix(.v4(0), length: 0), link: 0), replaces: false))
      options.view.apply(.route(HostRoute(IPPrefix(.v6(0), length: 0), link: 0), replaces: false))
      return Underlay(rules, options: options)
    }
    options.interface = interface
    return Underlay(rules, options: options, netlink: try socket())
  }

  private func socket() throws -> NetlinkSocket {
    guard let namespace else { return try NetlinkSocket() }
    return try NetworkNamespace(name: namespace).run { () throws(PortError) in
      do throws(NetlinkSocketError) { return try NetlinkSocket() } catch {
        throw PortError(.system, "netlink", error.description)
      }
    }
  }
}
