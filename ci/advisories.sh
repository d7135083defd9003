#!/usr/bin/env bash
# docs/advisories.md and the tests and controls that it names agree.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 ci/advisory_page.py
