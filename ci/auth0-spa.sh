#!/bin/sh
# Lets an unmodified @auth0/auth0-spa-js do the journey in Chromium, from another origin than the server's. The first factor
# is a plain fetch of the page, since the SDK's own is a redirect: see the head of ci/auth0-spa/journey.mjs.
# It needs Node 20, npm, openssl and Chromium (/usr/bin/chromium, or the path in CHROMIUM).
#
#   ci/auth0-spa.sh [BINARY]      BINARY is a built countersign-server; without it, cargo builds one
set -eu
cd "$(dirname "$0")/.."
{ command -v node && command -v npm; } >/dev/null || ci/install.sh nodejs npm
command -v chromium >/dev/null || ci/install.sh chromium
command -v openssl >/dev/null || ci/install.sh openssl
binary=${1:-}
if [ -z "$binary" ]; then
    cargo build -p countersign-server
    binary="${CARGO_TARGET_DIR:-target}/debug/countersign-server"
fi
case $binary in /*) ;; *) binary="$PWD/$binary" ;; esac
work=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
cp ci/auth0-spa/package.json ci/auth0-spa/package-lock.json ci/auth0-spa/journey.mjs \
    examples/server/tests/browser/otp.mjs "$work"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mfa.test -addext subjectAltName=DNS:mfa.test,DNS:app.test \
    -keyout key.pem -out certificate.pem 2>openssl.log || { cat openssl.log >&2; exit 1; }
"$binary" --listen 127.0.0.1:0 --policy auth0 --issuer https://mfa.test/ --demo=true --log-format json >log &
server=$!
tries=0
until grep -q '"message":"listening"' log; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$server"; then echo "the server does not start" >&2; exit 1; fi
    sleep 0.1
done
echo 'correct horse battery staple' | "$binary" users add app@example.com >added
"$binary" clients add spa --public --origin https://app.test --scope 'openid profile email' >registered
address=$(sed -n 's/.*"message":"listening","address":"\([^"]*\)".*/\1/p' log)
node journey.mjs "http://$address/" key.pem certificate.pem || { tail -n 20 log >&2; exit 1; }
