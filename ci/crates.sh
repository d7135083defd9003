#!/usr/bin/env bash
# Counts the crates that the library brings into a build, itself included, and fails above a limit: 30, or the one given.
set -euo pipefail
limit=${1:-30}
cd "$(dirname "$0")/.."
count=$(cargo tree --package countersign --edges normal --all-features --prefix none --format '{p}' | sed 's/ (.*//' | sort -u | wc -l)
echo "$count crates"
[ "$count" -gt 0 ] && [ "$count" -le "$limit" ]
