"""Faults to plant: their list format, and how one is put into a source and taken out again.

A list is a text file of entries:

    == udp-length-off-by-one
    file: Sources/Wire/…/X.swift
    says: the outer UDP length is one too small
    <<<
    the text that is there now, word for word, found once in the file
    ===
    what stands there instead
    >>>

An anchor that is not found, or found twice, is an error that names the entry: the list follows the sources.
"""

import os
import re
from dataclasses import dataclass


class ListError(Exception):
    """Something is wrong with the list itself."""


@dataclass
class Mutation:
    name: str
    file: str
    says: str
    anchor: str
    replacement: str
    where: str

    @property
    def room(self):
        """The module that the fault is planted in."""
        parts = self.file.split("/")
        return parts[1] if parts[0] == "Sources" and len(parts) > 2 else parts[0]


def parse(text, source):
    """The entries of one list."""
    entries = []
    current, part = None, None
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{source}:{number}"
        if part in ("anchor", "replacement"):
            if part == "anchor" and line == "===":
                part = "replacement"
            elif part == "replacement" and line == ">>>":
                entries.append(finish(current))
                current, part = None, None
            else:
                current[part].append(line)
        elif line.startswith("== "):
            if current:
                raise ListError(f"{where}: the entry before '{line[3:]}' has no '<<<'")
            current = {"name": line[3:].strip(), "where": where, "anchor": [], "replacement": []}
        elif line == "<<<" and current:
            part = "anchor"
        elif re.match(r"(file|says): ", line) and current:
            key, value = line.split(": ", 1)
            current[key] = value.strip()
        elif line.strip() and not line.startswith("#"):
            raise ListError(f"{where}: expected an entry, a comment or a blank line, found '{line}'")
    if current:
        raise ListError(f"{current['where']}: '{current['name']}' does not end with '>>>'")
    return entries


def finish(entry):
    for key in ("file", "says"):
        if key not in entry:
            raise ListError(f"{entry['where']}: '{entry['name']}' has no '{key}: '")
    mutation = Mutation(entry["name"], entry["file"], entry["says"], "\n".join(entry["anchor"]),
                        "\n".join(entry["replacement"]), entry["where"])
    if not mutation.anchor.strip() or mutation.anchor == mutation.replacement:
        raise ListError(f"{mutation.where}: '{mutation.name}' changes nothing")
    return mutation


def load(folder):
    """The entries of every list in a folder, in the order of the files' names."""
    entries = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".list"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                entries += parse(file.read(), os.path.join(os.path.basename(folder), name))
    names = set()
    for entry in entries:
        if entry.name in names:
            raise ListError(f"{entry.where}: '{entry.name}' is there twice")
        names.add(entry.name)
    return entries


def survivors(folder, entries):
    """The faults that verify does not see, with the net that does and why: lines `name: net: why` of a folder's
    `survivors`."""
    known = {entry.name for entry in entries}
    listed = {}
    path = os.path.join(folder, "survivors")
    if not os.path.exists(path):
        return listed
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = [part.strip() for part in line.split(": ", 2)]
            where = f"survivors:{number}"
            if len(parts) != 3 or not all(parts):
                raise ListError(f"{where}: expected 'name: net: why', found '{line}'")
            if parts[0] not in known:
                raise ListError(f"{where}: there is no fault '{parts[0]}'")
            if parts[0] in listed:
                raise ListError(f"{where}: '{parts[0]}' is there twice")
            listed[parts[0]] = (parts[1], parts[2])
    return listed


def mutated(root, mutation):
    """The source with the fault in it."""
    path = os.path.join(root, mutation.file)
    if not os.path.exists(path):
        raise ListError(f"{mutation.where}: '{mutation.name}': there is no {mutation.file}")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    count = text.count(mutation.anchor)
    if count != 1:
        found = "is not there" if count == 0 else f"is there {count} times"
        raise ListError(f"{mutation.where}: '{mutation.name}': its text {found} in {mutation.file}")
    return text.replace(mutation.anchor, mutation.replacement)


def drifted(root, entries):
    """What does not fit the sources any more, as sentences."""
    problems = []
    for entry in entries:
        try:
            mutated(root, entry)
        except ListError as error:
            problems.append(str(error))
    return problems
