#!/usr/bin/env python3
"""Negative controls for the fuzz targets: plant a bug in a copy of the tree and see the target find it.

    python3 fuzz/seeded_bugs.py [word ...]

Every control of seeded_bugs.json is tried, or only those whose target or reason contains one of the words. In the unmodified
copy each target must first pass its whole corpus; then the bug is seeded, the target built, the corpus replayed (which
may already find it, and is said), and if it does not, the target is fuzzed for at most 60 s. A control passes if the
property that the control names fails by a panic. A text that is not found exactly once, a target that does not build, a
bug that is not found, or found by something else, and an input that fails without the bug, too, are failures of the
control, and so is a target without a control. Ends with a table of the seconds that each took.

One tree is copied and built, less optimised than for fuzzing, and then again for each bug as far as that changes it.
CARGO_TARGET_DIR, if it is set, is where; otherwise target/seeded_bugs is.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Controls have one form, here and there; reading it leaves nothing behind.
sys.path.insert(0, str(ROOT / "verification" / "negative_controls"))
sys.dont_write_bytecode = True
from control import ControlError, modified  # noqa: E402

SEEDED = Path(__file__).resolve().with_name("seeded_bugs.json")
TARGETS = ["operations", "record", "tokens", "input", "wire"]
SECONDS = 60


# What is built is used for seconds: to build it quickly, again and again, is worth more than its speed.
QUICK = {
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
    "CARGO_PROFILE_RELEASE_DEBUG": "0",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "64",
    "CARGO_TERM_COLOR": "never",
    "RUSTC_BOOTSTRAP": "1",
    "RUST_BACKTRACE": "0",
}


def fuzz(tree, *arguments, limit):
    """Runs cargo fuzz in the tree and gives the exit status and everything that was printed."""
    environment = dict(os.environ, **QUICK)
    environment.setdefault("CARGO_TARGET_DIR", str(ROOT / "target" / "seeded_bugs"))
    command = ["cargo", "fuzz", arguments[0], "--sanitizer", "none", *arguments[1:]]
    with subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            # The target is a child of cargo; both are in the session that was begun above.
            os.killpg(process.pid, signal.SIGKILL)
            raise ControlError(f"not over after {limit} s") from None
    return process.returncode, output.decode(errors="replace")


def build(tree, *target):
    status, output = fuzz(tree, "build", *target, limit=1200)
    if status != 0:
        errors = [line for line in output.splitlines() if line.startswith("error")]
        raise ControlError("does not build: " + "; ".join(errors or output.splitlines()[-5:]))


def run(tree, target, *options):
    """Replays or fuzzes; gives the panic's place and message if a property failed, and nothing if none did."""
    found = tree / "fuzz" / "found"
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir()
    dictionary = f"-dict=fuzz/dictionaries/{target}.dict"
    inputs = [str(found), f"fuzz/corpus/{target}"]
    regressions = f"fuzz/regressions/{target}"
    if (tree / regressions).is_dir():
        inputs.append(regressions)
    status, output = fuzz(tree, "run", target, *inputs, "--", dictionary, "-max_len=8192", *options, limit=1200)
    if status == 0:
        return None
    panicked = re.search(r"panicked at [^\n]*\n[^\n]*", output)
    if not panicked:
        raise ControlError("no panic: " + "; ".join(output.splitlines()[-5:]))
    crash = next((tree / "fuzz" / "artifacts" / target).glob("crash-*"), None)
    if crash:
        crash.rename(tree / "fuzz" / f"kept-{target}-{crash.name}")
    return re.sub(r"^panicked at \S*?(\w+\.rs:\d+):\d+:\n", r"\1: ", panicked.group())


def run_control(tree, control):
    """Plants the bug; gives the seconds to build and to find it, and how it was found."""
    target = control["target"]
    texts = modified(tree, control)
    begun = time.monotonic()
    try:
        for path, (_, text) in texts.items():
            path.write_text(text, encoding="utf-8")
        build(tree, target)
        built = time.monotonic()
        message, how = run(tree, target, "-runs=0"), "replay"
        if not message:
            message, how = run(tree, target, f"-max_total_time={SECONDS}"), "fuzzing"
        if not message:
            raise ControlError(f"the bug was not found in {SECONDS} s")
        if control["found"] not in message:
            raise ControlError(f"found by something else than {control['found']!r}: {message[:160]}")
        return built - begun, time.monotonic() - built, how, message
    finally:
        for path, (original, _) in texts.items():
            path.write_text(original, encoding="utf-8")


def main():
    begun = time.monotonic()
    seeded = json.loads(SEEDED.read_text(encoding="utf-8"))
    words = sys.argv[1:]
    chosen = [
        control
        for control in seeded
        if not words or any(word in control["target"] or word in control["why"] for word in words)
    ]
    failed = 0
    for target in sorted(set(TARGETS) - {control["target"] for control in seeded}):
        print(f"FAIL {target}: no bug is seeded for it", flush=True)
        failed += 1
    rows = []
    with tempfile.TemporaryDirectory(prefix="seeded-") as folder:
        tree = Path(folder) / "tree"
        # Every copy is as new as this run, because cargo goes by the files' times.
        ignored = shutil.ignore_patterns("target", ".git", "node_modules", "artifacts")
        shutil.copytree(ROOT, tree, ignore=ignored, copy_function=shutil.copy)
        targets = sorted({control["target"] for control in chosen})
        build(tree)
        for target in targets:
            message = run(tree, target, "-runs=0")
            if message:
                sys.exit(f"the unmodified tree fails its corpus of {target}: {message}")
        print(f"{time.monotonic() - begun:6.1f} s  the unmodified tree passes its corpora", flush=True)
        for control in chosen:
            try:
                building, finding, how, message = run_control(tree, control)
            except ControlError as error:
                failed += 1
                print(f"FAIL {control['target']}: {control['why']}: {error}", flush=True)
                continue
            rows.append((control["target"], building, finding, how, control["why"]))
            print(f"pass {control['target']}: {control['why']}: {message[:120]}", flush=True)
        # What was found must be the bug and not the property: without the bug, the same inputs pass.
        build(tree)
        for target in targets:
            kept = [str(path) for path in (tree / "fuzz").glob(f"kept-{target}-*")]
            if not kept:
                continue
            status, output = fuzz(tree, "run", target, *kept, limit=1200)
            if status != 0:
                failed += 1
                print(f"FAIL {target}: what found a bug fails without it, too: {output[-400:]}", flush=True)
    print(f"{'target':<12}{'build s':>8}{'find s':>8}  by       bug")
    for target, building, finding, how, why in rows:
        print(f"{target:<12}{building:8.1f}{finding:8.1f}  {how:<8} {why}")
    print(f"{len(chosen)} seeded, {failed} failed, {time.monotonic() - begun:.0f} s")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
