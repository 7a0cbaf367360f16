"""Two tenants on one poll thread: one offers ten times its rate, the other half of its own."""

import re
import sys

import live as lab

Failure = lab.Failure

# Bytes a second that each may send.
RATE = 200_000

SEND = """
import socket, sys, time
address, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
begin, sent = time.monotonic(), 0
while (passed := time.monotonic() - begin) < seconds:
    while sent * 500 < passed * rate:
        s.sendto(sent.to_bytes(4, "big") + b"x" * 454, (address, 9999))
        sent += 1
    time.sleep(0.001)
print(sent)
"""

RECEIVE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind((sys.argv[1], 9999))
print("ready", flush=True)
seen = set()
s.settimeout(float(sys.argv[2]))
try:
    while True:
        seen.add(s.recv(2048)[:4])
        s.settimeout(2)
except TimeoutError:
    print(len(seen))
"""


def configuration(field, end):
    addresses = {"a": "198.51.100.1", "b": "198.51.100.2"}
    other = "b" if end == "a" else "a"
    text = f"""version: 1
ports:
  - {{name: up, id: 0, kind: uplink, mtu: 1600, attach: {{packet: u0, namespace: {field.netns(end)}}}}}
"""
    rules = "  set raw_decap 1 eth / ipv4 / udp / geneve / end_set\n"
    for number, tenant in enumerate(("red", "blue"), 1):
        text += (f"  - {{name: {tenant}, id: {number}, kind: tenant, tenant: {tenant}, function: {{rate_bytes: {RATE}, burst_bytes: "
                 f"50000}}, attach: {{tap: {tenant}, namespace: {field.netns(end)}}}}}\n")
        rules += f"""  set raw_encap {number} eth src is {field.mac(end, "u0")} dst is {field.mac(other, "u0")} / ipv4 src is {addresses[end]} dst is {addresses[other]} ttl is 64 / udp dst is 6081 / geneve vni is {number} / end_set
  flow create {number} transfer ingress pattern represented_port ethdev_port_id is {number} / eth / end actions count / raw_encap index {number} / represented_port ethdev_port_id 0 / end
  flow create 0 transfer ingress pattern represented_port ethdev_port_id is 0 / eth / ipv4 dst is {addresses[end]} / udp dst is 6081 / geneve vni is {number} / end actions count / raw_decap index 1 / represented_port ethdev_port_id {number} / end
"""
    return text + f"endpoint: {{addresses: [\"{addresses[end]}\"]}}\nrules: |\n" + rules


def pings(field):  # at 200 a second far below blue's rate
    """The 99th percentile of 600 round trips of blue's, milliseconds."""
    text = lab.run(field.inside("a", "ping", "-c", "600", "-i", "0.005", "-W", "2", "10.8.0.2"), timeout=60)
    if " 600 received" not in text:
        raise Failure(f"blue's pings are lost: {text[-300:]}")
    times = sorted(float(value) for value in re.findall(r"time=([0-9.]+)", text))
    return times[len(times) * 99 // 100]


def blue(field):
    """Numbered datagrams at half of blue's rate: none may be missing."""
    receiver = field.start(field.inside("b", sys.executable, "-c", RECEIVE, "10.8.0.2", "20"))
    lab.wait_for(lambda: "ready" in lab.peek(receiver), "the receiver does not start")
    sent = int(lab.run(field.inside("a", sys.executable, "-c", SEND, "10.8.0.2", str(RATE // 2), "3")))
    receiver.wait(30)
    came = int(lab.peek(receiver).split()[-1])
    if came != sent:
        raise Failure(f"of blue's {sent} datagrams {came} arrived")
    return sent


def fair(field, make):
    field.veth("a", "b", 1600)
    daemons = [make(field, end, configuration(field, end)) for end in ("a", "b")]
    for number, end in enumerate("ab", 1):
        field.ip(end, f"addr add 10.9.0.{number}/24 dev red")
        field.ip(end, f"addr add 10.8.0.{number}/24 dev blue")
    lab.ping(field, "a", "10.8.0.2")
    lab.ping(field, "a", "10.9.0.2")
    alone = max(pings(field) for _ in range(2))
    flood = field.start(field.inside("a", sys.executable, "-c", SEND, "10.9.0.2", str(RATE * 10), "120"))
    # Other programs on the machine trouble both measurements: one of three has to hold.
    with_red = min(pings(field) for _ in range(3))
    if with_red > 2 * alone + 0.5:
        raise Failure(f"blue's pings take {with_red:.2f} ms beside red, and {alone:.2f} ms alone (99th percentile)")
    sent = blue(field)
    if flood.poll() is not None:
        raise Failure("red did not flood all the time")
    field.stop(flood)
    ports = {port["name"]: port for port in daemons[0].ask("port")["ports"]}
    drops = {entry["reason"]: entry["packets"] for entry in daemons[0].ask("stats")["drops"]}
    if drops.get("port_rate", 0) < ports["red"]["rx_packets"] // 2:
        raise Failure(f"red was not over its rate: {ports['red']} {drops}")
    return (f"blue lost none of {sent} datagrams; its pings' p99 is {alone:.2f} ms alone and {with_red:.2f} ms beside red, of "
            f"whose {ports['red']['rx_packets']} packets {drops['port_rate']} were over its rate")
