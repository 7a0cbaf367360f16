#!/usr/bin/python3
"""wire_tshark.py [--seed N] [--count M] [--properties PROGRAM]: frames written by Wire's values, dissected by tshark.

`properties wire-emit` says what it put into each field; tshark must find the same, checksums good. Ends with 1 at the
first frame of which it finds something else, and prints it.
"""

import argparse
import ipaddress
import json
import os
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def properties(given):
    """The program: as given, or the newest build."""
    if given:
        return given
    builds = [os.path.join(ROOT, ".build", kind, "properties") for kind in ("release", "debug")]
    builds = [path for path in builds if os.path.exists(path)]
    if not builds:
        sys.exit("no .build/*/properties: swift build --product properties")
    return max(builds, key=os.path.getmtime)


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for number, frame in enumerate(frames):
            file.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)


def number(text):
    """tshark's text of a field as the number on the wire."""
    if text in ("True", "False"):
        return int(text == "True")
    try:
        return int(text, 0)
    except ValueError:
        pass
    parts = text.split(":")
    if len(parts) == 6 and all(len(part) == 2 for part in parts):
        return int("".join(parts), 16)
    return int(ipaddress.ip_address(text))


def tshark(path, names):
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a",
               "-E", "aggregator= "]
    for switch in ("ip.check_checksum:TRUE", "udp.check_checksum:TRUE", "tcp.check_checksum:TRUE",
                   "ip.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE"):
        command += ["-o", switch]
    for name in names:
        command += ["-e", name]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"tshark: {result.stderr.strip()}")
    for line in result.stdout.split("\n"):
        if line:
            yield dict(zip(names, line.split("\t")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--properties")
    options = parser.parse_args()
    emitted = subprocess.run([properties(options.properties), "wire-emit", "--seed", str(options.seed), "--count",
                              str(options.count)], capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in emitted.stdout.splitlines()]
    names = sorted({name for record in records for name in record["fields"]})
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "emitted.pcap")
        write_pcap(path, [bytes.fromhex(record["hex"]) for record in records])
        compared = 0
        rows = list(tshark(path, names))
    if len(rows) != len(records) or len(records) != options.count:
        sys.exit(f"{options.count} frames asked for, {len(records)} written, {len(rows)} dissected")
    for index, (record, row) in enumerate(zip(records, rows)):
        for name in names:
            wanted = record["fields"].get(name, [])
            found = [number(text) for text in row[name].split(" ") if text]
            compared += 1
            if wanted != found:
                print(f"frame {index} of seed {options.seed}: {name}: written {wanted}, tshark finds {found}")
                print(record["hex"])
                return 1
    print(f"{len(records)} frames written by Wire and dissected by tshark, {compared} fields: all agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
