"""What is known of each control: it passed on these sources, and need not be tried again while they stay as they are.

A control hangs on itself, on the files that it changes and on the file of its test. What else it hangs on may change
without a change of these: so some controls are tried anyway, others with each change of any of them.
"""

import hashlib
import json
import re
from pathlib import Path

from control import edits_of, name_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECORD = HERE / "record.json"


def digest(*parts):
    """Of texts, whose borders count."""
    lengths = [str(len(part)) for part in parts]
    return hashlib.sha256("\0".join([*lengths, *parts]).encode()).hexdigest()


def files_of_tests():
    """The texts of the files that have a function of this name, by name."""
    found = {}
    for path in sorted([*ROOT.glob("tests/**/*.rs"), *ROOT.glob("examples/*/tests/**/*.rs")]):
        text = path.read_text(encoding="utf-8")
        for test in re.findall(r"^\s*(?:async )?fn (\w+)\(", text, re.MULTILINE):
            found.setdefault(test, []).append(text)
    return found


def digests_of(controls):
    """What each control hangs on, by its name."""
    tests, digests = files_of_tests(), {}
    for control in controls:
        files = sorted({edit["file"] for edit in edits_of(control)})
        sources = [(ROOT / name).read_text(encoding="utf-8") for name in files]
        text = json.dumps(control, sort_keys=True)
        digests[name_of(control)] = digest(text, *sources, *tests.get(control["test"], []))
    return digests


class Record:
    """The controls of one list, by name: the digest of what each hangs on when it passed, and of now."""

    def __init__(self, guards, controls):
        self.list, self.controls, self.now = guards.stem, controls, digests_of(controls)
        self.whole = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}

    def is_known(self, name):
        return self.whole.get(self.list, {}).get(name) == self.now[name]

    def to_try(self, sample):
        """Those that are not known to pass on these sources, and so many of the others, chosen by all sources."""
        of_all = digest(*self.now.values())
        known = [control for control in self.controls if self.is_known(name_of(control))]
        unknown = [control for control in self.controls if not self.is_known(name_of(control))]
        return unknown + sorted(known, key=lambda control: digest(of_all, name_of(control)))[:sample]

    def write(self, tried, passed):
        """Keeps the names of those that passed, and of those that were known and not tried."""
        kept = {name for name in self.now if name in passed or self.is_known(name) and name not in tried}
        self.whole[self.list] = {name: self.now[name] for name in sorted(kept)}
        RECORD.write_text(json.dumps(self.whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
