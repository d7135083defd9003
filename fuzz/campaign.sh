#!/usr/bin/env bash
# Fuzzes every target for hours and keeps what it finds:  fuzz/campaign.sh HOURS
#
# Each target has an equal share of the time, on all cores. New inputs that reach new code are merged into
# fuzz/corpus/TARGET (of the inputs that are not seeds, the 100 smallest); crashes are minimised and kept in
# fuzz/regressions/TARGET. Ends with a summary, and with a failure if anything crashed or could not run.
set -euo pipefail
cd "$(dirname "$0")/.."
hours=${1:?how many hours}
targets=(operations record tokens input wire)
share=$(awk -v hours="$hours" -v count="${#targets[@]}" 'BEGIN { printf "%d", hours * 3600 / count }')
[ "$share" -ge 1 ]
fuzz/run.sh 20 "${targets[@]}"    # installs what is missing, builds, and fails where a campaign would be for nothing
export RUSTC_BOOTSTRAP=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
summary=()

for target in "${targets[@]}"; do
    mkdir -p "$work/$target" "fuzz/artifacts/$target" "fuzz/regressions/$target"
    dictionary="-dict=fuzz/dictionaries/$target.dict"
    touch "$work/begun"
    status=0
    cargo fuzz run "$target" "$work/$target" "fuzz/corpus/$target" -- "$dictionary" -fork="$(nproc)" \
        -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1 -timeout=20 -rss_limit_mb=2048 -max_len=8192 \
        -max_total_time="$share" >"$work/$target.log" 2>&1 || status=$?
    # With forks the end of the log is "#RUNS: cov: COVERAGE ft: ...".
    last=$(grep -oE '^#[0-9]+: cov: [0-9]+' "$work/$target.log" | tail -n 1) || last=""
    crashes=0
    while IFS= read -r -d '' crash; do
        crashes=$((crashes + 1))
        kept="fuzz/regressions/$target/$(sha1sum "$crash" | cut -c 1-16)"
        cp "$crash" "$kept"
        cargo fuzz tmin "$target" "$crash" --runs 20000 >"$work/tmin.log" 2>&1 || true
        minimised=$(find "fuzz/artifacts/$target" -name 'minimized-from-*' -newer "$kept" | head -n 1)
        [ -z "$minimised" ] || cp "$minimised" "$kept"
    done < <(find "fuzz/artifacts/$target" -type f -newer "$work/begun" ! -name 'minimized-*' -print0)
    cp -n "fuzz/corpus/$target"/* "$work/$target/"
    cargo fuzz cmin "$target" "$work/$target" >"$work/cmin.log" 2>&1 || { cat "$work/cmin.log"; status=1; }
    find "fuzz/corpus/$target" -type f ! -name 'seed-*' -delete
    find "$work/$target" -type f ! -name 'seed-*' -size -9k -printf '%s %p\n' | sort -n | head -n 100 |
        cut -d ' ' -f 2- | while IFS= read -r input; do cp "$input" "fuzz/corpus/$target/"; done
    if [ "$status" -ne 0 ] || [ -z "$last" ]; then
        tail -n 40 "$work/$target.log"
        failed=1
    fi
    [ "$crashes" -eq 0 ] || failed=1
    rmdir --ignore-fail-on-non-empty "fuzz/regressions/$target"
    summary+=("$target: ${last:-did not run}, $crashes crashes, $(find "fuzz/corpus/$target" -type f | wc -l) inputs kept")
done
printf '%s\n' "${summary[@]}"
exit "$failed"
