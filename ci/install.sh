#!/usr/bin/env bash
# Installs the Debian packages that are named, unless all of them are there.
set -euo pipefail
if ! dpkg-query --show --showformat='${db:Status-Status}\n' "$@" 2>/dev/null | grep -qv '^installed$' &&
    dpkg-query --show "$@" >/dev/null 2>&1; then
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
apt-get install --yes --quiet --quiet --no-install-recommends "$@"
