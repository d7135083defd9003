#!/usr/bin/env bash
# Builds and tests the library and its conformance kit with the oldest direct dependencies that their manifests admit, in a
# copy without the rest of the workspace: a lower bound that is too low is noticed here and not by a user.
#
#     ci/minimal.sh
#
# What the dependencies themselves ask for is as new as ever; so are the crates that only tests use, unless a bound says
# otherwise. Cargo's option for this is unstable, which RUSTC_BOOTSTRAP admits on a stable toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
target=${CARGO_TARGET_DIR:-$PWD/target}
export CARGO_TARGET_DIR="$target/minimal" CARGO_PROFILE_DEV_DEBUG=0

cp -r src tests crates README.md CHANGELOG.md Cargo.toml Cargo.lock "$scratch"
mkdir "$scratch/examples"
cp examples/*.rs "$scratch/examples"
cd "$scratch"
# Without the host nothing needs these two, of which Cargo would complain.
sed -i 's/^members = .*/members = ["crates\/conformance"]/; /^argon2\./d; /^blake2\./d' Cargo.toml

resolve() {
    RUSTC_BOOTSTRAP=1 cargo update --quiet -Zdirect-minimal-versions
}

resolve
packages=(--package countersign --package countersign-conformance)
cargo tree --locked "${packages[@]}" --depth 1 --all-features --edges normal,dev --prefix none --format '{p}' | sort -u
cargo check --locked --all-features "${packages[@]}"
cargo test --locked --quiet --all-features --lib "${packages[@]}"

# The control: with a bound that is too low, the same must fail.
sed -i 's/^subtle = { version = "[^"]*"/subtle = { version = "1.0.0"/' Cargo.toml
resolve
if cargo check --locked --all-features >"$scratch/control.log" 2>&1; then
    echo "FAILED: a bound that is too low went unnoticed" >&2
    exit 1
fi
grep -q 'could not compile `countersign`' "$scratch/control.log" || { cat "$scratch/control.log" >&2; exit 1; }
echo "ok: a bound that is too low is noticed"
