#!/usr/bin/env bash
# Every planted bug is found by the fuzz target that should find it.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzz/install.sh
python3 fuzz/planted.py
