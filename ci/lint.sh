#!/usr/bin/env bash
# Formatting, lints and documentation of the workspace, with warnings denied.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets --all-features -- --deny warnings
RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --all-features --no-deps
