#!/usr/bin/env bash
# Each fuzz target for a minute, or for so many seconds.
#
#     ci/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check --manifest-path fuzz/Cargo.toml
cargo clippy --locked --all-targets --manifest-path fuzz/Cargo.toml -- --deny warnings
fuzz/run.sh "${1:-60}"
