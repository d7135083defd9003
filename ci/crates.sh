#!/usr/bin/env bash
# Counts the crates that the library brings into a build, itself included, and fails above the limit.
set -euo pipefail
count=$(cargo tree --package countersign --edges normal --all-features --prefix none --format '{p}' | sed 's/ (.*//' | sort -u | wc -l)
echo "$count crates"
[ "$count" -gt 0 ] && [ "$count" -le "$1" ]
