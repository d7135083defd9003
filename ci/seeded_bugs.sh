#!/usr/bin/env bash
# Every seeded bug is found by the fuzz target that should find it.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzz/install.sh
python3 fuzz/seeded_bugs.py
