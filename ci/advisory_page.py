#!/usr/bin/env python3
"""Checks that docs/advisories.md and the tests that it names agree.

    python3 ci/advisory_page.py

Every number from 1 to 40 has exactly one row, in order, that says how the vulnerability is ruled out. Every test that is
linked stands in the file that the link leads to. Every test that carries a number (`v07_…`) is linked in that number's row
and in no other, and has a control in verification/negative_controls. A row that says "by test" links a test of the library, one that says
"by the host" a test of the host, and no other row does. Then each rule is broken once, in memory, and must be noticed.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/advisories.md"
ALL = "tests/it"
LIBRARY = "tests/it/advisories"
HOST = "examples/server/tests"
COUNT = 40
HOW = ("by type", "by test", "by the host", "not at all")
LINK = re.compile(r"\[`([a-z0-9_]+)`\]\(\.\./([^)]+\.rs)\)")


def tests():
    """The tests by file."""
    files = sorted((ROOT / ALL).rglob("*.rs")) + sorted((ROOT / HOST).glob("*.rs"))
    pattern = re.compile(r"#\[test\]\n(?:#\[.*\]\n)*fn (\w+)")
    return {str(file.relative_to(ROOT)): set(pattern.findall(file.read_text(encoding="utf-8"))) for file in files}


def problems(page, known, controlled):
    found = []
    rows = re.findall(r"^\| V(\d+) \|(.*)\|$", page, re.MULTILINE)
    if [int(number) for number, _ in rows] != list(range(1, COUNT + 1)):
        found.append(f"the rows are not 1 to {COUNT}, each once and in order")
    numbered = {(name, file) for file, names in known.items() for name in names if re.match(r"v\d\d_", name)}
    linked = set()
    for number, row in rows:
        cells = row.split(" | ")
        links = set(LINK.findall(row))
        if len(cells) != 3 or not all(cell.strip() for cell in cells):
            found.append(f"V{number}: not three cells")
        elif not any(f"**{how}**" in cells[2] for how in HOW):
            found.append(f"V{number}: does not say how it is ruled out")
        for name, file in links:
            prefix = f"v{int(number):02}_"
            if re.match(r"v\d\d_", name) and not name.startswith(prefix):
                found.append(f"V{number}: {name} is another number's")
            # The host's sources may be linked, too; they are no tests.
            if file.startswith((ALL, HOST)) and name not in known.get(file, set()):
                found.append(f"V{number}: {name} is no test of {file}")
        of_library = {name for name, file in links if file.startswith(LIBRARY)}
        if ("**by test**" in row) != bool(of_library):
            found.append(f"V{number}: what it says of a test of the library is not what it links")
        if ("**by the host**" in row) != any(file.startswith(HOST) for _, file in links):
            found.append(f"V{number}: what it says of a test of the host is not what it links")
        numbers = {name for name, _ in links & numbered}
        found += [f"V{number}: no control for {name}" for name in sorted((of_library | numbers) - controlled)]
        linked |= links
    found += [f"{file}: {name} is not on the page" for name, file in sorted(numbered - linked)]
    return found


def main():
    page, known = PAGE.read_text(encoding="utf-8"), tests()
    files = [ROOT / "verification/negative_controls" / name for name in ("guards.json", "host.json")]
    controlled = {control["test"] for file in files for control in json.loads(file.read_text(encoding="utf-8"))}
    found = problems(page, known, controlled)
    for problem in found:
        print(f"{PAGE.name}: {problem}", file=sys.stderr)
    if found:
        return 1
    tested = len(set(LINK.findall(page)))
    print(f"ok: {COUNT} vulnerabilities, {tested} tests linked")

    def edited(old, new=""):
        return page.replace(old, new), known, controlled

    row = re.search(r"^\| V17 \|.*\n", page, re.MULTILINE)[0]
    name, file = LINK.search(row).groups()
    renamed = {path: {"v17_other" if test == name else test for test in names} for path, names in known.items()}
    broken = {
        "a row is missing": edited(row),
        "a row stands twice": edited(row, row * 2),
        "a row is another's": edited("| V17 |", "| V18 |"),
        "nothing says how": edited(row, "| V17 | what | invariant | somehow |\n"),
        "a test is not named": edited(f"[`{name}`]", "[`other`]"),
        "a test is named elsewhere": edited(row, row.replace("v17_", "v18_")),
        "a test is in another file": edited(f"[`{name}`](../{file})", f"[`{name}`](../{HOST}/mail.rs)"),
        "a test was renamed": (page, renamed, controlled),
        "a test has no control": (page, known, controlled - {name}),
    }
    for what, arguments in broken.items():
        if not problems(*arguments):
            print(f"FAILED: unnoticed: {what}", file=sys.stderr)
            return 1
    print(f"ok: {len(broken)} ways to break the page are noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
