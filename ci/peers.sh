#!/usr/bin/env bash
# The benches beside other crates compile without a warning.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check --manifest-path benches/peers/Cargo.toml
cargo clippy --locked --all-targets --manifest-path benches/peers/Cargo.toml -- --deny warnings
