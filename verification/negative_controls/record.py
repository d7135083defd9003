"""What is known of each control: it passed on these sources, and need not be tried again while they stay as they are.

A control hangs on itself, on the files that it changes and on the file of its test. What else it hangs on may change
without a change of these: so some controls are tried anyway, others with each change of any of them.
"""

import hashlib
import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RECORD = HERE / "record.json"


def name_of(control):
    return f"{control['test']}: {control['why']}"


def digest(*parts):
    """Of texts, whose borders count."""
    lengths = [str(len(part)) for part in parts]
    return hashlib.sha256("\0".join([*lengths, *parts]).encode()).hexdigest()


class Record:
    """The controls of one list, by name: the digest of what each hangs on when it passed."""

    def __init__(self, guards):
        self.list = guards.stem
        self.known = json.loads(RECORD.read_text(encoding="utf-8")).get(self.list, {}) if RECORD.exists() else {}
        self.tests = {}
        for path in sorted([*ROOT.glob("tests/**/*.rs"), *ROOT.glob("examples/*/tests/**/*.rs")]):
            text = path.read_text(encoding="utf-8")
            for test in re.findall(r"^\s*(?:async )?fn (\w+)\(", text, re.MULTILINE):
                self.tests.setdefault(test, []).append(text)

    def digest_of(self, control, files):
        sources = [(ROOT / name).read_text(encoding="utf-8") for name in sorted(files)]
        return digest(json.dumps(control, sort_keys=True), *sources, *self.tests.get(control["test"], []))

    def to_try(self, controls, files_of, sample):
        """Those that are not known to pass on these sources, and so many of the others, chosen by all sources."""
        digests = {name_of(control): self.digest_of(control, files_of(control)) for control in controls}
        unknown = [control for control in controls if self.known.get(name_of(control)) != digests[name_of(control)]]
        known = [control for control in controls if control not in unknown]
        of_all = digest(*digests.values())
        return unknown + sorted(known, key=lambda control: digest(of_all, name_of(control)))[:sample]

    def write(self, controls, passed, files_of):
        """Keeps those that passed, and those that were known and not tried."""
        now = {name_of(control): self.digest_of(control, files_of(control)) for control in controls}
        kept = {name: value for name, value in now.items() if self.known.get(name) == value or name in passed}
        whole = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
        whole[self.list] = dict(sorted(kept.items()))
        RECORD.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
