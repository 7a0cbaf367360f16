#!/usr/bin/python3
"""replay_tshark.py [--seed N] [--count M] [--properties PROGRAM]: what the data path sends, dissected by tshark.

Draws an overlay (Geneve with options, VXLAN, GRE, NVGRE, IPv4 and IPv6 outside, every policy, an uplink that much does
not fit through), and right frames built by scapy; runs `dpuctl replay` on them in software alone, under a profile, and
with checksums and segmentation owed. In what comes out tshark has to find every checksum right at every level, packets
that are cut whole again, the tunnel that was asked for, nothing malformed and nothing left over. dpuctl stands beside
the properties program. Ends with 1 at the first frame that is not so, and prints it.
"""

import argparse
import functools
import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOCAL = {4: "198.51.100.1", 6: "2001:db8::1"}
# Those that rules know come first.
PORTS = [443, 53, 5201, 40001, 40007, 65535]
KINDS = ["geneve", "vxlan", "gre", "nvgre"]
FIELDS = ["frame.number", "frame.interface_name", "frame.comment", "frame.protocols", "frame.len", "ip.len", "ipv6.plen", "ip.dst",
          "ipv6.dst", "ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "icmp.checksum.status",
          "icmpv6.checksum.status", "gre.checksum.status", "udp.srcport", "udp.length", "eth.trailer", "eth.padding",
          "_ws.malformed", "_ws.expert.severity", "_ws.expert.message", "icmp.type", "icmpv6.type", "ip.fragments",
          "geneve.vni", "vxlan.vni", "gre.key"]
GOOD, ABSENT = "1", "3"
ERROR = 0x00800000


class Tunnel:
    """An encapsulation for one tenant, and what is expected of it."""

    def __init__(self, draw, number):
        self.number = number
        self.kind = KINDS[number % 4]
        self.version = draw.choice([4, 4, 6])
        self.sums_udp = draw.random() < 0.6
        self.sums_gre = self.kind == "gre" and draw.random() < 0.5
        self.bare = self.kind in ("geneve", "gre") and draw.random() < 0.3
        self.key = 0x5000 + number if self.kind == "nvgre" else draw.randrange(1, 1 << 24)
        self.remote = f"198.51.100.{10 + number}" if self.version == 4 else f"2001:db8::{10 + number:x}"
        self.policy = (f"{{index: {number}, ecn: {draw.choice(['copy', 'zero'])}, dscp: {draw.choice(['copy', 'fixed'])}, "
                       f"ttl: {draw.choice(['copy', 'fixed'])}, df: {draw.choice(['set', 'clear', 'copy'])}, "
                       f"udp_checksum: {'on' if self.sums_udp else 'off'}}}")
        self.options = []
        if self.kind == "geneve":
            for _ in range(draw.choice([0, 1, 2, 5])):
                words = draw.randrange(0, 8)
                self.options.append((draw.choice([0x0102, 0x0108, 0xfff1]), draw.randrange(256), draw.randbytes(4 * words)))

    def header(self):
        """The words of `set raw_encap`."""
        ip = f"ipv{self.version} src is {LOCAL[self.version]} dst is {self.remote}"
        inside = "0x0800" if self.bare else "0x6558"
        if self.kind == "geneve":
            tunnel = f"udp dst is 6081 / geneve vni is {self.key} protocol is {inside}"
            for option_class, kind, data in self.options:
                tunnel += f" / geneve-opt class is {option_class} type is {kind} length is {len(data) // 4}"
                if data:
                    tunnel += f" data is {data.hex()}"
        elif self.kind == "vxlan":
            tunnel = f"udp dst is 4789 / vxlan vni is {self.key}"
        elif self.kind == "nvgre":
            tunnel = f"nvgre tni is {self.key}"
        else:
            flags = 0xa000 if self.sums_gre else 0x2000
            tunnel = f"gre c_rsvd0_ver is {flags:#x} protocol is {inside} / gre_key value is {self.key}"
        return f"eth src is 02:00:00:00:00:01 dst is 02:00:00:00:00:fe / {ip} / {tunnel}"


def configuration(draw, tunnels):
    """The YAML of an overlay in which each tenant's frames go into its own tunnel, some of them rewritten before."""
    mtu = draw.choice([1400, 1500, 1600])
    lines = ["version: 1", "ports:", f'  - {{name: up, id: 0, kind: uplink, mtu: {mtu}, mac: "02:00:00:00:00:01"}}']
    rules = ["set raw_decap 50 eth / end_set"]
    for tunnel in tunnels:
        number = tunnel.number
        lines.append(f'  - {{name: vm{number}, id: {number}, kind: tenant, tenant: t{number}, mtu: 9000, '
                     f'mac: "02:00:00:00:10:{number:02x}"}}')
        rules.append(f"set raw_encap {number} {tunnel.header()} / end_set")
        head = f"flow create {number} transfer ingress priority"
        port = f"pattern represented_port ethdev_port_id is {number} / eth"
        wrap = (("raw_decap index 50 / " if tunnel.bare else "")
                + f"raw_encap index {number} / represented_port ethdev_port_id 0 / end")
        rules += [
            f"{head} 1 {port} / ipv4 / tcp dst is 443 / end actions count / set_ipv4_src ipv4_addr 10.9.8.7 / "
            f"set_tp_src port {draw.choice(PORTS)} / {wrap}",
            f"{head} 1 {port} / ipv4 / udp dst is 53 / end actions count / set_ipv4_dst ipv4_addr 10.200.1.{number} / "
            f"set_tp_dst port {draw.choice(PORTS)} / {wrap}",
            f"{head} 2 {port} / ipv4 / end actions count / dec_ttl / {wrap}"]
        if not tunnel.bare:
            rules += [
                f"{head} 1 {port} / ipv6 / udp dst is 53 / end actions count / "
                f"set_ipv6_dst ipv6_addr 2001:db8:77::{number} / {wrap}",
                f"{head} 3 {port} / end actions count / {wrap}"]
    lines += ["endpoint:", '  addresses: [198.51.100.1, "2001:db8::1"]', "encapsulations:"]
    lines += [f"  - {tunnel.policy}" for tunnel in tunnels]
    lines += ["answers: {per_second: 1000000, burst: 1000000}", "rules: |"] + [f"  {rule}" for rule in rules]
    return "\n".join(lines) + "\n"


def frames(draw, tunnel, count):
    """Right frames of one tenant, of ordinary kinds and of every length."""
    from scapy.all import ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, IPv6, Raw  # pylint: disable=all
    for index in range(count):
        isIPv4 = tunnel.bare or draw.random() < 0.6
        frame = Ether(src=f"02:00:00:00:10:{tunnel.number:02x}", dst="02:00:00:00:20:01")
        if draw.random() < 0.15:
            frame /= Dot1Q(vlan=draw.randrange(1, 4095), prio=draw.randrange(8))
        tos = draw.choice([0, 1, 2, 3, 0xb8])
        if isIPv4:
            frame /= IP(src=f"10.0.0.{draw.randrange(1, 20)}", dst=f"10.0.1.{draw.randrange(1, 20)}", tos=tos,
                        ttl=draw.choice([64, 128, 2]), id=draw.randrange(65536), flags=draw.choice(["DF", 0]))
        else:
            frame /= IPv6(src=f"2001:db8:1::{draw.randrange(1, 20):x}", dst=f"2001:db8:2::{draw.randrange(1, 20):x}",
                          tc=tos, hlim=64, fl=draw.randrange(1 << 20))
        kind = draw.randrange(4)
        ports = {"sport": 49152 + draw.randrange(16), "dport": draw.choice(PORTS[:3])}
        if kind < 2:
            # A datagram that says who it is, so that no protocol's dissector looks into its payload.
            frame /= TCP(flags="PA", seq=draw.randrange(1 << 32), ack=1, **ports)
        elif kind == 2:
            frame /= UDP(**ports)
        else:
            frame /= ICMP(type=8, id=7, seq=index & 0xffff) if isIPv4 else ICMPv6EchoRequest(id=7, seq=index & 0xffff)
        length = draw.choice([draw.randrange(64), draw.randrange(1400), 1300 + draw.randrange(200), draw.randrange(4000)])
        if kind == 2 and draw.random() < 0.2 and isIPv4:
            frame[UDP].chksum = 0
        yield bytes(frame / Raw(draw.randbytes(length)))


@functools.cache
def heuristics(path):
    """Dissectors that guess: payloads are noise, in which they would find things. tshark lists them under other names
    than it takes, mostly NAME_BELOW, and says which of those it does not know."""
    listed = subprocess.run(["tshark", "-G", "heuristic-decodes"], capture_output=True, text=True, check=True).stdout
    pairs = [line.split("\t")[:2] for line in listed.splitlines()]
    names = [f"{name}_{below}" for below, name in pairs if below in ("tcp", "udp", "eth", "ip", "ipv6")]
    command = ["tshark", "-r", path, "-c", "1"]
    for name in names:
        command += ["--disable-heuristic", name]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return [name for name in names if f"No such protocol {name}," not in said]


def dissect(path):
    """Each frame as a dictionary of lists."""
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator= "]
    for name in heuristics(path):
        command += ["--disable-heuristic", name]
    for port in PORTS:
        command += ["-d", f"tcp.port=={port},data", "-d", f"udp.port=={port},data"]
    for switch in ("ip.check_checksum:TRUE", "udp.check_checksum:TRUE", "tcp.check_checksum:TRUE", "ip.defragment:TRUE",
                   "udp.ignore_ipv6_zero_checksum:TRUE",
                   "tcp.desegment_tcp_streams:FALSE", "tcp.analyze_sequence_numbers:FALSE"):
        command += ["-o", switch]
    for name in FIELDS:
        command += ["-e", name]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"tshark: {result.stderr.strip()}")
    for line in result.stdout.split("\n"):
        if line:
            yield {name: text.split(" ") if text and name != "_ws.expert.message" else ([text] if text else [])
                   for name, text in zip(FIELDS, line.split("\t"))}


def fault(row, tunnels):
    """What is wrong with a dissected frame; None when nothing is."""
    if row["frame.interface_name"] != ["up"]:
        # An answer to a tenant. What it quotes is cut short, so that a checksum in there says nothing.
        sums = row["ip.checksum.status"][:1] + (row["icmp.checksum.status"] or row["icmpv6.checksum.status"])[:1]
        if "3" not in row["icmp.type"] and "2" not in row["icmpv6.type"]:
            return "something else than an answer went to a tenant"
        return f"checksums of an answer: {sums}" if set(sums) != {GOOD} else None
    if row["_ws.malformed"]:
        return "malformed"
    errors = [severity for severity in row["_ws.expert.severity"] if int(severity, 0) >= ERROR]
    if errors:
        return f"tshark's expert: {row['_ws.expert.message']}"
    if row["eth.trailer"] or row["eth.padding"]:
        return "bytes are left over"
    for name in ("ip", "tcp", "icmp", "icmpv6", "gre"):
        if any(status not in (GOOD, ABSENT if name == "gre" else GOOD) for status in row[f"{name}.checksum.status"]):
            return f"the checksum of {name}: {row[name + '.checksum.status']}"
    protocols = row["frame.protocols"][0].split(":")
    addresses = row["ip.dst"][:1] if protocols[2] == "ip" else row["ipv6.dst"][:1]
    tunnel = next((one for one in tunnels if addresses == [one.remote]), None)
    if tunnel is None:
        return f"goes to {addresses}, which is no tunnel's end"
    if protocols[2] == "ip":
        isWhole = int(row["frame.len"][0]) == 14 + int(row["ip.len"][0])
    else:
        isWhole = int(row["frame.len"][0]) == 54 + int(row["ipv6.plen"][0])
    if not isWhole:
        return "the outer length is not the frame's"
    if (tunnel.kind if tunnel.kind != "nvgre" else "gre") not in protocols:
        return f"is no {tunnel.kind}: {row['frame.protocols'][0]}"
    if tunnel.kind in ("geneve", "vxlan"):
        if row["udp.checksum.status"][0] != (GOOD if tunnel.sums_udp else ABSENT):
            return f"the outer UDP checksum: {row['udp.checksum.status']}"
        if not 49152 <= int(row["udp.srcport"][0]) <= 65535:
            return f"the outer source port is {row['udp.srcport'][0]}"
        if int(row[f"{tunnel.kind}.vni"][0], 0) != tunnel.key:
            return f"the VNI is {row[tunnel.kind + '.vni']}"
        inner = row["udp.checksum.status"][1:]
    else:
        key = int(row["gre.key"][0], 0)
        if (key >> 8 if tunnel.kind == "nvgre" else key) != tunnel.key:
            return f"the key is {key:#x}"
        if tunnel.sums_gre and row["gre.checksum.status"] != [GOOD]:
            return f"the checksum of GRE: {row['gre.checksum.status']}"
        inner = row["udp.checksum.status"]
    if any(status not in (GOOD, ABSENT) for status in inner):
        return f"an inner UDP checksum: {inner}"
    return None


def write_pcap(path, packets):
    import struct
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for number, frame in enumerate(packets):
            file.write(struct.pack("<IIII", number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=120, help="frames of each of eight tenants")
    parser.add_argument("--properties")
    options = parser.parse_args()
    folder = os.path.dirname(options.properties) if options.properties else os.path.join(ROOT, ".build", "release")
    dpuctl = os.path.join(folder, "dpuctl")
    draw = random.Random(options.seed)
    tunnels = [Tunnel(draw, number) for number in range(1, 9)]
    runs = [["--mode", "forbid-hw"], ["--profile", draw.choice(["bluefield3", "ideal", "connectx7-hws"])],
            ["--profile", "ideal", "--owed", "csum,tso", "--segment-size", str(draw.choice([200, 536, 1000]))]]
    seen = {}
    with tempfile.TemporaryDirectory() as scratch:
        overlay = os.path.join(scratch, "overlay.yaml")
        with open(overlay, "w", encoding="utf-8") as file:
            file.write(configuration(draw, tunnels))
        inputs = []
        for tunnel in tunnels:
            path = os.path.join(scratch, f"vm{tunnel.number}.pcap")
            write_pcap(path, frames(draw, tunnel, options.count))
            inputs += ["--in", f"vm{tunnel.number}={path}"]
        for number, run in enumerate(runs):
            out = os.path.join(scratch, f"{number}.pcapng")
            command = [dpuctl, "replay", "--config", overlay, "--out", out] + inputs + run
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                print(open(overlay, encoding="utf-8").read())
                sys.exit(f"{' '.join(run)}: {done.stdout}{done.stderr}")
            for row in dissect(out):
                problem = fault(row, tunnels)
                if problem:
                    print(f"frame {row['frame.number'][0]} of seed {options.seed}, {' '.join(run)}: {problem}")
                    print({name: value for name, value in row.items() if value})
                    print(row["frame.comment"])
                    return 1
                kinds = {"geneve", "vxlan", "gre", "icmp", "icmpv6"} & set(row["frame.protocols"][0].split(":"))
                names = [kind for kind in kinds if not kind.startswith("icmp")] or ["answers"]
                for name in names + (["cut"] if row["ip.fragments"] else []):
                    seen[name] = seen.get(name, 0) + 1
    missing = {"geneve", "vxlan", "gre", "answers"} - set(seen)
    if missing:
        sys.exit(f"seed {options.seed}: nothing was seen of {', '.join(sorted(missing))}")
    text = ", ".join(f"{count} {name}" for name, count in sorted(seen.items()))
    print(f"{len(runs)} replays of seed {options.seed}, dissected by tshark: every checksum and length is right ({text})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
