#!/usr/bin/env bash
# Shows that the library needs no standard library and reaches nothing outside.
#
# A bare-metal target has no `std` to link and no operating system to ask: no clock, no entropy, no environment, no file and
# no socket. A WebAssembly module lists whatever it asks of its host as an import, so one that drives every command and has
# none reaches nothing. Each check has a control that must fail. Needs Debian's rustc-web, cargo-web, rust-web-src,
# rust-web-llvm and lld-22: the sources of `core` and `alloc` come with them.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

build() { # directory, target, further arguments
    local directory=$1 target=$2
    shift 2
    (cd "$directory" && RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=/usr/bin/rust-lld \
        /usr/bin/cargo build --release --quiet --target "$target" --target-dir "$scratch/target" "$@")
}

imports() { # a WebAssembly module
    python3 - "$1" <<'PY'
import sys

module = open(sys.argv[1], "rb").read()
assert module[:8] == b"\0asm\1\0\0\0", "not a WebAssembly module"


def number(at):
    value = shift = 0
    while True:
        byte = module[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


at, count, code = 8, 0, False
while at < len(module):
    section = module[at]
    size, at = number(at + 1)
    if section == 2:
        count, _ = number(at)
    code |= section == 10 and size > 10_000
    at += size
assert code, "the module has next to no code: the library was not linked"
print(count)
PY
}

# The first has atomic compare-and-swap. The second, the smallest of Arm's profiles, has none and so no `alloc::sync::Arc`.
for target in thumbv7em-none-eabi thumbv6m-none-eabi; do
    for features in "" serde wire; do
        build "$root" "$target" --lib --features "$features" -Zbuild-std=core,alloc
        echo "ok: builds for $target with core and alloc alone, features: ${features:-none}"
    done
done

mkdir -p "$scratch/cheat" "$scratch/atomic"
cp -r "$root/src" "$root/Cargo.toml" "$root/README.md" "$scratch/cheat/"
# Only the library is copied; what the workspace and the tests name is not there.
python3 - "$scratch/cheat" <<'PY'
import pathlib, re, sys

root = pathlib.Path(sys.argv[1])
manifest = root / "Cargo.toml"
text = manifest.read_text()
text = re.sub(r"\[dev-dependencies\].*?(?=\n\[)", "", text, flags=re.S)
text = re.sub(r"\[workspace\].*?(?=\n\[)", "[workspace]\n", text, flags=re.S)
manifest.write_text(text)
PY
cp -r "$scratch/cheat/." "$scratch/atomic/"
replace() { # a file, a text that stands in it once, the text to put there
    python3 - "$@" <<'PY'
import pathlib, sys

file, find, put = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
text = file.read_text()
assert text.count(find) == 1, f"{find!r} is not once in {file}"
file.write_text(text.replace(find, put))
PY
}
replace "$scratch/cheat/src/lib.rs" "extern crate alloc;" "extern crate alloc; extern crate std;"
if build "$scratch/cheat" thumbv7em-none-eabi --lib -Zbuild-std=core,alloc 2>"$scratch/cheat.log"; then
    echo "FAILED: a library that needs std was built for bare metal" >&2
    exit 1
fi
grep -q 'E0463' "$scratch/cheat.log" || { cat "$scratch/cheat.log" >&2; exit 1; }
echo "ok: the same library with std is refused"

replace "$scratch/atomic/src/value/text.rs" "alloc::boxed::Box<str>" "alloc::sync::Arc<str>"
if build "$scratch/atomic" thumbv6m-none-eabi --lib -Zbuild-std=core,alloc 2>"$scratch/atomic.log"; then
    echo "FAILED: a library that shares by atomic counts was built for a target that has none" >&2
    exit 1
fi
grep -q 'E0433\|E0412' "$scratch/atomic.log" || { cat "$scratch/atomic.log" >&2; exit 1; }
echo "ok: the same library with shared texts is refused where no atomic count is"

build . wasm32-unknown-unknown -Zbuild-std=core,alloc,panic_abort
count=$(imports "$scratch/target/wasm32-unknown-unknown/release/no_io.wasm")
[ "$count" -eq 0 ] || { echo "FAILED: the library reaches outside by $count imports" >&2; exit 1; }
echo "ok: every command, linked alone, has no import"

build . wasm32-unknown-unknown -Zbuild-std=core,alloc,panic_abort --features cheat
count=$(imports "$scratch/target/wasm32-unknown-unknown/release/no_io.wasm")
[ "$count" -eq 1 ] || { echo "FAILED: a clock of the host went unseen" >&2; exit 1; }
echo "ok: a clock of the host is seen"
