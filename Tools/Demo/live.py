"""The live part of Tools/demo: two dpud back to back between two network namespaces of its own; see Tools/demo."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Daemon"))
import daemon as ends  # noqa: E402  (puts Tools/Live on the path)

lab = ends.lab


def say(text):
    print(f"\n== {text}", flush=True)


def takes(device):
    """Whether this dpud knows such a device."""
    text = f"version: 1\nports: [{{name: up, id: 0, kind: uplink}}]\ndevice: {device}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return subprocess.run([ends.DPUD, "--check-config", "--config", file.name], capture_output=True).returncode == 0


def show(daemons, *words, only=None):
    for end, daemon in zip("ab", daemons):
        if only in (None, end):
            print(f"\n[{end}] dpuctl {' '.join(words)}")
            print("  " + daemon.ctl(*words).stdout.rstrip().replace("\n", "\n  "), flush=True)


def main():
    profiles = {end: f"{{kind: emulated, profile: {name}}}" for end, name in (("a", "bluefield3"), ("b", "e810"))}
    devices = {end: f"device: {text}\n" if takes(text) else "" for end, text in profiles.items()}
    with lab.Field(["a", "b"]) as field:
        say("Two network namespaces, a veth between them, a dpud with a TAP device as tenant in each")
        field.veth("a", "b", 1600)
        daemons = [ends.Daemon(field, end, ends.configuration(field, end, devices[end])) for end in "ab"]
        ends.addresses(field)
        for end in "ab":
            print(f"[{end}] {devices[end].strip() or 'device: none (this dpud drives no emulated one)'}; tenant "
                  f"10.9.0.{'ab'.index(end) + 1}, tunnel end 198.51.100.{'ab'.index(end) + 1}")
        say("ping, a TCP transfer and an HTTP download from a to b, through the tunnel")
        lab.wait_for(lambda: ends.pings(field), "ping does not come through")
        lab.ping(field, "a", "10.9.0.2")
        print("20 of 20 pings answered")
        rate, _ = lab.iperf(field, "b", "a", "10.9.0.2", 3)
        print(f"TCP: {rate:.2f} Gbit/s (iperf3, 3 s)")
        lab.download(field, "b", "a", "10.9.0.2")
        print("HTTP: 40 MB downloaded, the same bytes (SHA-256)")
        for end in "ab":
            if wrong := lab.wrong_checksums(field, end):
                raise lab.Failure(f"the kernel of {end} counted wrong checksums: {wrong}")
        print("no kernel counted a wrong checksum")
        say("What dpuctl shows on both ends")
        show(daemons, "status")
        show(daemons, "port")
        if any(devices.values()):
            show(daemons, "device")
        show(daemons, "rule")
        show(daemons, "rule", "explain", "1")
        show(daemons, "tunnel")
        show(daemons, "runtime")
        say("One frame's way: what would be done, and what is done to the next ping")
        frame = ("0200000000020200000000010800" "4500001c00010000400166cc0a0900010a090002" "0800f7ff00000000")
        show(daemons, "trace", "--port", "vm", "--frame", frame, only="a")
        stream = field.start(field.inside("a", "ping", "-c", "40", "-i", "0.1", "-q", "10.9.0.2"))
        show(daemons, "trace", "--live", "--port", "uplink0", only="b")
        field.stop(stream)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except lab.Failure as error:
        print(f"the live part failed: {error}", file=sys.stderr)
        sys.exit(1)
