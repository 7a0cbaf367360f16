"""dpud on DPDK's drivers: Linux interfaces by net_af_packet and net_tap, without hugepages, with the kernel's TCP on top.

The other end of each tunnel is a dpud on the kernel's own ports, so that the two answer for each other.
"""

import live as lab

Failure = lab.Failure

DRIVERS = {
    "packet: u0,": "dpdk: {{device: \"net_af_packet{number},iface=u0\", keep_mtu: true}},",
    "tap: tap0,": "dpdk: {{device: \"net_tap{number},iface=tap0\", checks: true}},",
}


def with_drivers(text, kinds, number):
    for kind in kinds:
        text = text.replace(kind, DRIVERS[kind].format(number=number))
    return text + "dpdk: {memory_mb: 192}\n"


def dress(field, daemon):
    """A TAP device that is new has no address; drivers see a link some time after it is there."""
    for number, end in enumerate("ab", 1):
        field.ip(end, f"addr replace 10.9.0.{number}/24 dev tap0")
        field.ip(end, "link set tap0 up")
    lab.wait_for(
        lambda: all(port["link"] == "up" for port in daemon.ask("port")["ports"]), f"a link stays down: {daemon.ask('port')}")


def counted(daemon):
    rules = {rule["id"]: rule["packets"] for rule in daemon.rules()}
    ports = {port["name"]: port for port in daemon.ask("port")["ports"]}
    for rule, (source, target) in {1: ("vm", "uplink0"), 2: ("uplink0", "vm")}.items():
        if rules[rule] < 1000 or ports[source]["rx_packets"] < 1000 or ports[target]["tx_packets"] < 1000:
            raise Failure(f"rule {rule} counted {rules[rule]}, ports {ports}")
    return ports


def dpdk(field, make, configuration):
    field.veth("a", "b", 1600)
    said = []
    # net_af_packet knows nothing of checksums and segments that are owed: the other end sends frames that owe nothing.
    other = make(field, "b", configuration(field, "b").replace("packet: u0,", "packet: u0, offloads: false,"))
    for number, kinds in enumerate((["packet: u0,"], ["tap: tap0,"], list(DRIVERS))):
        text = with_drivers(configuration(field, "a"), kinds, number)
        daemon = make(field, f"a{number}", text)
        for _ in range(2):
            dress(field, daemon)
            lab.ping(field, "a", "10.9.0.2")
            rate, _ = lab.iperf(field, "b", "a", "10.9.0.2", 1)
            daemon.kill()
            daemon.start()
        dress(field, daemon)
        lab.ping(field, "a", "10.9.0.2")
        lab.iperf(field, "a", "b", "10.9.0.1", 1)
        ports = counted(daemon)
        if not any(port["attached_to"].startswith("dpdk:net_") for port in ports.values()):
            raise Failure(f"no port is DPDK's: {ports}")
        wrong = text.replace("iface=u0", "iface=nothing").replace("net_tap", "net_tup")
        daemon.write(wrong)
        refused = daemon.ctl("config", "reload", check=False)
        if "DPDK device" not in refused.stdout + refused.stderr:
            raise Failure(f"a device that is not there: {refused}")
        field.stop(daemon.process)
        said.append(f"{'+'.join(kind.split(':')[0] for kind in kinds)} {rate:.1f} Gbit/s")
    field.stop(other.process)
    return ", ".join(said)
