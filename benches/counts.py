#!/usr/bin/env python3
"""The gate of the instruction counts: what every case of the benches executes, by callgrind, against benches/counts.json.

    python3 benches/counts.py                  compares: 2 % each way, and the targets between the cases
    python3 benches/counts.py --record         writes the counts of now
    python3 benches/counts.py --profile CASE   where the instructions of one case go

Counts do not depend on how busy the machine is. They do depend on the compiler and its target, which are recorded with
them: with another, nothing can be compared, and that is a failure that asks for a new record. Under valgrind sha2 has no
SHA extensions and hashes in software, so hashing weighs more here than on the clock: docs/performance.md has both. The
control is part of every run: with one more HMAC in each case, each small one must be noticed.

Needs valgrind (`ci/install.sh valgrind`).
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD = Path(__file__).resolve().with_name("counts.json")
TOLERANCE = 0.02
# To hash a block takes some 2,500 instructions.
HALF_BLOCK = 1_250
ENCLOSING = "counted_operation"
COMPRESSION = re.compile(r"sha256.*compress")

# What is measured, what it is measured against, and the greatest ratio of the two.
TARGETS = [
    ("verification/bare/right", "verification/bare/floor", 1.15),
    ("verification/bare/wrong", "verification/bare/floor", 1.15),
    ("verification/whole/full_right", "verification/whole/floor", 1.5),
    ("verification/recovery/right_10", "verification/recovery/right_01", 1.2),
    ("verification/token/forged", "verification/token/floor", 1.2),
    ("verification/bare/wrong", "verification/bare/right", 1.04),
    ("verification/bare/right", "verification/bare/wrong", 1.04),
    ("verification/whole/full_right", "verification/whole/empty_right", 1.1),
]

# These hash as many blocks as their floor, but some in one call where that takes several: so each floor is right.
SAME_HASHING = [
    ("verification/bare/right", "verification/bare/floor"),
    ("verification/bare/wrong", "verification/bare/floor"),
    ("verification/whole/full_wrong", "verification/whole/floor"),
    ("verification/recovery/wrong_10", "verification/recovery/floor"),
    ("verification/token/forged", "verification/token/floor"),
    ("verification/token/good", "verification/token/floor"),
    ("verification/handle/good", "verification/handle/floor"),
]


def build():
    """Builds the cases and gives the program."""
    command = ["cargo", "bench", "--no-run", "--bench", "counts", "--message-format", "json"]
    messages = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    built = [json.loads(line) for line in messages.splitlines() if line.startswith("{")]
    programs = [one["executable"] for one in built if one.get("executable") and one["target"]["name"] == "counts"]
    return programs[-1]


def run(program, *arguments):
    """Runs the cases under callgrind and gives each one's profile: instructions by function."""
    if shutil.which("valgrind") is None:
        subprocess.run([ROOT / "ci" / "install.sh", "valgrind"], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        # What an allocation costs depends on what was allocated before, and the name of the program and its environment
        # are the first. So they are the same wherever the project lies.
        shutil.copy(program, Path(scratch) / "counts")
        command = [
            shutil.which("valgrind"),
            "--tool=callgrind",
            "--collect-atstart=no",
            f"--toggle-collect=*{ENCLOSING}*",
            f"--dump-after=counts::{ENCLOSING}*",
            "--callgrind-out-file=out",
            "./counts",
            *arguments,
        ]
        # One routine for copying on every processor.
        environment = {
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-SSSE3",
        }
        done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"the cases failed under callgrind:\n{done.stderr}")
        names = done.stdout.split()
        dumps = [Path(scratch) / f"out.{number}" for number in range(1, len(names) + 1)]
        if not names or not all(dump.exists() for dump in dumps):
            sys.exit(f"callgrind wrote {sum(map(Path.exists, dumps))} profiles of {len(names)} cases")
        functions = {}
        return dict(zip(names, [profile(dump, functions) for dump in dumps], strict=True))


def profile(dump, functions):
    """Reads one profile. A function's name stands only where it is first used, be that in an earlier profile."""
    costs, current, inclusive = {}, None, False
    for line in dump.read_text().splitlines():
        if match := re.match(r"(c?fn)=\((\d+)\)(?: (.*))?$", line):
            kind, number, name = match.groups()
            if name:
                functions[number] = name
            if kind == "fn":
                current = functions[number]
        elif line.startswith("calls="):
            inclusive = True
        elif re.match(r"[+*-]?\d* ?\d", line) or line.startswith("* "):
            if not inclusive:
                costs[current] = costs.get(current, 0) + int(line.split()[1])
            inclusive = False
    return costs


def totals(profiles):
    return {name: sum(costs.values()) for name, costs in profiles.items()}


def compare(counts, recorded):
    """What is wrong with these counts."""
    for name in sorted(counts.keys() | recorded.keys()):
        now, then = counts.get(name), recorded.get(name)
        if now is None or then is None:
            yield f"{name}: {'not recorded' if then is None else 'recorded, but no case any more'}"
        elif abs(now - then) > TOLERANCE * then:
            yield f"{name}: {now} instructions, recorded {then} ({now / then - 1:+.1%})"


def missed(counts):
    """The targets that these counts miss."""
    for case, against, most in TARGETS:
        ratio = counts[case] / counts[against]
        verdict = "ok" if ratio <= most else "MISSED"
        yield ratio > most, f"{verdict:6} {ratio:.3f} (at most {most}) {case} / {against}"


def hashing(profiles):
    """Pairs that do not hash as many blocks."""
    def hashed(name):
        return sum(cost for function, cost in profiles[name].items() if COMPRESSION.search(function))

    for case, floor in SAME_HASHING:
        if abs(hashed(case) - hashed(floor)) > HALF_BLOCK or hashed(floor) == 0:
            yield f"{case} hashes {hashed(case)} instructions, its floor {hashed(floor)}"


def toolchain():
    version = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    fields = dict(line.split(": ", 1) for line in version.splitlines() if ": " in line)
    return {"rustc": f"{fields['release']} ({fields['commit-hash'][:9]})", "target": fields["host"]}


def show(costs):
    total = sum(costs.values())
    for function, cost in sorted(costs.items(), key=lambda item: -item[1])[:40]:
        print(f"{cost:8} {cost / total:6.1%}  {function}")
    print(f"{total:8} 100.0%")


def main():
    program = build()
    profiles = run(program)
    counts = totals(profiles)
    if "--profile" in sys.argv:
        return show(profiles[sys.argv[sys.argv.index("--profile") + 1]])
    problems = list(hashing(profiles))
    verdicts = list(missed(counts))
    print("\n".join(line for _, line in verdicts))
    if "--record" in sys.argv:
        RECORD.write_text(json.dumps({**toolchain(), "counts": counts}, indent=1) + "\n")
        print(f"recorded {len(counts)} counts")
    else:
        problems += [line for is_missed, line in verdicts if is_missed]
    record = json.loads(RECORD.read_text())
    recorded = record["counts"]
    here = toolchain()
    if here != {key: record[key] for key in here}:
        problems.append(f"recorded with {record['rustc']} for {record['target']}, this is {here['rustc']} for"
                        f" {here['target']}: nothing can be compared; record anew with --record and look at the difference")
    else:
        problems += compare(counts, recorded)
        # The control: one more HMAC in each case.
        slower = totals(run(program, "slower"))
        noticed = {line.split(":")[0] for line in compare(slower, recorded)}
        unnoticed = {name for name, count in recorded.items() if count < 60_000} - noticed
        problems += [f"control: {name} with one more HMAC was not noticed" for name in sorted(unnoticed)]
        beside = {name: (counts if name.endswith("/floor") else slower)[name] for name in counts}
        small = ("bare", "token")
        problems += [
            f"control: with one more HMAC no target is missed: {line}"
            for is_missed, line in missed(beside)
            if line.endswith(tuple(f"{name}/floor" for name in small)) and not is_missed
        ]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(counts)} counts within {TOLERANCE:.0%} of the record")


if __name__ == "__main__":
    main()
