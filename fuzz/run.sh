#!/usr/bin/env bash
# Fuzzes each target for some seconds, two at a time:  fuzz/run.sh SECONDS [TARGET...]
#
# Starts from the checked-in corpus and leaves it as it is. Exits with a failure, and says how to reproduce it, if a
# target crashed, could not run, or ran fewer than ten inputs a second. FUZZ_TREE is the tree to fuzz, if it is another.
#
# Without AddressSanitizer, which would cost two thirds of the speed: the library forbids unsafe code, and allocations are
# counted by the properties themselves. FUZZ_SANITIZER=address brings it back.
set -euo pipefail
cd "${FUZZ_TREE:-$(dirname "$0")/..}"
seconds=${1:?how many seconds}
shift
[ $# -gt 0 ] || set -- operations record tokens input wire
fuzz/install.sh
# The sanitizer's flags are the nightly compiler's; this makes the stable one take them.
export RUSTC_BOOTSTRAP=1
sanitizer=${FUZZ_SANITIZER:-none}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fuzz() {
    local target=$1
    mkdir -p "$work/$target" "fuzz/artifacts/$target"
    cargo fuzz run --sanitizer "$sanitizer" "$target" "$work/$target" "fuzz/corpus/$target" -- -dict="fuzz/dictionaries/$target.dict" \
        -max_total_time="$seconds" -print_final_stats=1 -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
        >"$work/$target.log" 2>&1
}

cargo fuzz build --sanitizer "$sanitizer" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
failed=0
while [ $# -gt 0 ]; do
    pair=("${@:1:2}")
    shift ${#pair[@]}
    declare -A jobs=()
    for target in "${pair[@]}"; do
        fuzz "$target" &
        jobs[$target]=$!
    done
    for target in "${pair[@]}"; do
        status=0
        wait "${jobs[$target]}" || status=$?
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log")
        coverage=$(grep -o 'cov: [0-9]*' "$work/$target.log" | tail -n 1) || coverage="cov: unknown"
        if [ "$status" -ne 0 ]; then
            tail -n 60 "$work/$target.log"
            echo "FAIL $target; the input is under fuzz/artifacts/$target: cargo fuzz run $target PATH replays it"
            failed=1
        elif [ "${runs:-0}" -lt $((10 * seconds)) ]; then
            echo "FAIL $target: only ${runs:-no} inputs in $seconds s"
            failed=1
        else
            echo "ok   $target: $runs inputs, $coverage"
        fi
    done
done
exit "$failed"
