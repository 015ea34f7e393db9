"""Writes an exported network: the file, and its weights beside it where it holds none."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.results.export_given import GivenSubject, write_given
from nas.results.export_subject import Subject, source
from nas.results.files import check_folder

if TYPE_CHECKING:
    from nas.architecture.formats import Format


def check_target(to: Path, *, force: bool) -> None:
    """Raise UnusableInputError for an unknown ending, a missing extra, or a file that would be overwritten."""
    written = {to: _format(to), **({beside: _format(beside)} if (beside := _weights_beside(to)) else {})}
    existing = [path for path in written if os.path.exists(path)]  # noqa: PTH110 (no path at all exists neither)
    if "\0" in str(to):
        raise UnusableInputError(f"no path: {str(to)!r}: give another --to")
    if existing and not force:
        raise UnusableInputError(f"the file exists: {existing[0]}: give another --to, or --force to write over it")
    check_folder(to)
    for kind in written.values():
        kind.check_packages()


def write(subject: Subject | GivenSubject, to: Path) -> dict[Path, str]:
    """Write the file, and beside source the trained weights; returns what each of them holds, in words.

    Raises UnusableInputError for a file that cannot be written, or that would compute something else.
    """
    if isinstance(subject, GivenSubject):
        return write_given(subject, to)
    from nas.architecture.formats import ExportedNetwork, load

    network = ExportedNetwork(
        model=load(subject.architecture, subject.weights.path if subject.weights else None),
        input=subject.architecture.input,
        about=subject.metadata(),
        source=partial(source, subject),
    )
    which = "the trained network" if subject.weights else "the untrained network"
    _format(to).write(network, to)
    written = {to: f"{_format(to).content}; read back, it agrees with {which}"}
    beside = _weights_beside(to)
    if beside is not None and subject.weights:
        _format(beside).write(network, beside)
        written[beside] = "its trained weights"
    return written


def _format(to: Path) -> Format:
    from nas.architecture.formats import FORMATS

    if to.suffix not in FORMATS:
        raise UnusableInputError(f"unknown kind of file: {to}: end it with {', '.join(FORMATS)}")
    return FORMATS[to.suffix]


def _weights_beside(to: Path) -> Path | None:
    """The file for the trained weights, if the exported file itself contains none."""
    suffix = _format(to).weights
    return to.with_suffix(suffix) if suffix else None
