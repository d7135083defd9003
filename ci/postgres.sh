#!/bin/sh
# Starts a PostgreSQL with TLS and two PgBouncers in front of it on free ports of 127.0.0.1, in a directory that is gone
# afterwards, and runs the tests of the outbox's claims, of two servers, of certificates, of poolers, and of two processes of
# the conformance kit on one database. Installs Debian's packages if they are not there. PostgreSQL refuses to run as root, so root runs it as the user `postgres`.
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
[ -x /usr/sbin/pgbouncer ] && command -v openssl >/dev/null || ci/install.sh pgbouncer openssl
find_wrapper() { ls /usr/lib/*/libnss_wrapper.so /usr/lib/libnss_wrapper.so 2>/dev/null | head -n 1 | grep .; }
find_wrapper >/dev/null || ci/install.sh libnss-wrapper
wrapper=$(find_wrapper)
binaries=$(find_binaries)
data=$(mktemp -d)
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
port=$(free_port)
as_postgres() {
    if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "cd / && $1"; else sh -c "$1"; fi
}
[ "$(id -u)" = 0 ] && chown postgres "$data"
stop() {
    for pid in "$data"/*.pid; do
        [ -f "$pid" ] && kill "$(cat "$pid")" 2>/dev/null || true
    done
    as_postgres "$binaries/pg_ctl -D $data/db -m immediate stop" >/dev/null 2>&1 || true
    rm -rf "$data"
}
trap stop EXIT INT TERM

# A certificate for one name, by an authority of its own, and another authority that made none.
authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$data/$1.key" -out "$data/$1.pem" 2>/dev/null
}
authority ca
authority strange
openssl req -newkey rsa:2048 -nodes -subj /CN=db.countersign.test -keyout "$data/server.key" -out "$data/server.csr" 2>/dev/null
printf 'subjectAltName=DNS:db.countersign.test\n' >"$data/names"
openssl x509 -req -in "$data/server.csr" -CA "$data/ca.pem" -CAkey "$data/ca.key" -CAcreateserial -days 2 \
    -extfile "$data/names" -out "$data/server.pem" 2>/dev/null
chmod 600 "$data/server.key"
if [ "$(id -u)" = 0 ]; then chown postgres "$data/server.key" "$data/server.pem"; fi
chmod 755 "$data"
printf '127.0.0.1 db.countersign.test\n127.0.0.1 other.countersign.test\n' >"$data/hosts"

as_postgres "$binaries/initdb -D $data/db -U postgres --auth=trust --encoding=UTF8 --no-locale" >/dev/null
as_postgres "$binaries/pg_ctl -D $data/db -l $data/log -w -t 60 \
    -o '-c listen_addresses=127.0.0.1 -p $port -k $data -c max_connections=100 \
    -c ssl=on -c ssl_cert_file=$data/server.pem -c ssl_key_file=$data/server.key' start" >/dev/null

# PgBouncer in transaction mode, on so few connections that clients share them: as Debian has it, and one that drops the
# parameters of the start.
pooler() {
    cat >"$data/$1.ini" <<INI
[databases]
* = host=127.0.0.1 port=$port user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $2
auth_type = any
pool_mode = transaction
default_pool_size = 4
logfile = $data/$1.log
pidfile = $data/$1.pid
unix_socket_dir =
$3
INI
    as_postgres "/usr/sbin/pgbouncer -q -d $data/$1.ini"
}
strict=$(free_port)
pooler strict "$strict" ''
lax=$(free_port)
pooler lax "$lax" 'ignore_startup_parameters = options, extra_float_digits'

export COUNTERSIGN_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres"
export COUNTERSIGN_TEST_POSTGRES_TLS="postgres://postgres@db.countersign.test:$port/postgres"
export COUNTERSIGN_TEST_POSTGRES_OTHER="postgres://postgres@other.countersign.test:$port/postgres"
export COUNTERSIGN_TEST_SOCKET="postgres://postgres@localhost:$port/?host=$data"
export COUNTERSIGN_TEST_CA="$data/ca.pem" COUNTERSIGN_TEST_STRANGE_CA="$data/strange.pem"
export COUNTERSIGN_TEST_HOSTS="$data/hosts" COUNTERSIGN_TEST_NSS_WRAPPER="$wrapper"
export COUNTERSIGN_TEST_PGBOUNCER="postgres://postgres@127.0.0.1:$strict/postgres"
export COUNTERSIGN_TEST_PGBOUNCER_LAX="postgres://postgres@127.0.0.1:$lax/postgres"
cargo test -p countersign-server --bins --test postgres --test postgres_tls --test pgbouncer --test conformance -- \
    --ignored --test-threads=1 --nocapture "$@"
# The same two servers through the pooler, but for what is about one of their own connections, and for the crashes.
COUNTERSIGN_TEST_POOLER="$COUNTERSIGN_TEST_PGBOUNCER" \
    cargo test -p countersign-server --test postgres -- --ignored --test-threads=1 --nocapture \
    --skip silent --skip crashes "$@"
