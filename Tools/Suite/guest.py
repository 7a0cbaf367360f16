"""A Linux guest on our vhost-user port: see Tools/guest."""

import fcntl
import glob
import hashlib
import http.server
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

# In the order in which they need each other; what the kernel has built in is not there.
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover",
           "net_failover", "virtio_net"]

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
for module in /modules/*.ko; do /bin/busybox insmod $module; done
/bin/busybox ip link set eth0 up
/bin/busybox ip address add 10.77.0.2/24 dev eth0
try() {
  for i in 1 2 3 4 5 6 7 8 9 10; do /bin/busybox ping -c 1 -W 2 10.77.0.1 >/dev/null 2>&1 && echo "PING $1" && break; done
  /bin/busybox wget -q -O /file http://10.77.0.1:8000/file && echo "FILE $1 $(/bin/busybox sha256sum /file)"
}
try first
echo AWAIT
/bin/busybox sleep 4
try second
echo DONE
/bin/busybox poweroff -f
"""


def needs():
    """What is missing, as a sentence, or None."""
    for program in ("qemu-system-x86_64", "busybox", "dpkg-deb", "unshare", "ip"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    return None if os.geteuid() == 0 else "not root"


def kernel_package(folder):
    """Fetches the cloud kernel's package into `folder`."""
    wanted = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True).stdout
    names = [line.split(":")[1].strip() for line in wanted.split("\n") if "Depends:" in line]
    if not names:
        return None
    try:
        subprocess.run(["apt-get", "download", names[0]], cwd=folder, capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return None
    return next(iter(glob.glob(os.path.join(folder, "linux-image-*.deb"))), None)


def initramfs(folder, tree):
    """An initramfs of busybox, the modules of `tree` and INIT."""
    root = os.path.join(folder, "root")
    for name in ("bin", "proc", "sys", "dev", "modules"):
        os.makedirs(os.path.join(root, name))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin", "busybox"))
    for number, name in enumerate(MODULES):
        for path in glob.glob(os.path.join(tree, "lib", "modules", "*", "kernel", "**", name + ".ko"), recursive=True):
            shutil.copy(path, os.path.join(root, "modules", f"{number}-{name}.ko"))
    with open(os.path.join(root, "init"), "w", encoding="utf-8") as file:
        file.write(INIT)
    os.chmod(os.path.join(root, "init"), 0o755)
    image = os.path.join(folder, "initramfs")
    with open(image, "wb") as file:
        file.write(archive(root))
    return image


def archive(root):
    """The files below `root` as a cpio archive of the newc form, which is what a kernel unpacks."""
    out = bytearray()

    def entry(name, mode, content):
        fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        out.extend(b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0")
        out.extend(b"\0" * (-len(out) % 4))
        out.extend(content)
        out.extend(b"\0" * (-len(out) % 4))

    for folder, folders, files in os.walk(root):
        for name in sorted(folders):
            entry(os.path.relpath(os.path.join(folder, name), root), 0o040755, b"")
        for name in sorted(files):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                entry(os.path.relpath(path, root), 0o100755, file.read())
    entry("TRAILER!!!", 0, b"")
    return bytes(out)


def tap(name):
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    # TUNSETIFF with IFF_TAP and IFF_NO_PI.
    fcntl.ioctl(descriptor, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000))
    for command in (["address", "add", "10.77.0.1/24", "dev", name], ["link", "set", name, "up"], ["link", "set", "lo", "up"]):
        subprocess.run(["ip", *command], check=True)
    return descriptor


def serve(folder, content):
    """Serves `content` as /file on port 8000, in a thread."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("10.77.0.1", 8000), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def boot(ringpeer, folder, kernel, image, packed, descriptor):
    """One guest: what it said."""
    socket = os.path.join(folder, f"socket{int(packed)}")

    def port():
        return subprocess.Popen([ringpeer, "back-end", "--client", "--socket", socket, "--mode", "bridge", "--fd",
                                 str(descriptor), "--seconds", "600", "--kept", socket + ".rings"], pass_fds=[descriptor],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-cpu", "qemu64", "-m", "256", "-nographic", "-no-reboot",
         "-object", "memory-backend-memfd,id=m0,size=256M,share=on", "-numa", "node,memdev=m0",
         "-chardev", f"socket,id=c0,path={socket},server=on,wait=on",
         "-netdev", "vhost-user,id=n0,chardev=c0",
         "-device", f"virtio-net-pci,netdev=n0,packed={'on' if packed else 'off'},romfile=,vectors=0",
         "-kernel", kernel, "-initrd", image, "-append", "console=ttyS0 quiet panic=-1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    watchdog = threading.Timer(240, qemu.kill)
    watchdog.start()
    while not os.path.exists(socket) and qemu.poll() is None:
        time.sleep(0.05)
    ours = port()
    said = []
    try:
        for line in qemu.stdout:
            said.append(line.rstrip())
            if "AWAIT" in line:
                ours.kill()
                ours.wait()
                ours = port()
    finally:
        watchdog.cancel()
        ours.kill()
        ours.wait()
        qemu.kill()
        qemu.wait()
    return said


def inside(root, folder):
    ringpeer = os.path.join(root, ".build", "release", "ringpeer")
    kernel = next(iter(glob.glob(os.path.join(folder, "tree", "boot", "vmlinuz-*"))))
    content = os.urandom(3_000_000)
    digest = hashlib.sha256(content).hexdigest()
    descriptor = tap("guest0")
    serve(folder, content)
    good = True
    for packed in (False, True):
        began = time.monotonic()
        said = boot(ringpeer, folder, kernel, os.path.join(folder, "initramfs"), packed, descriptor)
        text = "\n".join(said)
        took = time.monotonic() - began
        for turn, title in (("first", "attaches, pings, fetches a file"), ("second", "after the port was killed and back")):
            held = f"PING {turn}" in text and f"FILE {turn} {digest}" in text
            good = good and held
            print(f"{'pass' if held else 'FAIL'} a guest on our port, {'packed' if packed else 'split'}: {title}",
                  flush=True)
        print(f"  {took:.0f} s")
        if not good:
            print("\n".join("  " + line for line in said[-12:]))
    return 0 if good else 1


def main(root, options):
    if options.inside:
        return inside(root, options.inside)
    missing = needs()
    if missing:
        print(f"skipped: {missing}")
        return 0
    if not options.built:
        subprocess.run(["swift", "build", "-c", "release", "--product", "ringpeer"], cwd=root, check=True)
    with tempfile.TemporaryDirectory(prefix="dpu-guest-") as folder:
        package = options.kernel or kernel_package(folder)
        if package is None:
            print("skipped: no kernel package could be fetched")
            return 0
        tree = os.path.join(folder, "tree")
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
        initramfs(folder, tree)
        return subprocess.run(["unshare", "-n", sys.executable, "-B", os.path.join(root, "Tools", "guest"), "--inside",
                               folder]).returncode
