"""The house rules that neither the compiler nor swift format checks: words, places of `unsafe`, sizes, promises."""

import os
import re

from imports import code_only

LONGEST_FILE = 500

# Words that a source of the house must not have, and why.
BANNED = [
    (re.compile(r"\btry!"), "a trap: handle the error"),
    (re.compile(r"\bas!"), "a trap: say what was found instead"),
    (re.compile(r"\bfatalError\("), "a trap: give an exact error"),
]
MARKERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Folders of one machine. The second part keeps this file itself out.
MACHINE = re.compile(r"(?<![\w.$}])/(?:work|root|home)/" + r"[a-z]|(?<![\w.$}])/tmp/" + r"[a-z]")
UNSAFE = re.compile(r"\bunsafe\b")

PROMISE_HEADING = "## Part two"


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def unsafe_places(text, source):
    """The list of files that may say `unsafe`: pattern → reason."""
    places = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            pattern, bar, why = line.partition(" | ")
            if not bar or not why.strip():
                raise ValueError(f"{source}:{number}: expected 'file or folder/ | reason', found '{line}'")
            places[pattern.strip()] = why.strip()
    return places


def may_be_unsafe(path, places):
    return any(path == place or place.endswith("/") and path.startswith(place) for place in places)


def check_file(path, text, places):
    """What is wrong with one file, as sentences."""
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{path}:{number}"
        if MACHINE.search(line):
            problems.append(f"{where}: a path of one machine: {line.strip()[:80]}")
        if MARKERS.search(line) and not path.startswith("Tools/Suite/sources"):
            problems.append(f"{where}: a marker of unfinished work: {line.strip()[:80]}")
    if path.startswith("Sources/") and path.endswith(".swift"):
        problems += check_swift(path, text, places)
    if path.endswith((".swift", ".c", ".h", ".py")) and text.count("\n") > LONGEST_FILE:
        problems.append(f"{path}: {text.count(chr(10))} lines; a room's file does one thing in at most {LONGEST_FILE}")
    return problems


def check_swift(path, text, places):
    problems, unsafe = [], []
    for number, line in enumerate(code_only(text).split("\n"), 1):
        for word, why in BANNED:
            if word.search(line):
                problems.append(f"{path}:{number}: {why}: {line.strip()[:80]}")
        if UNSAFE.search(line) and not may_be_unsafe(path, places):
            unsafe.append(number)
    if unsafe:
        problems.append(f"{path}:{unsafe[0]}: 'unsafe' is not for this file (Tools/Suite/unsafe.list); {len(unsafe)} lines")
    return problems


def check_rooms(files):
    """Each room says what it is."""
    rooms = {path.split("/")[1] for path in files if path.startswith("Sources/") and path.endswith(".swift")}
    return [f"Sources/{room} has no README.md" for room in sorted(rooms) if f"Sources/{room}/README.md" not in files]


def check_places(files, texts, places):
    """A line of the unsafe list that no file needs is gone."""
    used = [place for place in places
            if any(may_be_unsafe(path, [place]) and UNSAFE.search(code_only(texts[path])) for path in files
                   if path.endswith(".swift"))]
    return [f"Tools/Suite/unsafe.list: nothing in {place} is unsafe any more" for place in places if place not in used]


def check_promises(specification, files, texts):
    """Each promise of part two names something that holds it, and what it names is there."""
    tests = [path for path in files if path.startswith("Tests/") and path.endswith(".swift")]
    names = set()
    suites = {os.path.basename(path)[:-len(".swift")] for path in tests} | {path.split("/")[1] for path in tests}
    for path in tests:
        names |= set(re.findall(r'@(?:Test|Suite)\(\s*"((?:[^"\\]|\\.)*)"', texts[path]))
        suites |= set(re.findall(r"\b(?:struct|class|enum|actor|func)\s+`?(\w+)", texts[path]))
    problems = []
    _, found, part = specification.partition(PROMISE_HEADING)
    if not found:
        return ["SPECIFICATION.md has no part two"]
    first = specification[:specification.index(PROMISE_HEADING)].count("\n") + 1
    paragraphs = [(number, line) for number, line in enumerate(part.split("\n"), first) if "→" in line]
    for number, line in paragraphs:
        held = line.split("→", 1)[1]
        where = f"SPECIFICATION.md:{number}"
        quoted = re.findall(r'"([^"]+)"', held)
        rest = re.sub(r'"[^"]+"', "", held)
        words = re.findall(r"\b\w+Tests\b", rest) + re.findall(r"(?<![\w/])(?:\w+Tests)?\.([a-z]\w+)(?=`)", rest)
        paths = [path.rstrip(".,;") for path in re.findall(r"(?<![\w/])(?:Sources|Tests|Tools|DeviceProfiles|Firmware)/[\w./+-]+", rest)]
        programs = re.findall(r"`?(?:properties|Tools/bench|benchmarks|dpuctl) [\w-]+`?", rest)
        for name in quoted:
            start = name.rstrip("….").strip()
            if not any(test.startswith(start) for test in names):
                problems.append(f"{where}: no test begins with \"{start}\"")
        problems += [f"{where}: there is no {word}" for word in words if word not in suites]
        problems += [f"{where}: there is no {path}" for path in paths
                     if path not in files and not any(file.startswith(path.rstrip("/") + "/") for file in files)]
        if not (quoted or words or paths or programs):
            problems.append(f"{where}: names no test, file or program that holds it: {held.strip()[:70]}")
    return problems


def check(root, files):
    """Every violation in the files (paths below root, as git lists them)."""
    texts = {path: read(root, path) for path in files}
    source = "Tools/Suite/unsafe.list"
    places = unsafe_places(texts.get(source, ""), source)
    problems = []
    for path in files:
        problems += check_file(path, texts[path], places)
    problems += check_rooms(set(files))
    problems += check_places(files, texts, places)
    problems += check_promises(texts.get("SPECIFICATION.md", ""), set(files), texts)
    return problems
