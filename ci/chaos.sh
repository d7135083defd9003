#!/usr/bin/env bash
# Faults in the reference host: kill -9, PostgreSQL restarted under load, mail that hangs, refuses and drops, a full disk, a
# clock that is set, and 500 clients for a minute. Users go through thousands of journeys, and a ledger kept outside says
# what must hold. Everything is on 127.0.0.1; the children, the directories and the small disk go with it.
#
#     ci/chaos.sh                          every scene
#     CHAOS_JOURNEYS=5000 ci/chaos.sh      the same for longer
#     ci/chaos.sh sqlite disk              some scenes
#
# The small disk needs a mount: root gets a mount namespace for it, anybody else a user namespace, for that scene alone. Where
# neither is allowed, it fails.
set -euo pipefail
cd "$(dirname "$0")/.."

ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || ci/install.sh postgresql
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || ci/install.sh libfaketime
command -v setpriv >/dev/null && command -v unshare >/dev/null || ci/install.sh util-linux

# Five hundred clients, and as many connections on the other side.
ulimit -n "$(ulimit -H -n)"
[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 4096 ] || { echo "at most $(ulimit -n) open files" >&2; exit 1; }

cargo build -p countersign-server -p countersign-chaos
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
chaos=("$target/debug/countersign-chaos" --server "$target/debug/countersign-server")

# The whole must end, even if the driver does not: its children die with it.
limit=${CHAOS_LIMIT:-1800}
if [ "$(id -u)" = 0 ]; then
    exec timeout -k 10 "$limit" unshare -m -- "${chaos[@]}" "$@"
fi
scenes=("$@")
[ $# -gt 0 ] || scenes=(control sqlite postgres smtp disk clock clocks load load-postgres)
others=()
status=0
for scene in "${scenes[@]}"; do
    if [ "$scene" = disk ]; then
        timeout -k 10 "$limit" unshare -rm -- "${chaos[@]}" disk || status=1
    else
        others+=("$scene")
    fi
done
[ ${#others[@]} = 0 ] || timeout -k 10 "$limit" "${chaos[@]}" "${others[@]}" || status=1
exit $status
