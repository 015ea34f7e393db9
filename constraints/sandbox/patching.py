"""The child's side of ``validate --patch``: the user's file with the edits of a fix, and the layers that it makes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from constraints.checker import examined
from constraints.edits import applied
from constraints.errors import UnusableInputError
from constraints.sandbox.cells import NOTEBOOK
from constraints.sandbox.child import Checked
from constraints.sandbox.layer_calls import LayerCalls
from constraints.sandbox.notebooks import joined, placed, with_text
from constraints.sandbox.request import Request, Target
from constraints.sandbox.source import read
from constraints.sandbox.source_text import editable
from constraints.source_edits import edited


def patched(checked: Checked, request: Request) -> dict[str, Any]:
    """The text of the target's file with the edits of ``fix_all``, and the layers that it must then have.

    Raises UnusableInputError for an edit that cannot be written as a change of calls in that file.
    """
    file, change = source_file(request.target), checked.report.change
    text, _ = editable(file)
    if file.suffix == NOTEBOOK:
        source = read(file)
        try:
            new = with_text(text, source, _edited(joined(source), file, checked))
        except UnusableInputError as error:
            raise UnusableInputError(placed(str(error), source)) from error
    else:
        new = _edited(text, file, checked)
    with applied(checked.model, change):
        after = next(examined(checked.model, checked.question))
    return {"file": str(file), "source": new, "layers": [layer.as_dict() for layer in after.layers]}


def _edited(program: str, file: Path, checked: Checked) -> str:
    change = checked.report.change
    found = LayerCalls(checked=checked, file=os.path.realpath(file), change=change, text=program)
    new = edited(program, found.edits(), found.more)
    if change and new == program:
        raise UnusableInputError("what would change is computed from other values in the file")
    return new


def source_file(target: Target) -> Path:
    """The file of a target, or of the module that it names; raises UnusableInputError where that is no source file."""
    file = target.file or Path(getattr(sys.modules.get(target.module), "__file__", None) or target.module)
    if file.suffix not in {".py", NOTEBOOK}:
        raise UnusableInputError(f"{target.place} is neither a .py file nor a notebook: name one")
    return file
