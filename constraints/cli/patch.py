"""``validate --patch``: the source lines that a fix changes, as a unified diff that ``patch`` applies; no torch."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import Any

from constraints.cli.writing import Check, check_path
from constraints.errors import ConstraintError, UnusableInputError
from constraints.sandbox.request import Request
from constraints.sandbox.source_text import decoded

_HEADER, _MARK = 2, len("--- ")
_NO_NEWLINE = "\n\\ No newline at end of file\n"


@dataclass(frozen=True)
class PatchWriter:
    """Writes ``path`` after the patched source has passed the check with the layers of the fix."""

    path: Path
    flag: str = "--patch"
    follow_up: str = "constraints.sandbox.patching:patched"

    def __post_init__(self) -> None:
        """Raise UnusableInputError for a path that cannot be written."""
        check_path(self.path, self.flag)

    def write(self, found: Mapping[str, Any], draft: Path, request: Request, check: Check) -> str:
        """Move the diff to ``path`` if the patched source satisfies every constraint."""
        file, source = Path(found["file"]), str(found["source"])
        old, encoding = decoded(file)
        if source == old:
            raise UnusableInputError("every constraint holds, so nothing needs to change")
        try:
            target = replace(request.target, file=file, module="")
            report = check(replace(request, target=target, source=source)).report
        except ConstraintError as error:
            raise UnusableInputError(f"the edited lines do not run: {error}") from error
        if not report.ok or [layer.as_dict() for layer in report.layers] != found["layers"]:
            raise UnusableInputError("the call that makes a layer makes others too, which would change as well")
        name = os.path.relpath(real := os.path.realpath(file))  # ``patch`` does not follow links
        before, after, how = names(name, self.path)
        first, second, *lines = diff(old, source, before, after)
        draft.write_bytes(os.fsencode(first + second) + "".join(lines).encode(encoding))
        os.replace(draft, self.path)  # noqa: PTH105 (the atomic rename is the point)
        how = f"patch {shlex.quote(real)} {shlex.quote(str(self.path))}" if name.startswith(os.pardir) else how
        return f"wrote {self.path}: the edited lines of {file}, with which it keeps every constraint: {how}"


def names(name: str, path: Path) -> tuple[str, str, str]:
    """The names of the file in a diff, before and after, and the command that applies the diff.

    ``patch -p0`` finds the first, ``patch -p1`` and ``git apply`` the second. If the first name without its first
    folder is another existing file, both names are written as ``git`` does.
    """
    stripped = name.partition("/")[2]
    is_clear = not stripped or not Path(stripped).exists()
    command = f"patch -p{'0' if is_clear else '1'} < {shlex.quote(str(path))}"
    return name if is_clear else f"a/{name}", f"b/{name}", command


def diff(old: str, new: str, before: str, after: str) -> Iterator[str]:
    """Lines of a unified diff; a last line without a newline is marked, as ``patch`` expects."""
    for number, line in enumerate(unified_diff(_lines(old), _lines(new), before, after)):
        if number < _HEADER and " " in line[_MARK:]:
            line = line.replace("\n", "\t\n")  # noqa: PLW2901 (a name with spaces ends with a tab)
        yield line if line.endswith("\n") else line + _NO_NEWLINE


def _lines(text: str) -> Sequence[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "\n" else [*lines[:-1], lines[-1][:-1]]
