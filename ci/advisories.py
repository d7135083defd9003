#!/usr/bin/env python3
"""Checks that no lock file names a version with a known advisory.

    python3 ci/advisories.py [Cargo.lock ...]

Without arguments every Cargo.lock of the tree is read. The advisories are those of ci/advisories.toml, a list by hand: see
there for what it is not. A crate under `never_built` may stand in a lock file as long as `cargo tree` shows that nothing
builds it; an entry there that no lock file needs is an error, too.

The exit status is 1 if a version is affected, or an exception is not needed or not true.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SKIPPED = {"target", "node_modules", ".git"}


def version(text):
    """A version by semantic versioning's order; a pre-release comes before its release."""
    core, _, pre = text.split("+")[0].partition("-")
    numbers = tuple(int(number) for number in core.split("."))
    if len(numbers) != 3:
        raise ValueError(f"no full version: {text}")
    labels = tuple((0, int(label), "") if label.isdigit() else (1, 0, label) for label in pre.split("."))
    return (numbers, (0, labels)) if pre else (numbers, (1, ()))


COMPARE = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}


def holds(requirement, candidate):
    """Whether all comparisons of a requirement such as `>= 1.2.0, < 2.0.0` hold."""
    for comparison in requirement.split(","):
        match = re.fullmatch(r"\s*(>=|<=|>|<|=)\s*(\S+)\s*", comparison)
        if not match:
            raise ValueError(f"no requirement: {requirement!r}")
        if not COMPARE[match[1]](version(candidate), version(match[2])):
            return False
    return True


def affected(advisory, candidate):
    sound = advisory["patched"] + advisory.get("unaffected", [])
    return not any(holds(requirement, candidate) for requirement in sound)


def lock_files():
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(set(folders) - SKIPPED)
        if "Cargo.lock" in files:
            found.append(Path(folder) / "Cargo.lock")
    return found


def is_built(lock, name, candidate):
    """Whether anything of the lock file's packages is built with the crate, on whatever target, by whatever feature."""
    command = ["cargo", "tree", "--locked", "--manifest-path", str(lock.with_name("Cargo.toml")), "--workspace"]
    command += ["--all-features", "--target", "all", "--edges", "all", "--invert", f"{name}@{candidate}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return bool(done.stdout.strip())


def main():
    known = tomllib.loads((ROOT / "ci/advisories.toml").read_text(encoding="utf-8"))
    by_package = {}
    for advisory in known["advisory"]:
        by_package.setdefault(advisory["package"], []).append(advisory)
    excepted = {(entry["id"], entry["package"]) for entry in known["never_built"]}
    locks = [Path(argument).resolve() for argument in sys.argv[1:]] or lock_files()
    used, failures, crates = set(), 0, 0
    for lock in locks:
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
        crates += len(packages)
        for package in packages:
            name, candidate = package["name"], package["version"]
            for advisory in by_package.get(name, []):
                if not affected(advisory, candidate):
                    continue
                key = (advisory["id"], name)
                if key in excepted and not is_built(lock, name, candidate):
                    used.add(key)
                    continue
                print(f"{lock}: {name} {candidate}: {advisory['id']}: {advisory['about']}", file=sys.stderr)
                failures += 1
    if not sys.argv[1:]:
        for identifier, name in sorted(excepted - used):
            print(f"{identifier}: {name} is excepted, and no lock file needs that", file=sys.stderr)
            failures += 1
    print(f"{len(known['advisory'])} advisories, {len(locks)} lock files, {crates} crates: {failures} affected")
    return 1 if failures or not crates else 0


if __name__ == "__main__":
    sys.exit(main())
