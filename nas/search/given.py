"""A network given by the user: an architecture, or a file of user code, which is copied beside its trial.

The user's modules that the file imports are copied and hashed too. The original files are used while they are unchanged
since the trial was made; otherwise the copies are used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.request import Limits, Target

_OTHER_INPUT = re.compile(r": if the model is made for another input, [^;]*")
"""The advice of a check on another input shape, which a training takes from its data."""
COPIES = "source"
"""The subfolder of a trial's folder with the copies of its files."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A network built by user code."""

    target: Target
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for a class or a function."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Absolute path of each user file that is imported for it, the target's first -> its SHA-256."""
    limits: Limits = field(default_factory=Limits)
    """Limits of the user code: seconds for at most one training step, and memory in addition to the images'."""
    is_finished: bool = False
    """Whether the target is a module instance, perhaps with trained weights, rather than a class or function."""
    is_architecture: bool = False
    """Whether its architecture is known, so that its trained weights are stored under the architecture's names."""
    memory: str = ""
    """SHA-256 of a module in memory, where one was given in place of code."""
    pickled: str = ""
    """That module, pickled; it is sent between processes, and never stored on disk."""
    paths: tuple[str, ...] = ()
    """``sys.path`` entries from which its classes are imported."""
    copies: Path | None = None
    """The folder of the copies; None before they are made."""

    @property
    def key(self) -> str:
        """A text that identifies the network: what is called, with which arguments, and the hashes of its files."""
        code = self.memory or " ".join(sorted(self.files.values())) or self.target.module
        return f"{self.target.name}({json.dumps(self.arguments, sort_keys=True)}) {code}"

    @property
    def common(self) -> str:
        """The innermost folder that holds all of its files."""
        return _common(self.files)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON, without the folder of the copies, since folders may be moved."""
        table = asdict(replace(self, copies=None))
        for name in ("copies", "pickled", "paths"):
            table.pop(name)
        table["target"]["file"] = None if self.target.file is None else str(self.target.file)
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], folder: Path | None = None) -> Given:
        """Read what a trial stores; ``folder`` is the trial's."""
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
        """Copy the files into the trial's ``folder``, keeping their paths relative to each other."""
        for path, copy in _copies(self.files, folder / COPIES).items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)

    def copy_found(self, folder: Path) -> None:
        """Copy the files, or the stored copies where a file has changed, into a folder; raises as ``found``."""
        self.found()
        kept = _copies(self.files, self.copies) if self.changed() and self.copies else {}
        for path, copy in _copies(self.files, folder).items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept.get(path, path), copy)

    def changed(self) -> list[str]:
        """The files that have changed or are missing."""
        return [path for path, known in self.files.items() if file_hash(Path(path)) != known]

    def found(self) -> Target:
        """The target with its code in the original files or, where one of them has changed, in the copies.

        Raises UnusableInputError where the copies have changed, too.
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
    """Rewrite a check's advice on other images in the block: here the model has to change, not the images."""
    try:
        yield
    except ModelFailedError as error:
        if (text := _for_these(str(error), channels)) == str(error):
            raise
        raise ModelFailedError(text, traceback=error.traceback) from error


def _for_these(text: str, channels: int) -> str:
    before, is_of_others, _ = text.partition(": if the model is made for images of ")
    if is_of_others:
        images = f"those of the data have {channels} channel{'s' * (channels != 1)}"
        return f"{before}: {images}: make the model for these, perhaps by --arg"
    return _OTHER_INPUT.sub(
        ": if the model is made for images of another size, let it resize them (F.interpolate) or pool to one size "
        "(nn.AdaptiveAvgPool2d)",
        text,
    )


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
