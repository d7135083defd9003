#!/usr/bin/env bash
# docs/advisories.md, the threat model and the README agree with the tests and controls that they name.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 ci/advisory_page.py
python3 ci/claims.py
