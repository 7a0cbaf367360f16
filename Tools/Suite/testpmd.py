"""A dpdk-testpmd that is spoken to line by line, with librte_net_dpu.so loaded."""

import os
import queue
import shutil
import signal
import stat
import subprocess
import threading
import time

PROGRAM = "dpdk-testpmd"


def plugin(root):
    """Where the plugin lies that EAL will load: it takes none from below a folder that everybody may write."""
    built = os.path.join(root, ".build-pmd", "net_dpu")
    folder = built
    while True:
        if os.stat(folder).st_mode & stat.S_IWOTH:
            break
        if folder == "/":
            return os.path.join(built, "librte_net_dpu.so")
        folder = os.path.dirname(folder)
    home = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dpu", "net_dpu")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(built, home)
    return os.path.join(home, "librte_net_dpu.so")


class Testpmd:
    """One run of testpmd. What it prints is kept; `say` waits for the prompt behind a command's answer."""

    def __init__(self, plugin_path, vdevs, folder, arguments=(), lcores="0,1", seconds=40):
        self.deadline = time.monotonic() + seconds
        # Its answers are printed through stdio, which a pipe would hold back behind the prompts.
        command = ["stdbuf", "-oL", PROGRAM, "--no-huge", "-m", "256", "--no-pci", "--file-prefix", os.path.basename(folder),
                   "--lcores", lcores, "-d", plugin_path, "--no-telemetry"]
        command += [f"--vdev={vdev}" for vdev in vdevs]
        command += ["--", "--total-num-mbufs=4096", "--no-flush-rx", "-i", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True, bufsize=0)
        self.pieces = queue.Queue()
        self.text = ""
        threading.Thread(target=self._read, daemon=True).start()
        self.started = self._until("testpmd> ")

    def _read(self):
        while True:
            piece = os.read(self.process.stdout.fileno(), 65536)
            self.pieces.put(piece.decode(errors="replace"))
            if not piece:
                return

    def _until(self, mark):
        from_here = len(self.text)
        while mark not in self.text[from_here:]:
            left = self.deadline - time.monotonic()
            try:
                piece = self.pieces.get(timeout=max(0.01, left)) if left > 0 else ""
            except queue.Empty:
                piece = ""
            if not piece:
                return None
            self.text += piece
        return self.text[from_here:]

    def say(self, command):
        """A command's answer; None when testpmd has ended or takes too long."""
        try:
            self.process.stdin.write((command + "\n").encode())
        except BrokenPipeError:
            return None
        return self._until("testpmd> ")

    def forward(self, seconds=0.4):
        """Forwards for a while; what testpmd printed meanwhile, statistics included."""
        said = self.say("start") or ""
        time.sleep(seconds)
        return said + (self.say("stop") or "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.process.stdin.write(b"quit\n")
                self.process.wait(10)
            except (BrokenPipeError, subprocess.TimeoutExpired):
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        while True:
            try:
                self.text += self.pieces.get_nowait()
            except queue.Empty:
                break
