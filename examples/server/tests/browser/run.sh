#!/usr/bin/env bash
# Drives the page in headless Chromium against real servers.
#
#   run.sh [BINARY [PASS…]]      BINARY is a built countersign-server; without it, cargo builds one
#                                PASS is one of those below; without any, all are run
#
# It needs Node 20, npm, libfaketime and Chromium (/usr/bin/chromium, or the path in CHROMIUM). Each pass gets a server of
# its own, with an empty store in a temporary directory, on a free port of the loopback address.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../../.." && pwd)

binary=${1:-}
only=" ${*:2} "
if [ -z "$binary" ]; then
  (cd "$root" && cargo build --locked -p countersign-server)
  target=${CARGO_TARGET_DIR:-target}
  case $target in /*) ;; *) target=$root/$target ;; esac
  binary=$target/debug/countersign-server
fi
[ -x "$binary" ] || { echo "run.sh: $binary is not a program" >&2; exit 1; }
binary=$(realpath "$binary")

cd "$here"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

scratch=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap stop EXIT

# The servers take nothing from this shell's settings.
for name in "${!COUNTERSIGN_@}"; do unset "$name"; done

free_port() {
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

passes=()
server=("$binary")
start() { # PASS OPTION…
  local pass=$1 port pid
  shift
  case $only in "  " | *" $pass "*) ;; *) return ;; esac
  port=$(free_port)
  "${server[@]}" --listen "127.0.0.1:$port" --database "$scratch/$pass.db" "$@" >"$scratch/$pass.log" 2>&1 &
  pid=$!
  pids+=("$pid")
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      passes+=("$pass=http://127.0.0.1:$port/")
      return
    fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "run.sh: the server for the pass $pass does not answer" >&2
  cat "$scratch/$pass.log" >&2
  exit 1
}

start desktop
start phone
start keyboard
start limits
start locked --policy auth0
start long
start messages
start replaced --policy auth0
start strict --policy strict
start about --demo=false
start pasting
start codes --service-name 'Example Shop'
start reload
start trouble
start addresses
start names
start address
start devices --policy auth0
start app --policy auth0

# Its clock is set by the test: the wall clock alone, so that timers run on.
clock_library=$(ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -n "$clock_library" ] || { echo "run.sh: libfaketime is missing: ci/install.sh libfaketime" >&2; exit 1; }
export FAKETIME_TIMESTAMP_FILE=$scratch/clock
echo +0 >"$FAKETIME_TIMESTAMP_FILE"
server=(env "LD_PRELOAD=$clock_library" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 "$binary")
start four

node --test --test-reporter=dot code.test.mjs
if ! node journey.mjs "${passes[@]}"; then
  tail -n 20 "$scratch"/*.log >&2
  exit 1
fi
