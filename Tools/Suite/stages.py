"""What Tools/test does, in order. A stage is a name, a sentence and a function that says whether it holds."""

import os
from dataclasses import dataclass
from typing import Callable

from results import TestRun, expected_skips, skip_differences

PYTHON = "/usr/bin/python3"


@dataclass
class Stage:
    name: str
    what: str
    run: Callable
    quick: bool = False
    # Whether the stages behind it make no sense without it.
    needed: bool = False


def format_lint(context):
    paths = ["Package.swift", "Sources", "Tests", "Tools"]
    return context.run(["swift", "format", "lint", "--strict", "--parallel", "--recursive"] + paths)


def imports(context):
    return context.run([context.path("Tools", "lint-imports")])


def sources(context):
    return context.run([context.path("Tools", "lint-sources")])


def tools(context):
    return context.run([PYTHON, "-B", "-m", "unittest", "discover", "-s", "Tools/Suite", "-p", "*_tests.py"], keep=[])


def build(context):
    return context.run(["swift", "build", "--build-tests"], keep=[])


def unit_tests(context):
    stream = os.path.join(context.scratch, "events.jsonl")
    lines = []
    good = context.run(
        ["swift", "test", "--skip-build", "--disable-xctest", "--event-stream-output-path", stream], keep=lines)
    if not os.path.exists(stream):
        print("  the tests wrote no events")
        return False
    run = TestRun.read(stream)
    context.results.add(run)
    for name in run.unfinished:
        print(f"  '{name}' began and did not end")
    if not run.ended:
        print("  the test process ended before its tests")
    if run.passed == 0:
        print("  no test ran")
        return False
    differences = skip_differences(run.skipped, expected_skips(context.path("Tests", "expected-skips"), os.geteuid() == 0))
    for line in differences:
        print(f"  {line}")
    print(f"  {run.passed} passed, {len(run.failed)} failed, {len(run.skipped)} skipped")
    return good and run.ended and not run.failed and not run.unfinished and not differences


def release_build(context):
    return all(
        context.run(["swift", "build", "-c", "release", "--product", product], keep=[])
        for product in ["dpuctl", "dpud", "dpu-device", "properties", "benchmarks", "live", "ringpeer"])


def properties(context):
    return context.run([context.product("properties"), "all", "--seed", str(context.seed)])


def fresh_properties(context):
    return context.run([context.product("properties"), "all", "--seed", str(context.fresh), "--share", "10"])


def gates(context):
    return context.run([context.path("Tools", "gates")])


def embedded(context):
    return context.run([context.path("Tools", "embedded", "check")], keep=[])


def oracles(context):
    """Programs that others wrote (scapy, tshark) as judges; those that write test vectors are run by hand."""
    folder = context.path("Tools", "Oracle")
    names = sorted(name for name in os.listdir(folder) if name.endswith(("_scapy.py", "_tshark.py")))
    judged = [
        context.run([PYTHON, "-B", os.path.join(folder, name), "--seed", str(seed), "--properties",
                     context.product("properties")])
        for name in names for seed in (context.seed, context.fresh)]
    return bool(judged) and all(judged)


def verify(context):
    return context.run([context.product("dpuctl"), "verify", "--frames", "1000000", "--seed", str(context.seed), "--quiet"])


def fresh_verify(context):
    return context.run([context.product("dpuctl"), "verify", "--frames", "100000", "--seed", str(context.fresh), "--quiet"])


def debts_verify(context):
    return context.run([context.product("dpuctl"), "verify", "--frames", "100000", "--owed", "csum,tso", "--seed",
                        str(context.seed), "--quiet"])


def demo(context):
    """The demo ends with 1 when an output differs from the software path's."""
    return context.run([context.path("Tools", "demo"), "--built", "--seed", str(context.fresh), "--out",
                        os.path.join(context.scratch, "demo")], keep=[])


def live(context):
    """Namespaces and devices are root's; the unit tests say by name what does not run without."""
    if os.geteuid() != 0:
        print("  not root: not run")
        return True
    return context.run([context.path("Tools", "live"), "--built", "--seconds", "1"])


def ring_peers(context):
    return context.run([context.path("Tools", "peers"), "--built"])


def pmd(context):
    return context.run([context.path("Tools", "pmd")])


def guest(context):
    """A Linux guest; Tools/guest says by itself what is missing where it cannot run."""
    return context.run([context.path("Tools", "guest"), "--built"])


def daemon(context):
    """dpud with real devices: root's too."""
    if os.geteuid() != 0:
        print("  not root: not run")
        return True
    return context.run([context.path("Tools", "daemon"), "--built", "--seed", str(context.fresh)])


def fuzz(context):
    targets = ["wire", "rules", "requests", "yaml"]
    return all(context.run([context.path("Tools", "fuzz"), target, "10"], keep=[]) for target in targets)


def mutants(context):
    """Of the faults that `dpuctl verify` is listed to find, a few are planted, and it has to find each."""
    return context.run([context.path("Tools", "mutate"), "--net", "verify", "--sample"])


def threads(context):
    return context.run([context.path("Tools", "threads"), "3"])


def benchmarks(context):
    return context.run([context.path("Tools", "bench"), "--built", "all", "--quick"], keep=[])


ALL = [
    Stage("format", "every Swift file is as swift format writes it", format_lint, quick=True),
    Stage("imports", "every import is one that the house draws", imports, quick=True),
    Stage("sources", "house rules: traps, places of unsafe, promises that a test holds", sources, quick=True),
    Stage("tools", "the tools' own tests", tools, quick=True),
    Stage("build", "everything builds in debug, without a warning", build, quick=True, needed=True),
    Stage("tests", "unit tests", unit_tests, quick=True),
    Stage("release", "the programs build in release", release_build, needed=True),
    Stage("gates", "no allocation or reference counting is reachable from a frame's way", gates),
    Stage("embedded", "Wire and the device's model compile as Embedded Swift for aarch64 and riscv64", embedded),
    Stage("properties", "the property programs, with the fixed seed", properties),
    Stage("fresh", "a tenth of the property programs, with this run's fresh seed", fresh_properties),
    Stage("oracles", "scapy and tshark agree with Wire, and tshark with what replay sends", oracles),
    Stage("peers", "DPDK's virtio_user and vhost at the other end of our rings, split and packed, and coming back", ring_peers),
    Stage("pmd", "dpdk-testpmd and dpdk-test drive the emulated device as a DPDK port: rules, frames, refusals", pmd),
    Stage("verify", "device and software agree on a million random frames, every profile in turn, with the fixed seed", verify),
    Stage("fresh-verify", "the same with this run's fresh seed, fewer frames", fresh_verify),
    Stage("debts", "the same with frames that owe checksums and segmentation", debts_verify),
    Stage("mutants", "eight of the listed faults are planted, and verify finds each", mutants),
    Stage("threads", "rules, next hops and paths change while queues run: no race under ThreadSanitizer", threads),
    Stage("fuzz", "libFuzzer over frames, rules, requests and configurations, from the kept corpus, ten seconds each", fuzz),
    Stage("demo", "the demo's outputs are the software path's", demo),
    Stage("guest", "a Linux guest in QEMU on our vhost-user port, split and packed, over the port\'s death", guest),
    Stage("live", "ping, TCP and HTTP through tunnels between namespaces, each kernel verifying every checksum", live),
    Stage("daemon", "dpud killed, reloaded, drained, filled with a million rules, asked by a controller, over devices and rings that go away", daemon),
    Stage("bench", "every benchmark runs", benchmarks),
]
