"""Counts of a run, and the reader of Swift Testing's event stream."""

import json

UNLESS_ROOT = "unless root: "


class Results:
    """What passed, failed and was skipped: tests and stages together."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.failed_tests = []
        self.skipped_tests = []

    def stage(self, good):
        if good:
            self.passed += 1
        else:
            self.failed += 1

    def add(self, run):
        self.passed += run.passed
        self.failed += len(run.failed)
        self.failed_tests += run.failed
        self.skipped_tests += run.skipped

    def summary(self):
        return f"{self.passed} passed, {self.failed} failed, {len(self.skipped_tests)} skipped"


class TestRun:
    """One run of Swift Testing, from its event stream (JSON lines)."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []
        self.unfinished = []
        self.ended = False

    @classmethod
    def read(cls, path):
        run = cls()
        names = {}
        started = {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a process that was ended
                payload = record.get("payload", {})
                if record.get("kind") == "test" and payload.get("kind") == "function":
                    names[payload["id"]] = payload.get("displayName") or payload["name"]
                elif record.get("kind") == "event":
                    run.event(payload, names, started)
        run.unfinished = sorted(names[test] for test in started)
        return run

    def event(self, payload, names, started):
        kind = payload.get("kind")
        test = payload.get("testID")
        if kind == "runEnded":
            self.ended = True
        if test not in names:
            return
        name = names[test]
        if kind == "testStarted":
            started[test] = True
        elif kind == "testSkipped":
            self.skipped.append((name, reason(payload)))
        elif kind == "testEnded":
            started.pop(test, None)
            if any(message.get("symbol") == "fail" for message in payload.get("messages", [])):
                self.failed.append(name)
            else:
                self.passed += 1


def reason(payload):
    """Why a test was skipped, as its condition says it."""
    text = " ".join(message.get("text", "") for message in payload.get("messages", []))
    return text.split("skipped:", 1)[1].strip().strip('"') if "skipped:" in text else "no reason given"


def expected_skips(path, is_root):
    """Names of the tests that may not run here, from a file with a name and a reason on each line; those that are told
    with 'unless root: ' in front run where root runs them."""
    names = {}
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            name, bar, why = line.partition(" | ")
            if not bar or not why.strip():
                raise ValueError(f"{path}:{number}: expected 'name | reason', found '{line}'")
            name, asks_root = name.strip(), False
            if name.startswith(UNLESS_ROOT):
                name, asks_root = name[len(UNLESS_ROOT):].strip(), True
            if not (asks_root and is_root):
                names[name] = why.strip()
    return names


def skip_differences(skipped, expected):
    """What differs between the tests that were skipped and those that may be, as sentences."""
    found = {name for name, _ in skipped}
    return ([f"'{name}' was skipped, and the list of expected skips does not have it" for name in sorted(found - set(expected))]
            + [f"'{name}' is on the list of expected skips, and it ran" for name in sorted(set(expected) - found)])
