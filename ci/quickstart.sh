#!/usr/bin/env bash
# The main command of the README plays its journey.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --quiet --example quickstart -- --script
