"""What a negative control is: a test, or what a fuzz target says, that must notice what one edit or several take away."""


class ControlError(Exception):
    """Why a control failed."""


def name_of(control):
    return f"{control['test']}: {control['why']}"


def edits_of(control):
    return control["edits"] if "edits" in control else [control]


def modified(tree, control):
    """The files that the control changes: path, original and modified text."""
    texts = {}
    for edit in edits_of(control):
        path = tree / edit["file"]
        original, text = texts.get(path) or (path.read_text(encoding="utf-8"),) * 2
        found = text.count(edit["find"])
        if found != 1:
            raise ControlError(f"found {found} times in {edit['file']}, not once: {edit['find']!r}")
        texts[path] = (original, text.replace(edit["find"], edit["replace"]))
    for path, (original, text) in texts.items():
        if original == text:
            raise ControlError(f"{path.relative_to(tree)} stays as it is")
    return texts
