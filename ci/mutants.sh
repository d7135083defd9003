#!/usr/bin/env bash
# Every mutant of the library makes a test fail, by the survey on record.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 verification/mutants/run.py
