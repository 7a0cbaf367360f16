"""Builds small C programs with something forbidden in them, and sees it found."""

import os
import subprocess
import tempfile
import unittest

import gates

SOURCE = """
#include <stdlib.h>
#define OUT __attribute__((noinline, noipa))
OUT void *cold(int n) { return malloc(n); }
OUT int middle(int n) { return n > 1000 ? cold(n) != 0 : n; }
OUT int hot(int n) { int s = 0; for (int i = 0; i < n; i++) s += middle(i); return s; }
OUT int clean(int n) { return n * 3; }
OUT int pointer(int (*f)(int), int n) { return f(n) + 1; }
OUT int tail(int n) { return middle(n + 1); }
int main(int argc, char **argv) { return hot(argc) + clean(argc) + pointer(clean, argc) + tail(argc); }
"""


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "a.c"), os.path.join(folder, "a")
            with open(source, "w", encoding="utf-8") as file:
                file.write(SOURCE)
            subprocess.run(["gcc", "-O2", "-o", program, source], check=True)
            cls.graph = gates.disassemble(program)
        cls.names = {symbol: symbol for symbol in cls.graph}

    def look(self, text):
        return gates.look("a", self.graph, self.names, gates.parse(text, "x"))

    def test_an_allocation_behind_two_calls_is_found_with_the_way_to_it(self):
        findings, problems, _, looked_at = self.look("root a | hot | the loop")
        self.assertEqual([(f.symbol, f.way) for f in findings], [("malloc", ["hot", "middle", "cold"])])
        self.assertEqual((problems, looked_at), ([], ["cold", "hot", "middle"]))

    def test_an_allocation_behind_a_tail_call_is_found(self):
        findings, _, _, _ = self.look("root a | tail | a jump")
        self.assertEqual([f.symbol for f in findings], ["malloc"])

    def test_a_clean_function_has_no_finding(self):
        self.assertEqual(self.look("root a | clean | arithmetic")[:2], ([], []))

    def test_a_call_through_a_register_is_a_finding(self):
        findings, _, _, _ = self.look("root a | pointer | a callback")
        self.assertEqual([f.symbol for f in findings], ["indirect"])

    def test_a_cut_and_an_allowance_are_used_and_told(self):
        for line in ["cut cold | rare", "allow cold | malloc | rare"]:
            findings, _, used, _ = self.look("root a | hot | the loop\n" + line)
            self.assertEqual((findings, len(used)), ([], 1))

    def test_a_root_that_is_not_there_is_a_problem(self):
        self.assertEqual(len(self.look("root a | nowhere | gone")[1]), 1)

    def test_a_line_without_a_reason_is_an_error(self):
        for line in ["cut cold", "allow cold | malloc", "root a | hot", "allow cold | malloc | "]:
            with self.subTest(line), self.assertRaises(gates.ListError):
                gates.parse(line, "x")

    def test_the_deny_list_knows_its_enemies(self):
        for symbol in ["swift_retain", "swift_release_n", "swift_allocObject", "swift_beginAccess", "swift_once", "malloc",
                       "swift_bridgeObjectRetain", "swift_isUniquelyReferenced_nonNull_native", "pthread_mutex_lock"]:
            self.assertTrue(gates.DENIED.match(symbol), symbol)
        for symbol in ["memcpy", "memmove", "memset", "swift_willThrowTypedImpl", "mallocated"]:
            self.assertFalse(gates.DENIED.match(symbol), symbol)


if __name__ == "__main__":
    unittest.main()
