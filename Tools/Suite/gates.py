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
STEP = re.compile(r"^\s*([0-9a-f]+):\s+(?:(?:bnd|notrack|rep|data16|lock|cs)\s+)*(\S+)\s*(.*)$")
TARGET = re.compile(r"^(?:\S+,\s*)*([0-9a-f]+) <([^>]+)>")
# x86-64 and aarch64: what calls, what may go elsewhere, what never goes on behind.
CALLS = re.compile(r"^(call\w*|blr?)$")
JUMPS = re.compile(r"^(j\w+|b|b\.\w+|cbn?z|tbn?z|br)$")
ENDS = re.compile(r"^(ret\w*|jmp\w*|ud2|hlt|int3|b|br|brk|udf)$")


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
    """The functions, with what each calls. Code without a symbol of its own is called by the symbol in front of it
    and its distance, `symbol+0x40`; it is told from that symbol's code by being out of its reach."""
    steps, symbols = {}, {}
    previous, owner = None, None
    following, owners = {}, {}
    for line in disassembly.split("\n"):
        header = HEADER.match(line)
        if header:
            owner = int(header.group(1), 16)
            symbols[owner] = header.group(2)
            previous = None
            continue
        step = STEP.match(line)
        if step and owner is not None:
            address = int(step.group(1), 16)
            steps[address] = (step.group(2), step.group(3))
            owners[address] = owner
            if previous is not None:
                following[previous] = address
            previous = address

    def name(address):
        start = owners.get(address, address)
        symbol = re.sub(r"@.*$", "", symbols.get(start, hex(start)))
        return symbol if start == address else f"{symbol}+{address - start:#x}"

    found = {}
    todo = list(symbols)
    while todo:
        start = todo.pop()
        if start not in steps or name(start) in found:
            continue
        function = found[name(start)] = Function()
        for target, symbol in code(start, steps, following, owners, function):
            function.calls.add(name(target) if target in steps else re.sub(r"[@+-].*$", "", symbol))
            if target in steps:
                todo.append(target)
    return found


def code(start, steps, following, owners, function):
    """Walks the code of the function at `start`; gives the (address, symbol) of what it calls or jumps to."""
    targets = []
    seen, todo = set(), [start]
    while todo:
        address = todo.pop()
        if address in seen or address not in steps:
            continue
        seen.add(address)
        word, operands = steps[address]
        target = TARGET.match(operands)
        if CALLS.match(word):
            # "call *0x10(%rip) # 1234 <symbol@GLIBC>" names its symbol too; one through a register names nothing.
            named = re.search(r"# [0-9a-f]+ <([^>]+)>", operands)
            if target:
                targets.append((int(target.group(1), 16), target.group(2)))
            elif named:
                targets.append((-1, named.group(1)))
            else:
                function.indirect += 1
        elif JUMPS.match(word) and target:
            place = int(target.group(1), 16)
            if owners.get(place) == owners.get(address) and place != owners.get(address):
                todo.append(place)
            elif place != start:
                targets.append((place, target.group(2)))
        elif JUMPS.match(word):
            # A jump table: its places are in this symbol's code, wherever.
            todo += [other for other in neighbours(address, following) if other not in seen]
        if not ENDS.match(word) and address in following:
            todo.append(following[address])
    return targets


def neighbours(address, following):
    """Everything behind an address up to the end of its symbol."""
    found = []
    while address in following:
        address = following[address]
        found.append(address)
    return found


def demangled(symbols):
    """What each symbol is called in the source; code without a symbol keeps its distance."""
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
