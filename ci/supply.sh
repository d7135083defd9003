#!/usr/bin/env bash
# Checks what the tree depends on: licences, second versions, sources, known advisories.
#
#     ci/supply.sh
#
# Every Cargo.lock of the tree counts, and the library's own tree by stricter rules (deny.toml, ci/deny-library.toml). Each
# check has a control that must fail. Installs cargo-deny in the version named here unless it is there; as a debug build,
# which runs as well and takes half the time to make.
set -euo pipefail
cd "$(dirname "$0")/.."
deny_version=0.20.2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $deny_version" ]; then
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
        cargo install --quiet --locked cargo-deny --version "$deny_version"
fi

# Runs cargo-deny quietly: what it says shows if it fails.
deny() {
    if ! cargo deny --log-level error "$@" >"$scratch/log" 2>&1; then
        cat "$scratch/log" >&2
        return 1
    fi
}

workspace() { # the configuration
    deny --workspace --locked --config "$1" check -D unnecessary-skip -D unmatched-skip licenses bans sources
}

library() { # the configuration: without --workspace, the manifest's package alone is looked at
    deny --manifest-path "${2:-Cargo.toml}" --locked --config "$1" check "${@:3}" licenses bans sources
}

# A package outside the workspace is a tool or a test: it need not have every licence and second version that is allowed.
package() { # the manifest, the configuration
    deny --manifest-path "$1" --locked --config "$2" check -A duplicate -A unmatched-skip -A unnecessary-skip \
        -A license-not-encountered -A license-exception-not-encountered licenses bans sources
}

# A control: the same check must fail, and for the reason given.
refuses() { # what cargo-deny then says, the check
    local reason=$1
    shift
    if "$@" 2>"$scratch/control"; then
        echo "FAILED: not refused: $reason" >&2
        exit 1
    fi
    grep -q "$reason" "$scratch/control" || { cat "$scratch/control" >&2; exit 1; }
}

workspace deny.toml
echo "ok: the workspace's licences, versions and sources"
library ci/deny-library.toml
echo "ok: the library's licences, versions and sources"
# The kit has fewer crates, and so not every licence.
library ci/deny-library.toml crates/conformance/Cargo.toml -A license-not-encountered
echo "ok: the conformance kit's licences, versions and sources"
find . -name Cargo.lock -not -path './Cargo.lock' -not -path '*/target/*' -not -path '*/node_modules/*' | sort >"$scratch/locks"
while read -r lock; do
    package "${lock%.lock}.toml" deny.toml
    echo "ok: the licences and sources of ${lock%/Cargo.lock}"
done <"$scratch/locks"

# The controls: a licence, a second version and crates.io itself that are not allowed; a wildcard; a skip that nothing needs.
sed '/"ISC",/d' deny.toml >"$scratch/licence.toml"
refuses 'license is not explicitly allowed' workspace "$scratch/licence.toml"
sed '/crate = "hmac@/d' deny.toml >"$scratch/second.toml"
refuses "duplicate entries for crate 'hmac'" workspace "$scratch/second.toml"
sed 's/^skip = \[/&{ crate = "subtle@2", reason = "none" },/' deny.toml >"$scratch/skip.toml"
refuses 'unnecessary-skip' workspace "$scratch/skip.toml"
sed 's/, "BSD-3-Clause"//' ci/deny-library.toml >"$scratch/library.toml"
refuses 'license is not explicitly allowed' library "$scratch/library.toml"
sed 's/^\[sources\]/&\nallow-registry = []/' deny.toml >"$scratch/source.toml"
refuses 'source-not-allowed' package verification/no_std/Cargo.toml "$scratch/source.toml"
mkdir -p "$scratch/wildcard/src"
touch "$scratch/wildcard/src/lib.rs"
printf '[package]\nname = "wildcard"\nversion = "0.0.0"\nedition = "2024"\npublish = false\n[dependencies]\nsubtle = "*"\n' \
    >"$scratch/wildcard/Cargo.toml"
cargo generate-lockfile --quiet --manifest-path "$scratch/wildcard/Cargo.toml"
refuses "wildcard dependency" package "$scratch/wildcard/Cargo.toml" deny.toml
echo "ok: a licence, a second version, a needless skip, a wildcard and a source that are not allowed are refused"

python3 ci/advisories.py
mkdir "$scratch/affected"
printf 'version = 4\n[[package]]\nname = "time"\nversion = "0.3.46"\n' >"$scratch/affected/Cargo.lock"
if python3 ci/advisories.py "$scratch/affected/Cargo.lock" >/dev/null 2>"$scratch/control"; then
    echo "FAILED: an affected version went unnoticed" >&2
    exit 1
fi
grep -q 'RUSTSEC-2026-0009' "$scratch/control" || { cat "$scratch/control" >&2; exit 1; }
echo "ok: an affected version is noticed"
