#!/bin/sh
# Lets an unmodified Auth0 SDK do the whole journey against the server.
set -eu
cd "$(dirname "$0")/.."
{ command -v node && command -v npm; } >/dev/null || ci/install.sh nodejs npm
cargo build -p countersign-server
binary="${CARGO_TARGET_DIR:-target}/debug/countersign-server"
case $binary in /*) ;; *) binary="$PWD/$binary" ;; esac
work=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
cp ci/auth0-sdk/package.json ci/auth0-sdk/journey.mjs examples/server/tests/browser/otp.mjs "$work"
(cd "$work" && npm install --no-audit --no-fund --loglevel=error)
issuer=https://countersign.test/
(cd "$work" && exec "$binary" --listen 127.0.0.1:0 --policy auth0 --demo --issuer "$issuer" --log-format json) >"$work/log" &
server=$!
tries=0
until grep -q '"message":"listening"' "$work/log"; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$server"; then echo "the server does not start" >&2; exit 1; fi
    sleep 0.1
done
(cd "$work" && echo 'correct horse battery staple' | "$binary" users add app@example.com >added)
address=$(sed -n 's/.*"message":"listening","address":"\([^"]*\)".*/\1/p' "$work/log")
(cd "$work" && node journey.mjs "$issuer" "http://$address/")
