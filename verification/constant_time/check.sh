#!/usr/bin/env bash
# Shows that no branch and no address in a verification depends on a secret, and that no time tells one.
#
#     verification/constant_time/check.sh            both
#     verification/constant_time/check.sh memcheck   under valgrind, at optimisation 0, s, 3 and 3 with link-time optimisation
#     verification/constant_time/check.sh dudect     by the clock
#
# memcheck: every secret is marked as undefined and valgrind reports what depends on one. Each profile is built twice: with
# the library's hook, which declassifies each verdict, and nothing may show; and as shipped, where what shows must be the
# verdicts' own branches, one each. Optimised, the library must also hold no division instruction. Three comparisons that
# leak must be caught in the same runs, and so must the library with a naive comparison put into it.
#
# dudect: |t| of a verification must stay below 5, and that of the control must exceed 50. A machine that does other work
# can push t up but hardly three times in a row, so a verification fails if it exceeds the limit in each of three runs; the
# control must exceed its own in every run that is made. The library with a naive comparison must exceed 5 in all three.
set -euo pipefail
target=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-$(dirname "$0")/target}")
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
hook="--cfg countersign_constant_time"
# Always in the same place, so that a build of it takes the place of the one before.
naive=$target/naive-library
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

fail() {
    echo "FAILED: $*" >&2
    failed=1
}

build() { # directory, rustflags, target directory, further arguments
    (cd "$1" && RUSTFLAGS=$2 CARGO_TARGET_DIR=$3 cargo build --locked --quiet "${@:4}")
}

examine() { # program, where its table goes; says whether all rows are as they must be
    valgrind --quiet --error-limit=no --log-file="$2.log" "$1" >"$2"
}

# A copy of the library whose comparison of secrets leaves at the first difference, and whose scan of a window at the first
# match.
naive_copy() {
    rm -rf "$naive"
    mkdir -p "$naive/verification/constant_time"
    cp -r "$root/src" "$root/Cargo.toml" "$root/README.md" "$naive/"
    cp -r Cargo.toml Cargo.lock src "$naive/verification/constant_time/"
    python3 - "$naive" <<'PY'
import pathlib, re, sys

root = pathlib.Path(sys.argv[1])
manifest = root / "Cargo.toml"
text = re.sub(r"\[dev-dependencies\].*?(?=\n\[)", "", manifest.read_text(), flags=re.S)
manifest.write_text(re.sub(r"\[workspace\].*?(?=\n\[)", "", text, flags=re.S))
mac = root / "src/crypto/mac.rs"
text = mac.read_text()
start = "    let (a_words, a_rest) = a.as_chunks::<8>();\n"
end = "    rest.fold(words, |sum, (a, b)| sum | u64::from(a ^ b))\n"
assert text.count(start) == text.count(end) == 1, "the comparison is not where it was"
naive = """    use core::hint::black_box;
    u64::from(a.iter().zip(b).any(|(a, b)| black_box(*a) != black_box(*b)))
"""
mac.write_text(text[: text.index(start)] + naive + text[text.index(end) + len(end) :])
hotp = root / "src/otp/hotp.rs"
text = hotp.read_text()
match = "        found |= here;\n"
assert text.count(match) == 1, "the scan is not where it was"
leaves = "        if core::hint::black_box(found.unwrap_u8()) == 1 {\n            break;\n        }\n"
hotp.write_text(text.replace(match, match + leaves))
PY
}

memcheck() {
    command -v valgrind >/dev/null || "$root/ci/install.sh" valgrind
    command -v objdump >/dev/null || "$root/ci/install.sh" binutils
    local profile kind
    for profile in opt0 size release fat; do
        build . "$hook" "$target/hooked" --profile "$profile" --bin ct
        build . "" "$target/shipped" --profile "$profile" --bin ct
        for kind in hooked shipped; do
            examine "$target/$kind/$profile/ct" "$scratch/$kind-$profile" || {
                fail "$kind library, profile $profile"
                cat "$scratch/$kind-$profile" >&2
                grep -A 8 -e uninitialised "$scratch/$kind-$profile.log" | head -n 60 >&2 || true
            }
        done
    done
    echo "Branches and addresses that depended on a secret: verdicts declassified / as shipped, where each verdict is one branch"
    awk '
        BEGIN { printf "%-14s %-30s %8s %11s %11s %11s %11s\n", "", "optimisation", "verdicts", "0", "s", "3", "3, fat LTO" }
        FNR == 1 { file++; next }
        /rows,/ { next }
        {
            name = substr($0, 1, 45)
            split(substr($0, 46), field, " ")
            if (!(name in seen)) { order[++rows] = name; seen[name] = 1; verdicts[name] = field[2] }
            flagged[name, file] = field[1]
        }
        END {
            for (row = 1; row <= rows; row++) {
                name = order[row]
                printf "%s %8s", name, verdicts[name]
                for (at = 1; at <= 4; at++) printf " %11s", flagged[name, at] " / " flagged[name, at + 4]
                print ""
            }
        }' "$scratch"/hooked-{opt0,size,release,fat} "$scratch"/shipped-{opt0,size,release,fat}

    # Memcheck does not look at a division, whose time can depend on what is divided. The time and the step of TOTP are
    # public, and divided in one function.
    for profile in opt0 size release fat; do
        local divisions=0
        divisions=$(objdump --disassemble --demangle --no-show-raw-insn "$target/shipped/$profile/ct" |
            awk '/^[0-9a-f]+ </ { ours = /countersign::/; all += ours; if (/countersign::otp::totp::step_at/) ours = 0 }
                 ours && /\ti?div/ { found++ }
                 END { print all ? found + 0 : "no function" }')
        case $profile:$divisions in
            opt0:0 | *:"no function") fail "profile $profile: $divisions is no count of divisions" ;;
            opt0:* | *:0) echo "ok: profile $profile: $divisions division instructions in the library's functions" ;;
            *) fail "profile $profile: $divisions division instructions in the library's functions" ;;
        esac
    done

    local status=0
    "$target/hooked/release/ct" 2>/dev/null || status=$?
    [ "$status" -eq 2 ] || fail "a run without valgrind ended with $status and not with 2"

    naive_copy
    build "$naive/verification/constant_time" "$hook" "$target/naive-hooked" --release --bin ct
    if examine "$target/naive-hooked/release/ct" "$scratch/naive.table"; then
        fail "a library with a naive comparison went unseen"
    fi
    for subject in "binding code" "recovery code" "one-time code" mfa_token oob_code; do
        if awk -v subject="$subject" 'index($0, subject) == 1 && substr($0, 46) + 0 > 0 { hits++ } END { exit !hits }' \
            "$scratch/naive.table"; then
            echo "ok: a naive comparison in the library is seen: $subject"
        else
            fail "a naive comparison in the library went unseen: $subject"
        fi
    done
}

times() { # program: a line a bench, its name and |t|
    "$1" | awk '/max t =/ { match($0, /max t = [-+][0-9.]+/); t = substr($0, RSTART + 9, RLENGTH - 9) + 0
                            print $2, (t < 0 ? -t : t) }'
}

dudect() {
    build . "" "$target/shipped" --release --features dudect --bin dudect
    naive_copy
    build "$naive/verification/constant_time" "" "$target/naive" --release --features dudect --bin dudect
    local run
    for run in 1 2 3; do
        times "$target/shipped/release/dudect" >"$scratch/times-$run"
        times "$target/naive/release/dudect" >"$scratch/naive-times-$run"
    done
    echo "max |t| in three runs | and of a library with a naive comparison"
    for run in 1 2 3; do cat "$scratch/times-$run"; done >"$scratch/times"
    for run in 1 2 3; do cat "$scratch/naive-times-$run"; done >"$scratch/naive-times"
    awk '
        FNR == 1 { file++ }
        {
            names[$1] = 1
            t[file, $1] = t[file, $1] sprintf("%9.2f", $2)
            if (!runs[file, $1]++ || $2 + 0 < least[file, $1]) least[file, $1] = $2 + 0
        }
        END {
            for (name in names) {
                control = name == "control"
                # A recovery code is hashed before it is compared, and a one-time password is a number: no place of it
                # comes first.
                leaks = name == "binding_code" || name == "mfa_token" || name == "oob_code"
                good = runs[1, name] == 3 && runs[2, name] == 3
                good = good && (control ? least[1, name] > 50 : least[1, name] <= 5)
                good = good && (!leaks || least[2, name] > 5)
                printf "%-14s%s  |%s  %s\n", name, t[1, name], t[2, name], good ? "ok" : "FAILED"
                count++
                bad += !good
            }
            exit !(count == 6 && bad == 0)
        }' "$scratch/times" "$scratch/naive-times" || fail "the clock tells something, or the control tells nothing"
}

case ${1:-both} in
    memcheck) memcheck ;;
    dudect) dudect ;;
    both)
        memcheck
        dudect
        ;;
    *)
        echo "usage: $0 [memcheck|dudect]" >&2
        exit 2
        ;;
esac
[ "$failed" -eq 0 ]
