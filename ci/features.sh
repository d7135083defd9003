#!/usr/bin/env bash
# Lints of the library with each feature alone, and with none.
set -euo pipefail
cd "$(dirname "$0")/.."
for features in "" serde wire; do
    cargo clippy --lib --no-default-features --features "$features" -- --deny warnings
done
