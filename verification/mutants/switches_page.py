"""The part of docs/mutation.md that is on the mutants of switches.py."""


def page(recorded, listed):
    """The part of docs/mutation.md on these mutants."""
    verdicts = ("caught", "timeout", "equivalent", "missed")
    lines = [
        "",
        "## Guards, effects and derivations",
        "",
        "`verification/mutants/switches.py` makes three kinds of mutants that the tool does not: a guard passes at the place",
        "where it is asked (a check with `?` is left out, a condition that refuses is false, a verdict is `Ok(())`); a call for",
        "its effect, or an assignment to a field, is left out; an argument of a derivation is a constant of its type. All are",
        "in one build, each behind a switch. The conformance kit has none of them.",
        "",
        "| file | mutants | " + " | ".join(verdicts) + " |",
        "|---|--:|" + "--:|" * len(verdicts),
    ]
    rows = [(f"`{name}`", entry) for name, entry in sorted(recorded.items()) if entry["mutants"]]
    total = {key: sum(entry.get(key, 0) for entry in recorded.values()) for key in ("mutants", *verdicts)}
    for name, entry in [*rows, ("total", total)]:
        lines.append(f"| {name} | {entry['mutants']} | " + " | ".join(str(entry.get(key, 0)) for key in verdicts) + " |")
    lines += ["", "Equivalent are:", ""]
    for entry in listed:
        lines += [f"- {', '.join(f'`{name}`' for name in entry['mutants'])}: {entry['reason']}"]
    return lines
