"""The scratch copy that faults are planted in: kept between runs, so that only what changed is built again.

Many faults share a build (planting.py): a number in the environment says which one is there. The sources of this folder
are never touched.
"""

import os
import re
import resource
import signal
import subprocess
import sys

import mutations
import planting

# Files that are told about a fault's number.
HEADER, SOURCE = "Sources/CShim/include/cshim.h", "Sources/CShim/planted.c"
ERROR = re.compile(r"^(?:.*/)?(Sources/\S+\.swift):(\d+):\d+: error: (.*)")
# What one faulty program may take: it may do anything. Seconds are the processor's, so that a busy or stopped machine
# finds no faults; the clock only ends what sleeps for ever.
ADDRESS_SPACE = 16 << 30
LONGEST = 3600


def listed(root):
    """The files and links that git knows or would know, as they are now."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True,
        check=True).stdout.decode().split("\0")
    names += ["Package.resolved"]
    return sorted(name for name in set(names) if name and is_there(os.path.join(root, name)))


def is_there(path):
    """Whether there is a file, or a link to whatever is there or not."""
    return os.path.isfile(path) or os.path.islink(path)


def run(command, folder, seconds=None, environment=None, memory=None):
    """The exit code and the lines of a command; a code of None when it took too long."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, text=True, errors="replace",
        env=dict(os.environ, SWIFT_BACKTRACE="enable=no", **(environment or {})),
        preexec_fn=limit)
    try:
        output, _ = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, [f"took more than {LONGEST} s"]
    if seconds and process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return None, [f"took more than {seconds} s of the processor"]
    return process.returncode, output.strip().split("\n")


class Scratch:
    """A copy of `root` in `folder`, and its builds."""

    def __init__(self, root, folder):
        self.root = root
        self.tree = folder
        # For the lines of each planted file, the numbers of the faults that they are about.
        self.about = {}

    def write(self, faults, alone=None):
        """Brings the copy up to date, with `faults` (number to mutation) planted; or with `alone` and nothing else.

        Gives the numbers that cannot share a build.
        """
        by_file, refused = {}, []
        for number, mutation in faults.items():
            by_file.setdefault(mutation.file, []).append((number, mutation))
        self.about = {}
        names = listed(self.root)
        for name in names:
            if os.path.islink(os.path.join(self.root, name)):
                self.link(name, os.readlink(os.path.join(self.root, name)))
                continue
            with open(os.path.join(self.root, name), "rb") as file:
                content = file.read()
            if alone:
                if name == alone.file:
                    content = mutations.mutated(self.root, alone).encode()
            elif name in by_file:
                text, refused_here, self.about[name] = planting.planted(content.decode(), by_file[name])
                content = text.encode()
                refused += refused_here
            if name == "Package.swift":
                content = content.replace(b"  .treatAllWarnings(as: .error),\n", b"")
                content = planting.with_number_everywhere(content.decode()).encode()
            if name == HEADER and not alone:
                content += planting.HEADER.encode()
            self.put(name, content, os.stat(os.path.join(self.root, name)).st_mode)
        if not alone:
            self.put(SOURCE, planting.SOURCE.encode())
            names.append(SOURCE)
        self.forget(set(names))
        return refused

    def put(self, name, content, mode=0o644):
        """Writes a file only when it differs: an unchanged one is not built again."""
        path = os.path.join(self.tree, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read() == content:
                    return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode & 0o777)

    def link(self, name, target):
        """Makes a link where none is to the same place."""
        path = os.path.join(self.tree, name)
        if os.path.islink(path) and os.readlink(path) == target:
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.remove(path)
        os.symlink(target, path)

    def forget(self, names):
        """Removes what is no longer there."""
        for folder, folders, files in os.walk(self.tree):
            folders[:] = [name for name in folders if not name.startswith(".build")]
            for file in files:
                name = os.path.relpath(os.path.join(folder, file), self.tree)
                if name not in names and name != "Package.resolved":
                    os.remove(os.path.join(folder, file))

    def build(self, arguments):
        """Builds; gives the exit code, the output's end, and the numbers of faults that the compiler did not take."""
        code, lines = run(["swift", "build", "-Xswiftc", "-suppress-warnings"] + arguments, self.tree)
        blamed = set()
        for line in lines:
            match = ERROR.match(line)
            if match:
                about = self.about.get(match.group(1), [])
                at = int(match.group(2)) - 1
                blamed.update(about[at] if at < len(about) else [])
        errors = [line for line in lines if ": error: " in line or line.startswith("error:")]
        return code, (errors or lines)[-15:], blamed

    def build_shared(self, faults, arguments):
        """Plants all that can share a build, and builds.

        Gives the exit code, the output's end, and the numbers that are left to be planted alone.
        """
        faults, alone = dict(faults), []
        while True:
            refused = self.write(faults)
            alone += refused
            for number in refused:
                del faults[number]
            code, lines, blamed = self.build(arguments)
            if code == 0 or not blamed & faults.keys():
                return code, lines, alone
            for number in blamed & faults.keys():
                print(f"  {faults[number].name} does not build together with others", file=sys.stderr, flush=True)
                alone.append(number)
                del faults[number]
