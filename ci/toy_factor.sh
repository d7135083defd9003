#!/usr/bin/env bash
# A factor more touches few files. verification/toy_factor/pager.patch adds one, a pager, to a copy of the tree; there
# everything builds, the pager does a whole journey, and the files of the patch are those of touched.txt and no other.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/verification/toy_factor
target=${CARGO_TARGET_DIR:-$PWD/target}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --directory="$scratch"
cd "$scratch"
if ! git apply "$here/pager.patch"; then
    echo "FAILED: the toy factor does not fit the tree any more; mend verification/toy_factor/pager.patch" >&2
    exit 1
fi
if ! git apply --numstat "$here/pager.patch" | cut -f3 | LC_ALL=C sort | diff "$here/touched.txt" -; then
    echo "FAILED: a factor touches other files than verification/toy_factor/touched.txt says" >&2
    exit 1
fi

export CARGO_TARGET_DIR=$target
cargo check --quiet --locked --workspace --all-features
cargo test --quiet --locked -p countersign --all-features --test it pager | tee "$scratch/pager.log"
if ! grep -q '^test result: ok\. [1-9]' "$scratch/pager.log"; then
    echo "FAILED: no test of the toy factor ran" >&2
    exit 1
fi
echo "a factor touches $(wc -l <"$here/touched.txt") files:"
cat "$here/touched.txt"
