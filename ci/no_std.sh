#!/usr/bin/env bash
# The library needs no standard library, and reaches no clock, entropy, file or socket.
set -euo pipefail
cd "$(dirname "$0")/.."
ci/install.sh rustc-web cargo-web rust-web-src rust-web-llvm lld-22
verification/no_std/check.sh
