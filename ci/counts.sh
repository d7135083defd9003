#!/usr/bin/env bash
# The instructions that verification executes, against its floors and the counts on record.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 benches/counts.py
