#!/bin/sh
# Starts a PostgreSQL of its own on a free port of 127.0.0.1, in a directory that is gone afterwards, and runs the tests of
# the outbox's claims, of two servers, and of two processes of the conformance kit on one database. Installs Debian's package
# if there is none. PostgreSQL refuses to run as root, so root runs it as the user `postgres`.
set -eu
cd "$(dirname "$0")/.."

find_binaries() {
    for directory in /usr/lib/postgresql/*/bin "$(dirname "$(command -v initdb 2>/dev/null || echo /none/initdb)")"; do
        [ -x "$directory/initdb" ] && [ -x "$directory/pg_ctl" ] && echo "$directory" && return
    done
    return 1
}
if ! find_binaries >/dev/null; then
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q postgresql
fi
binaries=$(find_binaries)
data=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as_postgres() {
    if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "cd / && $1"; else sh -c "$1"; fi
}
[ "$(id -u)" = 0 ] && chown postgres "$data"
stop() {
    as_postgres "$binaries/pg_ctl -D $data/db -m immediate stop" >/dev/null 2>&1 || true
    rm -rf "$data"
}
trap stop EXIT INT TERM

as_postgres "$binaries/initdb -D $data/db -U postgres --auth=trust --encoding=UTF8 --no-locale" >/dev/null
as_postgres "$binaries/pg_ctl -D $data/db -l $data/log -w -t 60 \
    -o '-c listen_addresses=127.0.0.1 -p $port -k $data -c max_connections=100' start" >/dev/null

COUNTERSIGN_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres" \
    cargo test -p countersign-server --bins --test postgres --test conformance -- --ignored --test-threads=1 --nocapture "$@"
