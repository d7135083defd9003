#!/usr/bin/env python3
"""Checks that what the threat model and the README claim names the test that holds it, and that it exists.

    python3 ci/claims.py

A name in code font with three underscores or more is the name of a test of the tree, and a path in code font or in a link is a
file or folder of it. In src/threat_model.rs each paragraph, point and row of a table has one, but where nothing is claimed;
in README.md each does in the sections of SECTIONS, where a table counts as one with what stands before it. Then each rule is broken once, in memory, and
must be noticed.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL, README = "src/threat_model.rs", "README.md"
TESTS = ("src", "tests", "examples", "crates", "fuzz/properties", "verification")
# The sections of the README that claim something from end to end.
SECTIONS = ("Policy", "Under attack", "Security notes")
# What opens a part, says what is not claimed, or is no claim about the library.
SILENT = ("A name in code font", "# ", "**Not claimed:**", "| the ")
SILENT_README = ("- What is and is not defended", "- [`SECURITY.md`]", "- `.ci/run`")
UNCLAIMED = ("What nothing here can do", "Not claimed")

NAME = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`")
PLACE = re.compile(r"`(?:python3 )?((?:src|tests|ci|fuzz|verification|crates|examples|benches|docs)/[\w./-]*\w)|\]\(([\w./-]+)\)")


def tests():
    pattern = re.compile(r"#\[(?:tokio::)?test[^\]]*\]\s*(?:#\[[^\n]*\]\s*)*(?:async )?fn (\w+)")
    files = [file for folder in TESTS for file in (ROOT / folder).rglob("*.rs") if "target" not in file.parts]
    return {name for file in files for name in pattern.findall(file.read_text(encoding="utf-8"))}


def blocks(text, rows):
    """The paragraphs, points and, if asked for, rows of a page, each with the heading above it. Code is left out."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    heading, block = "", []

    def ended():
        joined = " ".join(block).strip()
        block.clear()
        return [(heading, joined)] if joined else []

    for line in text.splitlines():
        starts = re.match(r"(- |\d+\. |#+ )", line) or not line.strip() or (rows and line.startswith("|"))
        if starts:
            yield from ended()
        if re.match(r"#+ ", line):
            heading = line.lstrip("# ").strip()
        elif line.startswith("**Not claimed"):
            heading = "Not claimed"
        elif not re.match(r"\|[-| ]+\|$", line):
            block.append(line.strip())
    yield from ended()


def named(block):
    return NAME.findall(block), [one or other for one, other in PLACE.findall(block)]


def problems(model, readme, known):
    found = []
    for page, text in ((MODEL, model), (README, readme)):
        names, places = named(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
        found += [f"{page}: {name} is no test" for name in sorted(set(names) - known)]
        found += [f"{page}: {place} is not there" for place in sorted(set(places)) if not (ROOT / place).exists()]
    for heading, block in list(blocks(model, rows=True))[1:]:
        if heading not in UNCLAIMED and not block.startswith(SILENT) and not any(named(block)):
            found.append(f"{MODEL}: nothing is said to hold: {block[:80]}")
    before = ""
    for heading, block in blocks(readme, rows=False):
        # What stands before a table may speak of all of it.
        whole = f"{before} {block}" if block.startswith("|") else block
        before = block
        if heading in SECTIONS and not block.startswith(SILENT_README) and not any(named(whole)):
            found.append(f"{README}: nothing is said to hold: {block[:80]}")
    return found


def main():
    lines = (ROOT / MODEL).read_text(encoding="utf-8").splitlines()
    model = "\n".join(line.removeprefix("//!").removeprefix(" ") for line in lines)
    readme, known = (ROOT / README).read_text(encoding="utf-8"), tests()
    found = problems(model, readme, known)
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        return 1
    names = {name for page in (model, readme) for name in named(page)[0]}
    print(f"ok: {len(names)} tests hold what the threat model and the README claim")

    name = "l06_a_stranger_of_sixty_days_keeps_the_owner_from_nothing"
    broken = {
        "a test was renamed": (model, readme, known - {name}),
        "a test of the README was renamed": (model, readme, known - {"refusals_are_exact_to_the_full_stop"}),
        "a paragraph of the model names none": (model.replace("# Timing", "Nobody gets in.\n\n# Timing").replace(
            "# What nothing here can do", "# Other"), readme, known),
        "a point of the model names none": (model.replace("# Timing", "- Nobody gets in.\n\n# Timing").replace(
            "# What nothing here can do", "# Other"), readme, known),
        "a row of the model names none": (model.replace("|---|---|---|\n", "|---|---|---|\n| nothing | all | |\n", 1), readme, known),
        "a point of the README names none": (model, readme.replace("## Licence", "- Nobody gets in.\n\n## Licence"), known),
        "a place is not there": (model, readme.replace("](docs/api)", "](docs/apis)"), known),
    }
    for what, arguments in broken.items():
        if not problems(*arguments):
            print(f"FAILED: unnoticed: {what}", file=sys.stderr)
            return 1
    print(f"ok: {len(broken)} ways to break them are noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
