#!/usr/bin/env python3
"""Negative controls: take one guard out of the library and see a test fail, an advisory test or another one.

    python3 verification/negative_controls/run.py [--host] [--all | --record | word ...]

The controls of guards.json that did not pass on these sources yet, by record.json, are tried in a copy of the tree, and
some of the others; or all of them; or only those whose test contains one of the words. Two copies, each with a build of
its own, are tried at once. `--record` notes in record.json which passed. With `--host` it is the reference host's
advisory tests and host.json, in one copy; that builds the whole host, again for each control.

A control passes if its test fails by a failed test; a text that is not found exactly once, a library that does not
compile, a test that hangs and a test that passes are failures of the control. The exit status is 1 if any control
failed, if an advisory test fails in the unmodified tree, or if a test has no control.

CARGO_TARGET_DIR, if it is set, is where the copies are built; otherwise target/controls is.
"""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# What is beside this file is read as it is, and leaves nothing behind.
sys.dont_write_bytecode = True
from control import ControlError, modified, name_of  # noqa: E402
from record import Record  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FLAGS = {word for word in sys.argv[1:] if word.startswith("--")}
HOST = "--host" in FLAGS
GUARDS = Path(__file__).resolve().with_name("host.json" if HOST else "guards.json")
PACKAGE = "countersign-server" if HOST else "countersign"
# The program that has the tests of guards, and where in it they are: the advisories, and the cases of the epoch.
PROGRAM, TESTS = ("advisories", []) if HOST else ("it", ["advisories::", "epoch::l"])
# How many controls are tried at once. A second build of the host would take longer than it saves.
JOBS = 1 if HOST else 2
# How many controls that are on record are tried anyway.
SAMPLE = 4 if HOST else 16
# A removed guard can make a test go on for ever.
TIMEOUT_S = 1_200 if HOST else 300


def cargo_test(tree, *arguments, program=PROGRAM):
    """Runs the advisory tests in the tree and gives the exit status and everything that was printed."""
    environment = dict(os.environ)
    builds = Path(environment.get("CARGO_TARGET_DIR") or ROOT / "target" / "controls")
    # The last control's server must not lie where others look for the real one.
    environment["CARGO_TARGET_DIR"] = str(builds / ("host" if HOST else "library") / tree.name)
    # Nothing here is debugged: builds are faster and panics print less.
    environment.update(
        CARGO_PROFILE_DEV_DEBUG="0", CARGO_INCREMENTAL="1", CARGO_TERM_COLOR="never", RUST_BACKTRACE="0"
    )
    command = ["cargo", "test", "--offline", "--package", PACKAGE, "--test", program, *arguments]
    with subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # The test is a child of cargo; both are in the session that was begun above.
            os.killpg(process.pid, signal.SIGKILL)
            raise ControlError(f"not over after {TIMEOUT_S} s") from None
    return process.returncode, output


def run_control(tree, control, test):
    """Gives back normally if the test fails by a failed test, and raises ControlError otherwise."""
    texts = modified(tree, control)
    try:
        for path, (_, text) in texts.items():
            path.write_text(text, encoding="utf-8")
        program = control.get("program", PROGRAM)
        status, output = cargo_test(tree, test, "--", "--exact", program=program)
    finally:
        for path, (original, _) in texts.items():
            path.write_text(original, encoding="utf-8")
    failed = re.search(rf"^test {re.escape(test)} \.\.\. FAILED$", output, re.MULTILINE)
    if status != 0 and failed and "test result: FAILED. 0 passed; 1 failed;" in output:
        return
    if status == 0:
        raise ControlError("the guard's removal went unnoticed")
    errors = [line for line in output.splitlines() if line.startswith("error")]
    raise ControlError("no failed test: " + "; ".join(errors or output.splitlines()[-3:]))


def advisory_tests(tree):
    """The advisory tests by their last name, all of which must pass in the unmodified tree."""
    status, output = cargo_test(tree, "--", *TESTS)
    if status != 0:
        sys.exit(f"{output}\nthe unmodified tree does not pass its advisory tests")
    paths = re.findall(r"^test (\S+) \.\.\. ok$", output, re.MULTILINE)
    return {path.rsplit("::", 1)[-1]: path for path in paths}


def other_tests(tree, controls):
    """Tests that controls name and that are no advisory tests, of the same program or of one that the control names; they
    must pass as well."""
    programs = {}
    for control in controls:
        programs.setdefault(control.get("program", PROGRAM), set()).add(control["test"])
    found = {}
    for program, names in programs.items():
        _, output = cargo_test(tree, "--", "--list", program=program)
        listed = re.findall(r"^(\S+): test$", output, re.MULTILINE)
        paths = {path.rsplit("::", 1)[-1]: path for path in listed if path.rsplit("::", 1)[-1] in names}
        status, output = cargo_test(tree, "--", "--exact", *paths.values(), program=program)
        if status != 0:
            sys.exit(f"{output}\nthe unmodified tree does not pass the tests that controls name")
        found |= paths
    return found


def verdict_of(tree, control, tests):
    """A control, whether it passed, and the line that says so."""
    name, begun = control["test"], time.monotonic()
    try:
        if name not in tests:
            raise ControlError("there is no such test")
        run_control(tree, control, tests[name])
    except ControlError as error:
        passed, verdict, reason = False, "FAIL", f": {error}"
    else:
        passed, verdict, reason = True, "pass", ""
    return control, passed, f"{verdict} {time.monotonic() - begun:5.1f} s  {name}: {control['why']}{reason}"


def try_all(trees, controls, tests):
    """Tries the controls, one at a time in each of the trees, and gives the names of those that passed."""
    waiting, verdicts = queue.SimpleQueue(), queue.SimpleQueue()
    for control in controls:
        waiting.put(control)

    def work(tree):
        while True:
            try:
                control = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                verdicts.put(verdict_of(tree, control, tests))
            except Exception as error:  # The loop below waits for a verdict on each control.
                verdicts.put((control, False, f"FAIL {control['test']}: {error!r}"))

    for tree in trees:
        threading.Thread(target=work, args=(tree,), daemon=True).start()
    passed = set()
    for _ in controls:
        control, good, line = verdicts.get()
        if good:
            passed.add(name_of(control))
        print(line, flush=True)
    return passed


def main():
    controls = json.loads(GUARDS.read_text(encoding="utf-8"))
    words = [word for word in sys.argv[1:] if word not in FLAGS]
    if unknown := FLAGS - {"--host", "--all", "--record"}:
        sys.exit(f"there is no {', '.join(sorted(unknown))}: see the head of {Path(__file__).name}")
    record = Record(GUARDS, controls)
    with tempfile.TemporaryDirectory(prefix="controls-") as folder:
        trees = [Path(folder) / f"tree{number}" for number in range(JOBS)]
        for tree in trees:
            # Every copy is as new as this run: cargo goes by the files' times, and a build folder that an earlier run
            # left behind holds the last control's library.
            ignored = shutil.ignore_patterns("target", ".git", "node_modules")
            shutil.copytree(ROOT, tree, ignore=ignored, copy_function=shutil.copy)
        tests = advisory_tests(trees[0])
        print(f"{len(tests)} advisory tests pass in the unmodified tree", flush=True)
        uncontrolled = sorted(tests.keys() - {control["test"] for control in controls})
        for test in uncontrolled:
            print(f"FAIL {test}: no control takes its guard out", flush=True)
        tests |= other_tests(trees[0], [control for control in controls if control["test"] not in tests])
        if words:
            chosen = [control for control in controls if any(word in control["test"] for word in words)]
        elif "--all" in FLAGS:
            chosen = controls
        else:
            chosen = record.to_try(SAMPLE)
            print(f"{len(controls) - len(chosen)} of {len(controls)} are on record and not tried again", flush=True)
        passed = try_all(trees, chosen, tests)
        failed = len(chosen) - len(passed) + len(uncontrolled)
    if "--record" in FLAGS:
        record.write({name_of(control) for control in chosen}, passed)
    print(f"{len(passed)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
