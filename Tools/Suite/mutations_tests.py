"""The list of faults: what it must say, and that drift is found."""

import os
import tempfile
import unittest

import mutations
import planting

ENTRY = "== a\nfile: Sources/Wire/A.swift\nsays: a fault\n<<<\nlet a = 1\n===\nlet a = 2\n>>>\n"


class Lists(unittest.TestCase):
    def test_an_entry_is_read(self):
        (entry,) = mutations.parse("# comment\n\n" + ENTRY, "x")
        self.assertEqual((entry.name, entry.file, entry.says, entry.room), ("a", "Sources/Wire/A.swift", "a fault", "Wire"))
        self.assertEqual((entry.anchor, entry.replacement), ("let a = 1", "let a = 2"))

    def test_a_broken_list_is_an_error_with_its_line(self):
        for text in [ENTRY[:-4], ENTRY.replace("says: a fault\n", ""), ENTRY.replace("let a = 2", "let a = 1"),
                     "nonsense\n", "== b\n" + ENTRY]:
            with self.subTest(text), self.assertRaisesRegex(mutations.ListError, r"x:\d+"):
                mutations.parse(text, "x")

    def test_drift_is_found(self):
        entries = mutations.parse(ENTRY, "x")
        with tempfile.TemporaryDirectory() as root:
            self.assertIn("there is no", mutations.drifted(root, entries)[0])
            os.makedirs(os.path.join(root, "Sources/Wire"))
            for text, problem in [("let a = 1\n", None), ("let a = 3\n", "is not there"), ("let a = 1\n" * 2, "2 times")]:
                with open(os.path.join(root, "Sources/Wire/A.swift"), "w", encoding="utf-8") as file:
                    file.write(text)
                found = mutations.drifted(root, entries)
                self.assertEqual(found == [], problem is None)
                if problem:
                    self.assertIn(problem, found[0])


class Package(unittest.TestCase):
    def test_every_swift_target_has_the_module_with_the_number_once(self):
        package = planting.with_number_everywhere(
            '.target(name: "CNet"), .target(name: "A", exclude: []), .target(\n  name: "B", dependencies: ["A"]), '
            '.executableTarget(name: "D", dependencies: [\n"CShim"])')
        self.assertEqual(package.count('"CShim"'), 3)
        self.assertIn('name: "A", dependencies: ["CShim"], exclude', package)
        self.assertIn('["CShim", "A"]', package)


class Survivors(unittest.TestCase):
    def listed(self, text):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "survivors"), "w", encoding="utf-8") as file:
                file.write(text)
            return mutations.survivors(folder, mutations.parse(ENTRY, "x"))

    def test_a_line_has_a_name_a_net_and_a_reason(self):
        self.assertEqual(self.listed("# c\n\na: unit tests: why: so\n"), {"a": ("unit tests", "why: so")})
        for text in ["a: unit tests\n", "b: none: why\n", "a: none: x\na: none: x\n", "a: : x\n"]:
            with self.subTest(text), self.assertRaisesRegex(mutations.ListError, r"survivors:\d"):
                self.listed(text)


class TheList(unittest.TestCase):
    def test_the_list_follows_the_sources(self):
        # A few may lag behind a change of the sources; Tools/mutate names them and ends with an error.
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        entries = mutations.load(os.path.join(root, "Tools", "Mutations"))
        drifted = mutations.drifted(root, entries)
        self.assertGreaterEqual(len(entries) - len(drifted), 100)
        self.assertLessEqual(len(drifted), len(entries) // 10, drifted)
        mutations.survivors(os.path.join(root, "Tools", "Mutations"), entries)


if __name__ == "__main__":
    unittest.main()
