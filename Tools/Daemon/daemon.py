"""dpud between network namespaces, driven by dpuctl: see README.md."""

import argparse
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Live"))
import live as lab  # noqa: E402

import device_cases  # noqa: E402
import fair_cases  # noqa: E402
import upcall_cases  # noqa: E402
import dpdk_cases  # noqa: E402
import vhost_cases  # noqa: E402

BUILD = os.path.join(lab.ROOT, ".build", os.environ.get("DPU_BUILD", "release"))
DPUD, DPUCTL = os.path.join(BUILD, "dpud"), os.path.join(BUILD, "dpuctl")
Failure = lab.Failure


class Daemon:
    """A dpud in a folder of a field."""

    def __init__(self, field, name, configuration, **environment):
        self.field, self.name, self.environment = field, name, environment
        self.folder = os.path.join(field.folder.name, name)
        os.makedirs(self.folder, exist_ok=True)
        self.socket = os.path.join(self.folder, "s")
        self.path = os.path.join(self.folder, "config.yaml")
        self.write(configuration)
        self.start()

    def write(self, configuration):
        files = (f"control: {{socket: {self.socket}}}\njournal: {{rules: {self.folder}/journal, counters: "
                 f"{self.folder}/counters}}\n")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(configuration + files)

    def start(self):
        log = open(os.path.join(self.folder, "log"), "a+", encoding="utf-8")
        self.process = subprocess.Popen(
            [DPUD, "--config", self.path], stdout=log, stderr=log, env=dict(os.environ, **self.environment))
        self.process.log = log
        self.field.started.append(self.process)
        lab.wait_for(self.answers, f"dpud does not start: {lab.peek(self.process)}", 20)

    def answers(self):
        return self.ctl("status", check=False).returncode == 0

    def ctl(self, *words, check=True, text=None):
        done = subprocess.run([DPUCTL, "-t", self.socket, *words], capture_output=True, text=True, timeout=60, input=text)
        if check and done.returncode != 0:
            raise Failure(f"dpuctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done

    def ask(self, *words):
        return json.loads(self.ctl("-j", *words).stdout)

    def rules(self):
        return [json.loads(line) for line in self.ctl("-j", "rule").stdout.splitlines()]

    def kill(self):
        self.process.kill()
        self.process.wait()


def configuration(field, end, extra=""):
    """One end of a tunnel: `a` or `b`; the tenant's TAP and the uplink are in its namespace."""
    addresses = {"a": "198.51.100.1", "b": "198.51.100.2"}
    other = "b" if end == "a" else "a"
    text = lab.overlay(field.mac(end, "u0"), field.mac(other, "u0"), addresses[end], addresses[other])
    text = text.replace("mtu: 1600}", f"mtu: 1600, attach: {{packet: u0, namespace: {field.netns(end)}}}}}")
    text = text.replace("mtu: 1500}", f"mtu: 1500, attach: {{tap: tap0, namespace: {field.netns(end)}}}}}")
    return text + extra


def two(field):
    field.veth("a", "b", 1600)
    daemons = [Daemon(field, end, configuration(field, end)) for end in ("a", "b")]
    addresses(field)
    return daemons


def addresses(field):
    for number, end in enumerate("ab", 1):
        field.ip(end, f"addr add 10.9.0.{number}/24 dev tap0")


def drop(number):
    return (f"flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / ipv4 dst is "
            f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255} / end actions drop / end")


def case_tunnel(field, _):
    a, b = two(field)
    lab.ping(field, "a", "10.9.0.2")
    rate, _ = lab.iperf(field, "b", "a", "10.9.0.2", 2)
    counted = {rule["id"]: rule["packets"] for rule in a.rules()}
    if not counted[1] >= 20 or not counted[2] >= 20:
        raise Failure(f"rules counted {counted}")
    ports = {port["name"]: port for port in a.ask("port")["ports"]}
    if ports["uplink0"]["tx_packets"] < 20 or ports["vm"]["link"] != "up":
        raise Failure(f"ports: {ports}")
    for words, code in [(("status",), 0), (("rule", "add", "flow create 7"), 1), (("rule", "del", "1"), 1), (("nonsense",), 64)]:
        if (found := a.ctl(*words, check=False).returncode) != code:
            raise Failure(f"dpuctl {words} ended with {found}, expected {code}")
    field.stop(b.process)
    if b.ctl("status", check=False).returncode != 69:
        raise Failure("dpuctl does not say 69 without a daemon")
    with open(a.path, "a", encoding="utf-8") as file:
        file.write("nonsense: 1\n")
    if subprocess.run([DPUD, "--check-config", "--config", a.path], capture_output=True).returncode != 78:
        raise Failure("dpud --check-config does not say 78")
    if a.ctl("config", "reload", check=False).returncode != 78:
        raise Failure("dpuctl config reload does not say 78")
    return f"{rate:.1f} Gbit/s TCP"


def case_kill(field, seed):
    a, _ = two(field)
    chance = random.Random(seed)
    known, packets, slowest = {}, 0, 0.0
    for round_number in range(8):
        killer = subprocess.Popen(["sleep", str(chance.uniform(0.05, 0.4))])
        number, unsure = 0, set()
        while killer.poll() is None:
            number += 1
            line = drop(round_number << 12 | number)
            if known and chance.random() < 0.3:
                gone = chance.choice(list(known))
                a.ctl("rule", "del", str(gone))
                known.pop(gone)
            else:
                known[a.ask("rule", "add", line)["ids"][0]] = line
        # One change that is never acknowledged is under way while the process dies.
        last = subprocess.Popen([DPUCTL, "-j", "-t", a.socket, "rule", "add", drop(0xff << 16 | round_number)],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(chance.uniform(0, 0.03))
        a.kill()
        said = last.communicate()[0]
        if said:
            known[json.loads(said)["ids"][0]] = drop(0xff << 16 | round_number)
        else:
            unsure.add(drop(0xff << 16 | round_number))
        began = time.monotonic()
        a.start()
        slowest = max(slowest, time.monotonic() - began)
        addresses_again(field)
        found = {rule["id"]: rule["rule"].replace("ingress transfer", "transfer ingress") for rule in a.rules()
                 if rule["source"] == "socket"}
        for rule, line in known.items():
            if found.get(rule) != line:
                raise Failure(f"round {round_number}: acknowledged rule {rule} is not back: {found.get(rule)}")
        for rule, line in found.items():
            if rule not in known and line not in unsure:
                raise Failure(f"round {round_number}: rule {rule} was never asked for: {line}")
        known = dict(found)
        lab.wait_for(lambda: pings(field), "ping does not come through any more")
        now = a.rules()[0]["packets"]
        if now < packets:
            raise Failure(f"round {round_number}: rule 1 counted {packets}, and now {now}")
        packets = now
        time.sleep(0.25)
        packets = max(packets, a.rules()[0]["packets"])
        time.sleep(0.25)
    return f"8 kills, {len(known)} rules back, again there after {slowest:.2f} s at most"


def pings(field):
    return subprocess.run(field.inside("a", "ping", "-c", "2", "-i", "0.01", "-W", "1", "-q", "10.9.0.2"),
                          capture_output=True).returncode == 0


def addresses_again(field):
    field.ip("a", "addr replace 10.9.0.1/24 dev tap0")


def case_reload(field, _):
    a, _ = two(field)
    lab.ping(field, "a", "10.9.0.2")
    process = field.start(field.inside("a", "ping", "-c", "600", "-i", "0.005", "-W", "2", "-q", "10.9.0.2"))
    text = configuration(field, "a")
    for turn in range(12):
        time.sleep(0.2)
        if turn % 3 == 0:
            a.write(text + "answers: {per_second: 50, burst: 5}\n")
        elif turn % 3 == 1:
            # Another endpoint address: new tables.
            a.write(text.replace('["198.51.100.1"]', '["198.51.100.1", "203.0.113.9"]'))
        else:
            extra = f"  - {{name: vm2, id: 2, kind: tenant, attach: {{tap: tap1, namespace: {field.netns('a')}}}}}\n"
            a.write(text.replace("endpoint:", extra + "endpoint:"))
        a.ctl("config", "reload") if turn % 2 else hang_up(a)
    process.wait(30)
    said = lab.peek(process)
    if " 600 received" not in said:
        raise Failure(f"pings were lost: {said}")
    return "12 reloads, 600 of 600 pings"


def hang_up(daemon):
    before = daemon.ask("status")["change"]
    daemon.process.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: daemon.ask("status")["change"] > before, "SIGHUP reloads nothing")


def case_drain(field, _):
    a, b = two(field)
    lab.ping(field, "a", "10.9.0.2")
    before = b.rules()[1]["packets"]
    sender = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "for n in range(400): s.sendto(b'x' * 100, ('10.9.0.2', 9))\n")
    a.process.send_signal(signal.SIGSTOP)
    lab.run(field.inside("a", sys.executable, "-c", sender))
    a.process.send_signal(signal.SIGTERM)
    a.process.send_signal(signal.SIGCONT)
    if a.process.wait(20) != 0:
        raise Failure(f"dpud ended with {a.process.returncode}: {lab.peek(a.process)}")
    lab.wait_for(lambda: b.rules()[1]["packets"] >= before + 400,
                 f"of 400 datagrams {b.rules()[1]['packets'] - before} arrived")
    return "400 of 400 datagrams that waited arrived"


class Client:
    """The protocol by hand, as its README says it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        if self.receive()["protocol"] != 1:
            raise Failure("not protocol 1")
        self.id = 0

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise Failure("dpud hung up")
            data += part
        return bytes(data)

    def receive(self):
        return json.loads(self.exactly(struct.unpack("!I", self.exactly(4))[0]))

    def send(self, payload):
        self.socket.sendall(struct.pack("!I", len(payload)) + payload)

    def ask(self, method, **params):
        self.id += 1
        self.send(json.dumps({"id": self.id, "method": method, "params": params}).encode())
        answer = self.receive()
        if "error" in answer:
            raise Failure(f"{method}: {answer['error']}")
        return answer["result"]


def memory(process, which="VmRSS"):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(which + ":"))


def case_bulk(field, _):
    count = 1_000_000
    field.veth("a", "b", 1600)
    a = Daemon(field, "a", configuration(field, "a"))
    client = Client(a.socket)
    made = client.ask("template.add", rule=drop(0).replace("10.0.0.0", "0.0.0.0"), fields=["ipv4_dst"],
                      actions=["drop / end", "count / drop / end"])
    most = (1 << 20) // made["row_bytes"] - 16
    messages = []
    for start in range(0, count, most):
        rows = b"".join(struct.pack("!IH", 0x0a000000 + n, n & 1) for n in range(start, min(count, start + most)))
        messages.append(b"\1\0\0\0" + struct.pack("!II", 1000 + len(messages), made["template"]) + rows)
    began = time.monotonic()
    added = 0
    for number, message in enumerate(messages):
        client.send(message)
        if number >= 4:
            added += client.receive()["result"]["added"]
    for _ in range(min(4, len(messages))):
        added += client.receive()["result"]["added"]
    seconds = time.monotonic() - began
    if added != count:
        raise Failure(f"{added} rules were added")
    before = memory(a.process)
    shown = subprocess.Popen([DPUCTL, "-j", "-t", a.socket, "rule"], stdout=subprocess.PIPE)
    lines, most_client = 0, 0
    for _ in shown.stdout:
        lines += 1
        if lines % 50_000 == 0:
            most_client = max(most_client, memory(shown))
    if shown.wait() != 0 or lines != count + 2:
        raise Failure(f"rule show gave {lines} lines")
    grown = memory(a.process) - before
    if grown > 20_000 or most_client > 80_000:
        raise Failure(f"rule show took {grown} KiB of dpud and {most_client} KiB of dpuctl")
    a.kill()
    began = time.monotonic()
    a.start()
    back = time.monotonic() - began
    if a.ask("status")["rules"] != count + 2:
        raise Failure("not all rules are back")
    return (f"{count / seconds / 1e6:.2f} M rules/s acknowledged, show grew dpud by {grown} KiB (dpuctl has {most_client} KiB), "
            f"all back {back:.1f} s after kill -9")


def case_systemd(field, _):
    path = os.path.join(field.folder.name, "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(10)
    field.veth("a", "b", 1600)
    a = Daemon(field, "a", configuration(field, "a"), NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")
    said = []
    while sum("WATCHDOG=1" in text for text in said) < 3:
        said.append(listener.recv(4096).decode())
    if not any("READY=1" in text and "STATUS=" in text for text in said):
        raise Failure(f"READY is not said: {said}")
    field.stop(a.process)
    while "STOPPING=1" not in said:
        said.append(listener.recv(4096).decode())
    return "READY, STATUS, WATCHDOG, STOPPING"


def case_device_model(field, _):
    return device_cases.device(field, Daemon, configuration, "emulated", "ideal")


def case_device_process(field, _):
    return device_cases.device(field, Daemon, configuration, "process", "ideal")


def case_device_bluefield(field, _):
    return device_cases.device(field, Daemon, configuration, "process", "bluefield3")


def case_device_kill(field, _):
    return device_cases.device_kill(field, Daemon, configuration)


def case_fair(field, _):
    return fair_cases.fair(field, Daemon)


def case_upcall(field, _):
    return upcall_cases.upcall(field, Daemon, configuration, Client)


def case_vhost(field, _):
    return vhost_cases.vhost(field, Daemon)


def case_dpdk(field, _):
    return dpdk_cases.dpdk(field, Daemon, configuration)


def case_net_dpu(field, _):
    return dpdk_cases.net_dpu(field, Daemon)


def case_capture(field, _):
    a, b = two(field)
    lab.ping(field, "a", "10.9.0.2")
    # Into a pipe, judged by tshark while it grows; both directions of the echo, on both sides of the tunnel.
    capture = subprocess.Popen([DPUCTL, "-t", a.socket, "capture", "--seconds", "3", "--filter", "icmp or udp port 6081"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    tshark = subprocess.Popen(["tshark", "-n", "-r", "-", "-T", "json", "-e", "frame.interface_name", "-e", "frame.comment",
                               "-e", "icmp.type", "-e", "geneve.vni", "-e", "icmp.checksum.status"],
                              stdin=capture.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    lab.run(field.inside("a", "ping", "-c", "20", "-i", "0.02", "-q", "10.9.0.2"))
    frames = [packet["_source"]["layers"] for packet in json.loads(tshark.communicate(timeout=30)[0])]
    if capture.wait(10) != 0 or b"0 dropped" not in capture.stderr.read():
        raise Failure("the capture did not end well")
    kinds = {}
    # Neighbour discovery of the namespaces' kernels goes through the tunnel, too.
    for frame in (frame for frame in frames if "icmp.type" in frame):
        key = (frame["frame.interface_name"][0], frame["icmp.type"][0], "geneve.vni" in frame, frame["frame.comment"][0])
        kinds[key] = kinds.get(key, 0) + 1
    wanted = {("vm", "8", False, "rule 1, software, goes out of uplink0"): 20, ("uplink0", "8", True, "rule 1, software"): 20,
              ("uplink0", "0", True, "rule 2, software, goes out of vm"): 20, ("vm", "0", False, "rule 2, software"): 20}
    if kinds != wanted:
        raise Failure(f"tshark sees {kinds}")
    path = os.path.join(a.folder, "all.pcapng")
    # Under load: capinfos finds the file whole, and as many frames as were said to be written.
    stream = field.start(field.inside("a", "ping", "-f", "-c", "3000", "-q", "10.9.0.2"))
    said = a.ask("capture", "-w", path, "--port", "vm", "--seconds", "2")
    stream.wait(30)
    read = subprocess.run(["capinfos", "-Tmrc", path], capture_output=True, text=True)
    if read.returncode != 0 or int(read.stdout.split(",")[-1]) != said["frames"] or said["frames"] < 500:
        raise Failure(f"capinfos: {read.stdout}{read.stderr}; dpuctl: {said}")
    if "3000 received" not in lab.peek(stream):
        raise Failure(f"the capture held frames up: {lab.peek(stream)}")
    # A trace of a live frame, and of one of the capture: the same way.
    tracing = subprocess.Popen([DPUCTL, "-j", "-t", a.socket, "trace", "--live", "--port", "vm", "--filter", "icmp"],
                               stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    lab.run(field.inside("a", "ping", "-c", "3", "-i", "0.1", "-q", "10.9.0.2"))
    live = json.loads(tracing.communicate(timeout=20)[0])
    given = a.ask("trace", "--in", f"vm={path}:1")
    steps = [[line["step"] for line in document["lines"]] for document in (live, given)]
    if steps[0] != steps[1] or live["lines"][-1]["certainty"] != "observed" or live["prediction_agrees"] is not True:
        raise Failure(f"traces: {steps}, {live['lines'][-1]}")
    return f"80 frames judged by tshark, {said['frames']} by capinfos ({said['dropped']} dropped) under a flood of pings"


def case_report(field, _):
    a, b = two(field)
    lab.ping(field, "a", "10.9.0.2")
    a.ctl("rule", "add", drop(7))
    path = os.path.join(a.folder, "report.tar")
    stream = field.start(field.inside("a", "ping", "-c", "100", "-i", "0.02", "-q", "10.9.0.2"))
    said = a.ask("report", "-w", path, "--frames", "60")
    stream.wait(30)
    lab.run(["tar", "-xf", path, "-C", a.folder])
    folder = os.path.join(a.folder, "dpu-report")
    # Elsewhere: the frames that came in go through the same rules, and the host is judged the same.
    for words in [("config", "check", "--config", f"{folder}/config.yaml"),
                  ("config", "check", "--config", f"{folder}/replay.yaml")]:
        lab.run([DPUCTL, *words])
    came = [word for name in ("vm", "uplink0") for word in ("--in", f"{name}={folder}/frames/{name}.pcap")]
    replayed = json.loads(lab.run([DPUCTL, "-j", "replay", "--config", f"{folder}/replay.yaml", "--mode", "forbid-hw", *came]))
    # A kernel may have said a word of its own (neighbour discovery) that no rule takes.
    strays = replayed["drops"].get("no_rule", 0)
    if replayed["forwarded"] < 20 or replayed["forwarded"] + strays != replayed["frames"] or len(replayed["rules"]) != 3:
        raise Failure(f"replay of the report: {replayed}")
    here = json.loads(lab.run([DPUCTL, "-j", "doctor"], check=False))["findings"]
    there = json.loads(lab.run([DPUCTL, "-j", "doctor", "--root", f"{folder}/host"], check=False))["findings"]
    if [(f["name"], f["state"]) for f in here] != [(f["name"], f["state"]) for f in there]:
        raise Failure("the doctor judges the recorded host otherwise")
    tunnel = a.ask("tunnel")["tunnels"][0]
    if tunnel["remote"] != "198.51.100.2" or tunnel["packets"] < 20 or tunnel["neighbour_state"] != "configured":
        raise Failure(f"tunnel: {tunnel}")
    return f"{said['files']} files, {said['bytes']} bytes; {replayed['frames']} of its frames replayed"


CASES = {name[5:]: body for name, body in list(globals().items()) if name.startswith("case_")}


def main():
    parser = argparse.ArgumentParser(prog="Tools/daemon")
    parser.add_argument("--only", choices=sorted(CASES))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failed = 0
    for name, body in CASES.items():
        if options.only not in (None, name):
            continue
        with lab.Field(["a", "b"]) as field:
            try:
                print(f"{name}: {body(field, options.seed)}", flush=True)
            except (Failure, subprocess.TimeoutExpired, OSError, ValueError, KeyError, IndexError) as error:
                failed += 1
                print(f"{name}: FAILED: {error}", flush=True)
                for end in ("a", "b"):
                    log = os.path.join(field.folder.name, end, "log")
                    if os.path.exists(log):
                        with open(log, encoding="utf-8") as file:
                            print(f"  dpud {end}: " + file.read()[-1500:].replace("\n", "\n  "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
