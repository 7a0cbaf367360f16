"""Programs that no one here wrote at the other end of our rings: dpdk-testpmd's virtio_user and vhost ports.

testpmd sends back whatever comes (io mode, one port); ringpeer sends numbered frames and checks that each comes back,
in order and unchanged. Without huge pages and without a NIC.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

TESTPMD = "dpdk-testpmd"


class Testpmd:
    """A testpmd with one port, ended when it goes out of scope."""

    def __init__(self, folder, device, log):
        self.log = open(log, "w", encoding="utf-8")
        # The folder of its run-time files is below the scratch folder's own name, so that two of them do not meet.
        self.process = subprocess.Popen(
            [TESTPMD, "--no-huge", "-m", "512", "--no-pci", "--file-prefix", os.path.basename(folder), "-l", "0,1",
             f"--vdev={device}", "--", "--total-num-mbufs=16384", "--forward-mode=io", "--no-flush-rx", "-i"],
            stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.say("start")

    def say(self, text):
        try:
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; the log says why

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.say("stop")
        self.say("quit")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


class Bench:
    """Where the programs and their logs are."""

    def __init__(self, ringpeer, folder):
        self.ringpeer = ringpeer
        self.folder = folder

    def socket(self):
        return os.path.join(self.folder, "socket")

    def log(self):
        return os.path.join(self.folder, "testpmd.log")

    def peer(self, *arguments):
        return subprocess.Popen([self.ringpeer, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace")


def ended(peer, seconds=60):
    """What a ringpeer said, and whether it found everything right."""
    try:
        said, _ = peer.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        peer.kill()
        said, _ = peer.communicate()
        return False, said + "did not end"
    return peer.returncode == 0, said


def wait_for(path, seconds=20):
    end = time.monotonic() + seconds
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.05)


def our_device(bench, packed, frames):
    """DPDK's driver (net_virtio_user) on our back end."""
    peer = bench.peer("back-end", "--socket", bench.socket(), "--frames", frames, "--seconds", "50")
    wait_for(bench.socket())
    device = f"net_virtio_user0,path={bench.socket()},packed_vq={int(packed)},queues=1"
    with Testpmd(bench.folder, device, bench.log()):
        return ended(peer)


def our_driver(bench, packed, frames):
    """Our front end on DPDK's device (net_vhost)."""
    with Testpmd(bench.folder, f"net_vhost0,iface={bench.socket()}", bench.log()):
        wait_for(bench.socket())
        arguments = ["--packed"] if packed else []
        return ended(bench.peer("front-end", "--socket", bench.socket(), "--frames", frames, "--seconds", "50", *arguments))


def device_returns(bench, packed, frames):
    """Our back end killed while frames are under way, and another one that takes its place; the driver listens."""
    device = f"net_virtio_user0,path={bench.socket()},packed_vq={int(packed)},queues=1,server=1"
    with Testpmd(bench.folder, device, bench.log()):
        wait_for(bench.socket())
        first = bench.peer("back-end", "--client", "--socket", bench.socket(), "--seconds", "50")
        for line in first.stdout:
            if line.startswith("ready"):
                break
        time.sleep(1)
        first.kill()
        first.wait()
        # What the dead one had sent and the driver sends back would look like the successor's own.
        time.sleep(1)
        return ended(bench.peer("back-end", "--client", "--socket", bench.socket(), "--frames", frames, "--seconds", "50"))


def driver_returns(bench, packed, frames):
    """Our front end killed while frames are under way, and another one that takes its place."""
    arguments = ["--packed"] if packed else []
    with Testpmd(bench.folder, f"net_vhost0,iface={bench.socket()}", bench.log()):
        wait_for(bench.socket())
        first = bench.peer("front-end", "--socket", bench.socket(), "--seconds", "50", *arguments)
        for line in first.stdout:
            if line.startswith("ready"):
                break
        time.sleep(1)
        first.kill()
        first.wait()
        time.sleep(1)
        return ended(bench.peer("front-end", "--socket", bench.socket(), "--frames", frames, "--seconds", "50", *arguments))


CASES = [
    ("net_virtio_user on our port", our_device),
    ("our driver on net_vhost", our_driver),
    ("net_virtio_user, our port killed and back", device_returns),
    ("net_vhost, our driver killed and back", driver_returns),
]


def run(ringpeer, frames, only=None):
    """Runs every case, split and packed; says whether all held."""
    if shutil.which(TESTPMD) is None:
        print(f"skipped: there is no {TESTPMD} (Debian's package dpdk-dev)")
        return True
    good = True
    for name, case in CASES:
        for packed in (False, True):
            title = f"{name}, {'packed' if packed else 'split'}"
            if only and only not in title:
                continue
            with tempfile.TemporaryDirectory(prefix="dpu-peers-") as folder:
                bench = Bench(ringpeer, folder)
                held, said = case(bench, packed, str(frames))
                last = said.strip().split("\n")[-1]
                print(f"{'pass' if held else 'FAIL'} {title}: {last}", flush=True)
                if not held:
                    good = False
                    print("\n".join("  " + line for line in said.strip().split("\n")[-12:]))
                    with open(bench.log(), encoding="utf-8", errors="replace") as log:
                        print("".join(log.readlines()[-12:]))
    return good
