"""Many faults in one build: each in a copy of its function's body, chosen by a number that is read once at start.

A fault that stands in a function, an initialiser, a subscript or an accessor gets that body a second time:

    func f() -> Int {
      switch plantedFault() {
      case 17: (the body with the fault)
      default: (the body as it is)
      }
    }

The text is only ever written to a scratch copy of the sources. What stands in no body (a stored constant), and what the
compiler does not take in this form, is planted alone, in a build of its own.
"""

import os
import re
from dataclasses import dataclass

# What the chosen fault's number is called in the scratch copy, and the variable it is read from.
FUNCTION = "dpu_planted_fault"
VARIABLE = "DPU_PLANTED_FAULT"

HEADER = f"""
// Only in a scratch copy: the number of the planted fault, 0 for none.
extern int {FUNCTION}_number;
static inline int {FUNCTION}(void) {{ return {FUNCTION}_number; }}
"""
SOURCE = f"""
#include <stdlib.h>
int {FUNCTION}_number;
__attribute__((constructor)) static void {FUNCTION}_read(void) {{
  const char *text = getenv("{VARIABLE}");
  {FUNCTION}_number = text ? atoi(text) : 0;
}}
"""

DECLARATION = re.compile(
    r"(?<![.\w])(?:func\s+[^\s(<]+|init[?!]?(?=\s*[(<])|subscript(?=\s*[(<])|deinit|(?:get|set|_read|_modify)(?=\s*\{)"
    r"|var\s+\w+\s*:[^={}\n]*(?=\{))")
# How a line may go on with a declaration that has not come to its body.
CONTINUES = re.compile(r"\s*(?:\{|where\b|->|throws\b|async\b|rethrows\b|//)")


def code(text):
    """The text with comments and strings blanked, so that braces and words in it are code; offsets stay."""
    out = []
    at = 0
    while at < len(text):
        end = skip(text, at)
        if end > at:
            out.append(re.sub(r"[^\n]", " ", text[at:end]))
            at = end
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


def skip(text, at):
    """Where a comment or string that begins at `at` ends; `at` when none does."""
    if text.startswith("//", at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if text.startswith("/*", at):
        depth, at = 1, at + 2
        while at < len(text) and depth:
            if text.startswith("/*", at):
                depth, at = depth + 1, at + 2
            elif text.startswith("*/", at):
                depth, at = depth - 1, at + 2
            else:
                at += 1
        return at
    quote = re.compile(r'(#*)("""|")').match(text, at)
    return string_end(text, quote.end(), quote.group(1), quote.group(2)) if quote else at


def string_end(text, at, hashes, quote):
    """Behind the closing quote of a string whose text begins at `at`."""
    escape = "\\" + hashes
    while at < len(text):
        if text.startswith(escape + "(", at):
            depth, at = 1, at + len(escape) + 1
            while at < len(text) and depth:
                inside = skip(text, at)
                if inside > at:
                    at = inside
                    continue
                depth += {"(": 1, ")": -1}.get(text[at], 0)
                at += 1
        elif text.startswith(escape, at):
            at += len(escape) + 1
        elif text.startswith(quote + hashes, at):
            return at + len(quote) + len(hashes)
        else:
            at += 1
    return at


def bodies(text):
    """The bodies of functions and accessors: pairs of offsets, without their braces."""
    plain = code(text)
    found = []
    for match in DECLARATION.finditer(plain):
        start = opening(plain, match.end())
        if start is not None:
            found.append((start + 1, closing(plain, start)))
    return found


def opening(plain, at):
    """The brace that opens the body of a declaration whose name ends at `at`; None when it has none."""
    depth = 0
    while at < len(plain):
        here = plain[at]
        if here == "{" and depth == 0:
            return at
        if here in "([{":
            depth += 1
        elif here in ")]}":
            depth -= 1
            if depth < 0:
                return None
        elif here == "\n" and depth == 0 and not CONTINUES.match(plain, at + 1):
            return None
        elif here == "=" and depth == 0 and plain[at + 1] not in "=>" and plain[at - 1] not in "=<>!":
            return None
        at += 1
    return None


def closing(plain, at):
    """The brace that closes the one at `at`."""
    depth = 0
    for index in range(at, len(plain)):
        depth += {"{": 1, "}": -1}.get(plain[index], 0)
        if depth == 0:
            return index
    return len(plain)


@dataclass
class Change:
    """What a fault changes in a text: the part that differs, and what stands there instead."""

    number: int
    start: int
    end: int
    new: str


def change(text, number, mutation):
    """The change of a fault, without what it has in common with the text at both ends."""
    start = text.index(mutation.anchor)
    old, new = mutation.anchor, mutation.replacement
    front = 0
    while front < min(len(old), len(new)) and old[front] == new[front]:
        front += 1
    back = 0
    while back < min(len(old), len(new)) - front and old[-1 - back] == new[-1 - back]:
        back += 1
    return Change(number, start + front, start + len(old) - back, new[front:len(new) - back])


def body_of(found, one):
    """The smallest body that a change stands in, or None."""
    around = [(start, end) for start, end in found if start <= one.start and one.end <= end]
    return min(around, key=lambda body: body[1] - body[0]) if around else None


def can_share(root, mutation):
    """Whether the fault stands in a body, so that it can share a build."""
    with open(os.path.join(root, mutation.file), encoding="utf-8") as file:
        text = file.read()
    return body_of(bodies(text), change(text, 0, mutation)) is not None


def planted(text, faults):
    """A source with faults behind their numbers.

    `faults` are pairs of a number and a mutation. Gives the text, the numbers that stand in no body, and for each line
    of the new text, from 0, the numbers that it may be about.
    """
    found = bodies(text)
    groups, alone = {}, []
    for number, mutation in faults:
        one = change(text, number, mutation)
        body = body_of(found, one)
        if body is None:
            alone.append(number)
        else:
            groups.setdefault(body, []).append(one)
    # A body inside another that has faults too would be copied with it: the outer one takes them all.
    for inner in sorted(groups, key=lambda body: body[1] - body[0]):
        outer = [body for body in groups if body != inner and body[0] <= inner[0] and inner[1] <= body[1]]
        if outer:
            groups[max(outer, key=lambda body: body[1] - body[0])] += groups.pop(inner)

    out, lines, at = [], [], 0

    def put(piece, about):
        out.append(piece)
        lines.extend([about] * piece.count("\n"))

    for (start, end), changes in sorted(groups.items()):
        everyone = [one.number for one in changes]
        put(text[at:start], [])
        put(f"\nswitch {FUNCTION}() {{\n", everyone)
        for one in changes:
            put(f"case {one.number}:\n{text[start:one.start]}{one.new}{text[one.end:end]}\n", [one.number])
        put(f"default:\n{text[start:end]}\n}}\n", everyone)
        at = end
    put(text[at:], [])
    result = "".join(out)
    if groups:
        result = f"public import CShim;" + re.sub(r"(?m)^(?:public |internal |package |private |fileprivate )?import CShim$", "", result)
    return result, alone, lines + [[]]


TARGET = re.compile(r'\.(?:target|executableTarget)\(\s*name: "(?!C[A-Z])\w+",(\s*dependencies: \[)?')


def with_number_everywhere(package):
    """Package.swift with the module that knows the fault's number below every Swift target."""
    def add(match):
        if match.group(1):
            return match.group(0) + '"CShim", ' * (not package[match.end():].split("]")[0].count('"CShim"'))
        return match.group(0) + ' dependencies: ["CShim"],'
    return TARGET.sub(add, package)
