#!/usr/bin/env bash
# No branch, no address and no time of a verification depends on a secret.
set -euo pipefail
cd "$(dirname "$0")/.."
verification/constant_time/check.sh
