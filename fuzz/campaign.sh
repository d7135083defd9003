#!/usr/bin/env bash
# Fuzzes for hours and keeps what it finds:  fuzz/campaign.sh HOURS [TARGET...]
#
# Each target (all of them, if none is named) has an equal share of the time, on all cores. What a target found is then
# merged into fuzz/corpus/TARGET: beside the seeds, which always stay, inputs for the edges that the seeds miss, and then
# those that reach an edge more often, up to FUZZ_KEEP (100) in all and 8 kB each, the most worth first. Crashes are minimised
# and kept in fuzz/regressions/TARGET. A campaign that is interrupted (Ctrl-C, SIGTERM) keeps what it has until then.
#
# Says for each target how many inputs ran, how many edges the corpus reached before and reaches now, and what was kept
# and what crashed. Fails if anything crashed, ran fewer than ten inputs a second or could not run, or was interrupted.
# FUZZ_TREE is the tree to fuzz, if it is another.
set -euo pipefail
hours=${1:?how many hours}
shift
cd "${FUZZ_TREE:-$(dirname "$0")/..}"
[ $# -gt 0 ] || set -- operations record tokens input wire
share=$(awk -v hours="$hours" -v count=$# 'BEGIN { printf "%d", hours * 3600 / count }')
[ "$share" -ge 1 ] || { echo "too short a campaign: less than a second for each of $# targets" >&2; exit 1; }
keep=${FUZZ_KEEP:-100}
fuzz/run.sh 5 "$@"    # installs what is missing, builds, and fails where a campaign would be for nothing
sanitizer=${FUZZ_SANITIZER:-none}
export RUSTC_BOOTSTRAP=1
cargo fuzz build --sanitizer "$sanitizer" >/dev/null 2>&1
built=$(cargo metadata --format-version 1 --no-deps --manifest-path fuzz/Cargo.toml |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
built+="/$(rustc -vV | sed -n 's/^host: //p')/release"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
interrupted=""
fuzzers=()
trap 'interrupted=yes; [ ${#fuzzers[@]} -eq 0 ] || kill -TERM "${fuzzers[@]}" 2>/dev/null || true' INT TERM

# Fuzzes until the target's time is over. A crash ends libFuzzer but not the target's time; ten crashes do.
fuzz() {
    local number=$1 until=$((SECONDS + share)) round=0 status
    # libFuzzer takes SIGINT for an orderly end. What it found until then is in its folder already.
    trap 'kill -INT "$child" 2>/dev/null || true; wait "$child" || true; exit 0' TERM
    while [ "$SECONDS" -lt "$until" ] && [ "$(find "$crashes" -type f | wc -l)" -lt 10 ]; do
        round=$((round + 1))
        status=0
        "${libfuzzer[@]}" "-dict=fuzz/dictionaries/$target.dict" "-artifact_prefix=$crashes/" -print_final_stats=1 -reload=1 \
            -max_len=8192 "-max_total_time=$((until - SECONDS))" "$found" "fuzz/corpus/$target" \
            >"$work/$target.$number.$round.log" 2>&1 &
        child=$!
        wait "$child" || status=$?
        [ "$status" -ne 0 ] || break
    done
}

# How many edges some folders' inputs reach.
edges() {
    local log
    log=$("${libfuzzer[@]}" -runs=0 "$@" 2>&1) || { echo unknown; return; }
    grep -o 'cov: [0-9]*' <<<"$log" | tail -n 1 | cut -d ' ' -f 2
}

# The inputs of a folder that are not in another, in the order of their writing, which for a merge is that of their worth:
# each adds more than any later one. None is above 8 kB.
worth() {
    find "$1" -type f -size -9k -printf '%T@ %f\n' | sort -n | cut -d ' ' -f 2- |
        while IFS= read -r name; do [ -e "$2/$name" ] || printf '%s\n' "$name"; done
}

# Merges what was found into the corpus, in a folder of its own that takes the corpus' place when it is whole.
merge() {
    local corpus="fuzz/corpus/$target" by_edge="$work/$target.edges" by_count="$work/$target.counts" room name
    mkdir -p "$by_edge" "$by_count"
    cp "$corpus"/seed-* "$by_edge/"
    "${libfuzzer[@]}" -set_cover_merge=1 -use_counters=0 "$by_edge" "$corpus" "$found" >"$work/merge.log" 2>&1 ||
        { tail -n 20 "$work/merge.log"; return 1; }
    cp "$by_edge"/* "$by_count/"
    "${libfuzzer[@]}" -set_cover_merge=1 "$by_count" "$corpus" "$found" >"$work/merge.log" 2>&1 ||
        { tail -n 20 "$work/merge.log"; return 1; }
    local merged="$work/$target.merged"
    mkdir -p "$merged"
    cp "$corpus"/seed-* "$merged/"
    for name in $(worth "$by_edge" "$merged") $(worth "$by_count" "$by_edge"); do
        room=$((keep - $(find "$merged" -type f ! -name 'seed-*' | wc -l)))
        [ "$room" -gt 0 ] || break
        cp "$by_count/$name" "$merged/"
    done
    find "$corpus" -type f ! -name 'seed-*' -delete
    cp -n "$merged"/* "$corpus/"
}

# Keeps the crashes, each as small as it gets within 20,000 runs.
keep_crashes() {
    local crash kept
    for crash in "$crashes"/*; do
        [ -f "$crash" ] || continue
        mkdir -p "fuzz/regressions/$target"
        kept="fuzz/regressions/$target/$(sha1sum "$crash" | cut -c 1-16)"
        "${libfuzzer[@]}" -minimize_crash=1 -runs=20000 "-exact_artifact_path=$kept" "$crash" >"$work/tmin.log" 2>&1 || true
        # What is kept must crash, too.
        [ -s "$kept" ] && ! "${libfuzzer[@]}" "$kept" >"$work/tmin.log" 2>&1 || cp "$crash" "$kept"
        echo "CRASH $target: kept as $kept: cargo fuzz run --sanitizer $sanitizer $target $kept replays it"
        grep -h -A 1 'panicked at' "$work/$target".*.log | head -n 2 || true
    done
}

failed=0
for target in "$@"; do
    [ -z "$interrupted" ] || break
    # In a session of its own, so that Ctrl-C reaches it through this script alone.
    libfuzzer=(setsid "$built/$target" -timeout=20 -rss_limit_mb=2048)
    found="$work/$target.found"
    crashes="$work/$target.crashes"
    mkdir -p "$found" "$crashes"
    before=$(edges "fuzz/corpus/$target")
    inputs_before=$(find "fuzz/corpus/$target" -type f | wc -l)
    begun=$SECONDS
    for number in $(seq "$(nproc)"); do
        fuzz "$number" &
        fuzzers+=($!)
    done
    # A trap ends a wait; the fuzzers then end in order, and that is waited for.
    while ! wait "${fuzzers[@]}"; do jobs -pr | grep -q . || break; done
    fuzzers=()
    seconds=$((SECONDS - begun))
    runs=$(cat "$work/$target".*.log | sed -n 's/^stat::number_of_executed_units: *//p' | awk '{ sum += $1 } END { print sum + 0 }')
    new=$(find "$found" -type f | wc -l)
    keep_crashes
    crashed=$(find "$crashes" -type f | wc -l)
    merge || { echo "FAIL $target: what was found could not be merged, and the corpus is as it was"; failed=1; }
    after=$(edges "fuzz/corpus/$target")
    size=$(find "fuzz/corpus/$target" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }')
    verdict=ok
    if [ "$crashed" -gt 0 ] || [ "$runs" -lt $((10 * seconds)) ]; then verdict=FAIL failed=1; fi
    echo "$verdict $target: $runs inputs in $seconds s, $new new; edges $before before, $after now;" \
        "corpus of $inputs_before before, $(find "fuzz/corpus/$target" -type f | wc -l) now, $size bytes; $crashed crashes"
done
[ -z "$interrupted" ] || { echo "interrupted; what was found until then is kept"; failed=1; }
exit "$failed"
