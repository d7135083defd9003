#!/usr/bin/env bash
# Compares what the library makes public with the listings in docs/api, so that a change of the surface shows in a review.
#
#     ci/api.sh           fails with a diff if a listing is not up to date
#     ci/api.sh --write   brings them up to date
#
# none.txt lists what the library has without features; each file of a feature what it adds to that, and to the features that
# it implies. Nothing may go away with a feature. conformance.txt lists the crate countersign-conformance. The listing is made
# from rustdoc's JSON, an unstable form that RUSTC_BOOTSTRAP admits on a stable toolchain; ci/api reads the form of Rust 1.95
# and says so where rustdoc writes another.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
target=${CARGO_TARGET_DIR:-$PWD/target}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

CARGO_TARGET_DIR="$target/api" cargo build --quiet --locked --manifest-path ci/api/Cargo.toml

list() { # the directory of the workspace, features, the package: the library unless it is given
    local package=${3:-countersign}
    (cd "$1" && RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --lib --package "$package" --no-default-features --features "$2" \
        --target-dir "$target/api" -- -Zunstable-options --output-format json --cap-lints allow)
    "$target/api/debug/api" "$target/api/doc/${package//-/_}.json"
}

# The library's features and, behind each, those that it implies.
features() {
    cargo metadata --no-deps --format-version 1 | python3 -c '
import json, sys

package = next(p for p in json.load(sys.stdin)["packages"] if p["name"] == "countersign")
features = {name: of for name, of in package["features"].items() if name != "default"}
for name, of in features.items():
    print(name, *[implied for implied in of if implied in features])'
}

# Lines of the first file that are not in any of the others, in their order.
without() {
    local file=$1
    shift
    cat "$@" >"$scratch/others"
    grep -vxFf "$scratch/others" "$file" || true
}

mkdir "$scratch/all" "$scratch/api"
list . "" >"$scratch/all/none"
cp "$scratch/all/none" "$scratch/api/none.txt"
features >"$scratch/features"
while read -r feature _; do
    list . "$feature" >"$scratch/all/$feature"
    if [ -n "$(without "$scratch/all/none" "$scratch/all/$feature")" ]; then
        echo "FAILED: with the feature $feature these go away or change:" >&2
        without "$scratch/all/none" "$scratch/all/$feature" >&2
        exit 1
    fi
done <"$scratch/features"
while read -r feature implied; do
    others=("$scratch/all/none")
    for other in $implied; do others+=("$scratch/all/$other"); done
    without "$scratch/all/$feature" "${others[@]}" >"$scratch/api/$feature.txt"
done <"$scratch/features"
list . "" countersign-conformance >"$scratch/api/conformance.txt"

if [ "${1:-}" = --write ]; then
    rm -rf docs/api
    mkdir -p docs/api
    cp "$scratch/api"/*.txt docs/api
    wc -l docs/api/*.txt
    exit
fi

compare() { # a listing directory, against what is checked in
    diff --recursive --unified=2 docs/api "$1"
}
if ! compare "$scratch/api"; then
    echo "FAILED: the public surface is not what docs/api says. If that is meant: ci/api.sh --write" >&2
    exit 1
fi
echo "ok: the public surface is what docs/api says, in $(cat docs/api/*.txt | wc -l) lines"

# The control: one function that is public for the first time, and one that no longer is, must both show.
mkdir "$scratch/copy"
cp -r src crates Cargo.toml Cargo.lock README.md "$scratch/copy"
python3 - "$scratch/copy" <<'PY'
import pathlib, re, sys

root = pathlib.Path(sys.argv[1])
manifest = root / "Cargo.toml"
manifest.write_text(re.sub(r"^members = .*\n", "", manifest.read_text(), flags=re.M))
for name, old, new in [
    ("src/outcome/step.rs", "    pub fn into_parts(self) -> (Option<", "    fn into_parts(self) -> (Option<"),
    ("src/lib.rs", "extern crate alloc;", "extern crate alloc;\n/// Planted.\npub fn planted() {}"),
]:
    text = (root / name).read_text()
    assert text.count(old) == 1, f"{name}: {old}"
    (root / name).write_text(text.replace(old, new))
PY
cp -r "$scratch/api" "$scratch/control"
list "$scratch/copy" "" >"$scratch/control/none.txt"
if compare "$scratch/control" >"$scratch/control.diff"; then
    echo "FAILED: a change of the public surface went unnoticed" >&2
    exit 1
fi
changed() { grep -c "^$1[^$1]" "$scratch/control.diff"; }
if [ "$(changed +)" != 1 ] || [ "$(changed -)" -lt 1 ] ||
    ! grep -q '^+pub fn countersign::planted()' "$scratch/control.diff" ||
    grep '^-[^-]' "$scratch/control.diff" | grep -qv '::into_parts('; then
    cat "$scratch/control.diff" >&2
    echo "FAILED: the control's two changes show otherwise than they were made" >&2
    exit 1
fi
echo "ok: a function that comes and one that goes are both noticed"
