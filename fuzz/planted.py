#!/usr/bin/env python3
"""Negative controls for the fuzz targets: plant a bug in a copy of the tree and see the target find it.

    python3 fuzz/planted.py [word ...]

Every control of planted.json is tried, or only those whose target or reason contains one of the words. In the unmodified
copy each target must first pass its whole corpus; then the bug is planted, the target built, the corpus replayed (which
may already find it, and is said), and if it does not, the target is fuzzed for at most 60 s. A control passes if a
property fails by a panic. A text that is not found exactly once, a target that does not build and a bug that is not found
are failures of the control, and so is a target without a control.

CARGO_TARGET_DIR, if it is set, is where the copy is built; otherwise target/planted is.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLANTED = Path(__file__).resolve().with_name("planted.json")
TARGETS = ["operations", "record", "tokens", "input", "wire"]
SECONDS = 60

sys.dont_write_bytecode = True
specification = importlib.util.spec_from_file_location("controls", ROOT / "tests" / "controls" / "run.py")
controls = importlib.util.module_from_spec(specification)
specification.loader.exec_module(controls)
ControlError = controls.ControlError


def fuzz(tree, *arguments, limit):
    """Runs cargo fuzz in the tree and gives the exit status and everything that was printed."""
    environment = dict(os.environ, RUSTC_BOOTSTRAP="1", CARGO_TERM_COLOR="never", RUST_BACKTRACE="0")
    environment.setdefault("CARGO_TARGET_DIR", str(ROOT / "target" / "planted"))
    command = ["cargo", "fuzz", arguments[0], "--sanitizer", "none", *arguments[1:]]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ControlError(f"not over after {limit} s") from None
    return done.returncode, done.stdout.decode(errors="replace")


def build(tree, target):
    status, output = fuzz(tree, "build", target, limit=1200)
    if status != 0:
        raise ControlError("does not build: " + "; ".join(output.splitlines()[-5:]))


def run(tree, target, *options):
    """Replays or fuzzes; gives the panic's message if a property failed, and nothing if none did."""
    found = tree / "fuzz" / "found"
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir()
    dictionary = f"-dict=fuzz/dictionaries/{target}.dict"
    corpus = f"fuzz/corpus/{target}"
    status, output = fuzz(
        tree, "run", target, str(found), corpus, "--", dictionary, "-max_len=8192", *options, limit=1200
    )
    if status == 0:
        return None
    panicked = re.search(r"panicked at [^\n]*\n[^\n]*", output)
    if not panicked:
        raise ControlError("no panic: " + "; ".join(output.splitlines()[-5:]))
    crash = next((tree / "fuzz" / "artifacts" / target).glob("crash-*"), None)
    if crash:
        crash.rename(tree / "fuzz" / f"kept-{target}-{crash.name}")
    return panicked.group().replace("\n", " ")[:160]


def run_control(tree, control):
    """Plants the bug and says how it was found."""
    target = control["target"]
    texts = controls.modified(tree, control)
    try:
        for path, (_, text) in texts.items():
            path.write_text(text, encoding="utf-8")
        build(tree, target)
        message = run(tree, target, "-runs=0")
        if message:
            return f"at replay: {message}"
        begun = time.monotonic()
        message = run(tree, target, f"-max_total_time={SECONDS}")
        if not message:
            raise ControlError(f"the bug was not found in {SECONDS} s")
        return f"by fuzzing, after {time.monotonic() - begun:.1f} s: {message}"
    finally:
        for path, (original, _) in texts.items():
            path.write_text(original, encoding="utf-8")


def main():
    planted = json.loads(PLANTED.read_text(encoding="utf-8"))
    words = sys.argv[1:]
    chosen = [
        control
        for control in planted
        if not words or any(word in control["target"] or word in control["why"] for word in words)
    ]
    failed = 0
    for target in sorted(set(TARGETS) - {control["target"] for control in planted}):
        print(f"FAIL {target}: no bug is planted for it", flush=True)
        failed += 1
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder) / "tree"
        ignored = shutil.ignore_patterns("target", ".git", "node_modules", "artifacts")
        shutil.copytree(ROOT, tree, ignore=ignored, copy_function=shutil.copy)
        for target in sorted({control["target"] for control in chosen}):
            build(tree, target)
            message = run(tree, target, "-runs=0")
            if message:
                sys.exit(f"the unmodified tree fails its corpus of {target}: {message}")
        for control in chosen:
            try:
                verdict, said = "pass", run_control(tree, control)
            except ControlError as error:
                failed += 1
                verdict, said = "FAIL", str(error)
            print(f"{verdict} {control['target']}: {control['why']}: {said}", flush=True)
        # What was found must be the bug and not the property: without the bug, the same inputs pass.
        for target in sorted({control["target"] for control in chosen}):
            kept = [str(path) for path in (tree / "fuzz").glob(f"kept-{target}-*")]
            if not kept:
                continue
            build(tree, target)
            status, output = fuzz(tree, "run", target, *kept, limit=1200)
            if status != 0:
                failed += 1
                print(f"FAIL {target}: what found a bug fails without it, too: {output[-400:]}", flush=True)
    print(f"{len(chosen)} planted, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
