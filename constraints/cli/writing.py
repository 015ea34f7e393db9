"""Files that ``validate`` writes in addition to its report: the fixed network, or edited source lines; no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from constraints.augmentation import NAME as AUGMENTATION
from constraints.errors import ConstraintError, UnusableInputError
from constraints.sandbox.parent import CheckOutcome
from constraints.sandbox.request import Request

Check = Callable[[Request], CheckOutcome]


class Writer(Protocol):
    """Writes a file from the findings of a check."""

    @property
    def flag(self) -> str:
        """The command line option for it."""
        ...

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def follow_up(self) -> str:
        """``module:name`` of the function that follows the check in the child."""
        ...

    def write(self, found: Mapping[str, Any], draft: Path, request: Request, check: Check) -> str:
        """Write ``path`` from the result of the follow-up; returns what was written, in words.

        Raises UnusableInputError where the result would not satisfy every constraint.
        """
        ...


def check_path(path: Path, flag: str, suffixes: tuple[str, ...] = ()) -> None:
    """Raise UnusableInputError for a file that cannot be written, or exists already."""
    if suffixes and path.suffix not in suffixes:
        raise UnusableInputError(f"unknown kind of file: {str(path)!r}: end {flag} with {', '.join(suffixes)}")
    if path.is_symlink() and not path.exists():
        raise UnusableInputError(f"a symbolic link that leads nowhere: {str(path)!r}: give another {flag}")
    if path.exists():
        raise UnusableInputError(f"the file exists: {str(path)!r}: give another {flag}")
    if not path.parent.is_dir():
        raise UnusableInputError(f"no such folder: {str(path.parent)!r}: make it, or give another {flag}")


def check_distinct(outputs: Mapping[str, Path]) -> None:
    """Raise UnusableInputError where two outputs (name -> path) are the same file; links are followed."""
    known: dict[Path, str] = {}
    for what, path in outputs.items():
        if other := known.get(path.resolve()):
            raise UnusableInputError(f"{other} and {what} are one file: {str(path)!r}: give each its own")
        known[path.resolve()] = what


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A file of the same name in a temporary folder next to ``path``, which is removed afterwards."""
    try:
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            yield Path(folder) / path.name
    except OSError as error:
        raise UnusableInputError(f"cannot write {str(path)!r}: {error.strerror or error}: give another") from error


def written(writer: Writer, outcome: CheckOutcome, request: Request, check: Check) -> str:
    """One line that says what was written, or why nothing was."""
    not_written, report = f"{writer.path} is not written: ", outcome.report
    is_kept = all(v.ok for v in report.constraints if v.name != AUGMENTATION)
    if not is_kept and report.fix_all is None:
        if not request.fixes_seconds:
            return f"{not_written}--fixes-timeout 0 looks for no edits: give it more seconds"
        return f"{not_written}no set of edits was found that makes every constraint hold"
    found = outcome.follow_ups.get(writer.follow_up, {"refused": "the check was cut short"})
    if reason := found.get("refused"):
        return f"{not_written}{reason}"
    again = replace(request, follow_ups=(), fixes_seconds=0.0, verify=False, augmentation=None, drafts={})
    draft = request.drafts[writer.follow_up]
    try:
        return writer.write(found, draft, again, check)
    except ConstraintError as error:  # also raised for the written code
        return f"{not_written}{error}".replace(str(draft.parent), str(writer.path.parent))
