"""What dpdk-testpmd and dpdk-test see of librte_net_dpu.so.

Frames go from a capture through net_pcap into net_dpu, round its loopback, and through net_pcap into another capture, which
scapy judges. Port 0 is net_pcap, port 1 is net_dpu.
"""

import os
import shutil
import subprocess
import tempfile
import time

import testpmd


class Failed(Exception):
    """What was expected, and what was found."""


def want(condition, words):
    if not condition:
        raise Failed(words)


class Bench:
    def __init__(self, plugin_path, folder):
        self.plugin = plugin_path
        self.folder = folder
        self.log = ""

    def path(self, name):
        return os.path.join(self.folder, name)

    def session(self, devargs, arguments=(), frames=None, lcores="0,1"):
        vdevs = []
        if frames is not None:
            from scapy.utils import wrpcap
            wrpcap(self.path("in.pcap"), frames)
            vdevs.append(f"net_pcap0,rx_pcap={self.path('in.pcap')},tx_pcap={self.path('out.pcap')}")
        vdevs.append("net_dpu0" + ("," + devargs if devargs else ""))
        return testpmd.Testpmd(self.plugin, vdevs, self.folder, arguments, lcores)

    def out(self):
        from scapy.utils import rdpcap
        return [bytes(frame) for frame in rdpcap(self.path("out.pcap"))]


def ether():
    """Addresses of its own, so that scapy asks no one for any."""
    from scapy.all import Ether
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def sound(frame):
    """Whether every checksum and length of a frame is what scapy would write."""
    from scapy.all import Ether, IP, TCP, UDP
    again = Ether(frame)
    layer = again
    while layer:
        for name, kinds in (("chksum", (IP, TCP, UDP)), ("len", (IP, UDP))):
            if isinstance(layer, kinds) and not (isinstance(layer, UDP) and name == "chksum" and layer.chksum == 0):
                setattr(layer, name, None)
        layer = layer.payload if layer.payload and not isinstance(layer.payload, bytes) else None
    return bytes(again) == frame


def count_of(said):
    """hits and bytes of `flow query`."""
    numbers = {}
    for line in (said or "").splitlines():
        name, _, value = line.strip().partition(": ")
        if name in ("hits", "bytes") and value.strip().isdigit():
            numbers[name] = int(value)
    return numbers.get("hits"), numbers.get("bytes")


def loopback(bench):
    from scapy.all import Ether, IP, IPv6, Raw, UDP
    frames = [ether() / (IP() if n % 2 else IPv6()) / UDP(sport=n, dport=9) / Raw(bytes(n % 251 for _ in range(n)))
              for n in range(1, 1400, 7)]
    with bench.session("", frames=frames) as run:
        run.forward()
    want(bench.out() == [bytes(frame) for frame in frames], "frames did not come back as they were")
    return f"{len(frames)} frames came back as they were"


def vocabulary():
    """Every kind of rule: set-up commands, pattern and actions behind `flow create 1`, a frame that hits it, and a judge
    of what comes out (None: nothing does)."""
    from scapy.all import Dot1Q, Ether, GRE, IP, IPv6, Raw, TCP, UDP
    from scapy.contrib.geneve import GENEVE, GeneveOptions
    from scapy.layers.ipsec import ESP
    from scapy.layers.vxlan import VXLAN
    inner = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b") / IP(src="10.9.0.1", dst="10.9.0.2") / UDP() / Raw(
        b"inside of a tunnel")
    inside = bytes(inner)

    def plain(n, tail=None):
        return ether() / IP(src="10.1.0.1", dst=f"10.1.{n}.2") / (tail or UDP(sport=5, dport=6)) / Raw(b"a" * 30)

    def at(n):
        return f"eth / ipv4 dst is 10.1.{n}.2"

    def same(frame):
        return lambda out: out == bytes(frame)

    geneve = ether() / IP(src="10.2.0.1", dst="10.2.0.2") / UDP(sport=7, dport=6081) / GENEVE(
        vni=5, critical=1, options=[GeneveOptions(classid=0x102, type=0x80, length=1, data=b"\0\1\0\2")]) / inner
    vxlan = ether() / IP(src="10.2.0.1", dst="10.2.0.2") / UDP(sport=7, dport=4789) / VXLAN(vni=6) / inner
    nvgre = ether() / IP(src="10.2.0.3", dst="10.2.0.4") / GRE(
        key_present=1, proto=0x6558, key=(0x1007 << 8)) / inner
    gre = ether() / IP(src="10.2.0.5", dst="10.2.0.6") / GRE(key_present=1, proto=0x6558, key=0x01020304) / inner
    esp = ether() / IP(src="10.2.0.7", dst="10.2.0.8") / ESP(spi=0x1234, seq=1, data=b"b" * 40)
    tagged = ether() / Dot1Q(vlan=77, prio=2) / IP(dst="10.3.0.1") / UDP() / Raw(b"c" * 30)
    six = ether() / IPv6(src="fd00::1", dst="fd00::2", tc=0x20, hlim=9) / TCP(flags="S") / Raw(b"d" * 30)

    def changed(out):
        frame = Ether(out)
        return (frame.src == "02:00:00:00:00:21" and frame[IP].src == "10.8.8.8" and frame[IP].ttl == 63
                and frame[UDP].dport == 99 and sound(out))

    def encapsulated(kind, vni, option):
        def judge(out):
            frame = Ether(out)
            return (frame[IP].dst == "10.7.0.2" and kind in frame and frame[kind].vni == vni and sound(out)
                    and (not option or bytes(frame[GENEVE])[8:16] == b"\x01\x02\x80\x01\0\0\0\x09")
                    and out.endswith(b"a" * 30))
        return judge

    outer = "eth src is 02:00:00:00:00:31 dst is 02:00:00:00:00:32 / ipv4 src is 10.7.0.1 dst is 10.7.0.2 ttl is 64"
    return [
        ("mark, count, queue", [], f"ingress pattern {at(1)} / udp / end actions mark id 7 / count / queue index 0 / end",
         plain(1), same(plain(1))),
        ("flag", [], f"ingress pattern {at(2)} / end actions flag / count / queue index 0 / end", plain(2), same(plain(2))),
        ("rss", [], f"ingress pattern {at(3)} / end actions count / rss queues 0 end / end", plain(3), same(plain(3))),
        ("drop", [], f"ingress pattern {at(4)} / end actions count / drop / end", plain(4), None),
        ("jump", ["flow create 1 group 3 ingress pattern eth / end actions queue index 0 / end"],
         f"ingress pattern {at(5)} / end actions count / jump group 3 / end", plain(5), same(plain(5))),
        ("geneve with an option, raw_decap",
         ["set raw_decap 0 eth / ipv4 / udp dst is 6081 / geneve / end_set"],
         "ingress pattern eth / ipv4 / udp dst is 6081 / geneve vni is 5 / geneve-opt class is 0x102 type is 0x80 length is 1 "
         "data is 0x00010002 / end actions raw_decap index 0 / count / mark id 8 / queue index 0 / end",
         geneve, lambda out: out == inside),
        ("vxlan, vxlan_decap", [],
         "ingress pattern eth / ipv4 / udp / vxlan vni is 6 / end actions vxlan_decap / count / queue index 0 / end",
         vxlan, lambda out: out == inside),
        ("nvgre, nvgre_decap", [],
         "ingress pattern eth / ipv4 dst is 10.2.0.4 / nvgre tni is 0x1007 / end actions nvgre_decap / count / queue index 0 / end",
         nvgre, lambda out: out == inside),
        ("gre with a key, raw_decap", ["set raw_decap 1 eth / ipv4 / gre / end_set"],
         "ingress pattern eth / ipv4 dst is 10.2.0.6 / gre / gre_key value is 0x01020304 / end actions raw_decap index 1 / count / "
         "queue index 0 / end", gre, lambda out: out == inside),
        ("esp", [], "ingress pattern eth / ipv4 / esp spi is 0x1234 / end actions mark id 9 / count / queue index 0 / end",
         esp, same(esp)),
        ("of_pop_vlan", [], "ingress pattern eth / vlan vid is 77 / end actions of_pop_vlan / count / queue index 0 / end",
         tagged, lambda out: Dot1Q not in Ether(out) and len(out) == len(bytes(tagged)) - 4),
        ("of_push_vlan", [],
         f"ingress pattern {at(6)} / end actions of_push_vlan ethertype 0x8100 / of_set_vlan_vid vlan_vid 55 / "
         "of_set_vlan_pcp vlan_pcp 3 / count / queue index 0 / end",
         plain(6), lambda out: Ether(out)[Dot1Q].vlan == 55 and Ether(out)[Dot1Q].prio == 3),
        ("set fields, dec_ttl", [],
         f"ingress pattern {at(7)} / end actions set_mac_src mac_addr 02:00:00:00:00:21 / set_ipv4_src ipv4_addr 10.8.8.8 / "
         "set_tp_dst port 99 / dec_ttl / count / queue index 0 / end", plain(7), changed),
        ("ipv6 and tcp flags", [],
         "ingress pattern eth / ipv6 dst is fd00::2 hop is 9 / tcp flags is 0x02 / end actions count / queue index 0 / end",
         six, same(six)),
        ("geneve with an option, raw_encap, out of the port",
         [f"set raw_encap 2 {outer} / udp dst is 6081 / geneve vni is 0x50 protocol is 0x6558 / geneve-opt class is 0x102 "
          "type is 0x80 length is 1 data is 0x00000009 / end_set"],
         f"transfer pattern {at(8)} / end actions raw_encap index 2 / count / port_id id 1 / end",
         plain(8), encapsulated(GENEVE, 0x50, True)),
        ("vxlan_encap, out of the represented port",
         ["set vxlan ip-version ipv4 vni 81 udp-src 0 udp-dst 4789 ip-src 10.7.0.1 ip-dst 10.7.0.2 eth-src 02:00:00:00:00:31 "
          "eth-dst 02:00:00:00:00:32"],
         f"transfer pattern {at(9)} / end actions vxlan_encap / count / represented_port ethdev_port_id 1 / end",
         plain(9), encapsulated(VXLAN, 81, False)),
        ("age", [], f"ingress pattern {at(10)} / end actions age timeout 1 / count / queue index 0 / end",
         plain(10), same(plain(10))),
        ("sample", ["set sample_actions 0 mark id 11 / queue index 0 / end"],
         f"ingress pattern {at(11)} / end actions sample ratio 1 index 0 / count / queue index 0 / end",
         plain(11), same(plain(11))),
    ]


def rules(bench):
    """Every kind of rule: validated, created, hit, queried, destroyed, and the frames as they have to be."""
    kinds = vocabulary()
    frames = [kind[3] for kind in kinds]
    with bench.session("profile=ideal", frames=frames) as run:
        numbers, rule = [], 0
        for name, commands, text, _, _ in kinds:
            for command in commands:
                said = run.say(command) or ""
                rule += "created" in said
                want("Caught" not in said and "error" not in said.lower(), f"{name}: '{command}' said {said!r}")
            said = run.say("flow validate 1 " + text) or ""
            want("Flow rule validated" in said, f"{name}: validate said {said!r}")
            said = run.say("flow create 1 " + text) or ""
            want(f"Flow rule #{rule} created" in said, f"{name}: create said {said!r}")
            numbers.append(rule)
            rule += 1
        listed = run.say("flow list 1") or ""
        want(listed.count("=>") == rule, f"flow list shows {listed.count('=>')} of {rule} rules")
        run.say("set verbose 1")
        said = run.forward(1.2)
        for kind, number in zip(kinds, numbers):
            hits, octets = count_of(run.say(f"flow query 1 {number} count"))
            want((hits, octets) == (1, len(bytes(kind[3]))), f"{kind[0]}: counted {hits} frames, {octets} bytes")
        for mark in (7, 8, 9, 11):
            want(f"FDIR matched ID=0x{mark:x} " in said, f"no frame came with mark {mark}")
        aged = run.say("flow aged 1 destroy") or ""
        want("1 flows destroyed" in aged or "0 flows is not destroyed" in aged or str(numbers[-2]) in aged,
             f"flow aged said {aged!r}")
        for kind, number in zip(kinds, numbers):
            if kind[0] != "age":
                said = run.say(f"flow destroy 1 rule {number}") or ""
                want(f"Flow rule #{number} destroyed" in said, f"{kind[0]}: destroy said {said!r}")
        run.say("flow flush 1")
        want("=>" not in (run.say("flow list 1") or ""), "rules are left behind flush")
        xstats = run.say("show port xstats 1") or ""
        want("\nrules: 0" in xstats, "the device still has rules")
    outs = bench.out()
    left = list(outs)
    for name, _, _, _, judge in kinds:
        if judge is None:
            continue
        found = next((out for out in left if judge(out)), None)
        want(found is not None, f"{name}: no frame of {len(outs)} is as it has to be")
        left.remove(found)
    want(len(left) == 1, f"{len(left)} frames too many (one is the sampled copy)")
    return f"{len(kinds)} kinds of rules created, hit, counted, destroyed; {len(outs)} frames judged by scapy"


REFUSALS = [
    ("two Geneve options", "ingress pattern eth / ipv4 / udp dst is 6081 / geneve / geneve-opt class is 0x102 type is 0x80 length is 1 "
     "data is 0x00000001 / geneve-opt class is 0x103 type is 1 length is 1 data is 0x00000001 / end actions queue index 0 / end",
     ["geneve_option_budget", "Limit: limits.geneve_options_per_rule", "Nearest:"]),
    ("an option's data of zero", "ingress pattern eth / ipv4 / udp dst is 6081 / geneve / geneve-opt class is 0x102 type is 0x80 "
     "length is 1 data is 0x00000000 / end actions queue index 0 / end", ["geneve_option_zero_data", "Limit:"]),
    ("an option without its class", "ingress pattern eth / ipv4 / udp dst is 6081 / geneve / geneve-opt type is 0x80 length is 1 "
     "data is 0x00000001 / end actions queue index 0 / end", ["class, type and length are compared in full"]),
    ("a priority that is not there", "priority 4000000 ingress pattern eth / end actions queue index 0 / end",
     ["priority_range", "Nearest: fits with a priority"]),
    ("a queue that is not there", "ingress pattern eth / end actions queue index 5 / end", ["queue 5: the port has 1 receive"]),
    ("no fate", "ingress pattern eth / end actions count / end", ["no fate: end it with queue"]),
    ("egress", "egress pattern eth / end actions drop / end", ["egress: frames are matched where they come in"]),
    ("an item of another world", "ingress pattern eth / ipv4 / sctp / end actions drop / end", ["is not known to this driver"]),
    ("a port of another device", "transfer pattern eth / end actions port_id id 0 / end", ["is no port of this device"]),
    ("items out of order", "ingress pattern ipv4 / eth / end actions drop / end", ["invalid", "outermost header inwards"]),
]


def refusals(bench):
    """What a BlueField refuses stands in testpmd's words, and nothing of it stays."""
    from scapy.all import Ether
    with bench.session("profile=bluefield3", frames=[ether() / (b"x" * 50)]) as run:
        for name, text, words in REFUSALS:
            for verb in ("validate", "create"):
                said = run.say(f"flow {verb} 1 {text}") or ""
                for word in words:
                    want(word in said, f"{name}: {verb} said {said!r} and not '{word}'")
        want("\nrules: 0" in (run.say("show port xstats 1") or ""), "a refused rule is on the device")
    for devargs, word in (("profile=bluefield9", "no profile is called 'bluefield9'"), ("vfs=99", "expected 0 to 14"),
                          ("wire=string", "expected loopback"), ("foo=1", "no key is called 'foo'")):
        with bench.session(devargs) as run:
            want(word in run.text, f"{devargs}: said {run.text[-400:]!r}")
    return f"{len(REFUSALS)} rules and 4 devargs refused in words"


def checksums(bench):
    """testpmd's csum engine leaves the sums to the device, and the frames come out sound."""
    from scapy.all import Ether, IP, IPv6, Raw, TCP, UDP
    frames = []
    for n in range(1, 200, 9):
        for network in (IP(src="10.1.1.1", dst="10.1.1.2", chksum=0x1111), IPv6(src="fd00::1", dst="fd00::2")):
            for transport in (UDP(sport=n, dport=53, chksum=0x2222), TCP(sport=n, dport=80, chksum=0x3333)):
                frames.append(ether() / network / transport / Raw(b"e" * n))
    with bench.session("profile=bluefield3", frames=frames) as run:
        for command in ("port stop 1", "port config 1 tx_offload ipv4_cksum on", "port config 1 tx_offload udp_cksum on",
                        "port config 1 tx_offload tcp_cksum on", "csum set ip hw 1", "csum set udp hw 1", "csum set tcp hw 1",
                        "port start 1", "set fwd csum"):
            said = run.say(command) or ""
            want("error" not in said.lower() and "not support" not in said.lower(), f"'{command}' said {said!r}")
        run.forward()
    outs = bench.out()
    want(len(outs) == len(frames), f"{len(outs)} of {len(frames)} frames came out")
    for out in outs:
        want(sound(out), f"a frame came out with a wrong sum: {out.hex()}")
    return f"{len(outs)} frames with wrong sums came out right"


def queues(bench):
    """Two queues on two threads, while a third makes and ends rules."""
    with bench.session("profile=bluefield3", ["--rxq=2", "--txq=2", "--nb-cores=2"], lcores="0@0,1@0,2@1") as run:
        said = run.say("start tx_first 4") or ""
        churned = 0
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            said = run.say("flow create 0 ingress pattern eth / ipv4 / udp / end actions mark id 3 / count / rss queues 0 1 end / end")
            number = (said or "").partition("Flow rule #")[2].partition(" ")[0]
            want(number.isdigit(), f"create under load said {said!r}")
            hits, _ = count_of(run.say(f"flow query 0 {number} count"))
            want(hits is not None, "a query under load failed")
            said = run.say(f"flow destroy 0 rule {number}") or ""
            want("destroyed" in said, f"destroy under load said {said!r}")
            churned += 1
        run.say("stop")
        xstats = run.say("show port xstats 0") or ""
        numbers = {line.partition(": ")[0]: line.partition(": ")[2] for line in xstats.splitlines()}
        frames = int(numbers.get("frames_in", 0))
        want(frames > 10_000, f"only {frames} frames went round")
        want(numbers.get("rules") == "0", "rules are left")
    return f"{frames} frames round two queues while {churned} rules came and went"


def isolation(bench):
    """`flow isolate` drops what no rule wants."""
    from scapy.all import Ether, IP, Raw, UDP
    frames = [ether() / IP(dst=f"10.1.{n}.2") / UDP() / Raw(b"f" * 30) for n in (1, 2, 1, 2, 1)]
    with bench.session("profile=bluefield3", frames=frames) as run:
        run.say("flow isolate 1 1")
        run.say("flow create 1 ingress pattern eth / ipv4 dst is 10.1.1.2 / end actions queue index 0 / end")
        run.forward()
    want([out[32] for out in bench.out()] == [1, 1, 1], "an isolated port passed what no rule wants")
    return "3 of 5 frames passed an isolated port"


def closed(bench):
    """A port that was closed is no port any more, for rules and for its siblings."""
    # 0 is net_pcap's; the device's are 1, its representor 2 and the function 3.
    with bench.session("profile=bluefield3,vfs=1", frames=[ether()]) as run:
        rule = "flow create 1 transfer pattern represented_port ethdev_port_id is 2 / eth / end actions drop / end"
        said = run.say(rule) or ""
        want("created" in said, f"with its port open: {said!r}")
        for command in ("port stop 2", "port close 2"):
            run.say(command)
        said = run.say(rule.replace("drop", "represented_port ethdev_port_id 2")) or ""
        want("created" not in said and "testpmd>" in said, f"a rule about a port that was closed: {said!r}")
        for command in ("port stop 1", "port close 1", "show port info 3"):
            said = run.say(command)
        want(said is not None and "net_dpu" in said, f"a sibling of ports that were closed: {said!r}")
        said = run.say("set link-down port 3") or ""
        want("fail" in said.lower(), f"a link cannot be taken down: {said!r}")
    return "rules and siblings of closed ports are answered"


def signals(bench):
    """The driver puts no signal handler into its host: the same are caught with it as without."""
    def caught(vdev):
        with testpmd.Testpmd(bench.plugin, [vdev], bench.folder) as run:
            with open(f"/proc/{run.process.pid}/status", encoding="ascii") as status:
                return next(line.split()[1] for line in status if line.startswith("SigCgt"))
    without, with_it = caught("net_null0"), caught("net_dpu0")
    want(without == with_it, f"signals caught: {without} without a device, {with_it} with one")
    return f"signals caught with and without a device: {with_it}"


def faults(bench):
    """A device that resets itself or is pulled out tells the application, and a reset one works again when it was asked to."""
    with bench.session("profile=bluefield3,faults=[reset=1000,reset-depth=4]") as run:
        run.say("flow create 0 ingress pattern eth / end actions count / queue index 0 / end")
        run.say("start tx_first")
        time.sleep(0.5)
        run.say("stop")
        want("Port 0: reset event" in run.text, "no reset was told")
        said = run.say("show port xstats 0") or ""
        want("\nresets: 1" in said, "the device did not reset")
        for command in ("port stop 0", "port reset 0", "port start 0"):
            run.say(command)
        before = int((run.say("show port xstats 0") or "").partition("\nframes_in: ")[2].split()[0])
        said = run.say("flow create 0 ingress pattern eth / end actions count / queue index 0 / end") or ""
        want("created" in said, f"no rule was taken behind the reset: {said!r}")
        run.say("start tx_first")
        time.sleep(0.3)
        run.say("stop")
        after = int((run.say("show port xstats 0") or "").partition("\nframes_in: ")[2].split()[0])
        want(after > before + 100, f"{after - before} frames went round behind the reset")
    with bench.session("profile=bluefield3,remove=1000") as run:
        run.say("start tx_first")
        time.sleep(1.2)
        run.say("")
        want("Port 0: device removal event" in run.text, "no removal was told")
        said = run.say("show port summary all")
        want("Number of available ports: 0" in (said or ""),
             f"the port is still there, testpmd's code is {run.process.poll()}: {run.text[-300:]!r}")
    return "a reset was told and undone; a removal was told, and testpmd let go of the port"


def dpdk_test(bench):
    """dpdk-test's own tests of an ethdev."""
    if shutil.which("dpdk-test") is None:
        return "skipped: there is no dpdk-test"
    said = subprocess.run(
        ["dpdk-test", "--no-huge", "-m", "256", "--no-pci", "--file-prefix", os.path.basename(bench.folder), "-l", "0",
         "-d", bench.plugin, "--vdev=net_dpu0"], input="ethdev_link_status\nquit\n", capture_output=True, text=True,
        errors="replace", timeout=40).stdout
    want("Test OK" in said and "Test Failed" not in said, f"ethdev_link_status said {said[-600:]!r}")
    return "ethdev_link_status OK"


CASES = [
    ("loopback", loopback), ("rules", rules), ("refusals", refusals), ("checksums", checksums), ("two queues", queues),
    ("isolation", isolation), ("closed ports", closed), ("signals", signals), ("faults", faults), ("dpdk-test", dpdk_test),
]


def missing(root):
    """Why the cases cannot run; None when they can."""
    if shutil.which(testpmd.PROGRAM) is None:
        return f"there is no {testpmd.PROGRAM} (Debian's package dpdk-dev)"
    if not os.path.exists(os.path.join(root, ".build-pmd", "net_dpu", "librte_net_dpu.so")):
        return "there is no librte_net_dpu.so (Tools/build-pmd)"
    try:
        import scapy  # noqa: F401
    except ImportError:
        return "there is no scapy (Debian's package python3-scapy)"
    return None


def run(root, only=None, keep=False):
    """Runs every case; says whether all held."""
    why = missing(root)
    if why:
        print(f"skipped: {why}")
        return True
    plugin_path = testpmd.plugin(root)
    good = True
    for name, case in CASES:
        if only and only not in name:
            continue
        folder = tempfile.mkdtemp(prefix="dpu-pmd-")
        start = time.monotonic()
        try:
            print(f"pass {name}: {case(Bench(plugin_path, folder))} ({time.monotonic() - start:.1f} s)", flush=True)
        except (Failed, subprocess.TimeoutExpired) as error:
            good = False
            print(f"FAIL {name}: {error}", flush=True)
        if keep:
            print(f"  {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return good
