#!/usr/bin/env python3
"""Measures the reference host under an open-loop load: SQLite and PostgreSQL, one server and two on each.

    python3 benches/host.py                every setup, into host.json of the target directory: about ten minutes
    python3 benches/host.py postgres       the setups on PostgreSQL alone; what is known of the others stays

For each setup it looks for the greatest rate of journeys that is sustained, then measures at a quarter of that. It does so
twice: with the password hash that the server makes by default, which takes most of a processor's time, and with one that
costs next to nothing, so that the rest of the host shows. It fails if the core's share of the requests' time is not below
2 %, if a request failed, or if the ledger has a violation. CARGO_TARGET_DIR, if it is set, is where everything is built.
"""

import glob
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
RESULTS = TARGET / "host.json"

SETUPS = [("sqlite", 1), ("sqlite", 2), ("postgres", 1), ("postgres", 2)]
# With the password hash of production, and with the least one.
HASHES = {"default": [], "least": ["--argon2-memory", "64"]}
# As many connections as the driver and the servers may have.
FILES = 4096


def prepare():
    if not glob.glob("/usr/lib/postgresql/*/bin/initdb"):
        subprocess.run([ROOT / "ci/install.sh", "postgresql"], check=True)
    if not shutil.which("setpriv"):
        subprocess.run([ROOT / "ci/install.sh", "util-linux"], check=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        sys.exit(f"at most {hard} open files are allowed, of {FILES}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    packages = ["--package", "countersign-server", "--package", "countersign-chaos"]
    subprocess.run(["cargo", "build", "--release", *packages], cwd=ROOT, check=True)


def run(store, nodes, hashing):
    print(f"{store}, servers: {nodes} {' '.join(hashing)}", file=sys.stderr)
    command = [TARGET / "release/countersign-load", "--server", TARGET / "release/countersign-server", "--json",
               "--find-limit", "--store", store, "--nodes", str(nodes), *hashing]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"the load on {store} with {nodes} servers did not go well")
    return json.loads(done.stdout)


def main():
    wanted = sys.argv[1:] or ["sqlite", "postgres"]
    prepare()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, hashing in HASHES.items():
        for store, nodes in SETUPS:
            if store in wanted:
                results[f"{name}/{store}/{nodes}"] = run(store, nodes, hashing)
                RESULTS.write_text(json.dumps(results))


if __name__ == "__main__":
    main()
