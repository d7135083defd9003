#!/usr/bin/env python3
"""Mutants that cargo-mutants does not make: guards that pass, statements left out, constants for derivations' arguments.

    python3 verification/mutants/switches.py                  # the files that differ from the record, as in CI
    python3 verification/mutants/switches.py --all --record   # every file; writes switches.json and docs/mutation.md
    python3 verification/mutants/switches.py --control        # weakens a test and requires that a mutant stands
    python3 verification/mutants/switches.py --only TEXT      # the mutants whose name has this text, with what tests say

`sites` finds the places. One copy of the library has all mutants, each behind a switch (switch.rs), so that it is built
once; the environment variable SWITCH says which of them a run of the tests is. The tests are those of run.py. A test
program ends at its first failure, after some seconds, or when it takes too much memory.

A mutant that no test can tell from the library stands in equivalents.json, with the reason. The exit status is 1 if a
mutant was missed, if an equivalent one was caught or is not there, or if the record does not cover the library.
"""

import argparse
import collections
import json
import os
import queue
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import run

HERE = Path(__file__).resolve().parent
RECORD = HERE / "switches.json"
EQUIVALENTS = HERE / "equivalents.json"
COPY, BUILD = run.WORK / "switches", run.WORK / "build-switches"
# Seconds. The unit tests and the integration tests need a tenth of it on an idle machine.
LIMIT = 60
# It reads the sources, and those of the copy have switches in them.
READS_SOURCES = "--skip=rooms::"
# CI waits for no more mutants than these.
BOUND = 250
# Arguments that are the constant of their type already.
CONSTANTS = {"None", "&[]", "Revision::NONE"}
# A mutant, and the tests that alone catch it.
CONTROL = (
    "src/command/verify_oob.rs: check_purpose: pass guard: "
    "self.check_enrollment(session, account, authenticator.factor())",
    ["verify_oob::of_two_sessions_that_enroll", "verify_oob::no_two_sessions_confirm"],
)


def files():
    return [name for name in run.sources() if not name.startswith(("src/tests", "crates/"))]


def found(names):
    """The places in these files, each with a name that stays when its lines move."""
    manifest = HERE / "sites" / "Cargo.toml"
    command = ["cargo", "run", "--quiet", "--locked", "--manifest-path", str(manifest), "--", *names]
    listed = subprocess.run(command, cwd=run.ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    texts, seen, sites = {}, collections.Counter(), []
    for line in listed.splitlines():
        site = json.loads(line)
        text = texts.setdefault(site["file"], (run.ROOT / site["file"]).read_bytes())
        what = " ".join(text[site["start"] : site["end"]].decode().split())
        if site["operator"] == "constant" and what in CONSTANTS:
            continue
        name = f"{site['file']}: {site['function']}: {site['operator'].replace('_', ' ')}: {what}"
        seen[name] += 1
        sites.append({**site, "name": name if seen[name] == 1 else f"{name} ({seen[name]})"})
    return sites


def switched(text, sites):
    """The text of a file with a switch at each of its places."""
    edits = []
    for site in sites:
        number = site["number"]
        begin, end = {
            "statement": (f"if !crate::switch::on({number}) {{ ", " }"),
            "condition": (f"!crate::switch::on({number}) && (", ")"),
            "let_condition": (f"!crate::switch::on({number}) && ", ""),
            "verdict": (f"(if crate::switch::on({number}) {{ Ok(()) }} else {{ ", " })"),
            "argument": (f"crate::switch::constant({number}, ", ")"),
        }[site["shape"]]
        # Of two places that begin together the longer one opens first, and closes last.
        edits.append((site["start"], 1, -site["end"], begin))
        edits.append((site["end"], 0, -site["start"], end))
    for place, _, _, inserted in sorted(edits, reverse=True):
        text = text[:place] + inserted.encode() + text[place:]
    return text


def build(sites):
    """Makes the copy with all mutants, and gives its test programs."""
    run.refresh(COPY)
    for name in files():
        text = switched((run.ROOT / name).read_bytes(), [site for site in sites if site["file"] == name])
        if name == "src/lib.rs":
            text = text.replace(b"mod crypto;", b"extern crate std as all_of_std;\nmod switch;\nmod crypto;")
        (COPY / name).write_bytes(text)
    (COPY / "src" / "switch.rs").write_bytes((HERE / "switch.rs").read_bytes().replace(b"std::", b"all_of_std::"))
    command = ["cargo", "test", "--quiet", "--no-run", "--package", "countersign", "--all-features", "--locked"]
    command += ["--profile", configuration()["profile"], "--lib", "--test=it", "--message-format=json"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(BUILD), "CARGO_INCREMENTAL": "1"}
    # The switches are no example of style.
    environment["RUSTFLAGS"] = "--cap-lints=allow"
    done = subprocess.run(command, cwd=COPY, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        said = [message["message"]["rendered"] for message in messages if message["reason"] == "compiler-message"]
        raise run.MutationError("the copy with all mutants does not compile:\n" + "".join(said))
    made = [message for message in messages if message["reason"] == "compiler-artifact" and message["executable"]]
    programs = {message["target"]["name"]: message["executable"] for message in made}
    return [programs["countersign"], programs["it"]]


def configuration():
    return tomllib.loads(run.CONFIGURATION.read_text(encoding="utf-8"))


def verdict(programs, number, skipped=(), shown=False):
    """What the tests say of one mutant."""
    arguments = configuration()["additional_cargo_test_args"][1:] + [READS_SOURCES] + [f"--skip={name}" for name in skipped]
    environment = {**os.environ, "SWITCH": str(number), "PROPTEST_CASES": "8", "RUST_BACKTRACE": "0"}
    environment["RUST_TEST_THREADS"] = "6"
    for program in programs:
        command = [sys.executable, str(HERE / "first_failure.py"), program, *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=COPY,
                env=environment,
                stdout=None if shown else subprocess.DEVNULL,
                stderr=subprocess.STDOUT if shown else subprocess.DEVNULL,
                timeout=LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "timeout"
        if done.returncode != 0:
            return "caught"
    return "missed"


def try_sites(sites, jobs, shown=False):
    """The verdicts of these places, by name."""
    everything = sites if len(sites) == len(found(files())) else found(files())
    numbers = {site["name"]: number for number, site in enumerate(everything, start=1)}
    programs = build([{**site, "number": numbers[site["name"]]} for site in everything])
    if verdict(programs, 0) != "missed":
        raise run.MutationError("the tests fail without a mutant: python3 verification/mutants/switches.py --only ''")
    waiting, verdicts = queue.Queue(), {}
    for site in sites:
        waiting.put(site["name"])

    def work():
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            verdicts[name] = verdict(programs, numbers[name], shown=shown)
            if verdicts[name] != "caught" or shown:
                print(f"{verdicts[name]}: {name}", flush=True)

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return verdicts


def equivalents():
    """The names of the mutants that are none, with the reason."""
    listed = json.loads(EQUIVALENTS.read_text(encoding="utf-8"))
    return {name: entry["reason"] for entry in listed for name in entry["mutants"]}


def judge(verdicts):
    """What is wrong with these verdicts."""
    known = equivalents()
    problems = [f"missed: {name}" for name, said in sorted(verdicts.items()) if said == "missed" and name not in known]
    for name in known:
        if verdicts.get(name, "missed") != "missed":
            problems.append(f"called equivalent, but {verdicts[name]}: {name}")
    return problems


def record(sites, verdicts, names):
    known, recorded = equivalents(), run.load(RECORD)
    entries = {name: entry for name, entry in recorded.items() if name in files()}
    for name in names:
        own = [site["name"] for site in sites if site["file"] == name]
        said = collections.Counter("equivalent" if place in known else verdicts[place] for place in own)
        entries[name] = {"sha256": run.sha256(name), "mutants": len(own), **said}
    run.save(RECORD, entries)
    run.write_page()


def gate(jobs):
    recorded = run.load(RECORD)
    changed = [name for name in files() if recorded.get(name, {}).get("sha256") != run.sha256(name)]
    problems = [f"recorded, but there is no such file: {name}" for name in recorded if name not in files()]
    problems += [f"recorded as missed: {name}" for name, entry in recorded.items() if entry.get("missed")]
    sites = found(files())
    names = {site["name"] for site in sites}
    problems += [f"called equivalent, but not there: {name}" for name in equivalents() if name not in names]
    todo = [site for site in sites if site["file"] in changed]
    print(f"{len(sites)} mutants; {len(changed)} files differ from the record, with {len(todo)}", flush=True)
    if len(todo) > BOUND:
        return [*problems, f"{len(todo)} mutants in changed files are more than {BOUND}: run --all --record first"]
    return problems + (judge(try_sites(todo, jobs)) if todo else [])


def control():
    """A mutant that two tests alone catch must be reported as missed without them."""
    sites = found(files())
    chosen, tests = CONTROL
    numbers = {site["name"]: number for number, site in enumerate(sites, start=1)}
    if chosen not in numbers:
        raise run.MutationError(f"the control's mutant is not there: {chosen}")
    programs = build([{**site, "number": numbers[site["name"]]} for site in sites])
    said = [verdict(programs, numbers[chosen]), verdict(programs, numbers[chosen], skipped=tests)]
    if said != ["caught", "missed"]:
        raise run.MutationError(f"the control failed: {said}")
    print(f"without {' and '.join(tests)}, the mutant that they catch is reported as missed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--only", metavar="TEXT")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.control:
        return control()
    if not (arguments.all or arguments.only is not None):
        problems = gate(arguments.jobs)
    else:
        sites = found(files())
        if arguments.only is not None:
            sites = [site for site in sites if arguments.only in site["name"]]
        verdicts = try_sites(sites, arguments.jobs, shown=arguments.only is not None)
        problems = judge(verdicts) if arguments.all else []
        if arguments.record:
            names = set(files()) if arguments.all else {site["file"] for site in sites}
            record(sites, verdicts, names | set(files()) - set(run.load(RECORD)))
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except run.MutationError as failure:
        sys.exit(str(failure))
