"""The rate of a virtqueue hop: our port against DPDK's net_vhost, the same driver (net_virtio_user in another testpmd) at
the other end of each, turn by turn.

Frames of 64 bytes go round: the driver sends bursts once, and from then on both sides send back what comes. The rate is
what the driver's testpmd counts in a second, each way.
"""

import os
import re
import signal
import subprocess
import tempfile
import time

import peers

SECONDS = 3
# EAL without huge pages, on both sides.
SMALL_PAGES = ["--no-huge", "-m", "512"]


def testpmd(folder, name, core, device, mode):
    log = open(os.path.join(folder, name + ".log"), "w+", encoding="utf-8")
    process = subprocess.Popen(
        # The main thread reads commands on the other core and sleeps.
        [peers.TESTPMD, *SMALL_PAGES, "--no-pci", "--file-prefix", os.path.basename(folder) + name,
         "--lcores", f"0@{1 - core},1@{core}", f"--vdev={device}", "--",
         "--total-num-mbufs=16384", "--forward-mode=io", "--no-flush-rx", "--txd=1024", "--rxd=1024", "-i"],
        stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    return process, log


def say(process, text):
    process.stdin.write(text + "\n")
    process.stdin.flush()


def end(process):
    try:
        say(process, "stop")
        say(process, "quit")
        process.wait(10)
    except (subprocess.TimeoutExpired, BrokenPipeError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def measure(ringpeer, packed, ours):
    """Millions of frames a second each way, as the driver counts them; 0 when nothing went."""
    with tempfile.TemporaryDirectory(prefix="dpu-rate-") as folder:
        socket = os.path.join(folder, "socket")
        if ours:
            device = subprocess.Popen([ringpeer, "back-end", "--socket", socket, "--mode", "echo", "--core", "0",
                                       "--seconds", "60"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        else:
            device, _ = testpmd(folder, "device", 0, f"net_vhost0,iface={socket}", "io")
            say(device, "start")
        peers.wait_for(socket)
        driver, log = testpmd(
            folder, "driver", 1, f"net_virtio_user0,path={socket},packed_vq={int(packed)},queues=1,queue_size=1024", "io")
        time.sleep(3)
        say(driver, "start tx_first 8")
        time.sleep(1)
        say(driver, "show port stats 0")
        time.sleep(SECONDS)
        say(driver, "show port stats 0")
        time.sleep(0.5)
        end(driver)
        if ours:
            device.kill()
            device.wait()
        else:
            end(device)
        log.seek(0)
        rates = re.findall(r"Rx-pps:\s+(\d+)", log.read())
        return int(rates[-1]) / 1e6 if rates else 0.0


def run(ringpeer, rounds):
    good = True
    for packed in (True, False):
        ours, theirs, ratios = [], [], []
        for _ in range(rounds):
            one, other = measure(ringpeer, packed, True), measure(ringpeer, packed, False)
            ours.append(one)
            theirs.append(other)
            if other > 0:
                ratios.append(one / other)
            print(f"  {'packed' if packed else 'split'}: ours {one:.2f} Mpps, net_vhost {other:.2f} Mpps", flush=True)
        middle = sorted(ratios)[len(ratios) // 2] if ratios else 0.0
        print(f"{'packed' if packed else 'split'}: ratio {middle:.2f} (median of {len(ratios)} pairs)")
        good = good and middle > 0
    return good
