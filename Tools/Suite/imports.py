"""The import rules: reads Package.swift's targets and the sources' import lines, and compares them with house.py."""

import os
import re
from dataclasses import dataclass, field

import house

IMPORT = re.compile(
    r"^\s*(?P<attributes>(?:@\w+(?:\([^)]*\))?\s+)*)(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+)?(?P<module>[A-Za-z_]\w*)")


@dataclass
class Target:
    """A target of Package.swift: where its sources are and what it says it depends on."""

    name: str
    kind: str
    path: str
    targets: set = field(default_factory=set)
    products: set = field(default_factory=set)

    @property
    def is_test(self):
        return self.kind == "test"


def targets(package):
    """The targets of `swift package dump-package`, by name."""
    found = {}
    for entry in package["targets"]:
        folder = "Tests" if entry["type"] == "test" else "Sources"
        target = Target(entry["name"], entry["type"], entry.get("path") or f"{folder}/{entry['name']}")
        for dependency in entry["dependencies"]:
            for kind in ("byName", "target"):
                if kind in dependency:
                    target.targets.add(dependency[kind][0])
            if "product" in dependency:
                target.products.add(dependency["product"][0])
        found[target.name] = target
    return found


def code_only(text):
    """The text with comments and string literals blanked, line by line as before."""
    out = []
    i, depth = 0, 0
    quote = None
    while i < len(text):
        if depth:
            if text.startswith("/*", i):
                depth, i = depth + 1, i + 2
            elif text.startswith("*/", i):
                depth, i = depth - 1, i + 2
            else:
                out.append("\n" if text[i] == "\n" else " ")
                i += 1
        elif quote:
            if quote in ('"', '"""') and text[i] == "\\":
                i += 2
            elif text.startswith(quote, i):
                i, quote = i + len(quote), None
            else:
                if text[i] == "\n":
                    out.append("\n")
                    if quote == '"':
                        quote = None  # an unfinished literal: the compiler complains
                i += 1
        elif text.startswith("//", i):
            end = text.find("\n", i)
            i = len(text) if end < 0 else end
        elif text.startswith("/*", i):
            depth, i = 1, i + 2
        else:
            start = re.match(r'(#*)("""|")', text[i:i + 8])
            if start:
                quote, i = start.group(2) + start.group(1), i + len(start.group(0))
                out.append(" ")
            else:
                out.append(text[i])
                i += 1
    return "".join(out)


def imports_of(text):
    """The (line, module, is it re-exported) of each import in a Swift source."""
    found = []
    for number, line in enumerate(code_only(text).split("\n"), 1):
        for statement in line.split(";"):
            match = IMPORT.match(statement)
            if match:
                found.append((number, match.group("module"), "@_exported" in match.group("attributes")))
    return found


def sources(root, target):
    """The Swift files of a target; symbolic links are named too, they would carry a room's code into another."""
    for folder, _, files in os.walk(os.path.join(root, target.path)):
        for name in sorted(files):
            if name.endswith(".swift"):
                yield os.path.relpath(os.path.join(folder, name), root)


def reach(start, edges):
    """Every module that `start` gets at, with the way to it."""
    ways = {}
    todo = [(start, (start,))]
    while todo:
        module, way = todo.pop(0)
        for following in sorted(edges.get(module, ())):
            if following not in ways:
                ways[following] = way + (following,)
                todo.append((following, ways[following]))
    return ways


def check(root, all_targets):
    """The violations, as sentences; none when the house stands as it is drawn."""
    problems = []
    edges = {name: set(target.targets) for name, target in all_targets.items()}
    for name, target in sorted(all_targets.items()):
        if not target.is_test and name not in house.FLOORS:
            problems.append(f"Package.swift: {name} stands on no floor; Tools/Suite/house.py must say where")
        for source in sources(root, target):
            if os.path.islink(os.path.join(root, source)):
                problems.append(f"{source}: a symbolic link; sources belong to one room")
                continue
            with open(os.path.join(root, source), encoding="utf-8") as file:
                text = file.read()
            for line, module, exported in imports_of(text):
                edges[name].add(module)
                problems += one_import(f"{source}:{line}", target, module, exported, all_targets)
            problems += pointees(source, name, text)
    for name, target in sorted(all_targets.items()):
        if not target.is_test and name in house.FLOORS:
            problems += floors(name, reach(name, edges))
    return problems


def one_import(where, target, module, exported, all_targets):
    """What is wrong with one import line, looked at by itself."""
    problems = []
    if exported:
        problems.append(f"{where}: @_exported hides an import from those behind it")
    if module in all_targets:
        if module not in target.targets and module != target.name:
            problems.append(f"{where}: {target.name} imports {module}, and Package.swift does not say so")
    elif module not in (house.TESTS_SYSTEM if target.is_test else house.SYSTEM.get(target.name, ())) \
            and module not in ("Swift", "_Concurrency"):
        problems.append(f"{where}: {target.name} may not import {module}")
    return problems


def floors(name, ways):
    """What a room gets at that is not below it, or is not for it."""
    problems = []
    for module, way in sorted(ways.items()):
        shown = " → ".join(way)
        if module not in house.FLOORS:
            continue
        if house.FLOORS[module] >= house.FLOORS[name]:
            problems.append(f"{shown}: {module} is not on a floor below {name}")
        elif module in house.FORBIDDEN.get(name, ()):
            problems.append(f"{shown}: {name} must not get at {module}")
        elif len(way) == 2 and module in house.DOORS and name not in house.DOORS[module]:
            problems.append(f"{shown}: {module} is only for {', '.join(sorted(house.DOORS[module]))}")
    return problems


# An atomic operation on the word itself is what is asked for.
ATOMIC = re.compile(
    r"Atomic<\w+>\.self\)\.pointee\.(load|store|exchange|compareExchange|weakCompareExchange|wrappingAdd|add|subtract|bitwiseOr)\b")


def pointees(source, room, text):
    """`pointee` on memory that a peer may write reads it as often as the compiler likes, unless it is an atomic's."""
    if room not in house.SHARED_MEMORY:
        return []
    return [f"{source}:{number}: 'pointee' on shared memory; use one atomic load into a local"
            for number, line in enumerate(code_only(text).split("\n"), 1)
            if re.search(r"\bpointee\b", ATOMIC.sub("", line))]
