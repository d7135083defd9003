#!/usr/bin/env bash
# The small host with a store in Redis: the conformance kit against Debian's redis-server, which writes every charge to the
# disk before it answers.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v redis-server >/dev/null || ci/install.sh redis-server
data=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --bind 127.0.0.1 --port "$port" --dir "$data" --appendonly yes --appendfsync always --save '' >"$data/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$data"' EXIT
for _ in $(seq 100); do
    redis-cli -p "$port" ping 2>/dev/null | grep -q PONG && break
    kill -0 $server || { cat "$data/log" >&2; exit 1; }
    sleep 0.1
done
redis-cli -p "$port" ping | grep -q PONG || { echo "Redis does not answer" >&2; exit 1; }
export COUNTERSIGN_REDIS="redis://127.0.0.1:$port/"
cargo test -p countersign-hosts --test hosts a_store_in_redis -- --ignored
cargo run --quiet -p countersign-hosts --bin redis -- "$COUNTERSIGN_REDIS" | tail -n 5

# The control: a script without its condition must be noticed.
copy=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$data" "$copy"' EXIT
cp -r Cargo.toml Cargo.lock src crates examples README.md "$copy"
mkdir "$copy/fuzz" "$copy/tests"
cp -r fuzz/properties "$copy/fuzz"
cp -r tests/compile_fail "$copy/tests"
sed -i "s/        return 0/        redis.log(redis.LOG_NOTICE, 'unconditional')/" "$copy/examples/hosts/src/bin/redis.rs"
grep -q unconditional "$copy/examples/hosts/src/bin/redis.rs"
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
if (cd "$copy" && CARGO_TARGET_DIR="$target/redis-control" cargo run --quiet -p countersign-hosts --bin redis -- \
    "$COUNTERSIGN_REDIS") >"$data/control" 2>&1; then
    echo "a script without its condition was not noticed" >&2
    exit 1
fi
grep -q 'FAILED  stale-copy-loses' "$data/control" || { cat "$data/control" >&2; exit 1; }
echo "ok: a script without its condition is noticed"
