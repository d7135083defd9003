#!/usr/bin/env bash
# Pastes the README's walk-through into three shells, each with a new server, and requires three access tokens: of the
# confirmation, of the challenge and of the recovery code. The block must need nothing but curl and what every system has. Then the control: a
# block with a wrong grant must be red.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in curl dash zsh; do command -v "$program" >/dev/null || ci/install.sh "$program"; done
cargo build --quiet -p countersign-server
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT

python3 - README.md >"$work/block" <<'PY'
import re, sys

blocks = re.findall(r"^```sh\n(.*?)^```$", open(sys.argv[1], encoding="utf-8").read(), flags=re.M | re.S)
(block,) = [block for block in blocks if "/oauth/token" in block]
print(block, end="")
PY
grep -q jq "$work/block" && { echo "the block needs jq" >&2; exit 1; }

# Runs a block in a shell, which reads it as if it were typed, and prints what came of it.
walk() {
    local shell=$1 block=$2 address
    mkdir "$work/$shell"
    # The server outlives no walk: each has a database of its own.
    (cd "$work/$shell" && exec env -u COUNTERSIGN_DATABASE "$target/debug/countersign-server" --listen 127.0.0.1:0 \
        --log-format json >log) &
    server=$!
    for _ in $(seq 100); do
        address=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$work/$shell/log" 2>/dev/null | head -n 1) || true
        [ -n "$address" ] && break
        sleep 0.1
    done
    sed "s/127\.0\.0\.1:8080/$address/" "$block" | "$shell" 2>&1
    kill "$server" && wait "$server" 2>/dev/null || true
    server=
    rm -r "${work:?}/$shell"
}

is_whole() {
    [ "$(grep -c '"access_token":"' <<<"$1")" = 3 ]
}

for shell in sh bash zsh; do
    said=$(walk "$shell" "$work/block")
    is_whole "$said" || { echo "$said" >&2; echo "the walk-through breaks in $shell" >&2; exit 1; }
    echo "ok: the walk-through in $shell"
done
sed 's/-recovery-code"/-recovery"/' "$work/block" >"$work/wrong"
if is_whole "$(walk sh "$work/wrong")"; then
    echo "a wrong grant was not noticed" >&2
    exit 1
fi
echo "ok: a block that breaks is noticed"
