"""dpud's vhost-user ports with DPDK's virtio_user at the other end: both ways, split and packed, and again after kill -9."""

import os
import shutil
import sys
import time

import live as lab

sys.path.insert(0, os.path.join(lab.ROOT, "Tools", "Suite"))
import peers  # noqa: E402

Failure = lab.Failure

RULES = """rules: |
  flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / eth / end actions count / represented_port ethdev_port_id 2 / end
  flow create 2 transfer ingress pattern represented_port ethdev_port_id is 2 / eth / end actions count / represented_port ethdev_port_id 1 / end
"""

# testpmd sends back whatever comes. The first frame goes until it comes back; then 32 at a time, each of them once. Frames that this
# host sent itself are looked past.
ECHO = """
import socket, struct, sys, time
count = int(sys.argv[1])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
s.bind(("tap0", 0x88b5))
s.settimeout(0.05)
head = bytes.fromhex("020000000009020000000008") + struct.pack("!H", 0x88b5)
def send(number):
    s.send(head + struct.pack("!I", number) + bytes([number & 255]) * (46 + number % 1400))
def receive(wanted, seconds):
    end = time.monotonic() + seconds
    while wanted and time.monotonic() < end:
        try:
            frame, (_, _, kind, _, _) = s.recvfrom(4096)
        except TimeoutError:
            continue
        number = struct.unpack("!I", frame[14:18])[0]
        if kind != socket.PACKET_OUTGOING and frame[18:] == bytes([number & 255]) * (46 + number % 1400):
            wanted.discard(number)
    return not wanted
for _ in range(100):
    send(count)
    if receive({count}, 0.1):
        break
came = 0
for first in range(0, count, 32):
    wanted = set(range(first, min(count, first + 32)))
    for number in sorted(wanted):
        send(number)
    receive(wanted, 5)
    came += min(32, count - first) - len(wanted)
print(came)
"""


def configuration(field, socket, role):
    return f"""version: 1
ports:
  - {{name: tap, id: 1, kind: tenant, attach: {{tap: tap0, namespace: {field.netns("a")}}}}}
  - {{name: vm, id: 2, kind: tenant, mtu: 2000, mac: "02:00:00:00:00:09", attach: {{vhost_user: {{socket: {socket}, role: {role}}}}}}}
endpoint: {{addresses: ["198.51.100.1"]}}
""" + RULES


def link(daemon):
    return next(port["link"] for port in daemon.ask("port")["ports"] if port["name"] == "vm")


def echoes(field, daemon, count):
    lab.wait_for(lambda: link(daemon) == "up", "testpmd does not attach", 20)
    came = int(lab.run(field.inside("a", sys.executable, "-c", ECHO, str(count))))
    if came != count:
        raise Failure(f"of {count} frames {came} came back: {daemon.ask('port')} {daemon.ask('stats')}")
    counted = {rule["id"]: rule["packets"] for rule in daemon.rules()}
    if counted[2] < count:
        raise Failure(f"rules counted {counted}")


def vhost(field, make):
    if not shutil.which(peers.TESTPMD):
        return f"skipped: {peers.TESTPMD} is not there"
    count, said = 2000, []
    for role in ("server", "client"):
        for packed in (0, 1):
            socket = os.path.join(field.folder.name, f"{role}{packed}.sock")
            log = os.path.join(field.folder.name, f"testpmd-{role}{packed}")
            device = f"net_virtio_user0,path={socket},packed_vq={packed},queues=1" + (",server=1" if role == "client" else "")
            files = os.path.join(field.folder.name, f"dpu{os.getpid()}{role}{packed}")
            daemon = make(field, f"{role}{packed}", configuration(field, socket, role))
            with peers.Testpmd(files, device, log):
                echoes(field, daemon, count)
                if role == "client":
                    for _ in range(3):
                        daemon.kill()
                        daemon.start()
                        echoes(field, daemon, count)
            said.append(f"{role} {'packed' if packed else 'split'}")
            field.stop(daemon.process)
    return f"{', '.join(said)}: {count} frames there and back each, as client again after each of three kill -9"
