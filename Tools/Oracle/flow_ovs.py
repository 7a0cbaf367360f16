#!/usr/bin/env python3
"""Open vSwitch judges the lines that rules are printed as (SPECIFICATION.md L1-L3).

usage: flow_ovs.py DPUCTL [--seeds N] [--first SEED] [--prefix DIR]

Every rule of the configurations that `verify` draws from N seeds is printed by `dpuctl config show --format ovs`, given to
a datapath of ovs-vswitchd's dummy kind by `dpctl/add-flow`, and dumped again: what Open vSwitch understood has to be what
was printed. Needs no root and no kernel module; DIR is where Open vSwitch was unpacked when it is not installed
(`apt-get download openvswitch-switch openvswitch-common`, `dpkg -x`). By hand, not a stage of Tools/test.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time


def split(text):
    """The words of a list, commas within brackets left alone."""
    words, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        if letter in "({":
            depth += 1
        elif letter in ")}":
            depth -= 1
        elif letter == "," and depth == 0:
            words.append(text[start:at].strip())
            start = at + 1
    words.append(text[start:].strip())
    return [word for word in words if word]


def canonical(line):
    """Keys and actions of a line, without what says nothing."""
    match, actions = line.split("actions:", 1)
    keys = []
    for word in split(match):
        if re.match(r"(packets|bytes|used|ufid|dp|flags|offloaded):", word):
            continue
        # An option of which nothing but the head is looked at.
        word = word.replace(",0/0}", "}")
        # A key without a field is one whose fields are all wildcards.
        word = re.sub(r"\b(ipv4|ipv6|udp|tcp|icmp|icmpv6|vlan|encap|eth)\(\),?", "", word).rstrip(",")
        keys.append(re.sub(r"encap\((.*),\)$", r"encap(\1)", word).replace(",)", ")"))
    # Tunnel keys are printed in Open vSwitch's own order, and a wildcard not at all.
    keys = [re.sub(r"^tunnel\((.*)\)$", lambda found: "tunnel(" + ",".join(sorted(
        field for field in split(found.group(1)) if not re.search(r"=([0.:x]+)/[0.:x]+$", field))) + ")", key)
        for key in keys]
    return sorted(key for key in keys if key), split(actions)


class Switch:
    """ovs-vswitchd with a dummy datapath, in a folder of its own."""

    def __init__(self, prefix):
        self.folder = tempfile.mkdtemp(prefix="flow-ovs-")
        environment = dict(os.environ)
        for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"):
            environment[name] = self.folder
        self.environment = environment
        path = os.pathsep.join([os.path.join(prefix, part) for part in (
            "usr/bin", "usr/sbin", "usr/lib/openvswitch-switch")] + [environment.get("PATH", "")])
        environment["PATH"] = path
        schema = os.path.join(prefix, "usr/share/openvswitch/vswitch.ovsschema")
        self.run("ovsdb-tool", "create", f"{self.folder}/conf.db", schema)
        self.programs = [self.start(
            "ovsdb-server", f"{self.folder}/conf.db", f"--remote=punix:{self.folder}/db.sock",
            f"--unixctl={self.folder}/db.ctl")]
        self.wait("db.sock")
        self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", "--no-wait", "init")
        self.programs.append(self.start(
            "ovs-vswitchd", f"unix:{self.folder}/db.sock", "--disable-system", "--enable-dummy=override",
            f"--unixctl={self.folder}/vs.ctl"))
        self.wait("vs.ctl")
        self.run("ovs-vsctl", f"--db=unix:{self.folder}/db.sock", "add-br", "br0", "--", "set", "bridge", "br0",
                 "datapath_type=dummy", "fail-mode=secure")

    def start(self, *words):
        return subprocess.Popen(words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self, *words):
        return subprocess.run(words, env=self.environment, check=True, capture_output=True, text=True).stdout

    def wait(self, name):
        for _ in range(100):
            if os.path.exists(os.path.join(self.folder, name)):
                return
            time.sleep(0.1)
        raise SystemExit(f"{name} did not appear")

    def ask(self, *words):
        return subprocess.run(
            ["ovs-appctl", "-t", f"{self.folder}/vs.ctl", *words], env=self.environment, capture_output=True, text=True)

    def stop(self):
        for program in reversed(self.programs):
            program.send_signal(signal.SIGTERM)
            program.wait()


def is_flow(line):
    """Whether a datapath can have it: of one port, one EtherType, one tunnel endpoint, and ports of the protocol."""
    if "in_port(" not in line or "eth_type(" not in line:
        return False
    tunnel = re.search(r"tunnel\(([^)]*)", line)
    if tunnel and not re.search(r"\b(ipv6_)?dst=[^/,]+(,|$)", tunnel.group(1)):
        return False
    # One tag, with a type behind it, and of IP more than the type.
    if "encap()" in line or line.count("vlan(") - line.count("push_vlan(") > 1:
        return False
    if re.search(r"eth_type\(0x(0800|0806|86dd)\)(,? |\))|eth_type\(0x(8100|88a8)\)(?!,vlan)", line.split("actions:")[0]):
        return False
    # A tag behind a TPID, and of the addresses that are set only those that it matches.
    if re.search(r"eth_type\(0x(?!8100|88a8|9100)[0-9a-f]*\),vlan", line):
        return False
    if "set(ipv4(" in line and ",ipv4(" not in line or "set(ipv6(" in line and ",ipv6(" not in line:
        return False
    proto = re.search(r"\bproto=(\d+)", line.split("actions:")[0])
    ports = re.search(r"\),(tcp|udp|icmp|icmpv6)\(", line.split("actions:")[0])
    number = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}
    if not ports:
        return not proto or proto.group(1) not in number.values()
    return bool(proto) and proto.group(1) == number[ports.group(1)]


def lines_of(dpuctl, seed):
    """The lines of a drawn configuration's rules."""
    text = subprocess.run([dpuctl, "config", "show", "--drawn", str(seed), "--format", "ovs", "-j"],
                          check=True, capture_output=True, text=True).stdout
    return [rule["text"] for rule in json.loads(text)["rules"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dpuctl")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--prefix", default="/")
    options = parser.parse_args()
    switch = Switch(options.prefix)
    same = wordless = partial = 0
    wrong = []
    try:
        for seed in range(options.first, options.first + options.seeds):
            for line in lines_of(options.dpuctl, seed):
                if line.startswith("#"):
                    wordless += 1
                    continue
                if not is_flow(line):
                    partial += 1
                    continue
                match, actions = line.split(", packets:")[0], line.split("actions:")[1]
                # It dumps this hexadecimal and reads it decimal.
                actions = re.sub(r"recirc\((0x[0-9a-f]+)\)", lambda found: f"recirc({int(found.group(1), 16)})", actions)
                # Its revalidators sweep away what they did not make.
                for _ in range(3):
                    answer = switch.ask("dpctl/add-flow", "dummy@ovs-dummy", match, actions)
                    dump = switch.ask("dpctl/dump-flows", "dummy@ovs-dummy").stdout.splitlines()
                    switch.ask("dpctl/del-flows", "dummy@ovs-dummy")
                    found = [text for text in dump if "actions:" in text]
                    if answer.returncode != 0 or found:
                        break
                if answer.returncode != 0 or len(found) != 1:
                    wrong.append((seed, line, answer.stderr.strip()))
                elif canonical(found[0]) != canonical(line):
                    wrong.append((seed, line, found[0]))
                else:
                    same += 1
    finally:
        switch.stop()
    for seed, line, why in wrong[:20]:
        print(f"seed {seed}\n  ours   {line}\n  theirs {why}")
    print(f"{same} lines are understood as printed, {len(wrong)} are not; "
          f"{partial} are of more than a datapath's flow can be, {wordless} rules have no words")
    return 1 if wrong or not same else 0


if __name__ == "__main__":
    sys.exit(main())
