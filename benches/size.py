#!/usr/bin/env python3
"""What the library and its peers weigh: rlib, code linked into a minimal host, clean compile time, crates.

    python3 benches/size.py        prints one JSON object

For each subject a package is made in a scratch directory, with the host of benches/size/ and the versions of
benches/peers/Cargo.lock, and built twice from nothing. The code that a host links is its text section less that of a
program that does nothing, both stripped, with link-time optimisation. Needs binutils (`size`).
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUBJECTS = {
    "nothing": [],
    "countersign": [f'countersign = {{ path = "{HERE.parent}" }}',
                    'time = { version = "0.3.47", default-features = false }'],
    "latchkey": ['latchkey = "=0.4.0"', 'time = { version = "0.3.47", default-features = false }'],
    "totp-rs": ['totp-rs = { version = "=6.0.0", default-features = false, features = ["std", "zeroize"] }'],
    "totp-rfc": ['totp-rfc = "=0.1.2"'],
}


def text(program):
    """The size of the program's text section."""
    rows = subprocess.run(["size", "-A", program], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
    return next(int(row.split()[1]) for row in rows if row.startswith(".text"))


def weigh(subject, dependencies, scratch):
    package = scratch / subject
    (package / "src").mkdir(parents=True)
    shutil.copy(HERE / "size" / f"{subject}.rs", package / "src" / "main.rs")
    shutil.copy(HERE / "peers" / "Cargo.lock", package / "Cargo.lock")
    (package / "Cargo.toml").write_text(
        '[package]\nname = "host"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n'
        + "\n".join(dependencies)
        + '\n[profile.release]\nlto = true\npanic = "abort"\nstrip = true\n'
        + '[profile.small]\ninherits = "release"\nopt-level = "s"\n'
    )
    environment = dict(os.environ, CARGO_TARGET_DIR=str(package / "target"))
    run = lambda *command: subprocess.run(
        ["cargo", *command], cwd=package, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    run("fetch", "--quiet")
    begun = time.monotonic()
    run("build", "--quiet", "--release")
    seconds = time.monotonic() - begun
    run("build", "--quiet", "--profile", "small")
    tree = run("tree", "--edges", "normal", "--prefix", "none", "--format", "{p}").splitlines()
    rlibs = list((package / "target/release/deps").glob(f"lib{subject.replace('-', '_')}-*.rlib"))
    # The host itself is no crate of the tree, nor is what a subject shares with the host's own needs counted twice.
    return {
        "seconds": seconds,
        "crates": len({row.split(" (")[0] for row in tree if row} - {"host v0.0.0"}),
        "rlib": sum(rlib.stat().st_size for rlib in rlibs),
        "text_3": text(package / "target/release/host"),
        "text_s": text(package / "target/small/host"),
    }


def main():
    with tempfile.TemporaryDirectory() as scratch:
        weights = {subject: weigh(subject, lines, Path(scratch)) for subject, lines in SUBJECTS.items()}
    nothing = weights.pop("nothing")
    for weight in weights.values():
        weight["text_3"] -= nothing["text_3"]
        weight["text_s"] -= nothing["text_s"]
    print(json.dumps(weights, indent=1))


if __name__ == "__main__":
    main()
