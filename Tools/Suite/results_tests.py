"""Reads event streams written by hand, as Swift Testing writes them."""

import json
import os
import tempfile
import unittest

from results import Results, TestRun, expected_skips, skip_differences


def stream(*events):
    """A stream with the tests "one" to "three" and these events."""
    tests = [{"kind": "test", "payload": {"kind": "function", "id": f"id-{name}", "name": f"{name}()", "displayName": name}}
             for name in ("one", "two", "three")]
    lines = tests + [{"kind": "event", "payload": event} for event in events]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "events")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
            file.write('{"kind": "ev')  # what a process that was ended leaves
        return TestRun.read(path)


def event(kind, name=None, symbol=None, text=""):
    messages = [{"symbol": symbol, "text": text}] if symbol else []
    return {"kind": kind, "messages": messages, **({"testID": f"id-{name}"} if name else {})}


class Streams(unittest.TestCase):
    def test_passes_failures_and_skips_are_told_apart(self):
        run = stream(
            event("testStarted", "one"), event("testEnded", "one", "pass"), event("testStarted", "two"),
            event("issueRecorded", "two", "fail"), event("testEnded", "two", "fail"),
            event("testSkipped", "three", "skip", 'Test three skipped: "no NIC here"'), event("runEnded", None, "fail"))
        self.assertEqual((run.passed, run.failed, run.skipped), (1, ["two"], [("three", "no NIC here")]))
        self.assertTrue(run.ended)
        results = Results()
        results.stage(True)
        results.add(run)
        self.assertEqual(results.summary(), "2 passed, 1 failed, 1 skipped")

    def test_a_test_that_did_not_end_is_named(self):
        run = stream(event("testStarted", "one"))
        self.assertEqual(run.unfinished, ["one"])
        self.assertFalse(run.ended)


class Skips(unittest.TestCase):
    def test_a_skip_must_be_expected_and_an_expected_one_must_be_skipped(self):
        self.assertEqual(skip_differences([("a", "")], {"a": "x"}), [])
        self.assertIn("'a' was skipped", skip_differences([("a", "")], {})[0])
        self.assertIn("'a' is on the list", skip_differences([], {"a": "x"})[0])

    def test_an_expected_skip_has_a_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "skips")
            with open(path, "w", encoding="utf-8") as file:
                file.write("# comment\n\na test | needs a NIC\nunless root: b: test | makes namespaces\n")
            self.assertEqual(expected_skips(path, is_root=True), {"a test": "needs a NIC"})
            self.assertEqual(expected_skips(path, is_root=False), {"a test": "needs a NIC", "b: test": "makes namespaces"})
            with open(path, "w", encoding="utf-8") as file:
                file.write("a test\n")
            self.assertRaises(ValueError, expected_skips, path, True)


if __name__ == "__main__":
    unittest.main()
