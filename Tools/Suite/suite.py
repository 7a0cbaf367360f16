"""The stages of Tools/test: runs them in order, times them, counts what passed, failed and was skipped.

The last line printed is always "N passed, N failed, N skipped", alone: tests of Swift Testing and stages together.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time

import stages
from results import Results

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Context:
    """What a stage may use: how to run things, where things are, and where results go."""

    def __init__(self, quick, seed, fresh, scratch):
        self.root = ROOT
        self.quick = quick
        self.seed = seed
        self.fresh = fresh
        self.scratch = scratch
        self.results = Results()

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def product(self, name):
        """A release program that the release-build stage made."""
        return self.path(".build", "release", name)

    def run(self, command, timeout=1200, keep=None, env=None):
        """Runs a command, shows its output as it comes, and says whether it ended with 0.

        Nothing is read from stdin. The command gets a process group of its own, so that a timeout ends all of it.
        `keep` is a list that receives the lines; a command with `keep` is silent unless it fails.
        """
        environment = dict(os.environ, DPU_SEED=str(self.seed), **(env or {}))
        process = subprocess.Popen(
            command, cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env=environment, errors="replace", text=True)

        def on_alarm(*_):
            print(f"  took more than {timeout} s: ended", flush=True)
            os.killpg(process.pid, signal.SIGKILL)

        signal.signal(signal.SIGALRM, on_alarm)
        signal.alarm(timeout)
        lines = []
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if keep is None:
                    print("  " + lines[-1], flush=True)
            code = process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            signal.alarm(0)
        if keep is not None:
            keep.extend(lines)
            if code != 0:
                for line in lines[-200:]:
                    print("  " + line)
        return code == 0


def parse(arguments):
    parser = argparse.ArgumentParser(prog="Tools/test", description="Everything that must hold.")
    parser.add_argument("--quick", action="store_true", help="format, imports, build and unit tests: under a minute")
    parser.add_argument("--seed", type=int, default=1, help="where the random cases come from (default 1)")
    parser.add_argument("--only", action="append", metavar="STAGE", help="only the stages of these names")
    parser.add_argument("--list", action="store_true", help="the stages, and do nothing")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    chosen = [stage for stage in stages.ALL if stage.quick or not options.quick]
    if options.only:
        unknown = set(options.only) - {stage.name for stage in stages.ALL}
        if unknown:
            print(f"no stage is called {', '.join(sorted(unknown))}; there are:")
            options.list = True
        chosen = [stage for stage in stages.ALL if stage.name in options.only]
    if options.list:
        for stage in stages.ALL:
            print(f"{stage.name:18} {'quick ' if stage.quick else '      '} {stage.what}")
        return 0 if not options.only else 64

    fresh = secrets.randbelow(2**32)
    print(f"seed {options.seed}; fresh seed of this run {fresh}", flush=True)
    failed = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dpu-test-") as scratch:
        context = Context(options.quick, options.seed, fresh, scratch)
        for stage in chosen:
            print(f"== {stage.name}: {stage.what}", flush=True)
            start = time.monotonic()
            good = stage.run(context)
            took = time.monotonic() - start
            print(f"== {stage.name}: {'passed' if good else 'FAILED'} in {took:.1f} s", flush=True)
            context.results.stage(good)
            if not good:
                failed.append(stage.name)
                if stage.needed:
                    print(f"== the stages behind {stage.name} need it: not run", flush=True)
                    break

    results = context.results
    print(f"\nTook {time.monotonic() - began:.0f} s.")
    for name in failed:
        print(f"FAILED stage: {name}")
    for name in results.failed_tests:
        print(f"FAILED test: {name}")
    for name, reason in results.skipped_tests:
        print(f"skipped test: {name} ({reason})")
    print(results.summary(), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
