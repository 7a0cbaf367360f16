"""Man pages made of a small command tree are whole, and groff has nothing to say about them."""

import shutil
import subprocess
import unittest

import manpages

TREE = {
    "commandName": "tool", "abstract": "Does things.", "discussion": "First.\n\n.Second begins with a dot \\ and more.",
    "arguments": [{"kind": "option", "names": [{"kind": "long", "name": "out"}, {"kind": "short", "name": "w"}],
                   "preferredName": {"kind": "long", "name": "out"}, "valueName": "out", "isOptional": True,
                   "isRepeating": False, "defaultValue": "-", "abstract": "The file.", "shouldDisplay": True}],
    "defaultSubcommand": "show",
    "subcommands": [{"commandName": "help", "abstract": "Help."},
                    {"commandName": "show", "abstract": "Shows.", "arguments": [
                        {"kind": "positional", "valueName": "name", "isOptional": False, "isRepeating": True},
                        {"kind": "flag", "names": [{"kind": "long", "name": "hidden"}], "shouldDisplay": False,
                         "preferredName": {"kind": "long", "name": "hidden"}}]}],
}


class Pages(unittest.TestCase):
    def setUp(self):
        self.pages = dict(manpages.pages(TREE))

    def test_one_page_a_command_and_none_for_help(self):
        self.assertEqual(sorted(self.pages), ["tool-show.1", "tool.1"])

    def test_options_defaults_and_commands_are_told(self):
        text = self.pages["tool.1"]
        for wanted in ("\\-\\-out", "\\-w", "The file. The default is \\-.", "tool\\-show", "the default", "EXIT STATUS"):
            self.assertIn(wanted, text)
        self.assertIn("\\fINAME\\fR...", self.pages["tool-show.1"])
        self.assertNotIn("hidden", self.pages["tool-show.1"])

    def test_groff_finds_nothing_wrong(self):
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        for name, text in self.pages.items():
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-c"], input=text, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            self.assertIn("tool", done.stdout)
        self.assertIn(".Second begins with a dot \\ and more.", subprocess.run(
            ["groff", "-man", "-Tascii", "-P-c"], input=self.pages["tool.1"], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main()
