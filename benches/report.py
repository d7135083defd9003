#!/usr/bin/env python3
"""Measures everything and writes docs/performance.md, between its markers, and its two plots.

    python3 benches/report.py              measures: about twenty minutes on an idle machine of two cores
    python3 benches/report.py --minima     measures the times alone, and takes the rest from the last measurement
    python3 benches/report.py --render     writes the page from the last measurement of this target directory

Times are minima of interleaved batches (crates/testkit/src/minima.rs). benches/minima.json keeps them, with the machine.

CARGO_TARGET_DIR, if it is set, is where everything is built; otherwise target is.
"""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

sys.dont_write_bytecode = True
import counts as instructions

ROOT = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PEERS = TARGET / "peers"
DOCS = ROOT / "docs"
WEIGHTS = TARGET / "weights.json"
SIZES = TARGET / "record-sizes.json"
HOST = TARGET / "host.json"
MINIMA = ROOT / "benches/minima.json"

# What a case may cost on the clock, as a multiple of its floor.
CLOCK_TARGETS = [
    ("verification/bare/right", "verification/bare/floor", 1.5),
    ("verification/bare/wrong", "verification/bare/floor", 1.5),
    ("verification/whole/full_right", "verification/whole/floor", 1.9),
    ("verification/token/good", "verification/token/floor", 2.0),
    ("verification/token/forged", "verification/token/floor", 1.5),
    ("verification/handle/good", "verification/handle/floor", 1.4),
    ("verification/handle/forged", "verification/handle/floor", 1.4),
]

OTP_OUTCOMES = [("miss", "a wrong one"), ("previous", "of the step before"), ("present", "of this step"),
                ("next", "of the next step")]

# What a code of an app may cost, as a multiple of a peer's time for the same outcome in the same process: the codes and the
# comparisons, which is the peers' job, and a whole `verify_otp`.
for who in ("countersign_codes", "countersign"):
    CLOCK_TARGETS += [(f"peers_otp_miss/{who}", "peers_otp_miss/totp-rs", 1.0)]
    CLOCK_TARGETS += [(f"peers_otp_{outcome}/{who}", f"peers_otp_{outcome}/totp-rfc", 1.0)
                      for outcome, _ in OTP_OUTCOMES]

PEER_ROWS = [
    ("peers_code", "A mailed code by itself", [
        ("countersign", "budgets, deadline, state, charge and audit included"),
        ("latchkey", "the hash and the comparison alone: no deadline, no attempts, no state"),
        ("argon2", "no key needed; a table of hashes of six digits still falls in 10^6 guesses"),
        ("bcrypt", "as argon2"),
        ("sha256", "another job: no key, so whoever reads the table has every code; no attempts, no deadline"),
    ]),
    ("peers_request", "A whole request with a mailed code", [
        ("countersign", "token, handle, step and commit on a full account"),
        ("latchkey", "no signed token or handle to check; draws the session and its cookies, which a host of"
         " countersign does itself"),
    ]),
    ("peers_recovery", "A recovery code among ten", [
        ("countersign", "budgets, one use, the answer given again, audit and notification included"),
        ("latchkey", "draws the session and its cookies, which a host of countersign does itself"),
        ("latchkey_hash", "the hash and the comparisons alone: no state"),
    ]),
    *((f"peers_otp_{outcome}", f"A code of an app, of three steps: {which}", [
        ("countersign", "the secret derived, every step looked at; budgets, replay guard, charge and audit included"),
        ("countersign_codes", "of that the codes and the comparisons alone, of every step"),
        ("totp-rs", "the codes and the comparisons alone, up to the step that matches"),
        ("totp-rfc", "the codes and the comparisons alone, of every step"),
    ]) for outcome, which in OTP_OUTCOMES),
]


def bench(directory, target, *arguments):
    """What a bench that prints minima says: the lines before its JSON, and that."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target))
    command = ["cargo", "bench", *arguments]
    done = subprocess.run(command, cwd=directory, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    before, brace, rest = done.stdout.partition("{")
    return before, json.loads(brace + rest)


def measure_minima():
    out, times = bench(ROOT, TARGET, "--bench=minima")
    rows = re.findall(r"^record-size (\w+) (\d+) (\d+)$", out, re.M)
    SIZES.write_text(json.dumps({size: [int(json_), int(postcard)] for size, json_, postcard in rows}))
    times |= bench(ROOT / "benches/peers", PEERS)[1]
    rounded = {name: round(time, 1) for name, time in sorted(times.items())}
    MINIMA.write_text(json.dumps({"machine": machine(), "nanoseconds": rounded}, indent=1) + "\n")


def measure():
    measure_minima()
    WEIGHTS.write_text(subprocess.run([sys.executable, ROOT / "benches/size.py"], check=True, stdout=subprocess.PIPE, text=True).stdout)
    subprocess.run([sys.executable, ROOT / "benches/host.py"], check=True)


def span(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def targets(measured, rows):
    lines = []
    for case, against, most in rows:
        ratio = measured[case] / measured[against]
        short = lambda name: name.removeprefix("verification/")
        met = "yes" if ratio <= most else "no"
        lines.append([f"`{short(case)}` / `{short(against)}`", most, f"{ratio:.3f}", met])
    return table(["ratio", "at most", "is", "met"], lines)


def cases(times, counted, group):
    rows = []
    for name, count in counted.items():
        if name.startswith(f"{group}/"):
            rows.append([f"`{name.removeprefix(group + '/')}`", span(times[name]), f"{count:,}"])
    return table(["case", "time", "instructions"], rows)


def peers(times):
    rows = []
    for group, title, subjects in PEER_ROWS:
        ours = times[f"{group}/countersign"]
        for subject, leaves_out in subjects:
            time = times[f"{group}/{subject}"]
            rows.append([title, subject, span(time), f"{time / ours:.3g}", leaves_out])
    return table(["job", "who", "time", "times countersign", "what it does and leaves out"], rows)


def weights():
    rows = []
    for subject, weight in json.loads(WEIGHTS.read_text()).items():
        kib = [f"{weight[key] / 1024:.0f} KiB" for key in ("rlib", "text_3", "text_s")]
        rows.append([subject, *kib, f"{weight['seconds']:.0f} s", weight["crates"]])
    return table(["who", "rlib", "code in a host, opt-level 3", "opt-level s", "clean build", "crates"], rows)


def sizes():
    rows = [[size, *map("{:,} bytes".format, pair)] for size, pair in json.loads(SIZES.read_text()).items()]
    return table(["account", "JSON", "postcard"], rows)


def host():
    stores = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
    milliseconds = lambda value: span(value * 1e6)
    rows = []
    for result in json.loads(HOST.read_text()).values():
        setup = f"{stores[result['store']]}, {'one server' if result['nodes'] == 1 else 'two servers'}"
        memory = result["argon2_memory"]
        hashing = "as by default" if memory is None else f"{memory} KiB"
        limit, measured = result["limit"], result["measured"]
        rows.append([setup, hashing, "the limit", f"{limit['journeys_per_second']:.1f}",
                     f"{limit['requests_per_second']:.0f}", milliseconds(limit["all"]["p50_ms"]),
                     milliseconds(limit["all"]["p99_ms"]), f"{limit['core_of_requests']:.3%}",
                     f"{limit['core_of_cpu']:.2%}"])
        rows.append(["", "", "a quarter", f"{measured['journeys_per_second']:.1f}",
                     f"{measured['requests_per_second']:.0f}", milliseconds(measured["all"]["p50_ms"]),
                     milliseconds(measured["all"]["p99_ms"]), f"{measured['core_of_requests']:.3%}",
                     f"{measured['core_of_cpu']:.2%}"])
    return table(["store", "password hash", "load", "journeys/s", "requests/s", "p50", "p99", "core, of the requests' time",
                  "core, of processor time"], rows)


def machine():
    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpu)
    flags = re.search(r"flags\s*: (.*)", cpu)
    extensions = "with" if flags and "sha_ni" in flags[1].split() else "without"
    toolchain = instructions.toolchain()
    return (f"{model[1] if model else 'unknown processor'}, {os.cpu_count()} cores, {extensions} SHA extensions;"
            f" rustc {toolchain['rustc']}, {toolchain['target']}; {date.today()}; the load was"
            f" {os.getloadavg()[1]:.1f} when this was written.")


STYLE = """<style>
text { font: 13px sans-serif; fill: #24292f } .axis { fill: none; stroke: #8c959f; stroke-width: 1 } .grid { stroke: #8c959f;
stroke-width: .4; stroke-dasharray: 2 3 } .ours { fill: #0969da } .floor { fill: #6e7781 } .peer { fill: #bc4c00 }
.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #58a6ff } .floor { fill: #8b949e }
.peer { fill: #f0883e } }
</style>"""


def svg(width, height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
            f"<title>{title}</title>{STYLE}{''.join(parts)}</svg>\n")


def bars(times):
    """Verification against its floors and the peers, on a logarithmic scale from 10 ns."""
    rows = [
        ("bare: compressions", "verification/bare/compressions", "floor"),
        ("bare: floor", "verification/bare/floor", "floor"),
        ("bare: verify_code", "verification/bare/right", "ours"),
        ("whole: floor", "verification/whole/floor", "floor"),
        ("whole: verify_oob", "verification/whole/full_right", "ours"),
        ("recovery, 1 of 10", "verification/recovery/right_10", "ours"),
        ("latchkey: code hash", "peers_code/latchkey", "peer"),
        ("latchkey: request", "peers_request/latchkey", "peer"),
        ("latchkey: recovery", "peers_recovery/latchkey", "peer"),
        ("SHA-256 of the code (other job)", "peers_code/sha256", "peer"),
        ("verify_otp, a miss", "peers_otp_miss/countersign", "ours"),
        ("its codes alone, a miss", "peers_otp_miss/countersign_codes", "ours"),
        ("totp-rs, a miss", "peers_otp_miss/totp-rs", "peer"),
        ("totp-rfc, a miss", "peers_otp_miss/totp-rfc", "peer"),
        ("argon2", "peers_code/argon2", "peer"),
        ("bcrypt, cost 10", "peers_code/bcrypt", "peer"),
    ]
    from math import log10

    left, top, step, decade = 230, 20, 24, 58
    bottom = top + step * len(rows)
    parts = []
    for power in range(1, 10):
        x = left + (power - 1) * decade
        parts.append(f'<path class="grid" d="M{x} {top}V{bottom}"/>'
                     f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{span(10 ** power)}</text>')
    for place, (label, name, kind) in enumerate(rows):
        y, width = top + step * place, (log10(times[name]) - 1) * decade
        parts.append(f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{label}</text>'
                     f'<rect class="{kind}" x="{left}" y="{y + 4}" width="{width:.1f}" height="16"/>'
                     f'<text x="{left + width + 6:.1f}" y="{y + 16}">{span(times[name])}</text>')
    parts.append(f'<path class="axis" d="M{left} {top}V{bottom}"/><text x="{left}" y="{bottom + 38}">'
                 "least time, logarithmic</text>")
    return svg(left + 8 * decade + 80, bottom + 50, "Verification against its floors and its peers", parts)


def lines(times):
    """The cost against what the account holds."""
    series = [("authenticators", "#0969da"), ("challenges", "#1a7f37"), ("transactions", "#bc4c00"),
              ("recovery_codes", "#8250df")]
    left, top, width, height = 70, 20, 480, 260
    points = {}
    for name, time in times.items():
        group, *rest = name.split("/")
        if group == "scaling" and len(rest) == 2 and rest[1].isdigit():
            points.setdefault(rest[0], []).append((int(rest[1]), time))
    most = max(time for series_ in points.values() for _, time in series_) * 1.15
    parts = []
    for power in range(5):
        x = left + width * power / 4
        parts.append(f'<path class="grid" d="M{x} {top}v{height}"/>'
                     f'<text x="{x}" y="{top + height + 18}" text-anchor="middle">{2 ** power}</text>')
    for part in range(5):
        y = top + height * (1 - part / 4)
        parts.append(f'<path class="grid" d="M{left} {y}h{width}"/>'
                     f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{span(most * part / 4)}</text>')
    for place, (name, colour) in enumerate(series):
        path = "L".join(f"{left + width * (count.bit_length() - 1) / 4:.1f} {top + height * (1 - time / most):.1f}"
                        for count, time in sorted(points[name]))
        y = top + 20 + 22 * place
        parts.append(f'<path class="line" stroke="{colour}" d="M{path}"/>'
                     f'<path class="line" stroke="{colour}" d="M{left + width + 14} {y}h20"/>'
                     f'<text x="{left + width + 40}" y="{y + 4}">{name.replace("_", " ")}</text>')
    parts.append(f'<path class="axis" d="M{left} {top}v{height}h{width}"/>'
                 f'<text x="{left + width / 2}" y="{top + height + 40}" text-anchor="middle">how many the account'
                 ' holds, logarithmic; least time of a whole verification</text>')
    return svg(left + width + 170, top + height + 55, "Cost against the size of the account", parts)


def write(page, name, text):
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        sys.exit(f"docs/performance.md has no markers of {name}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main():
    if "--minima" in sys.argv:
        measure_minima()
    elif "--render" not in sys.argv:
        measure()
    minima = json.loads(MINIMA.read_text())
    times, counted = minima["nanoseconds"], instructions.totals(instructions.run(instructions.build()))
    page = DOCS / "performance.md"
    text = page.read_text()
    sections = {"machine": minima["machine"], "targets": targets(counted, instructions.TARGETS),
                "clock": targets(times, CLOCK_TARGETS), "peers": peers(times), "records": sizes()}
    # What was not measured anew stays as it is.
    if WEIGHTS.exists():
        sections["size"] = weights()
    if HOST.exists():
        sections["host"] = host()
    sections |= {group: cases(times, counted, group) for group in ("verification", "issue", "scaling")}
    for name, section in sections.items():
        text = write(text, name, section)
    page.write_text(text)
    (DOCS / "verification.svg").write_text(bars(times))
    (DOCS / "scaling.svg").write_text(lines(times))


if __name__ == "__main__":
    main()
