"""The hot-path gates: what can be reached from a hot function in a release program, read from its machine code.

A program is disassembled; calls and jumps to other functions are its call graph. From each root of the list every
function that can be reached is looked at, and a call of the deny-list is a finding, with the way to it. What a root
may reach although it is denied stands in the list with its reason. Calls through a register cannot be followed, and
are findings too.
"""

import fnmatch
import re
import subprocess
from dataclasses import dataclass, field

# What costs a frame its speed: reference counting, allocation, exclusivity checks, lazy globals, casts and generic
# metadata made at run time, locks.
DENIED = re.compile(
    r"^(swift_(retain|release|bridgeObject|unknownObject|allocObject|allocBox|dealloc|initStackObject|slowAlloc|"
    r"slowDealloc|beginAccess|endAccess|once|weak|unowned|dynamicCast|conformsToProtocol|getGenericMetadata|"
    r"getTypeByMangledName|getWitnessTable|getAssociated|getForeign|isUniquelyReferenced|allocError|willThrow$|"
    r"errorRetain|errorRelease|projectBox|getEnumCaseMultiPayload|isEscapingClosure|task_|job_)\w*"
    r"|_swift_once|malloc|calloc|realloc|free|posix_memalign|aligned_alloc|mmap|munmap|brk"
    r"|pthread_(mutex|cond|rwlock|spin)_\w+|sem_\w+|futex|syscall)$")
# Functions of Swift's own library that were not compiled into the program: nobody specialised them. Those that end
# the program are on no frame's way.
UNSPECIALISED = re.compile(r"^\$s(?!s17_assertionFailure|s18_fatalErrorMessage)")

HEADER = re.compile(r"^([0-9a-f]+) <(.+)>:$")
TRANSFER = re.compile(r"^\s*[0-9a-f]+:\s+(?:bnd\s+|notrack\s+|rep\s+)*(call\w*|jmp\w*|j[a-z]+|bl|b|b\.\w+|cbn?z|tbn?z)\s+(.*)$")
TARGET = re.compile(r"<([^>]+)>")
INDIRECT = re.compile(r"^(call\w*|blr)$")


@dataclass
class Function:
    calls: set = field(default_factory=set)
    indirect: int = 0


@dataclass
class Gates:
    """What a gate list says: roots to look from, ways that are cut, calls that are allowed; each with a reason."""

    roots: list = field(default_factory=list)
    cuts: list = field(default_factory=list)
    allowed: list = field(default_factory=list)


class ListError(Exception):
    """Something is wrong with the list."""


def parse(text, source):
    """The list: `root PROGRAM | FUNCTION | what`, `cut FUNCTION | why`, `allow FUNCTION | SYMBOL | why`.

    FUNCTION is a demangled name with * for any text; SYMBOL a symbol of the deny-list, or `indirect`.
    """
    gates = Gates()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        parts = [part.strip() for part in rest.split(" | ")]
        if word == "root" and len(parts) == 3 and all(parts):
            gates.roots.append(tuple(parts))
        elif word == "cut" and len(parts) == 2 and all(parts):
            gates.cuts.append(tuple(parts))
        elif word == "allow" and len(parts) == 3 and all(parts):
            gates.allowed.append(tuple(parts))
        else:
            raise ListError(f"{source}:{number}: expected 'root|cut|allow … | … | reason', found '{line}'")
    return gates


def disassemble(path):
    """The functions of a program by symbol, from objdump."""
    output = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    return functions(output)


def functions(disassembly):
    found = {}
    current, name = None, None
    for line in disassembly.split("\n"):
        header = HEADER.match(line)
        if header:
            name = header.group(2)
            current = found.setdefault(name, Function())
            continue
        if current is None:
            continue
        step = TRANSFER.match(line)
        if not step:
            if re.match(r"^\s*[0-9a-f]+:\s+blr\s", line):
                current.indirect += 1
            continue
        target = TARGET.search(step.group(2))
        if target and "*" not in step.group(2):
            symbol = re.sub(r"[+-]0x[0-9a-f]+$", "", target.group(1))
            if symbol != name:
                current.calls.add(re.sub(r"@.*$", "", symbol))
        elif INDIRECT.match(step.group(1)) and not (target and "GLIBC" in target.group(1)):
            # A call through the global offset table names its symbol; one through a register does not.
            if target:
                current.calls.add(re.sub(r"[@+-].*$", "", target.group(1)))
            else:
                current.indirect += 1
    return found


def demangled(symbols):
    """What each symbol is called in the source."""
    symbols = sorted(symbols)
    output = subprocess.run(
        ["swift", "demangle", "--compact", "--simplified"], input="\n".join(symbols), capture_output=True, text=True,
        check=True).stdout.split("\n")
    return dict(zip(symbols, output))


def matches(name, pattern):
    return fnmatch.fnmatchcase(name, pattern)


@dataclass
class Finding:
    root: str
    way: list
    symbol: str

    def __str__(self):
        return f"{self.symbol}, reached by " + "\n      → ".join(self.way)


def look(program, graph, names, gates):
    """The findings of one program's roots, problems of the list, the lines of it that were used, what was looked at."""
    findings, problems, used, seen_all = [], [], set(), set()
    for root_program, pattern, what in gates.roots:
        if root_program != program:
            continue
        roots = [symbol for symbol in graph if matches(names[symbol], pattern)]
        if not roots:
            problems.append(f"{program} has no function '{pattern}' ({what})")
        seen = set()
        todo = [(symbol, [names[symbol]]) for symbol in sorted(roots)]
        while todo:
            symbol, way = todo.pop()
            if symbol in seen:
                continue
            seen.add(symbol)
            function = graph[symbol]
            name = names[symbol]
            called = set(function.calls) | ({"indirect"} if function.indirect else set())
            for target in sorted(called):
                if target == "indirect" or DENIED.match(target) or target not in graph and UNSPECIALISED.match(target):
                    line = next((entry for entry in gates.allowed
                                 if matches(name, entry[0]) and matches(target, entry[1])), None)
                    if line:
                        used.add(line)
                    else:
                        findings.append(Finding(what, way, target))
                elif target in graph:
                    cut = next((entry for entry in gates.cuts if matches(names[target], entry[0])), None)
                    if cut:
                        used.add(cut)
                    else:
                        todo.append((target, way + [names[target]]))
        seen_all |= seen
    return findings, problems, used, sorted(names[symbol] for symbol in seen_all)
