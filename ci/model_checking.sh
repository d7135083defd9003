#!/usr/bin/env bash
# Every order of loads, swaps, failures and crashes of a few nodes on one record.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check --manifest-path verification/model_checking/Cargo.toml
cargo clippy --release --locked --all-targets --manifest-path verification/model_checking/Cargo.toml -- --deny warnings
cargo test --release --locked --manifest-path verification/model_checking/Cargo.toml -- --nocapture
