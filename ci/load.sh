#!/usr/bin/env bash
# The driver of the load, for a few seconds on SQLite: every answer must be the expected one, and the core's share of the
# requests' time below 2 %, which a build for tests makes harder. Then the controls: the driver must be red when the server
# answers 500, and when the share is not below the bound. benches/host.py takes the figures.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v setpriv >/dev/null || ci/install.sh util-linux
cargo build --quiet -p countersign-server -p countersign-chaos
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')

load() {
    timeout -k 10 300 "$target/debug/countersign-load" --server "$target/debug/countersign-server" \
        --rate 6 --seconds 5 --warm-up 2 "$@"
}

# A run that must be wrong, and in this way.
is_red() {
    local expected=$1 said
    shift
    if said=$(load "$@" 2>&1); then
        echo "load $*: it should have failed" >&2
        exit 1
    fi
    grep -q "$expected" <<<"$said" || { echo "$said"; echo "load $*: it failed in another way" >&2; exit 1; }
    echo "red, as it must be: load $*"
}

load
is_red 'requests had no answer, or a 5xx' --sabotage
is_red 'of 0.000 % at most' --bound 0
