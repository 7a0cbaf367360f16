"""Breaks each house rule once and sees it found."""

import os
import tempfile
import unittest

import sources

SPECIFICATION = '# S\n\n## Part two: the promises\nWords.\n\n### Room\nA frame is safe → WireTests "A frame that…"\n'
GOOD = {
    "SPECIFICATION.md": SPECIFICATION,
    "Sources/Wire/README.md": "# Wire\n",
    "Sources/Wire/A.swift": "let a = 1\n",
    "Tests/WireTests/ATests.swift": '@Test("A frame that is safe") func a() {}\n',
    "Tools/Suite/unsafe.list": "# none\n",
}


class Rules(unittest.TestCase):
    def check(self, changes=None):
        files = {path: text for path, text in {**GOOD, **(changes or {})}.items() if text is not None}
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return sources.check(root, sorted(files))

    def found(self, text, changes):
        problems = self.check(changes)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(text, problems[0])

    def test_a_house_in_order_has_no_problem(self):
        self.assertEqual(self.check(), [])

    def test_traps_are_found_and_words_in_comments_and_literals_are_not(self):
        for word in ["let b = try! f()", "let b = a as! Int", 'fatalError("x")']:
            self.found("a trap", {"Sources/Wire/A.swift": word + "\n"})
            self.assertEqual(self.check({"Sources/Wire/A.swift": f"// {word}\n"}), [])

    def test_unsafe_is_found_outside_of_its_places(self):
        code = {"Sources/Wire/A.swift": "let b = unsafe c\n"}
        self.found("'unsafe' is not for this file", code)
        self.assertEqual(self.check({**code, "Tools/Suite/unsafe.list": "Sources/Wire/ | a reason\n"}), [])
        self.assertEqual(self.check({**code, "Tools/Suite/unsafe.list": "Sources/Wire/A.swift | a reason\n"}), [])

    def test_a_place_that_is_needed_no_more_is_found(self):
        self.found("unsafe any more", {"Tools/Suite/unsafe.list": "Sources/Wire/ | a reason\n"})

    def test_a_place_without_a_reason_is_an_error(self):
        with self.assertRaises(ValueError):
            self.check({"Tools/Suite/unsafe.list": "Sources/Wire/\n"})

    def test_markers_and_paths_of_one_machine_are_found(self):
        self.found("marker", {"Sources/Wire/A.swift": "// " + "TO" + "DO: more\n"})
        for folder in ["work", "root", "home", "tmp"]:
            self.found("one machine", {"Sources/Wire/README.md": f"see /{folder}/somewhere\n"})
        self.assertEqual(self.check({"Sources/Wire/README.md": "see ./work/x and $HOME/x and https://x.org/root/y\n"}), [])

    def test_a_file_that_is_too_long_is_found(self):
        self.found("at most", {"Sources/Wire/A.swift": "let a = 1\n" * 501})

    def test_a_room_without_a_readme_is_found(self):
        self.found("has no README.md", {"Sources/Wire/README.md": None})

    def test_a_promise_that_nothing_holds_is_found(self):
        for held, problem in [('"A frame which…"', "no test begins"), ("OtherTests", "there is no OtherTests"),
                              ("Tools/none", "there is no Tools/none"), ("surely", "names no test")]:
            self.found(problem, {"SPECIFICATION.md": SPECIFICATION + f"Another promise → {held}\n"})
        for held in ["ATests", "Tests/WireTests", "`properties bytes`", 'Tests/WireTests/ATests.swift "A frame that is"']:
            self.assertEqual(self.check({"SPECIFICATION.md": SPECIFICATION + f"Another promise → {held}\n"}), [])


if __name__ == "__main__":
    unittest.main()
