"""A controller on dpud's socket: it is told of flows that no rule takes, and makes rules for them."""

import socket
import sys
import threading
import time

import live as lab

Failure = lab.Failure


class Controller(threading.Thread):
    """Listens, and makes the tunnel's rule for each flow's addresses when they are wanted."""

    def __init__(self, daemon, client, wants):
        super().__init__(daemon=True)
        self.listener, self.asker, self.wants = client(daemon.socket), client(daemon.socket), wants
        self.told, self.failure = [], None
        self.listener.id += 1
        self.listener.send(b'{"id": 1, "method": "upcall.watch", "params": {}}')
        self.listener.receive()

    def run(self):
        try:
            while True:
                miss = self.listener.receive()["result"]
                self.told.append(miss)
                keys = miss["keys"]
                if not self.wants(keys):
                    continue
                match = f"eth / ipv4 dst is {keys['dst']}" if "dst" in keys else f"eth type is {keys['eth_type']}"
                self.asker.ask("rule.add", upcalls=[miss["upcall"]], rules=[
                    f"flow create 1 transfer ingress pattern represented_port ethdev_port_id is 1 / {match} / end actions count / "
                    "raw_encap index 1 / represented_port ethdev_port_id 0 / end"])
        except (OSError, Failure, KeyError) as error:
            self.failure = error


def upcall(field, make, configuration, client):
    field.veth("a", "b", 1600)
    text = configuration(field, "a").replace("mtu: 1500,", "mtu: 1500, miss: controller,")
    # The first rule is the tunnel's way out: the controller has to make it.
    lines = [line for line in text.splitlines(keepends=True) if "flow create 1 transfer" not in line]
    a = make(field, "a", "".join(lines) + "misses: {deadline_ms: 1500, per_second: 50, burst: 20}\n")
    make(field, "b", configuration(field, "b"))
    for number, end in enumerate("ab", 1):
        field.ip(end, f"addr add 10.9.0.{number}/24 dev tap0")
    drops = lambda: {entry["reason"]: entry["packets"] for entry in a.ask("stats")["drops"]}  # noqa: E731
    # Nobody listens: dropped under that name.
    lab.run(field.inside("a", "ping", "-c", "1", "-W", "1", "-q", "10.9.0.2"), check=False)
    if drops().get("no_controller", 0) < 1:
        raise Failure(f"nobody listens, and drops are {drops()}")
    controller = Controller(a, client, lambda keys: keys.get("eth_type") == 0x0806 or keys.get("dst") == "10.9.0.2")
    controller.start()
    # Not one ping is lost: four at most wait for their rule.
    text = lab.run(field.inside("a", "ping", "-c", "3", "-i", "0.2", "-W", "2", "-q", "10.9.0.2"))
    if " 3 received" not in text:
        raise Failure(f"ping: {text} {drops()}")
    lab.ping(field, "a", "10.9.0.2")
    told = [miss for miss in controller.told if miss["keys"].get("dst") == "10.9.0.2"]
    if controller.failure or len(told) != 1 or told[0]["port"] != "vm" or told[0]["keys"]["proto"] != 1:
        raise Failure(f"told {controller.told}, {controller.failure}")
    # A controller that never reads, and another that goes while flows wait: the tunnel goes on, everything is bounded and counted.
    deaf = client(a.socket)
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.send(b'{"id": 1, "method": "upcall.watch", "params": {}}')
    flood = field.start(field.inside("a", sys.executable, "-c", FLOOD, "4"))
    lab.ping(field, "a", "10.9.0.2", 100)
    controller.listener.socket.shutdown(socket.SHUT_RDWR)
    deaf.socket.close()
    lab.ping(field, "a", "10.9.0.2", 50)
    flood.wait(30)
    sent = int(lab.peek(flood))
    time.sleep(1.8)
    lab.wait_for(lambda: a.ask("upcall")["queues"][0]["waiting"] == 0, f"flows wait for ever: {a.ask('upcall')}")
    now, asked = drops(), a.ask("upcall")["queues"][0]["asked"]
    named = sum(now.get(name, 0) for name in ("no_controller", "controller_rate", "controller_full", "controller_timeout"))
    if named < sent or not all(now.get(name) for name in ("controller_rate", "controller_timeout", "no_controller")):
        raise Failure(f"{sent} datagrams to nowhere, drops {now}")
    # 50 a second, and 20 at once.
    if asked > 20 + 50 * 15:
        raise Failure(f"{asked} flows were asked about")
    lab.ping(field, "a", "10.9.0.2")
    return f"the first ping waited for its rule, 190 more passed; of {sent} datagrams of new flows {len(controller.told)} were told"


FLOOD = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
end, sent = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    for _ in range(10):
        s.sendto(b"x" * 100, ("10.9.0.255", 1024 + sent % 50000))
        sent += 1
    time.sleep(0.005)
print(sent)
"""
