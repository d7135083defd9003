#!/usr/bin/env bash
# Holds the server against its OpenAPI description. A whole journey with its refusals, each reply checked: every path, both
# grants of a code, a list, a removal. Then schemathesis makes requests of its own from the description, half of them with
# tokens and the demonstration client, for each operation; none may give a 5xx or a reply that is not described. The
# control: descriptions that lack a field or a status must be red.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet -p countersign-server
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv" 2>/dev/null || { ci/install.sh python3-venv && python3 -m venv "$work/venv"; }
"$work/venv/bin/pip" install -q --disable-pip-version-check schemathesis==4.32.5 jsonschema==4.26.0

start() {
    [ -z "$server" ] || { kill "$server" && wait "$server" 2>/dev/null; } || true
    rm -rf "$work/data" && mkdir "$work/data"
    (cd "$work/data" && exec "$target/debug/countersign-server" --listen 127.0.0.1:0 --policy auth0 --argon2-memory 64 \
        --password-queue 1000 --log-format json >log) &
    server=$!
    for _ in $(seq 100); do
        url=$(sed -n 's|.*"address":"\([^"]*\)".*|http://\1|p' "$work/data/log" 2>/dev/null | head -n 1) || true
        [ -n "$url" ] && return
        sleep 0.1
    done
    echo "the server does not start" >&2
    exit 1
}

journey() { "$work/venv/bin/python" ci/openapi/journey.py "$url" "$1"; }

start
TOKENS=$(journey examples/server/openapi.json)
export TOKENS
echo "ok: a whole journey is as described"

# In a folder of its own, since it keeps what it found beside itself.
(cd "$work" && SCHEMATHESIS_HOOKS="$OLDPWD/ci/openapi/hooks.py" exec timeout 300 venv/bin/schemathesis run \
    "$url/openapi.json" --url "$url" \
    --max-examples 40 --phases examples,coverage,fuzzing --seed 1 --request-timeout 30 --no-color \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    >"$work/replay" 2>&1) || { tail -n 150 "$work/replay" >&2; exit 1; }
tail -n 25 "$work/replay"
grep -q '"level":"ERROR"' "$work/data/log" && { grep '"level":"ERROR"' "$work/data/log" >&2; exit 1; }
echo "ok: the replay found nothing"

for lacks in \
    'd["components"]["schemas"]["Token"]["properties"].pop("id_token")' \
    'd["paths"]["/mfa/authenticators/{id}"]["delete"]["responses"].pop("404")'; do
    python3 - "$lacks" <examples/server/openapi.json >"$work/wrong.json" <<PY
import json, pathlib, sys
d = json.loads(pathlib.Path("examples/server/openapi.json").read_text())
exec(sys.argv[1])
json.dump(d, sys.stdout)
PY
    start
    if journey "$work/wrong.json" >/dev/null 2>&1; then
        echo "a description that lacks $lacks was not noticed" >&2
        exit 1
    fi
done
echo "ok: a description that lacks a field or a status is noticed"
