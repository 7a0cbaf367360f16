"""Faults behind numbers: what is chosen, and that nothing else of a text changes."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import mutations
import planting

TEXT = '''import Memory

let limit = 3
struct S {
  // func notThis() { }
  func f(_ x: Int = { 1 }()) -> Int {
    let s = "func g() { \\(x) }"
    return x + 1 + s.count
  }

  var twice: Int { value * 2 }
  var value: Int {
    get { 7 }
    set { _ = newValue }
  }
  init(a: Int) {
    func inner() -> Int { a - 1 }
    _ = inner()
  }
}
'''


def fault(old, new, name="n"):
    return mutations.Mutation(name, "Sources/Wire/A.swift", "a fault", old, new, "x:1")


def chosen(text, number):
    """What is left of a planted text when the number is known: the switch of each body gives way to one of its arms."""
    pattern = re.compile(r"\nswitch " + planting.FUNCTION + r"\(\) \{\n(.*?)\n\}\n(?=\})", re.S)

    def arm(match):
        arms = re.split(r"(?m)^(case \d+|default):\n", match.group(1))[1:]
        by = {arms[at]: arms[at + 1] for at in range(0, len(arms), 2)}
        body = by.get(f"case {number}", by["default"])
        return body[:-1] if body.endswith("\n") and f"case {number}" in by else body
    return pattern.sub(arm, text).replace("public import CShim;", "", 1)


class Bodies(unittest.TestCase):
    def test_functions_accessors_and_initialisers_have_bodies_and_words_in_strings_and_comments_have_none(self):
        found = [TEXT[start:end].strip().split("\n")[0] for start, end in planting.bodies(TEXT)]
        self.assertIn('let s = "func g() { \\(x) }"', found)
        self.assertIn("value * 2", found)
        self.assertIn("7", found)
        self.assertIn("a - 1", found)
        self.assertFalse([body for body in found if body.startswith("\\(x)")])

    def test_a_requirement_has_no_body(self):
        text = "protocol P {\n  func f() -> Int\n}\nfunc g() { 1 }\n"
        self.assertEqual([text[start:end] for start, end in planting.bodies(text)], [" 1 "])


class Planted(unittest.TestCase):
    faults = [(1, fault("x + 1", "x + 2")), (2, fault("value * 2", "value * 3")), (3, fault("a - 1", "a")),
              (4, fault("_ = inner()", "")), (5, fault("return x", "return -x"))]

    def test_each_number_gives_the_text_with_its_fault_and_none_the_text_as_it_is(self):
        text, alone, _ = planting.planted(TEXT, self.faults)
        self.assertEqual(alone, [])
        self.assertEqual(chosen(text, 0), TEXT)
        for number, one in self.faults:
            with self.subTest(number):
                self.assertEqual(chosen(text, number), TEXT.replace(one.anchor, one.replacement))

    def test_what_stands_in_no_body_is_left_to_a_build_of_its_own(self):
        text, alone, _ = planting.planted(TEXT, [(9, fault("limit = 3", "limit = 4"))])
        self.assertEqual((text, alone), (TEXT, [9]))

    def test_a_line_knows_the_faults_that_it_may_be_about(self):
        text, _, about = planting.planted(TEXT, self.faults)
        lines = text.split("\n")
        self.assertEqual(len(lines), len(about))
        self.assertEqual(about[next(at for at, line in enumerate(lines) if "x + 2" in line)], [1])

    @unittest.skipUnless(shutil.which("swiftc"), "no Swift compiler")
    def test_the_compiler_takes_it(self):
        text, _, _ = planting.planted(TEXT.replace("import Memory\n", ""), self.faults)
        text = text.replace("public import CShim;", f"func {planting.FUNCTION}() -> Int32 {{ 2 }}\n", 1)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.swift")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run(["swiftc", "-parse-as-library", "-typecheck", path], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
