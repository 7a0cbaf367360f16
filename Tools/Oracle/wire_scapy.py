#!/usr/bin/python3
"""wire_scapy.py [--seed N] [--count M] [--properties PROGRAM]: frames built by scapy, dissected by Wire.

Every layer, every field and every checksum that scapy finds in a frame must be what `properties wire-dissect` says, in
the views and in HeaderStack. Needs Debian's python3-scapy. Ends with 1 at the first disagreement, and prints it.
"""

import argparse
import json
import random
import subprocess
import sys

from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_RR, in4_chksum
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN, in6_chksum)
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw
from scapy.utils import checksum

from wire_tshark import properties

TAGS = (0x8100, 0x88A8, 0x9100)
EXTENSIONS = {0: IPv6ExtHdrHopByHop, 43: IPv6ExtHdrRouting, 44: IPv6ExtHdrFragment, 60: IPv6ExtHdrDestOpt}


class Builder:
    """Random frames, all of them as scapy writes them."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def bits(self, count):
        return self.random.getrandbits(count)

    def data(self, most):
        return bytes(self.bits(8) for _ in range(self.random.randrange(most + 1)))

    def mac(self):
        return ":".join(f"{self.bits(8):02x}" for _ in range(6))

    def ethernet(self):
        frame = Ether(dst=self.mac(), src=self.mac())
        for _ in range(self.random.choice((0, 0, 0, 1, 2))):
            tag = self.random.choice((Dot1Q, Dot1AD))
            frame = frame / tag(prio=self.bits(3), id=self.bits(1), vlan=self.bits(12))
        return frame

    def network(self, six, proto, fragments=True):
        if not six:
            flags = self.random.choice((0, 2, 2, 4)) if not fragments or self.bits(3) else 1
            options = self.random.choice(([], [], [IPOption_NOP()] * 4, [IPOption_RR(routers=["1.2.3.4"] * 3)]))
            return IP(tos=self.bits(8), id=self.bits(16), flags=flags, ttl=self.bits(8), proto=proto,
                      frag=self.bits(13) if fragments and not self.bits(4) else 0, options=options,
                      src=".".join(str(self.bits(8)) for _ in range(4)),
                      dst=".".join(str(self.bits(8)) for _ in range(4)))
        packet = IPv6(tc=self.bits(8), fl=self.bits(20), hlim=self.bits(8), src=self.address6(), dst=self.address6())
        chain = []
        for _ in range(self.random.choice((0, 0, 0, 1, 2, 4))):
            kind = self.random.choice((0, 43, 44, 60) if fragments else (0, 43, 60))
            if kind in (0, 60):
                chain.append(EXTENSIONS[kind](options=[PadN(optdata=bytes(self.random.choice((4, 12, 20))))]))
            elif kind == 43:
                chain.append(IPv6ExtHdrRouting(segleft=0, addresses=[self.address6()] * self.random.randrange(3)))
            else:
                offset, more = self.random.choice(((0, 0), (0, 0), (0, 1), (5, 0), (185, 1)))
                chain.append(IPv6ExtHdrFragment(offset=offset, m=more, id=self.bits(32)))
        for header in chain:
            packet = packet / header
        # Next headers by number, not by scapy's guess from the class of what follows.
        layer, kinds = packet, [self.kind(header) for header in chain] + [proto]
        while layer:
            layer.nh = kinds.pop(0)
            layer = layer.payload if not isinstance(layer.payload, Raw) else None
        return packet

    @staticmethod
    def kind(header):
        return next(kind for kind, known in EXTENSIONS.items() if isinstance(header, known))

    def address6(self):
        return ":".join(f"{self.bits(16):x}" for _ in range(8))

    def transport(self, six):
        kind = self.random.randrange(5)
        data = Raw(self.data(60))
        if kind == 0:
            return 17, UDP(sport=self.random.randrange(20000, 30000), dport=self.random.randrange(20000, 30000)) / data
        if kind == 1:
            options = self.random.choice(([], [("MSS", 1460)], [("NOP", None), ("WScale", 7)],
                                          [("Timestamp", (1, 2)), ("SAckOK", b"")]))
            return 6, TCP(sport=self.random.randrange(20000, 30000), dport=self.random.randrange(20000, 30000),
                          seq=self.bits(32), ack=self.bits(32), flags=self.bits(9), window=self.bits(16),
                          urgptr=self.bits(16), options=options) / data
        if kind == 2:
            return 50, ESP(spi=self.bits(32), seq=self.bits(32), data=self.data(40))
        if six:
            return 58, ICMPv6EchoRequest(id=self.bits(16), seq=self.bits(16)) / data
        return 1, ICMP(type=self.random.choice((0, 8)), id=self.bits(16), seq=self.bits(16)) / data

    def inner(self, proto):
        six = proto == 0x86DD or proto == 0x6558 and self.bits(1)
        number, above = self.transport(six)
        packet = self.network(six, number) / above
        return self.ethernet() / packet if proto == 0x6558 else packet

    def geneve(self):
        proto = self.random.choice((0x6558, 0x6558, 0x0800, 0x86DD))
        left, options = self.random.randrange(64), []
        while left > 0:
            words = min(left - 1, self.random.randrange(32))
            options.append(GeneveOptions(classid=self.bits(16), type=self.bits(7), data=self.data_of(words * 4)))
            left -= words + 1
        # scapy 2.5 masks the option length it computes with 0x2f, so it is told.
        words = sum(1 + len(option.data) // 4 for option in options)
        return GENEVE(vni=self.bits(24), proto=proto, critical=self.bits(1), optionlen=words,
                      options=options) / self.inner(proto)

    def data_of(self, count):
        return bytes(self.bits(8) for _ in range(count))

    def gre(self):
        proto = self.random.choice((0x6558, 0x6558, 0x0800, 0x86DD))
        header = GRE(proto=proto, chksum_present=self.bits(1), key_present=self.bits(1), seqnum_present=self.bits(1),
                     key=self.bits(32), seqence_number=self.bits(32))
        if not self.bits(3):
            setattr(header, *self.random.choice((("strict_route_source", 1), ("recursion_control", 5), ("flags", 9),
                                                 ("version", 1))))
        return header / self.inner(proto)

    def frame(self):
        kind = self.random.randrange(6)
        six = bool(self.bits(1))
        front = self.ethernet()
        if kind == 0:
            return front / ARP(hwsrc=self.mac(), psrc="10.0.0.1", hwdst=self.mac(), pdst="10.0.0.2", op=self.bits(2))
        if kind == 1:
            proto, above = self.transport(six)
            return front / self.network(six, proto) / above
        if kind == 2:
            return front / self.network(six, 47, fragments=False) / self.gre()
        if kind == 3:
            nvgre = GRE(proto=0x6558, key_present=1, key=self.bits(32))
            return front / self.network(six, 47, fragments=False) / nvgre / self.inner(0x6558)
        port, above = (6081, self.geneve()) if kind == 4 else (4789, VXLAN(vni=self.bits(24)) / self.inner(0x6558))
        udp = UDP(sport=self.random.randrange(49152, 65536), dport=port)
        if not self.bits(2):
            udp.chksum = 0
        return front / self.network(six, 17, fragments=False) / udp / above

    def bytes(self):
        raw = bytearray(bytes(self.frame()))
        # Some with a wrong checksum somewhere: a bit of the last byte, which is no header's.
        if not self.bits(2):
            raw[-1] ^= 1 << self.random.randrange(8)
        return bytes(raw)


class Expectation:
    """What scapy finds in a frame, in the words of wire-dissect."""

    def __init__(self, raw):
        self.raw = raw
        self.layers = []
        self.fault = "none"
        self.tunnel = "none"
        self.stack = {}
        self.ethernet(Ether(raw), 0, len(raw), 0)

    def add(self, layer, offset, inner, **fields):
        self.layers.append({"layer": layer, "offset": offset, "inner": inner, **fields})

    def ethernet(self, frame, at, end, inner):
        self.add("ethernet", at, inner, dst=mac(frame.dst), src=mac(frame.src), type=frame.type)
        at, kind, tags = at + 14, frame.type, 0
        layer = frame.payload
        while kind in TAGS and tags < 2:
            self.add("vlan", at, inner, prio=layer.prio, dei=layer.id, vlan=layer.vlan, type=layer.type)
            kind, layer, at, tags = layer.type, layer.payload, at + 4, tags + 1
        if kind == 0x0800:
            self.ipv4(layer, at, inner)
        elif kind == 0x86DD:
            self.ipv6(layer, at, inner)
        elif kind == 0x0806:
            self.add("arp", at, inner, hwtype=layer.hwtype, ptype=layer.ptype, op=layer.op)

    def ipv4(self, ip, at, inner):
        header = ip.ihl * 4
        self.add("ipv4", at, inner, ihl=ip.ihl, tos=ip.tos, len=ip.len, id=ip.id, df=int(ip.flags.DF),
                 mf=int(ip.flags.MF), evil=int(ip.flags.evil), frag=ip.frag, ttl=ip.ttl, proto=ip.proto,
                 chksum=ip.chksum, src=ipv4(ip.src), dst=ipv4(ip.dst), options=self.raw[at + 20:at + header].hex(),
                 good=int(checksum(self.raw[at:at + header]) == 0))
        if ip.frag == 0 and not ip.flags.MF:
            self.transport(ip, ip.payload, ip.proto, 4, at + header, at + ip.len, inner)

    def ipv6(self, ip, at, inner):
        end = at + 40 + ip.plen
        self.add("ipv6", at, inner, tc=ip.tc, fl=ip.fl, plen=ip.plen, nh=ip.nh, hlim=ip.hlim,
                 src=ipv6(ip.src), dst=ipv6(ip.dst))
        layer, kind, at, fragment = ip.payload, ip.nh, at + 40, False
        while kind in EXTENSIONS:
            length = 8 if kind == 44 else (layer.len + 1) * 8
            offset, more, number = (layer.offset, layer.m, layer.id) if kind == 44 else (0, 0, 0)
            self.add("extension", at, inner, kind=kind, nh=layer.nh, length=length, frag=offset, m=more, id=number)
            fragment = fragment or offset != 0 or more != 0
            if offset != 0:
                return
            kind, layer, at = layer.nh, layer.payload, at + length
        if not fragment:
            self.transport(ip, layer, kind, 6, at, end, inner)

    def sound(self, ip, version, proto, at, end):
        """Whether scapy's own sum over pseudo-header and bytes is right."""
        data = self.raw[at:end]
        if version == 4:
            return int(in4_chksum(proto, ip, data) == 0)
        # With its payload gone scapy's function cannot take another destination from a routing header.
        bare = ip.copy()
        bare.remove_payload()
        return int(in6_chksum(proto, bare, data) == 0)

    def transport(self, ip, layer, proto, version, at, end, inner):
        if proto == 17:
            stop = at + layer.len
            good = self.sound(ip, version, 17, at, stop) if layer.chksum else 0
            self.add("udp", at, inner, sport=layer.sport, dport=layer.dport, len=layer.len, chksum=layer.chksum,
                     good=good)
            if not inner and layer.dport == 6081:
                self.geneve(layer.payload, at + 8, stop)
            elif not inner and layer.dport == 4789:
                self.vxlan(layer.payload, at + 8, stop)
        elif proto == 6:
            header = layer.dataofs * 4
            self.add("tcp", at, inner, sport=layer.sport, dport=layer.dport, seq=layer.seq, ack=layer.ack,
                     dataofs=layer.dataofs, flags=int(layer.flags), window=layer.window, chksum=layer.chksum,
                     urgptr=layer.urgptr, options=self.raw[at + 20:at + header].hex(),
                     good=self.sound(ip, version, 6, at, end))
        elif proto == 1:
            self.add("icmp", at, inner, type=layer.type, code=layer.code, chksum=layer.chksum,
                     rest=layer.id << 16 | layer.seq, good=int(checksum(self.raw[at:end]) == 0))
        elif proto == 58:
            self.add("icmp6", at, inner, type=layer.type, code=layer.code, chksum=layer.cksum,
                     rest=layer.id << 16 | layer.seq, good=self.sound(ip, version, 58, at, end))
        elif proto == 50:
            self.add("esp", at, inner, spi=layer.spi, seq=layer.seq)
        elif proto == 47 and not inner:
            self.gre(layer, at, end)

    def inside(self, layer, proto, at, end):
        self.stack["inner_start"] = at
        if proto == 0x6558:
            # scapy 2.5 hands some tunnels' insides on as raw bytes; it is asked again.
            self.ethernet(layer if isinstance(layer, Ether) else Ether(self.raw[at:end]), at, end, 1)
        elif proto == 0x0800:
            self.ipv4(layer if isinstance(layer, IP) else IP(self.raw[at:end]), at, 1)
        elif proto == 0x86DD:
            self.ipv6(layer if isinstance(layer, IPv6) else IPv6(self.raw[at:end]), at, 1)

    def geneve(self, layer, at, end):
        self.tunnel = "geneve"
        options, rest = [], b"".join(bytes(option) for option in layer.options)
        while rest:
            # scapy 2.5 takes what follows an option for that option's payload; it is asked again for the next one.
            option = GeneveOptions(rest)
            options.append([option.classid, option.type, bytes(option.data).hex()])
            rest = bytes(option.payload)
        self.add("geneve", at, 0, optionlen=layer.optionlen, oam=layer.oam, critical=layer.critical, proto=layer.proto,
                 vni=layer.vni, options=options)
        self.stack.update(key=layer.vni, options_length=layer.optionlen * 4)
        self.inside(layer.payload, layer.proto, at + 8 + layer.optionlen * 4, end)

    def vxlan(self, layer, at, end):
        self.tunnel = "vxlan"
        self.add("vxlan", at, 0, vni=layer.vni)
        self.stack.update(key=layer.vni)
        self.inside(layer.payload, 0x6558, at + 8, end)
        if int.from_bytes(self.raw[at + 20:at + 22], "big") in TAGS:
            self.fault = "vxlanInnerVLAN"

    def gre(self, layer, at, end):
        self.tunnel = "gre"
        if (layer.routing_present or layer.strict_route_source or layer.recursion_control or layer.flags
                or layer.version):
            self.fault = "greReserved"
            return
        present = (layer.chksum_present, layer.key_present, layer.seqnum_present)
        good = int(not layer.chksum_present or checksum(self.raw[at:end]) == 0)
        nvgre = present == (0, 1, 0) and layer.proto == 0x6558
        key = layer.key if layer.key_present else 0
        self.add("gre", at, 0, proto=layer.proto, c=present[0], k=present[1], s=present[2],
                 chksum=layer.chksum if present[0] else 0, key=key, seq=layer.seqence_number if present[2] else 0,
                 good=good, nvgre=int(nvgre))
        if not good:
            self.fault = "greChecksum"
        self.stack.update(key=key, nvgre=nvgre)
        self.inside(layer.payload, layer.proto, at + 4 + 4 * sum(present), end)

    def level(self, inner):
        """HeaderStack's level as the layers found have it."""
        mine = [layer for layer in self.layers if layer["inner"] == inner]
        level = {"l3": 0, "l3_end": 0, "l4": 0, "l3_kind": 0, "l4_kind": 0, "tags": 0, "fragment": 0}
        kinds = {"udp": 1, "tcp": 2, "icmp": 3, "icmp6": 4, "gre": 5, "esp": 6}
        for layer in mine:
            name, at = layer["layer"], layer["offset"]
            if name in ("ipv4", "ipv6"):
                level.update(l3=at, l3_kind=1 if name == "ipv4" else 2,
                             l3_end=at + (layer["len"] if name == "ipv4" else 40 + layer["plen"]))
                level["fragment"] = int(name == "ipv4" and bool(layer["mf"] or layer["frag"]))
            elif name == "extension":
                level["fragment"] |= int(bool(layer["frag"] or layer["m"]))
            elif name in kinds:
                level.update(l4=at, l4_kind=kinds[name])
            elif name == "vlan":
                level["tags"] += 1
        return level


def mac(text):
    return int(text.replace(":", ""), 16)


def ipv4(text):
    return int.from_bytes(bytes(int(part) for part in text.split(".")), "big")


def ipv6(text):
    from ipaddress import IPv6Address
    return int(IPv6Address(text))


def disagreement(wanted, found):
    """A sentence, or None."""
    if "drop" in found:
        return f"dropped: {found['drop']}"
    for index, layer in enumerate(wanted.layers):
        if index >= len(found["layers"]):
            return f"layer {index}: scapy finds {layer}, Wire nothing ({found.get('error')})"
        for name, value in layer.items():
            if found["layers"][index].get(name) != value:
                return (f"layer {index}, {name}: scapy finds {value}, Wire {found['layers'][index].get(name)}\n"
                        f"  scapy {layer}\n  Wire  {found['layers'][index]}")
        if found["layers"][index].keys() != layer.keys():
            return f"layer {index}: fields {sorted(found['layers'][index])} and {sorted(layer)}"
    if len(found["layers"]) > len(wanted.layers):
        return f"Wire finds {found['layers'][len(wanted.layers)]}, scapy nothing"
    stack = found["stack"]
    if (stack["tunnel"], stack["fault"]) != (wanted.tunnel, wanted.fault):
        return f"tunnel: {wanted.tunnel} {wanted.fault} expected, HeaderStack has {stack['tunnel']} {stack['fault']}"
    for inner, name in ((0, "outer"), (1, "inner")):
        if inner and wanted.fault != "none":
            continue
        for field, value in wanted.level(inner).items():
            # A GRE header with reserved bits is an L4 for HeaderStack and no layer for the views.
            if wanted.fault == "greReserved" and field in ("l4", "l4_kind"):
                continue
            # Inner GRE likewise cannot be: frames have none.
            if stack[name][field] != value:
                return f"HeaderStack {name}.{field}: {value} expected, {stack[name][field]} found"
    if wanted.fault == "none":
        for field, value in wanted.stack.items():
            if stack[field] != value:
                return f"HeaderStack {field}: {value} expected, {stack[field]} found"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--properties")
    options = parser.parse_args()
    builder = Builder(options.seed)
    frames = [builder.bytes() for _ in range(options.count)]
    dissected = subprocess.run([properties(options.properties), "wire-dissect"], text=True, check=True,
                               input="".join(frame.hex() + "\n" for frame in frames), capture_output=True)
    lines = dissected.stdout.splitlines()
    if len(lines) != len(frames):
        print(f"{len(frames)} frames asked for, {len(lines)} dissected")
        return 1
    fields = faults = tunnels = 0
    for index, (frame, line) in enumerate(zip(frames, lines)):
        wanted, found = Expectation(frame), json.loads(line)
        problem = disagreement(wanted, found)
        if problem:
            print(f"frame {index} of seed {options.seed}: {problem}\n{frame.hex()}")
            return 1
        fields += sum(len(layer) for layer in wanted.layers)
        faults += wanted.fault != "none"
        tunnels += wanted.tunnel != "none"
    print(f"{len(frames)} frames built by scapy and dissected by Wire, {tunnels} with a tunnel, {faults} of these with "
          f"a fault, {fields} fields: all agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
