"""A network that a person gave: an architecture, or a file of their own, of which a copy is kept beside its trial.

What the file imports of the person's own modules is copied and hashed too. The files are used as long as they are what
they were when the trial was made; after that the copies are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.request import Limits, Target

COPIES = "source"
"""The folder, in that of a trial, with the copies of its files."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A network made by a person's own code."""

    target: Target
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for a class or a function."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Absolute path of each file of the person's that is imported for it, the target's first -> its SHA-256."""
    limits: Limits = field(default_factory=Limits)
    """Of the code: the seconds that a step or less of it may take, and its memory beside that of the images."""
    is_finished: bool = False
    """Whether the target is a module that is made already, perhaps with trained weights, and no class or function."""
    is_architecture: bool = False
    """Whether its architecture is known, so that its trained weights are kept under the names of that."""
    memory: str = ""
    """SHA-256 of a module that was given from memory, in place of code."""
    pickled: str = ""
    """That module; it goes from process to process, and is kept nowhere."""
    paths: tuple[str, ...] = ()
    """Where its classes are imported from."""
    copies: Path | None = None
    """Where the copies are; None where there are none yet."""

    @property
    def key(self) -> str:
        """A text that no other network has: what is called, with which arguments, in files of which content."""
        code = self.memory or " ".join(sorted(self.files.values())) or self.target.module
        return f"{self.target.name}({json.dumps(self.arguments, sort_keys=True)}) {code}"

    @property
    def common(self) -> str:
        """The innermost folder that holds all of its files."""
        return _common(self.files)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; where the copies are is left out, since folders are moved."""
        table = asdict(replace(self, copies=None))
        for name in ("copies", "pickled", "paths"):
            table.pop(name)
        table["target"]["file"] = None if self.target.file is None else str(self.target.file)
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], folder: Path | None = None) -> Given:
        """Read back what a trial keeps; ``folder`` is that of its files."""
        return cls(
            target=Target.from_dict(table["target"]),
            arguments=table["arguments"],
            files=table["files"],
            limits=Limits(**table["limits"]),
            is_finished=bool(table["is_finished"]),
            is_architecture=bool(table["is_architecture"]),
            memory=str(table["memory"]),
            copies=None if folder is None else folder / COPIES,
        )

    def keep_copies(self, folder: Path) -> None:
        """Copy the files below the ``folder`` of the trial, as they lie to each other."""
        for path, copy in _copies(self.files, folder / COPIES).items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)

    def copy_found(self, folder: Path) -> None:
        """Copy the files, or of those that have changed since the copies, into a folder; raises as ``found``."""
        self.found()
        kept = _copies(self.files, self.copies) if self.changed() and self.copies else {}
        for path, copy in _copies(self.files, folder).items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept.get(path, path), copy)

    def changed(self) -> list[str]:
        """The files that are no longer what they were, or not there."""
        return [path for path, known in self.files.items() if file_hash(Path(path)) != known]

    def found(self) -> Target:
        """The target where its code is: in the files themselves, or, where one of them has changed, in the copies.

        Raises UnusableInputError where the copies are not what they were either.
        """
        if self.memory and not self.pickled:
            raise UnusableInputError(
                f"{self.target.text} was given as a module in memory, which is kept nowhere: give it again "
                "(nas.confirm(trial, model=module)), or train it from its file"
            )
        changed = self.changed()
        if not changed:
            return self.target
        copies = _copies(self.files, self.copies) if self.copies else {}
        if not copies or any(file_hash(copy) != self.files[path] for path, copy in copies.items()):
            raise UnusableInputError(
                f"{changed[0]} has changed since {self.target.text} was given, and its copy is not there: "
                f"restore the file, or {self.copies}"
            )
        return replace(self.target, file=copies[next(iter(self.files))], module="")


@contextmanager
def shown_images_of(channels: int) -> Iterator[None]:
    """Advise in the block for a model of other channels than the data's: as in a check, but that the data stay."""
    try:
        yield
    except ModelFailedError as error:
        text, is_of_others, _ = str(error).partition(": if the model is made for images of ")
        if not is_of_others:
            raise
        images = f"those of the data have {channels} channel{'s' * (channels != 1)}"
        raise ModelFailedError(
            f"{text}: {images}: make the model for these, by an --arg perhaps", traceback=error.traceback
        ) from error


def file_hash(path: Path) -> str:
    """SHA-256 of a file; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _copies(files: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Path of each file -> path of its copy."""
    return {path: folder / os.path.relpath(path, _common(files)) for path in files}


def _common(files: Mapping[str, str]) -> str:
    """The innermost folder that holds all of the files."""
    return os.path.commonpath([os.path.dirname(path) for path in files])  # noqa: PTH120 (of texts)
