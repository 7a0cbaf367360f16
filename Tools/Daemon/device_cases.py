"""dpud with a device below its data path: rules on it, counters of both sides, and a device process that is killed."""

import os
import signal
import sys
import time

import live as lab

Failure = lab.Failure


def whole(text):
    """Frames that owe nothing: what owes something comes up to software."""
    text = text.replace(", namespace:", ", offloads: false, namespace:")
    # Rules that come over the socket are looked at before the tunnel's.
    return text.replace("flow create 1 transfer", "flow create 1 priority 10 transfer")


def process(device):
    return device.ask("device")["devices"][0]


def settled(daemon):
    """All rules that the device can take are there."""
    lab.wait_for(lambda: process(daemon)["state"] == "alive", f"the device is not there: {daemon.ask('device')}", 20)


def conserved(daemon):
    """What came in went out, or was dropped under a name: nothing else is missing."""
    stats = daemon.ask("stats")
    drops = {entry["reason"]: entry["packets"] for entry in stats["drops"]}
    return stats["rx_packets"] == stats["tx_packets"] + sum(drops.values()), stats, drops


def check_conserved(daemon):
    lab.wait_for(lambda: conserved(daemon)[0], f"packets are missing: {conserved(daemon)[1:]} {daemon.ask('device')}")
    return conserved(daemon)[2]


def pair(field, make, configuration, extra):
    field.veth("a", "b", 1600)
    daemons = [make(field, end, whole(configuration(field, end)) + extra) for end in ("a", "b")]
    for number, end in enumerate("ab", 1):
        field.ip(end, f"addr add 10.9.0.{number}/24 dev tap0")
    for daemon in daemons:
        settled(daemon)
    return daemons


def block(number):
    return ("flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / ipv4 dst is "
            f"10.9.0.2 / icmp / end actions count / drop / end" if number == 0 else
            "flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / ipv4 dst is "
            f"10.8.0.{number} / end actions drop / end")


def device(field, make, configuration, kind, profile):
    """Rules on a device, in the thread or in a process; counters are the sum."""
    extra = f"device: {{kind: {kind}, profile: {profile}" + (", silence_ms: 2000" if kind == "process" else "") + "}\n"
    a, b = pair(field, make, configuration, extra)
    lab.ping(field, "a", "10.9.0.2", 50)
    places = {rule["id"]: rule["place"] for rule in a.rules()}
    device = process(a)
    if profile == "ideal" and (set(places.values()) != {"hardware"} or device["finished_packets"] < 100):
        raise Failure(f"{kind}: rules are in {places}, device {device}")
    why = a.ask("rule", "explain", "1")
    if profile == "ideal" and any(step["place"] != "hardware" for step in why["steps"]):
        raise Failure(f"{kind}: {why}")
    # A rule in front of the tunnel's: at once in force, on the device, and gone again.
    added = a.ask("rule", "add", block(0))["ids"][0]
    a.ctl("rule", "add", *[block(number) for number in range(1, 40)])
    if pings(field):
        raise Failure(f"{kind}: a drop rule is not in force")
    settled(a)
    shown = {rule["id"]: rule for rule in a.rules()}
    if shown[added]["packets"] < 2 or profile == "ideal" and shown[added]["place"] != "hardware":
        raise Failure(f"{kind}: {shown[added]}")
    a.ctl("rule", "flush")
    lab.ping(field, "a", "10.9.0.2", 20)
    lab.wait_for(lambda: port(a, "vm")["rx_packets"] == counted(a, 1) + shown[added]["packets"],
                 f"{kind}: {port(a, 'vm')['rx_packets']} came from the tenant, and rule 1 counted {counted(a, 1)}")
    for daemon in (a, b):
        check_conserved(daemon)
    # New tables, a new device: nothing is lost, counts go on.
    before = counted(a, 1)
    started = field.start(field.inside("a", "ping", "-c", "200", "-i", "0.005", "-W", "2", "-q", "10.9.0.2"))
    for address in ("203.0.113.9", "203.0.113.10"):
        time.sleep(0.3)
        a.write(whole(configuration(field, "a")).replace('["198.51.100.1"]', f'["198.51.100.1", "{address}"]') + extra)
        a.ctl("config", "reload")
    started.wait(30)
    if " 200 received" not in lab.peek(started) or counted(a, 1) < before + 200:
        raise Failure(f"{kind}: a reload lost frames or counts: {lab.peek(started)} {before} {counted(a, 1)}")
    for daemon in (a, b):
        field.stop(daemon.process)
    return f"{kind} {profile} {device['finished_packets']} finished, {device['resumed_packets']} half done"


def port(daemon, name):
    return next(entry for entry in daemon.ask("port")["ports"] if entry["name"] == name)


def counted(daemon, rule):
    return next(entry["packets"] for entry in daemon.rules() if entry["id"] == rule)


def pings(field):
    done = lab.run(field.inside("a", "ping", "-c", "2", "-i", "0.01", "-W", "1", "-q", "10.9.0.2"), check=False)
    return "2 received" in done


SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + float(sys.argv[1])
sent = 0
while time.monotonic() < end:
    for _ in range(20):
        s.sendto(b"x" * 200, ("10.9.0.2", 9))
        sent += 1
    time.sleep(0.002)
print(sent)
"""


def device_kill(field, make, configuration):
    """The device process is killed and wedged under load: software takes over, what was lost is known exactly."""
    # On a busy machine a process may not run for some milliseconds; what is silent for 100 ms is wedged.
    a, b = pair(field, make, configuration, "device: {kind: process, profile: ideal, silence_ms: 100}\n")
    kinds = [signal.SIGKILL] * 6 + [signal.SIGSTOP] * 2
    sender = field.start(field.inside("a", sys.executable, "-c", SENDER, str(len(kinds) + 2)))
    pinger = field.start(field.inside("a", "ping", "-c", "500", "-i", "0.02", "-W", "2", "-q", "10.9.0.2"))
    reasons, slowest = [], 0.0
    for number, kind in enumerate(kinds):
        time.sleep(0.7)
        settled(a)
        before = process(a)
        os.kill(before["process"], kind)
        began = time.monotonic()
        lab.wait_for(lambda: process(a)["resets"] == number + 1, f"the loss is not noticed: {process(a)}")
        lab.wait_for(lambda: process(a)["state"] == "alive", f"the device is not back: {process(a)}", 20)
        slowest = max(slowest, time.monotonic() - began)
        reasons.append(process(a)["last_loss"]["reason"])
        if {rule["place"] for rule in a.rules()} != {"hardware"}:
            raise Failure(f"the rules do not return: {a.rules()}")
    if reasons != ["gone"] * 6 + ["silent"] * 2:
        raise Failure(f"losses are {reasons}")
    sender.wait(60)
    pinger.wait(60)
    answered = int(lab.peek(pinger).split(" received")[0].rsplit(" ", 1)[1])
    now = process(a)
    drops = check_conserved(a)
    check_conserved(b)
    if drops.get("lost_in_device", 0) != now["lost_in_device"] or set(drops) - {"lost_in_device", "no_rule", "transmit_full"}:
        raise Failure(f"drops {drops}, lost in the device {now['lost_in_device']}")
    if 500 - answered > now["lost_in_device"]:
        raise Failure(f"{500 - answered} pings are missing, the device lost {now['lost_in_device']}")
    lab.ping(field, "a", "10.9.0.2")
    events = [event["event"] for event in a.ask("log")["events"]]
    if events.count("device.lost") != 8 or events.count("device.back") != 8:
        raise Failure(f"events: {events}")
    return (f"killed 6 times and wedged twice among {port(a, 'vm')['rx_packets']} packets: {now['lost_in_device']} lost in the "
            f"device, all others there; rules back after {slowest * 1000:.0f} ms at most; {answered} of 500 pings")
