#!/bin/sh
# Sends mail through aiosmtpd, an SMTP server that others wrote, on a free port of 127.0.0.1.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
server=
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check aiosmtpd==1.4.6
"$work/venv/bin/python" ci/smtp_sink.py "$work/mail.jsonl" >"$work/port" &
server=$!
tries=0
until [ -s "$work/port" ]; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$server"; then echo "the SMTP server does not start" >&2; exit 1; fi
    sleep 0.1
done
COUNTERSIGN_TEST_SMTP="smtp://127.0.0.1:$(cat "$work/port")" COUNTERSIGN_TEST_SMTP_LOG="$work/mail.jsonl" \
    cargo test -p countersign-server --test mail -- --ignored "$@"
