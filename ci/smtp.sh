#!/bin/sh
# Sends mail through aiosmtpd, an SMTP server that others wrote, on free ports of 127.0.0.1: in clear, and by TLS with a name
# and a password.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
server=
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check aiosmtpd==1.4.6 trustme==1.2.1
"$work/venv/bin/python" ci/smtp_sink.py "$work/mail.jsonl" "$work/tls.jsonl" "$work/ca.pem" >"$work/ports" &
server=$!
tries=0
until [ -s "$work/ports" ]; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$server"; then echo "the SMTP server does not start" >&2; exit 1; fi
    sleep 0.1
done
read -r plain starttls tls <"$work/ports"
export COUNTERSIGN_TEST_SMTP="smtp://127.0.0.1:$plain" COUNTERSIGN_TEST_SMTP_LOG="$work/mail.jsonl"
export COUNTERSIGN_TEST_SMTP_TLS="smtp+starttls://localhost:$starttls smtps://localhost:$tls"
export COUNTERSIGN_TEST_SMTP_TLS_LOG="$work/tls.jsonl" COUNTERSIGN_TEST_SMTP_CA="$work/ca.pem"
cargo test -p countersign-server --test mail -- --ignored --test-threads=1 "$@"
