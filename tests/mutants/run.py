#!/usr/bin/env python3
"""Mutation testing of the library: every mutant of src/ must be noticed by a test.

    python3 tests/mutants/run.py                 # the files of src/ that differ from the survey
    python3 tests/mutants/run.py --all           # every file
    python3 tests/mutants/run.py FILE...         # these files
    python3 tests/mutants/run.py --missed FILE   # of these files, what the last run of the script left standing
    python3 tests/mutants/run.py --control       # weakens a test and requires that a mutant stands
    python3 tests/mutants/run.py --page          # writes docs/mutation.md from the survey

With --record the results go into survey.json, and docs/mutation.md is written from it. The survey has the SHA-256 of each
file as it was surveyed, so that what has changed is known without a history. The exit status is 1 if a mutant was missed,
if the survey doesn't cover src/ exactly, or if more has changed than a gate should wait for.

The mutants are made by cargo-mutants, which is installed if need be, in copies of the tree, two at a time (--jobs N).
Copies and builds stay in target/mutants, or in CARGO_TARGET_DIR/mutants, so that a second run is quick.
"""

import argparse
import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SURVEY = Path(__file__).resolve().with_name("survey.json")
PAGE = ROOT / "docs" / "mutation.md"
CONFIGURATION = ROOT / ".cargo" / "mutants.toml"
WORK = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "mutants"
VERSION = "27.1.0"
# A gate does not wait for more mutants than these.
BOUND = 150
# A mutant that makes a loop endless counts as caught after this time: a hundred times what the tests need.
TIMEOUT_S = 40
VERDICTS = {
    "CaughtMutant": "caught",
    "MissedMutant": "missed",
    "Unviable": "unviable",
    "Timeout": "timeout",
}


class SurveyError(Exception):
    """Why there is no result."""


def sources():
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "src").rglob("*.rs"))


def sha256(name):
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def code_sha256(name):
    """The hash of the file without its unit tests: while it stays, so do the mutants and their names."""
    code = re.split(rb"^#\[cfg\(test\)\]\nmod tests", (ROOT / name).read_bytes(), maxsplit=1, flags=re.M)[0]
    return hashlib.sha256(code).hexdigest()


def load(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def install():
    found = subprocess.run(["cargo", "mutants", "--version"], capture_output=True, text=True, check=False)
    if found.stdout.split()[-1:] != [VERSION]:
        subprocess.run(["cargo", "install", "cargo-mutants", "--locked", "--version", VERSION], check=True)


def listed(names):
    """The mutants of the files, by file."""
    command = ["cargo", "mutants", "--list", "--json", "--package", "countersign"]
    for name in names:
        command += ["--file", name]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    mutants = {name: [] for name in names}
    for mutant in json.loads(found.stdout):
        mutants[mutant["file"]].append(mutant["name"])
    return mutants


def refresh(copy):
    """Makes the copy equal to the tree; what is equal already keeps its time, and so its build."""
    wanted = set()
    for parent, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in (".git", "target", "node_modules")]
        for name in files:
            path = Path(parent, name)
            relative = path.relative_to(ROOT)
            wanted.add(relative)
            target = copy / relative
            if not target.exists() or target.read_bytes() != path.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        if path.relative_to(copy) not in wanted:
            path.unlink()


class Worker:
    """One copy of the tree, with a build of its own."""

    def __init__(self, number):
        self.copy = WORK / f"copy-{number}"
        self.out = WORK / f"out-{number}"
        self.environment = dict(os.environ)
        self.environment.update(
            CARGO_TARGET_DIR=str(WORK / f"build-{number}"),
            CARGO_INCREMENTAL="1",
            CARGO_TERM_COLOR="never",
            PROPTEST_CASES="8",
            RUST_BACKTRACE="0",
            RUST_TEST_THREADS="6",
        )
        host = re.search(r"^host: (.*)$", subprocess.check_output(["rustc", "-vV"], text=True), flags=re.M)[1]
        runner = Path(__file__).resolve().with_name("first_failure.py")
        self.environment[f"CARGO_TARGET_{host.upper().replace('-', '_')}_RUNNER"] = f"{sys.executable} {runner}"
        refresh(self.copy)

    def baseline(self):
        """The tests must pass before a failure can mean anything; this also makes the build warm."""
        configuration = tomllib.loads((self.copy / ".cargo" / "mutants.toml").read_text(encoding="utf-8"))
        command = ["cargo", "test", "--package", "countersign", "--profile", configuration["profile"]]
        command += configuration["additional_cargo_args"] + configuration["additional_cargo_test_args"]
        done = subprocess.run(
            command, cwd=self.copy, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode != 0:
            raise SurveyError("the tests fail without a mutant:\n" + done.stdout.decode(errors="replace"))

    def verdicts(self, name, only):
        """Tries the mutants of one file, or only those, and gives each one's verdict by its name."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        command = ["cargo", "mutants", "--in-place", "--baseline", "skip", "--no-shuffle", "--package", "countersign"]
        command += ["--timeout", str(TIMEOUT_S), "--output", str(self.out), "--colors", "never", "--file", name]
        for mutant in only or []:
            command += ["--re", "^" + re.escape(mutant).replace("\\ ", " ") + "$"]
        done = subprocess.run(
            command, cwd=self.copy, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        outcomes = load(self.out / "mutants.out" / "outcomes.json").get("outcomes")
        # 0: all caught, 2: some missed, 3: some timed out. Anything else is no result.
        if done.returncode not in (0, 2, 3) or outcomes is None:
            raise SurveyError(f"{name}: cargo-mutants gave {done.returncode}:\n" + done.stdout.decode(errors="replace"))
        return {
            outcome["scenario"]["Mutant"]["name"]: VERDICTS[outcome["summary"]]
            for outcome in outcomes
            if outcome["scenario"] != "Baseline"
        }


def results_path(name):
    return WORK / "results" / (name.replace("/", "-") + ".json")


def survey(names, jobs, only_missed):
    """Runs the mutants of the files and gives the verdicts by file; each file's are kept when it is done."""
    mutants = listed(names)
    results, waiting, failures = {}, queue.Queue(), []
    for name in names:
        kept = load(results_path(name))
        earlier = kept.get("verdicts", {}) if kept.get("code") == code_sha256(name) else {}
        todo = mutants[name]
        if only_missed:
            earlier = {mutant: verdict for mutant, verdict in earlier.items() if mutant in set(todo)}
            todo = [mutant for mutant in todo if earlier.get(mutant, "missed") == "missed"]
        else:
            earlier = {}
        if todo:
            waiting.put((name, todo if len(todo) < len(mutants[name]) else None, earlier))
        else:
            results[name] = earlier

    def work(number):
        try:
            worker = None
            while not failures:
                try:
                    name, only, verdicts = waiting.get_nowait()
                except queue.Empty:
                    return
                if worker is None:
                    worker = Worker(number)
                    worker.baseline()
                refresh(worker.copy)
                begun = time.monotonic()
                verdicts = verdicts | worker.verdicts(name, only)
                if set(verdicts) != set(mutants[name]):
                    raise SurveyError(f"{name}: not the mutants that were listed; has the file changed meanwhile?")
                seconds = time.monotonic() - begun
                save(results_path(name), {"code": code_sha256(name), "verdicts": verdicts})
                results[name] = verdicts
                print(f"{name}: {line(count(verdicts))}, {seconds:.0f} s", flush=True)
                for mutant in sorted(verdicts):
                    if verdicts[mutant] in ("missed", "timeout"):
                        print(f"  {verdicts[mutant]}: {mutant}", flush=True)
        except (SurveyError, OSError, KeyError, ValueError) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(min(jobs, waiting.qsize()))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def count(verdicts):
    counts = dict.fromkeys(VERDICTS.values(), 0)
    for verdict in verdicts.values():
        counts[verdict] += 1
    return {"mutants": len(verdicts)} | counts


def line(counts):
    return f"{counts['mutants']} mutants: " + ", ".join(f"{counts[key]} {key}" for key in VERDICTS.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    install()
    names = arguments.files or sources()
    results = survey(names, arguments.jobs, arguments.missed)
    return int(any("missed" in verdicts.values() for verdicts in results.values()))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SurveyError as failure:
        sys.exit(str(failure))
