"""Overlays between network namespaces: ping, TCP and HTTP through a tunnel, each kernel verifying every checksum.

A case makes its namespaces, starts one or two `live` programs (Tools/Live/main.swift), runs the programs of others
through the tunnel, and looks at what the kernels counted. What does not hold ends the case with its reason.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, ".build", "release", "live")


class Failure(Exception):
    """Something that must hold did not."""


def run(command, check=True, timeout=60, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


class Field:
    """Namespaces, programs in them and files, all gone at the end."""

    def __init__(self, names):
        self.prefix = f"dpu-live-{os.getpid()}-"
        self.names = names
        self.started = []
        self.folder = tempfile.TemporaryDirectory()

    def __enter__(self):
        for name in self.names:
            run(["ip", "netns", "add", self.prefix + name])
            run(self.inside(name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"))
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            self.stop(process)
        for name in self.names:
            run(["ip", "netns", "del", self.prefix + name], check=False)
        self.folder.cleanup()

    def netns(self, name):
        return self.prefix + name

    def inside(self, name, *command):
        return ["ip", "netns", "exec", self.prefix + name, *command]

    def ip(self, name, text):
        return run(["ip", "-n", self.prefix + name] + text.split())

    def start(self, command):
        log = tempfile.TemporaryFile(mode="w+")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        process.log = log
        self.started.append(process)
        return process

    def stop(self, process):
        """Ends a program that was started here; what it printed."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.log.seek(0)
        return process.log.read()

    def live(self, configuration, attachments, options=()):
        path = os.path.join(self.folder.name, f"{len(self.started)}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(configuration)
        process = self.start([PROGRAM, "--config", path, *sum((["--attach", a] for a in attachments), []), *options])
        wait_for(lambda: "ready" in peek(process), f"live does not start: {peek(process)}")
        return process

    def veth(self, first, second, mtu):
        """A veth between two namespaces, called u0 in both."""
        run(["ip", "link", "add", "u0", "netns", self.netns(first), "type", "veth", "peer", "name", "u0", "netns",
             self.netns(second)])
        for name in (first, second):
            self.ip(name, f"link set u0 mtu {mtu} up")
        for name in (first, second):
            wait_for(lambda name=name: "state UP" in self.ip(name, "link show u0"), "the veth stays down")

    def mac(self, name, interface):
        return json.loads(self.ip(name, f"-j link show {interface}"))[0]["address"]


def peek(process):
    process.log.seek(0)
    return process.log.read()


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(what)
        time.sleep(0.01)


UNKNOWN = "00:00:00:00:00:00"


def overlay(local_mac, remote_mac, local, remote, kind="geneve", checksum="on", host=None):
    """The configuration of one end: one tenant port, one uplink; `host`: a host port with this MAC."""
    more = f"""  - {{name: host, id: 9, kind: host, mtu: 1600, mac: "{host}"}}
""" if host else ""
    miss = ", miss: host" if host else ""
    port, field = {"geneve": (6081, "geneve vni"), "vxlan": (4789, "vxlan vni")}[kind]
    version = "ipv6" if ":" in local else "ipv4"
    hops = "hop" if version == "ipv6" else "ttl"
    return f"""version: 1
ports:
  - {{name: uplink0, id: 0, kind: uplink, mtu: 1600{miss}}}
  - {{name: vm, id: 1, kind: tenant, tenant: blue, mtu: 1500}}
{more}endpoint: {{addresses: ["{local}"]}}
encapsulations: [{{index: 1, udp_checksum: {checksum}}}]
rules: |
  set raw_encap 1 eth src is {local_mac} dst is {remote_mac} / {version} src is {local} dst is {remote} {hops} is 64 / udp dst is {port} / {field} is 100 / end_set
  set raw_decap 1 eth / {version} / udp / {kind} / end_set
  flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / end actions count / raw_encap index 1 / represented_port ethdev_port_id 0 / end
  flow create 0 transfer ingress pattern represented_port ethdev_port_id is 0 / eth / {version} dst is {local} / udp dst is {port} / {field} is 100 / end actions count / raw_decap index 1 / represented_port ethdev_port_id 1 / end
"""


def counter(field, name, which):
    text = run(field.inside(name, "nstat", "-asz", which))
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(which))


CHECKSUMS = ["IcmpInCsumErrors", "TcpInCsumErrors", "UdpInCsumErrors", "Icmp6InCsumErrors", "Udp6InCsumErrors",
             "IpExtInCsumErrors", "TcpInErrs"]


def wrong_checksums(field, name):
    return {which: count for which in CHECKSUMS if (count := counter(field, name, which)) > 0}


def ping(field, name, address, count=20):
    text = run(field.inside(name, "ping", "-c", str(count), "-i", "0.01", "-W", "2", "-q", address))
    if f" {count} received" not in text or "duplicates" in text:
        raise Failure(f"ping: {text}")
    return float(text.rsplit("=", 1)[1].split("/")[1])


def iperf(field, server, client, address, seconds, *more):
    process = field.start(field.inside(server, "iperf3", "-s", "-1", "--forceflush"))
    wait_for(lambda: "listening" in peek(process).lower(), f"iperf3 does not start: {peek(process)}")
    text = run(field.inside(client, "iperf3", "-c", address, "-t", str(seconds), "-J", *more), timeout=seconds + 30)
    end = json.loads(text)["end"]
    field.stop(process)
    return end["sum_received"]["bits_per_second"] / 1e9, end["sum_sent"].get("retransmits", 0)


def download(field, server, client, address, megabytes=40):
    path = os.path.join(field.folder.name, "file")
    with open(path, "wb") as file:
        file.write(os.urandom(megabytes << 20))
    with open(path, "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    process = field.start(field.inside(
        server, sys.executable, "-u", "-m", "http.server", "8080", "--directory", field.folder.name))
    wait_for(lambda: "Serving" in peek(process), "the HTTP server does not start")
    copy = path + ".copy"
    host = f"[{address}]" if ":" in address else address
    run(field.inside(client, "curl", "-sS", "--max-time", "60", "-o", copy, f"http://{host}:8080/file"), timeout=90)
    with open(copy, "rb") as file:
        if hashlib.sha256(file.read()).hexdigest() != wanted:
            raise Failure("the file that curl brought is another")
    field.stop(process)


# A datagram with a wrong checksum, sent beside the kernel's stack. argv: interface, its MAC, the other's MAC.
PLANT = """
import socket, struct, sys
def mac(text): return bytes.fromhex(text.replace(":", ""))
payload = b"planted"
udp = struct.pack("!HHHH", 5, 5, 8 + len(payload), 0xbad1) + payload
ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton("10.9.0.1"),
    socket.inet_aton("10.9.0.2")))
total = sum(struct.unpack("!10H", ip)); total = (total >> 16) + (total & 0xffff); total += total >> 16
ip[10:12] = struct.pack("!H", ~total & 0xffff)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("tap0", 0))
s.send(mac(sys.argv[2]) + mac(sys.argv[1]) + b"\\x08\\x00" + bytes(ip) + udp)
"""


def sent_through(field, client, server, seconds, report):
    """Everything that two ends of a tunnel must do. They have 10.9.0.1 and 10.9.0.2."""
    report("round trip", f"{ping(field, client, '10.9.0.2'):.3f} ms")
    for name, direction in (("there", []), ("back", ["-R"])):
        rate, again = iperf(field, server, client, "10.9.0.2", seconds, *direction)
        report(f"TCP {name}", f"{rate:.2f} Gbit/s, {again} retransmitted")
        if rate < 0.05:
            raise Failure(f"TCP {name} has only {rate} Gbit/s")
    download(field, server, client, "10.9.0.2")
    report("HTTP", "40 MiB, the same")


def no_wrong_checksums(field, names):
    for name in names:
        wrong = wrong_checksums(field, name)
        if wrong:
            raise Failure(f"wrong checksums in {name}: {wrong}")


def back_to_back(field, plain, checksum, outer):
    """Two `live` over a veth, with the tenants' addresses set; their processes."""
    field.veth("ua", "ub", 1650)
    addresses = {"ipv4": ("198.51.100.1", "198.51.100.2"), "ipv6": ("fd00:9::1", "fd00:9::2")}[outer]
    macs = [field.mac(name, "u0") for name in ("ua", "ub")]
    option = ",plain" if plain else ""
    lives = []
    for here, tenant, uplink in ((0, "ta", "ua"), (1, "tb", "ub")):
        text = overlay(macs[here], macs[1 - here], addresses[here], addresses[1 - here], checksum=checksum)
        lives.append(field.live(text, [
            f"vm=tap:tap0{option}@{field.netns(tenant)}", f"uplink0=packet:u0{option}@{field.netns(uplink)}"]))
        field.ip(tenant, f"addr add 10.9.0.{here + 1}/24 dev tap0")
    return lives


def two_overlays(plain, checksum, outer):
    """Two `live`, back to back over a veth."""
    def case(seconds, report):
        with Field(["ta", "tb", "ua", "ub"]) as field:
            lives = back_to_back(field, plain, checksum, outer)
            sent_through(field, "ta", "tb", seconds, report)
            no_wrong_checksums(field, ["ta", "tb"])
            run(field.inside("ta", sys.executable, "-c", PLANT, field.mac("ta", "tap0"), field.mac("tb", "tap0")))
            wait_for(lambda: wrong_checksums(field, "tb") == {"UdpInCsumErrors": 1},
                     f"a planted wrong checksum is not seen: {wrong_checksums(field, 'tb')}")
            for process in lives:
                for line in field.stop(process).splitlines()[1:]:
                    report("", line)
    return case


def kernel_tunnel(plain):
    """The kernel's own VXLAN at the other end: what it leaves owed on a veth comes in half done."""
    def case(seconds, report):
        with Field(["ta", "ua", "tb"]) as field:
            field.veth("ua", "tb", 1650)
            field.ip("tb", "addr add 198.51.100.2/24 dev u0")
            field.ip("tb", f"neigh replace 198.51.100.1 lladdr {field.mac('ua', 'u0')} dev u0 nud permanent")
            # MTU of the tenants': what fits into the link.
            run(["ip", "-n", field.netns("tb"), "link", "add", "x0", "type", "vxlan", "id", "100", "remote",
                 "198.51.100.1", "local", "198.51.100.2", "dstport", "4789", "dev", "u0", "udpcsum"])
            field.ip("tb", "link set x0 mtu 1500 up")
            field.ip("tb", "addr add 10.9.0.2/24 dev x0")
            option = ",plain" if plain else ""
            text = overlay(field.mac("ua", "u0"), field.mac("tb", "u0"), "198.51.100.1", "198.51.100.2", "vxlan")
            live = field.live(text, [
                f"vm=tap:tap0{option}@{field.netns('ta')}", f"uplink0=packet:u0{option}@{field.netns('ua')}"])
            field.ip("ta", "addr add 10.9.0.1/24 dev tap0")
            sent_through(field, "ta", "tb", seconds, report)
            no_wrong_checksums(field, ["ta", "tb"])
            for line in field.stop(live).splitlines()[1:]:
                report("", line)
    return case


def underlay(seconds, report):
    """An uplink without an address, a host port that has it, a router in between, the kernel's VXLAN behind it."""
    with Field(["ta", "ua", "up", "rt", "tb"]) as field:
        # The uplink stands where the host has no address: its kernel must not answer beside us.
        field.veth("up", "rt", 1650)
        run(["ip", "link", "add", "u1", "netns", field.netns("rt"), "mtu", "1650", "type", "veth", "peer", "name", "u0",
             "netns", field.netns("tb"), "mtu", "1650"])
        for name, interface, address in (("rt", "u0", "198.51.100.254/24"), ("rt", "u1", "203.0.113.254/24"),
                                         ("tb", "u0", "203.0.113.2/24")):
            field.ip(name, f"link set {interface} up")
            field.ip(name, f"addr add {address} dev {interface}")
        run(field.inside("rt", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.u0.arp_notify=1"))
        field.ip("tb", "route add default via 203.0.113.254")
        run(["ip", "-n", field.netns("tb"), "link", "add", "x0", "type", "vxlan", "id", "100", "remote", "198.51.100.1",
             "local", "203.0.113.2", "dstport", "4789", "udpcsum"])
        field.ip("tb", "link set x0 mtu 1500 up")
        field.ip("tb", "addr add 10.9.0.2/24 dev x0")
        mac = field.mac("up", "u0")
        run(field.inside("up", "sysctl", "-qw", "net.ipv6.conf.u0.disable_ipv6=1"))
        text = overlay(UNKNOWN, UNKNOWN, "198.51.100.1", "203.0.113.2", "vxlan", host=mac)
        live = field.live(text, [
            f"vm=tap:tap0@{field.netns('ta')}", f"uplink0=packet:u0@{field.netns('up')}",
            f"host=tap:h0@{field.netns('ua')}"],
            ["--underlay", f"uplink0=h0@{field.netns('ua')}", "--host-rate", "200"])
        field.ip("ta", "addr add 10.9.0.1/24 dev tap0")
        # There is no route yet: nothing gets through, and nothing is held for long.
        text = run(field.inside("ta", "ping", "-c", "2", "-i", "0.2", "-W", "1", "-q", "10.9.0.2"), check=False)
        if " 0 received" not in text:
            raise Failure(f"something got through without a route: {text}")
        field.ip("ua", "addr add 198.51.100.1/24 dev h0")
        field.ip("ua", "route add default via 198.51.100.254")
        wait_for(lambda: " 1 received" in run(field.inside(
            "ta", "ping", "-c", "1", "-W", "1", "-q", "10.9.0.2"), check=False), "no way through the router")
        report("first answer", "behind a route that netlink told of")
        sent_through(field, "ta", "tb", seconds, report)
        # What is the host's goes to the host, and comes back.
        report("host", f"{ping(field, 'rt', '198.51.100.1'):.3f} ms")
        text = run(field.inside("rt", "ping", "-f", "-c", "1000", "-q", "198.51.100.1"), check=False)
        received = int(text.split(" received", 1)[0].rsplit(" ", 1)[1])
        if received > 900:
            raise Failure(f"the host port's rate holds nothing back: {text}")
        # The next hop gets another address, and says so.
        field.ip("rt", "link set u0 down")
        field.ip("rt", "link set u0 address 02:00:00:00:77:01")
        field.ip("rt", "link set u0 up")
        wait_for(lambda: " 1 received" in run(field.inside(
            "ta", "ping", "-c", "1", "-W", "1", "-q", "10.9.0.2"), check=False), "no way to the router's new address")
        report("next hop", "changed its address; the tunnel follows")
        no_wrong_checksums(field, ["ta", "tb", "ua", "rt"])
        text = field.stop(live)
        for line in text.splitlines()[1:]:
            report("", line)
        if "host_rate" not in text or "no_route" not in text:
            raise Failure("what was dropped has no name")


def rings(packed):
    """Two `live` whose uplinks are the two sides of one vhost-user link; they ask each other for their addresses."""
    def case(seconds, report):
        with Field(["ta", "tb"]) as field:
            socket = os.path.join(field.folder.name, "uplink")
            lives = []
            for here, tenant, what in ((0, "ta", f"device:{socket}"),
                                       (1, "tb", f"driver:{socket},client" + (",packed" if packed else ""))):
                local, remote = f"198.51.100.{here + 1}", f"198.51.100.{2 - here}"
                text = overlay(f"02:00:00:00:00:0{here + 1}", UNKNOWN, local, remote).replace(
                    "kind: uplink,", f'kind: uplink, mac: "02:00:00:00:00:0{here + 1}",')
                lives.append(field.live(text, [f"vm=tap:tap0@{field.netns(tenant)}", f"uplink0={what}"],
                                        ["--underlay", "uplink0=on-link"]))
                field.ip(tenant, f"addr add 10.9.0.{here + 1}/24 dev tap0")
            wait_for(lambda: " 1 received" in run(field.inside(
                "ta", "ping", "-c", "1", "-W", "1", "-q", "10.9.0.2"), check=False), "no way through the rings")
            sent_through(field, "ta", "tb", seconds, report)
            no_wrong_checksums(field, ["ta", "tb"])
            for process in lives:
                for line in field.stop(process).splitlines()[1:]:
                    report("", line)
    return case


def segmentation(seconds, report):
    """What it is worth that ports may owe segmentation and checksums: TCP with and without, turn by turn."""
    rates = {False: [], True: []}
    for _ in range(5):
        for plain in (False, True):
            with Field(["ta", "tb", "ua", "ub"]) as field:
                back_to_back(field, plain, "on", "ipv4")
                rates[plain].append(iperf(field, "tb", "ta", "10.9.0.2", seconds)[0])
    owed, complete = (sorted(rates[plain])[2] for plain in (False, True))
    report("TCP, owed", f"{owed:.2f} Gbit/s ({min(rates[False]):.2f} to {max(rates[False]):.2f})")
    report("complete", f"{complete:.2f} Gbit/s ({min(rates[True]):.2f} to {max(rates[True]):.2f})")
    ratios = sorted(one / other for one, other in zip(rates[False], rates[True]))
    report("ratio", f"{ratios[2]:.2f} (median of five pairs, {ratios[0]:.2f} to {ratios[-1]:.2f})")


# Measurements: run when they are asked for.
MEASURES = {"segmentation": ("TCP with and without owed segmentation and checksums, a ratio", segmentation)}

CASES = {
    "geneve": ("two overlays, frames may owe checksums and segmentation", two_overlays(False, "on", "ipv4")),
    "geneve-plain": ("the same, every frame complete at every port", two_overlays(True, "on", "ipv4")),
    "geneve-nocsum": ("without outer UDP checksum", two_overlays(False, "off", "ipv4")),
    "geneve-ipv6": ("over IPv6", two_overlays(False, "on", "ipv6")),
    "kernel-vxlan": ("the kernel's VXLAN at the other end", kernel_tunnel(False)),
    "underlay": ("next hops from netlink and ARP, the uplink's address on a host port, a router in between", underlay),
    "rings": ("the uplinks are two sides of a vhost-user link, split rings", rings(False)),
    "rings-packed": ("the same, packed rings", rings(True)),
    "kernel-vxlan-plain": ("the same, every frame that is sent complete", kernel_tunnel(True)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=2, help="of each TCP transfer")
    parser.add_argument("--only", action="append", choices=[*CASES, *MEASURES], help="these cases")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("Tools/live makes network namespaces and devices, which only root may.", file=sys.stderr)
        return 77
    failed = 0
    for name, (what, case) in {**CASES, **MEASURES}.items():
        if name not in (arguments.only or CASES):
            continue
        print(f"{name}: {what}", flush=True)

        def report(word, text):
            print(f"  {word:<12} {text}" if word else f"    {text}", flush=True)
        try:
            case(arguments.seconds, report)
            print("  holds", flush=True)
        except (Failure, subprocess.SubprocessError) as failure:
            failed += 1
            print(f"  FAILS: {failure}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
