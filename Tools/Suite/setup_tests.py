"""Runs Tools/setup with stand-ins for apt, dpkg, sudo, id and swift, and sees what it would do."""

import os
import subprocess
import tempfile
import unittest

SETUP = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "setup")
# Real commands that the script uses.
BORROWED = ["bash", "sed", "awk", "grep", "sort", "comm", "head", "cat", "env", "printf", "true"]


class Machine(unittest.TestCase):
    def run_setup(self, missing=(), root=True, sudo=False, swift="6.3.1", debian=True, arguments=()):
        """The exit code, what was said, and the commands that were given to apt."""
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")

            def put(name, body):
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("#!/bin/bash\n" + body)
                os.chmod(path, 0o755)

            for name in BORROWED:
                os.symlink(subprocess.run(["which", name], capture_output=True, text=True).stdout.strip() or f"/bin/{name}",
                           os.path.join(folder, name))
            put("id", f"echo {0 if root else 1000}\n")
            if swift:
                put("swift", f"echo 'Swift version {swift} (swift-{swift}-RELEASE)'\n")
            if debian:
                put("dpkg-query", "shift 3; for p in \"$@\"; do case \" " + " ".join(missing)
                    + " \" in *\" $p \"*) ;; *) echo \"installed $p\";; esac; done\n")
                put("apt-get", f"echo \"apt-get $* $DEBIAN_FRONTEND\" >> {log}\n")
                put("debconf-set-selections", f"echo \"debconf $(cat)\" >> {log}\n")
            if sudo:
                put("sudo", f"echo sudo >> {log}\n[ \"$1\" != -n ] || shift\nexec \"$@\"\n")
            result = subprocess.run(
                ["/bin/bash", SETUP, *arguments], env={"PATH": folder}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            said = result.stdout + result.stderr
            done = ""
            if os.path.exists(log):
                with open(log, encoding="utf-8") as file:
                    done = file.read()
            return result.returncode, said, done

    def test_a_machine_with_everything_is_left_alone_in_silence(self):
        self.assertEqual(self.run_setup(root=False), (0, "", ""))

    def test_what_is_missing_is_said_and_installed_without_questions(self):
        code, said, done = self.run_setup(missing=["tshark", "libpcap-dev", "libstdc++-12-dev"])
        self.assertEqual(code, 0, said)
        self.assertIn("libstdc++-12-dev   C++ headers", said)
        self.assertIn("tshark             dissects frames", said)
        self.assertIn("apt-get update -q noninteractive", done)
        self.assertIn("apt-get install -y --no-install-recommends libpcap-dev libstdc++-12-dev tshark -q noninteractive", done)
        self.assertIn("install-setuid boolean false", done)
        self.assertNotIn("sudo", done)

    def test_without_root_and_without_a_terminal_the_command_is_said(self):
        code, said, done = self.run_setup(missing=["tshark"], root=False)
        self.assertEqual((code, done), (1, ""))
        self.assertIn("apt-get update && apt-get install -y --no-install-recommends tshark", said)

    def test_without_root_sudo_is_used_when_it_needs_no_password(self):
        code, _, done = self.run_setup(missing=["tshark"], root=False, sudo=True)
        self.assertEqual(code, 0)
        self.assertIn("sudo\n", done)

    def test_check_installs_nothing(self):
        code, said, done = self.run_setup(missing=["gcc"], arguments=["--check"])
        self.assertEqual((code, done), (1, ""))
        self.assertIn("gcc", said)

    def test_an_old_or_missing_swift_is_named_with_what_to_do(self):
        for version, words in [("6.2.4", "is 6.2"), ("5.10", "is 5.10"), (None, "no 'swift' in PATH")]:
            code, said, done = self.run_setup(swift=version)
            self.assertEqual((code, done), (1, ""))
            self.assertIn(words, said)
            self.assertIn("https://www.swift.org/install/linux/", said)
        self.assertEqual(self.run_setup(swift="6.10.0")[0], 0)

    def test_another_system_is_told_what_is_needed(self):
        code, said, _ = self.run_setup(debian=False)
        self.assertEqual(code, 0)
        self.assertIn("libpcap-dev", said)


if __name__ == "__main__":
    unittest.main()
