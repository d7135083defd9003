#!/usr/bin/env bash
# The page of the reference host in headless Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
{ command -v node && command -v npm; } >/dev/null || ci/install.sh nodejs npm
command -v chromium >/dev/null || ci/install.sh chromium
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || ci/install.sh libfaketime
examples/server/tests/browser/run.sh
