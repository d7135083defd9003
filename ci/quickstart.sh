#!/usr/bin/env bash
# The main command of the README plays its journey, and each example of one task does its task.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --quiet --example quickstart -- --script
cargo run --quiet --example confirm_address
cargo run --quiet --example reset_password
