#!/usr/bin/env bash
# Every mutant of the library makes a test fail, by the baseline on record.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check --manifest-path verification/mutants/sites/Cargo.toml
cargo clippy --quiet --locked --manifest-path verification/mutants/sites/Cargo.toml -- --deny warnings
python3 verification/mutants/run.py
python3 verification/mutants/switches.py
