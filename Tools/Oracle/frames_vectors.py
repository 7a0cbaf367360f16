#!/usr/bin/python3
"""Writes Tests/DatapathTests/FramesVectors.swift: frames that scapy built, for the tests of Datapath/Frames.

Run from the repository's root with Debian's python3-scapy. The output depends on nothing but scapy's version.
"""
from scapy.all import GRE, IP, TCP, UDP, Dot1Q, Ether, ICMP, IPv6, Raw, defragment, fragment
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6ExtHdrFragment, fragment6
from scapy.layers.vxlan import VXLAN

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"


def payload(count):
    return bytes((7 * i + 3) & 255 for i in range(count))


def ether(tags=0):
    frame = Ether(dst=B, src=A)
    for tag in range(tags):
        frame /= Dot1Q(vlan=100 + tag)
    return frame


def ip(version, **more):
    if version == 6:
        return IPv6(src="fd00::1", dst="fd00::2", hlim=61)
    return IP(src="10.1.0.1", dst="10.1.0.2", ttl=61, **more)


def tunnels():
    """Name, and what makes the outer headers of segment number i over an outer IP version."""
    def udp(port, **more):
        return UDP(sport=50000, dport=port, **more)

    options = [GeneveOptions(classid=0x102, type=0x80, data=b"\0\1\0\2"), GeneveOptions(classid=1, type=3, data=b"")]
    yield "plain", None, True
    yield "geneve", lambda: udp(6081) / GENEVE(vni=0x1234, proto=0x6558, critical=1, options=options), True
    yield "geneve without checksum", lambda: udp(6081, chksum=0) / GENEVE(vni=0x1234, proto=0x6558), True
    yield "vxlan", lambda: udp(4789) / VXLAN(vni=77, flags=8), True
    yield "gre", lambda: GRE(proto=0x6558), True
    yield "gre with checksum and key", lambda: GRE(proto=0x6558, chksum_present=1, key_present=1, key=9), True
    yield "gre of ip", lambda: GRE(chksum_present=1), False


def segments(tunnel, ethernet, outer, inner, tcp):
    """Three segments: 40, 40 and 25 bytes of payload, PSH on the last."""
    data = payload(105)
    frames = []
    for i in range(3):
        piece = data[40 * i:40 * i + 40]
        if tcp:
            flags = "PA" if i == 2 else "A"
            l4 = TCP(sport=4000, dport=443, seq=(0xFFFFFFF0 + 40 * i) & 0xFFFFFFFF, ack=5, flags=flags, window=900,
                     options=[("NOP", None), ("NOP", None), ("Timestamp", (11, 12))])
        else:
            l4 = UDP(sport=4000, dport=443)
        packet = ip(inner, **({"id": 500 + i} if inner == 4 else {})) / l4 / Raw(piece)
        if tunnel is None:
            frames.append(bytes(ether(1) / packet))
            continue
        header = ip(outer, **({"id": 65535 + i & 0xFFFF} if outer == 4 else {}))
        front = tunnel()
        if not ethernet and isinstance(front, GRE):
            front.proto = 0x86DD if inner == 6 else 0x0800
        frames.append(bytes(ether() / header / front / (ether() / packet if ethernet else packet)))
    return frames


def too_big():
    for version, quote in ((4, 548), (6, 1232)):
        packet = ip(version, **({"flags": "DF", "id": 3} if version == 4 else {})) / UDP(sport=1, dport=2) / payload(1452)
        frame = ether(2) / packet
        original = bytes(packet)[:quote]
        back = Ether(dst=A, src=B) / Dot1Q(vlan=100) / Dot1Q(vlan=101)
        if version == 4:
            answer = IP(src="10.1.0.2", dst="10.1.0.1", ttl=64, tos=0xC0, flags="DF", id=0)
            answer /= ICMP(type=3, code=4, nexthopmtu=1400) / Raw(original)
        else:
            answer = IPv6(src="fd00::2", dst="fd00::1", hlim=64) / ICMPv6PacketTooBig(mtu=1400) / Raw(original)
        yield bytes(frame), bytes(back / answer)


def fragments():
    """A packet and its fragments, as scapy cuts them."""
    packet = ip(4, id=77) / UDP(sport=9, dport=10) / payload(301)
    pieces = [bytes(ether(1) / piece) for piece in fragment(IP(bytes(packet)), fragsize=96)]
    joined = defragment([IP(piece[18:]) for piece in pieces])[0]
    assert bytes(joined) == bytes(packet)
    yield bytes(ether(1) / packet), pieces
    packet = ip(6) / UDP(sport=9, dport=10) / payload(301)
    cut = fragment6(IPv6(src="fd00::1", dst="fd00::2", hlim=61) / IPv6ExtHdrFragment(id=0xABCDEF) / packet.payload, 152)
    yield bytes(ether() / packet), [bytes(ether() / piece) for piece in cut]


def text(frame):
    return '"' + frame.hex() + '"'


def main():
    lines = [
        "// Written by Tools/Oracle/frames_vectors.py with scapy: run it again instead of changing this file.",
        "// swift-format-ignore-file",
        "",
        "enum FramesVectors {",
        "  /// Segments of one flow by a name of the nest.",
        "  static let segments: [(name: String, isTCP: Bool, frames: [String])] = [",
    ]
    for name, tunnel, ethernet in tunnels():
        for outer in (4, 6) if tunnel else (4,):
            for inner in (4, 6):
                for tcp in (True, False):
                    if outer == 6 and "without" in name:
                        continue
                    frames = segments(tunnel, ethernet, outer, inner, tcp)
                    lines.append(f'    ("{name} {outer} {inner}", {str(tcp).lower()}, [')
                    lines += [f"      {text(frame)}," for frame in frames] + ["    ]),"]
    lines += ["  ]", "  /// A frame that is too big by an MTU of 1400, and the answer.", "  static let tooBig: [(String, String)] = ["]
    lines += [f"    ({text(frame)}, {text(answer)})," for frame, answer in too_big()]
    lines += ["  ]", "  /// A frame and its fragments.", "  static let fragments: [(String, [String])] = ["]
    for frame, pieces in fragments():
        lines += [f"    ({text(frame)}, ["] + [f"      {text(piece)}," for piece in pieces] + ["    ]),"]
    lines += ["  ]", "}", ""]
    with open("Tests/DatapathTests/FramesVectors.swift", "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main()
