#!/usr/bin/env bash
# One-time passwords with what people have: the codes of Debian's oathtool are accepted, and pyotp reads the Key URI and
# shows codes that are accepted. The published vectors, and a differential test against the crate totp-rs, are among the
# unit tests.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v oathtool >/dev/null || ci/install.sh oathtool
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" 2>/dev/null || { ci/install.sh python3-venv && python3 -m venv "$work/venv"; }
"$work/venv/bin/pip" install -q --disable-pip-version-check pyotp==2.9.0
PYTHON="$work/venv/bin/python" cargo test --quiet --locked --all-features --test it -- --ignored --exact \
    interoperability::codes_of_oathtool_are_accepted \
    interoperability::pyotp_reads_the_uri_and_its_codes_are_accepted | tee "$work/log"
if ! grep -q '^test result: ok\. 2 passed' "$work/log"; then
    echo "FAILED: not every test of ci/otp.sh ran" >&2
    exit 1
fi
