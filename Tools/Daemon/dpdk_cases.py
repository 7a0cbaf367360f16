"""dpud on DPDK's drivers: Linux interfaces by net_af_packet and net_tap, without hugepages, with the kernel's TCP on top.

The other end of each tunnel is a dpud on the kernel's own ports, so that the two answer for each other.
"""

import os
import sys

import live as lab

sys.path.insert(0, os.path.join(lab.ROOT, "Tools", "Suite"))
import testpmd  # noqa: E402

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
        seen = [port["dpdk"] for port in ports.values() if port["attached_to"].startswith("dpdk:net_")]
        # What comes from the kernel's ports is copied once, and counted.
        if len(seen) != len(kinds) or not all(port["driver"].startswith("net_") and port["resets"] == 0 for port in seen):
            raise Failure(f"ports of DPDK's drivers: {ports}")
        if len(kinds) == 1 and seen[0]["copied_packets"] < 1000:
            raise Failure(f"copies were not counted: {ports}")
        wrong = text.replace("iface=u0", "iface=nothing").replace("net_tap", "net_tup")
        daemon.write(wrong)
        refused = daemon.ctl("config", "reload", check=False)
        if "DPDK device" not in refused.stdout + refused.stderr:
            raise Failure(f"a device that is not there: {refused}")
        field.stop(daemon.process)
        said.append(f"{'+'.join(kind.split(':')[0] for kind in kinds)} {rate:.1f} Gbit/s")
    field.stop(other.process)
    return ", ".join(said)


BUILT = os.path.join(lab.ROOT, ".build-pmd", "net_dpu", "librte_net_dpu.so")


def across(field, card, plugin):
    """Two TAP devices with the emulated SmartNIC's eswitch between them: a function on one side, its representor on the
    other. Ports of one device: what goes into the function comes up at the representor, and back."""
    device = f"net_dpu0,profile={card},vfs=1"
    ports = [f"tap: tap0, namespace: {field.netns('a')}", f"dpdk: {{device: \"{device}\", port: 1}}",
             "dpdk: net_dpu0_representor_vf0", f"tap: tap0, namespace: {field.netns('b')}"]
    lines = [f"  - {{name: p{number}, id: {number}, kind: tenant, mtu: 1500, attach: {{{port}}}}}"
             for number, port in enumerate(ports, 1)]
    rules = [f"  flow create {number} transfer ingress pattern represented_port ethdev_port_id is {source} / eth / end "
             f"actions count / represented_port ethdev_port_id {target} / end"
             for number, (source, target) in enumerate([(1, 2), (2, 1), (3, 4), (4, 3)], 1)]
    return "\n".join(["version: 1", "ports:", *lines, "endpoint: {addresses: [\"198.51.100.1\"]}", "rules: |", *rules,
                      f"dpdk: {{memory_mb: 512, drivers: [\"{plugin}\"]}}", ""])


def net_dpu(field, make):
    if not os.path.exists(BUILT):
        return "skipped: librte_net_dpu.so is not there (Tools/build-pmd)"
    said, plugin = [], testpmd.plugin(lab.ROOT)
    for card in ("bluefield3", "ideal", "connectx6dx"):
        daemon = make(field, card, across(field, card, plugin))
        for number, end in enumerate("ab", 1):
            field.ip(end, f"addr replace 10.9.0.{number}/24 dev tap0")
            field.ip(end, "link set tap0 up")
        lab.wait_for(
            lambda: all(port["link"] == "up" for port in daemon.ask("port")["ports"]), "a link stays down")
        lab.ping(field, "a", "10.9.0.2")
        rate, _ = lab.iperf(field, "b", "a", "10.9.0.2", 1)
        packets = [rule["packets"] for rule in daemon.rules()]
        if min(packets) < 20:
            raise Failure(f"rules counted {packets}")
        ports = daemon.ask("port")["ports"]
        if [port["drops"] for port in ports if port["drops"]]:
            raise Failure(f"frames were dropped: {ports}")
        field.stop(daemon.process)
        said.append(f"{card} {rate:.1f} Gbit/s")
    return ", ".join(said)
