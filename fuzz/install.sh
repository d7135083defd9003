#!/usr/bin/env bash
# Installs cargo-fuzz, unless the version that the targets are run with is there.
set -euo pipefail
version=0.13.2
if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
    cargo install cargo-fuzz --locked --quiet --version "$version"
fi
