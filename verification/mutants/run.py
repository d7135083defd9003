#!/usr/bin/env python3
"""Mutation testing of the library: every mutant of its sources must be noticed by a test.

    python3 verification/mutants/run.py                 # the files that differ from the baseline
    python3 verification/mutants/run.py --all           # every file
    python3 verification/mutants/run.py FILE...         # these files
    python3 verification/mutants/run.py --missed FILE   # of these files, what the last run of the script left standing
    python3 verification/mutants/run.py --control       # weakens a test and requires that a mutant stands
    python3 verification/mutants/run.py --page          # writes docs/mutation.md from the baseline
    python3 verification/mutants/run.py --moved REV     # tries what is new since the revision of an earlier baseline

With --record the results go into baseline.json, and docs/mutation.md is written from it. The baseline has the SHA-256 of
each file as it was tried, so that what has changed is known without a history. The exit status is 1 if a mutant was
missed, if the baseline doesn't cover the sources exactly, or if more has changed than a gate should wait for.

With --moved a mutant whose function reads as it did in REV, in whatever file, keeps the verdict that it had: it was not
missed. The baseline counts these as kept, and only the others are tried. REV must be a revision whose baseline is
complete.

The mutants are made by cargo-mutants, which is installed if need be, in copies of the tree, two at a time (--jobs N).
Copies and builds stay in target/mutants, or in CARGO_TARGET_DIR/mutants, so that a second run is quick.
"""

import argparse
import collections
import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

import switches_page

ROOT = Path(__file__).resolve().parents[2]
BASELINE = Path(__file__).resolve().with_name("baseline.json")
PAGE = ROOT / "docs" / "mutation.md"
CONFIGURATION = ROOT / ".cargo" / "mutants.toml"
WORK = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "mutants"
VERSION = "27.1.0"
# A gate does not wait for more mutants than these.
BOUND = 150
# The unit tests, and the programs that have the integration tests of what is under a path, the first that fits. A mutant
# that makes a loop endless counts as caught after these seconds, of which the tests need a tenth on an idle machine.
UNIT_TESTS = "--lib"
INTEGRATION_TESTS = {
    "src/wire": ("--test=it", 40),
    "src/": ("--test=it", 40),
}
# The packages, by the folders of their sources.
PACKAGES = {
    "src": "countersign",
}
VERDICTS = {
    "CaughtMutant": "caught",
    "MissedMutant": "missed",
    "Unviable": "unviable",
    "Timeout": "timeout",
}


class MutationError(Exception):
    """Why there is no result."""


def sources():
    return sorted(str(path.relative_to(ROOT)) for folder in PACKAGES for path in (ROOT / folder).rglob("*.rs"))


def package(name):
    """The package of a file."""
    return next(package for folder, package in PACKAGES.items() if name.startswith(folder + "/"))


def sha256(name):
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def halves(name):
    """The file without its unit tests, and those, if it has some."""
    return re.split(rb"\s+^#\[cfg\(test\)\]\n(?:pub\(crate\) )?mod tests|\s+\Z", (ROOT / name).read_bytes(), maxsplit=1, flags=re.M)


def code_sha256(name):
    """The hash of the file without its unit tests: while it stays, so do the mutants and their names."""
    return hashlib.sha256(halves(name)[0]).hexdigest()


def own_tests(name):
    """Whether the file has unit tests."""
    return halves(name)[-1] != b""


def load(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def install():
    found = subprocess.run(["cargo", "mutants", "--version"], capture_output=True, text=True, check=False)
    if found.stdout.split()[-1:] != [VERSION]:
        subprocess.run(["cargo", "install", "cargo-mutants", "--locked", "--version", VERSION], check=True)


def integration_tests(name):
    """The program that is to catch the mutants of a file, and its time limit."""
    return next(tests for path, tests in INTEGRATION_TESTS.items() if name.startswith(path))


def described(root, names):
    """The mutants of the files in a tree, as the tool describes them."""
    mutants = []
    for of in sorted({package(name) for name in names}):
        command = ["cargo", "mutants", "--list", "--json", "--package", of]
        for name in names:
            if package(name) == of:
                command += ["--file", name]
        found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        mutants += json.loads(found.stdout)
    return mutants


def listed(names):
    """The names of the mutants of the files, by file."""
    mutants = {name: [] for name in names}
    for mutant in described(ROOT, names):
        mutants[mutant["file"]].append(mutant["name"])
    return mutants


def essence(root, mutant):
    """What stays of a mutant when its function moves: the function's text without comments, the place, the replacement."""
    lines = (root / mutant["file"]).read_text(encoding="utf-8").split("\n")

    def text(start, end):
        within = lines[start["line"] - 1 : end["line"]]
        within[-1] = within[-1][: end["column"] - 1]
        within[0] = within[0][start["column"] - 1 :]
        return " ".join(" ".join(line for line in within if not line.lstrip().startswith("//")).split())

    # A mutant of a constant has no function.
    whole, span = (mutant.get("function") or mutant)["span"], mutant["span"]
    before, place = text(whole["start"], span["start"]), text(span["start"], span["end"])
    return text(whole["start"], whole["end"]), before, place, mutant["replacement"], mutant["genre"]


def moved(revision):
    """Of each file that differs from the baseline: the mutants to try, and how many only moved since the revision."""
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(old), revision], cwd=ROOT, check=True)
        try:
            [place] = old.glob("*/mutants/baseline.json")
            recorded = load(place)
            if recorded["not_tried"] or any(entry["missed_names"] for entry in recorded["files"].values()):
                raise MutationError(f"the baseline of {revision} is not complete")
            for name, entry in recorded["files"].items():
                if hashlib.sha256((old / name).read_bytes()).hexdigest() != entry["sha256"]:
                    raise MutationError(f"{revision}: {name} is not as it was tried")
            known = collections.Counter(essence(old, mutant) for mutant in described(old, recorded["files"]))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(old)], cwd=ROOT, check=True)
    recorded = load(BASELINE)["files"]
    todo = {name: [] for name in sources() if recorded.get(name, {}).get("sha256") != sha256(name)}
    kept = dict.fromkeys(todo, 0)
    for mutant in described(ROOT, todo):
        what = essence(ROOT, mutant)
        if known[what] > 0:
            known[what] -= 1
            kept[mutant["file"]] += 1
        else:
            todo[mutant["file"]].append(mutant["name"])
    return todo, kept


def content(path):
    """A file as it stands in a copy: there the library does not depend on itself for its features, which costs a build."""
    edits = {
        ROOT / "Cargo.toml": (rb'^countersign = \{ path = "\.".*\n', b""),
        ROOT / "Cargo.lock": (rb'^(name = "countersign"\n(?:[^\n]+\n)*?) "countersign",\n', rb"\1"),
    }
    read = path.read_bytes()
    if path in edits:
        read, number = re.subn(*edits[path], read, flags=re.M)
        if number != 1:
            raise MutationError(f"{path.name}: where does the library depend on itself?")
    return read


def refresh(copy):
    """Makes the copy equal to the tree; what is equal already keeps its time, and so its build.

    Gives whether something that a test may depend on had to be changed.
    """
    wanted, changed = set(), False
    for parent, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in (".git", "target", "node_modules")]
        for name in files:
            path = Path(parent, name)
            relative = path.relative_to(ROOT)
            wanted.add(relative)
            target = copy / relative
            if not target.exists() or target.read_bytes() != content(path):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content(path))
                changed |= path not in (BASELINE, PAGE)
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        if path.relative_to(copy) not in wanted:
            path.unlink()
            changed = True
    return changed


class Worker:
    """One copy of the tree, with a build of its own, for the mutants of these files."""

    def __init__(self, number, names):
        # What is tested of each package.
        self.tests = {package(name): [UNIT_TESTS] for name in names}
        for of, test in sorted({(package(name), integration_tests(name)[0]) for name in names}):
            self.tests[of].append(test)
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
        for of, tests in self.tests.items():
            command = ["cargo", "test", "--package", of, "--all-features", "--profile", configuration["profile"]]
            command += tests + configuration["additional_cargo_test_args"]
            done = subprocess.run(
                command, cwd=self.copy, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            if done.returncode != 0:
                raise MutationError("the tests fail without a mutant:\n" + done.stdout.decode(errors="replace"))

    def verdicts(self, name, only):
        """Tries the mutants of one file, or only those, and gives each one's verdict by its name.

        Most are caught by the file's own tests, if it has some, or by the integration tests. The others, which cost another
        build, run for what is missed only.
        """
        tests, limit = integration_tests(name)
        first, then = (UNIT_TESTS, tests) if own_tests(name) else (tests, UNIT_TESTS)
        verdicts = self.trial(name, only, first, limit)
        missed = [mutant for mutant, verdict in verdicts.items() if verdict == "missed"]
        return verdicts | self.trial(name, missed, then, limit) if missed else verdicts

    def trial(self, name, only, tests, limit):
        """The verdicts of some of the tests."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        command = ["cargo", "mutants", "--in-place", "--baseline", "skip", "--no-shuffle", "--package", package(name)]
        command += ["--timeout", str(limit), "--output", str(self.out), "--colors", "never", "--file", name]
        command += [f"--cargo-arg={tests}"]
        for mutant in only or []:
            command += ["--re", "^" + re.escape(mutant).replace("\\ ", " ") + "$"]
        if only:
            # The tool does not look at the names of mutants that delete a field, but it does look at a difference.
            difference = self.out / "only.diff"
            difference.write_text(lines_of(self.copy / name, name, only), encoding="utf-8")
            command += ["--in-diff", str(difference)]
        done = subprocess.run(
            command, cwd=self.copy, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        outcomes = load(self.out / "mutants.out" / "outcomes.json").get("outcomes")
        # 0: all caught, 2: some missed, 3: some timed out. Anything else is no result.
        if done.returncode not in (0, 2, 3) or outcomes is None:
            raise MutationError(f"{name}: cargo-mutants gave {done.returncode}:\n" + done.stdout.decode(errors="replace"))
        verdicts = {
            outcome["scenario"]["Mutant"]["name"]: VERDICTS[outcome["summary"]]
            for outcome in outcomes
            if outcome["scenario"] != "Baseline"
        }
        return {mutant: verdict for mutant, verdict in verdicts.items() if not only or mutant in only}


def lines_of(path, name, mutants):
    """A difference that adds just the lines of the file in which these mutants begin."""
    text = path.read_text(encoding="utf-8").split("\n")
    places = sorted({int(mutant.split(":")[1]) for mutant in mutants})
    hunks = [
        f"@@ -{place - count},0 +{place} @@\n+{text[place - 1]}\n" for count, place in enumerate(places, start=1)
    ]
    return f"--- a/{name}\n+++ b/{name}\n" + "".join(hunks)


def results_path(name):
    return WORK / "results" / (name.replace("/", "-") + ".json")


def try_files(names, jobs, only_missed, recording=False, chosen=None):
    """Runs the mutants of the files and gives the verdicts by file; each file's are kept, and recorded, when it is done.

    If some are chosen, by file, the others are left alone.
    """
    lock = threading.Lock()
    mutants = listed(names) if chosen is None else chosen
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
            spent = kept.get("seconds", 0) if earlier else 0
            whole = chosen is None and len(todo) == len(mutants[name])
            waiting.put((name, None if whole else todo, earlier, spent))
        else:
            results[name] = earlier
            save(results_path(name), {**kept, "code": code_sha256(name), "verdicts": earlier})

    def work(number):
        try:
            worker = None
            while not failures:
                try:
                    name, only, verdicts, spent = waiting.get_nowait()
                except queue.Empty:
                    return
                if worker is None:
                    worker = Worker(number, names)
                    worker.baseline()
                if refresh(worker.copy):
                    worker.baseline()
                begun = time.monotonic()
                verdicts = verdicts | worker.verdicts(name, only)
                changed = (worker.copy / name).read_bytes() != (ROOT / name).read_bytes()
                if changed or set(verdicts) != set(mutants[name]):
                    raise MutationError(f"{name}: not the mutants that were listed; has the file changed meanwhile?")
                seconds = time.monotonic() - begun
                kept = {"code": code_sha256(name), "verdicts": verdicts, "seconds": spent + seconds}
                save(results_path(name), kept)
                results[name] = verdicts
                if recording:
                    with lock:
                        record({name: verdicts})
                print(f"{name}: {line(count(verdicts))}, {seconds:.0f} s", flush=True)
                for mutant in sorted(verdicts):
                    if verdicts[mutant] in ("missed", "timeout"):
                        print(f"  {verdicts[mutant]}: {mutant}", flush=True)
        except (MutationError, OSError, KeyError, ValueError) as failure:
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


def exclusions():
    """The patterns of the configuration that leave mutants out, each with the comment above it as its reason."""
    found, reason, inside = [], [], False
    for text in CONFIGURATION.read_text(encoding="utf-8").splitlines():
        text = text.strip()
        if text.startswith("exclude_globs"):
            raise MutationError(f"{CONFIGURATION.name} leaves whole files out")
        if text.startswith("exclude_re"):
            inside, reason = True, []
        elif inside and text == "]":
            inside = False
        elif inside and text.startswith("#"):
            reason.append(text.lstrip("# "))
        elif inside and text:
            if not reason:
                raise MutationError(f"{CONFIGURATION.name} gives no reason for {text}")
            found.append((text.rstrip(",").strip("'\""), " ".join(reason)))
            reason = []
    if [pattern for pattern, _ in found] != tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["exclude_re"]:
        raise MutationError(f"{CONFIGURATION.name}: exclude_re takes one pattern a line, in single quotes")
    return found


def page(recorded):
    """The text of docs/mutation.md."""
    files, waiting = recorded["files"], recorded["not_tried"]
    keys = ("mutants", *VERDICTS.values(), "kept", "seconds")
    total = {key: sum(entry[key] for entry in files.values()) for key in keys}
    lines = [
        "# Mutation testing",
        "",
        "Written by `verification/mutants/run.py --page` from `verification/mutants/baseline.json`; not edited by hand.",
        "",
        "A mutant is the library with one small fault put in. It is caught if a test fails or never ends, and missed if all",
        "tests pass. An unviable one does not compile. No mutant may be missed.",
        "",
        "```sh",
        "python3 verification/mutants/run.py --all --record   # everything, hours",
        "python3 verification/mutants/run.py                  # what differs from the baseline, as in CI",
        "```",
        "",
        f"The tool is {recorded['tool']}, with `.cargo/mutants.toml`. The result was collected file by file, each with the",
        "tests as they then stood, and mutants that were missed were tried again after tests were added; a mutant that was",
        "caught was not. A mutant is kept, and not tried again, if its function only moved: it was not missed before. It took",
        f"{total['seconds'] / 60:.0f} minutes of building and testing, summed over the files, on a busy machine with two cores.",
        "",
        "The tests are the integration tests in one program (`tests/it`) and the unit tests. Unit tests run first for files",
        "that have them; for other files they run only on mutants that the integration tests missed. Left out are the tests of",
        "what does not compile, and by the configuration `guess_probability`, `races` and one test of damaged bytes in",
        "`stored_form`, which repeat thousands of times what the others do. `invariants` runs 8 cases.",
        "",
    ]
    if waiting:
        lines += ["**Not complete.** These files have not been tried, and CI fails until they are:", ""]
        lines += [*(f"- `{name}`" for name in waiting), ""]
    lines += ["| file | mutants | caught | timeout | unviable | missed | kept |", "|---|--:|--:|--:|--:|--:|--:|"]
    rows = [(f"`{name}`", entry) for name, entry in sorted(files.items())] + [("total", total)]
    for name, entry in rows:
        numbers = " | ".join(str(entry[key]) for key in ("mutants", "caught", "timeout", "unviable", "missed", "kept"))
        lines.append(f"| {name} | {numbers} |")
    for verdict, title in (("missed", "Missed"), ("timeout", "Caught by the time limit")):
        names = [mutant for _, entry in sorted(files.items()) for mutant in entry[f"{verdict}_names"]]
        if names:
            lines += ["", f"## {title}", "", *(f"- `{mutant}`" for mutant in names)]
    lines += ["", "## Equivalent mutants", ""]
    equivalents = exclusions()
    if not equivalents:
        lines.append("None is left out.")
    lines += [f"- `{pattern}`: {reason}" for pattern, reason in equivalents]
    lines += switches_page.page(load(BASELINE.with_name("switches.json")), load(BASELINE.with_name("equivalents.json")))
    return "\n".join(lines) + "\n"


def record(results, kept=None):
    """Puts the results into the baseline; a file that is neither in it nor in them is named as not tried."""
    kept = kept or {}
    recorded = load(BASELINE)
    files = {name: entry for name, entry in recorded.get("files", {}).items() if (ROOT / name).exists()}
    for name, verdicts in results.items():
        files[name] = {
            "sha256": sha256(name),
            **count(verdicts),
            "mutants": len(verdicts) + kept.get(name, 0),
            "kept": kept.get(name, 0),
            "seconds": round(load(results_path(name)).get("seconds", 0)),
            "missed_names": sorted(mutant for mutant, verdict in verdicts.items() if verdict == "missed"),
            "timeout_names": sorted(mutant for mutant, verdict in verdicts.items() if verdict == "timeout"),
        }
    waiting = [name for name in sources() if name not in files]
    save(BASELINE, {"tool": f"cargo-mutants {VERSION}", "files": files, "not_tried": waiting})
    write_page()


def write_page():
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(load(BASELINE)), encoding="utf-8")


def gate(jobs):
    """What the baseline lacks or got wrong, and the results of the changed files, which are tried here."""
    recorded = load(BASELINE)
    files, waiting = recorded.get("files", {}), recorded.get("not_tried", [])
    present = sources()
    problems = [f"recorded, but there is no such file: {name}" for name in [*files, *waiting] if name not in present]
    if recorded.get("tool") != f"cargo-mutants {VERSION}":
        problems.append(f"the baseline is not by cargo-mutants {VERSION}; run --all --record")
    problems += [f"NOT TRIED: {name}; run --record {name}" for name in waiting if name in present]
    changed = [
        name for name in present if name not in waiting and files.get(name, {}).get("sha256") != sha256(name)
    ]
    for name, entry in files.items():
        if name in present and name not in changed:
            problems += [f"missed: {mutant}" for mutant in entry["missed_names"]]
            if entry["missed"] != len(entry["missed_names"]):
                problems.append(f"the baseline's numbers of {name} disagree")
    if not PAGE.exists() or (recorded and PAGE.read_text(encoding="utf-8") != page(recorded)):
        problems.append("docs/mutation.md is not what the baseline says; run --page")
    if not changed:
        print(f"no file differs from the baseline: {len(files)} files, nothing to run")
        return problems, {}
    install()
    number = sum(len(mutants) for mutants in listed(changed).values())
    print(f"differ from the baseline: {', '.join(changed)}; {number} mutants", flush=True)
    if number > BOUND:
        problems.append(f"{number} mutants in changed files are more than {BOUND}: run --all --record first")
        return problems, {}
    return problems, try_files(changed, jobs, only_missed=False)


def control():
    """With a test taken out, mutants that it alone catches must be reported as missed, and else as caught."""
    name, test = "src/machine/challenge.rs", "a_pending_challenge_counts_its_messages"
    chosen = [m for m in listed([name])[name] if re.search(r"replace Pending::(generation|sends) -> u32 with 0$", m)]
    if len(chosen) != 2:
        raise MutationError(f"the control's mutants are not there: {chosen}")
    worker = Worker("control", [name])
    worker.baseline()
    intact = worker.verdicts(name, chosen)
    path = worker.copy / "tests" / "it" / "display.rs"
    text, whole = path.read_text(encoding="utf-8"), f"#[test]\nfn {test}("
    if text.count(whole) != 1:
        raise MutationError(f"the control's test is not there: {test}")
    path.write_text(text.replace(whole, f"#[allow(dead_code)]\nfn {test}("), encoding="utf-8")
    weakened = worker.verdicts(name, chosen)
    refresh(worker.copy)
    if set(intact.values()) != {"caught"} or set(weakened.values()) != {"missed"} or len(weakened) != 2:
        raise MutationError(f"the control failed: with the test {intact}, without it {weakened}")
    print(f"without {test}, {len(weakened)} mutants that it catches are reported as missed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--moved", metavar="REV")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    unknown = set(arguments.files) - set(sources())
    if unknown or (arguments.all and arguments.files) or (arguments.missed and not (arguments.all or arguments.files)):
        parser.error(f"no such source: {', '.join(sorted(unknown))}" if unknown else "name files, or --all")
    exclusions()
    if arguments.page:
        return write_page()
    if arguments.control:
        install()
        return control()
    kept = {}
    if arguments.moved:
        install()
        todo, kept = moved(arguments.moved)
        number = sum(len(mutants) for mutants in todo.values())
        print(f"{sum(kept.values())} mutants only moved; {number} are tried", flush=True)
        problems, results = [], try_files(sorted(todo), arguments.jobs, only_missed=False, chosen=todo)
    elif arguments.all or arguments.files:
        install()
        problems, results = [], try_files(
            arguments.files or sources(), arguments.jobs, arguments.missed, arguments.record
        )
    else:
        problems, results = gate(arguments.jobs)
    if arguments.record:
        record(results, kept)
    for verdicts in results.values():
        problems += [f"missed: {mutant}" for mutant, verdict in sorted(verdicts.items()) if verdict == "missed"]
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MutationError as failure:
        sys.exit(str(failure))
