#!/usr/bin/env bash
# Every guard that is taken out makes its test fail: those that did not on these sources yet, and some of the others.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 verification/negative_controls/run.py
python3 verification/negative_controls/run.py --host
