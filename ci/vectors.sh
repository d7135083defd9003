#!/usr/bin/env bash
# The published vectors are those that their generator, which shares no code with the library, writes.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 tests/vectors/generate.py --check
