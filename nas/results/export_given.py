"""Exports a network of user code: weights, source with weights, ONNX, torch.export."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Job
from nas.architecture.formatting import docstring
from nas.results.files import write_text
from nas.search.given import Given
from nas.search.trained_weights import Weights

_ABOUT = """{origin}, as it was trained.

Its source is in {source}, a copy of what it was at the training{weights}."""
_STUB = '''{about}

import importlib
import importlib.util
import random
import sys
from pathlib import Path

import torch

try:
    import numpy
except ImportError:  # then the code draws no numbers from it
    numpy = None

_SOURCE = Path(__file__).resolve().with_name({source!r})
sys.path.insert(0, str(_SOURCE))


def _module():
    file, package = _SOURCE / {file!r}, {package!r}
    if package:
        return importlib.import_module(package)
    spec = importlib.util.spec_from_file_location({unique!r}, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[{unique!r}] = module
    spec.loader.exec_module(module)
    return module


def _made():
    made = _module()
    for name in {name!r}.split("."):
        made = getattr(made, name)
    made = made{call}
    return getattr(made, "_orig_mod", made).float()  # uncompiled, in the precision of its training


def Net():
    """The network, made from the seed of its training; load_state_dict gives it the trained weights."""
    states = torch.get_rng_state(), random.getstate(), numpy and numpy.random.get_state()
    try:
        torch.manual_seed({seed})
        random.seed({seed})
        if numpy:
            numpy.random.seed(numpy.random.SeedSequence({seed}).generate_state(1))
        return _made()
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        if numpy:
            numpy.random.set_state(states[2])
'''


@dataclass(frozen=True, kw_only=True)
class GivenSubject:
    """A network of user code to export, with its metadata."""

    given: Given
    input: tuple[int, ...]
    weights: Weights | None
    about: Mapping[str, str]
    """Metadata by name, as JSON except for the origin."""
    warnings: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """The seed of its training, from which it is made again; 0 where there is none."""
        return int(self.weights.run().get("seed", 0)) if self.weights else 0


def write_given(subject: GivenSubject, to: Path) -> dict[Path, str]:
    """Write the file, beside source the weights and the copied files; returns what each of them holds, in words.

    Raises UnusableInputError for what cannot be written, ModelFailedError where the user's code raises meanwhile.
    """
    if to.suffix == ".py":
        return _source(subject, to)
    which = "the trained network" if subject.weights else "the untrained network"
    unchecked = _in_child(subject, to)
    if to.suffix == ".safetensors":
        return {
            to: f"the weights, under the names of {subject.given.target.text}: load_state_dict takes them{unchecked}"
        }
    return {to: f"{subject.given.target.text}; read back, it agrees with {which}{unchecked}"}


def _in_child(subject: GivenSubject, to: Path) -> str:
    """Make the child process write the file, since only it runs user code.

    Returns that the network was not compared with the trained one, and why, in words; empty where it was.
    """
    arguments = {
        "given": replace(subject.given, target=subject.given.found()).as_dict(),
        "weights": str(subject.weights.path) if subject.weights else None,
        "seed": subject.seed,
        "input": list(subject.input),
        "about": dict(subject.about),
        "to": str(to.absolute()),
    }
    with Sandbox() as sandbox:
        job = Job(function="nas.exporting_child:write", arguments=arguments, limits=subject.given.limits)
        why = sandbox.run(job)[0]["unchecked"]
    return f"; whether the code makes the trained network again is not known: {why}" if why else ""


def _source(subject: GivenSubject, to: Path) -> dict[Path, str]:
    """The copied files, a file that loads them, and the trained weights."""
    given = subject.given
    files = list(given.files)
    if not files or files[0].endswith(".ipynb"):
        raise UnusableInputError(
            f"no source to copy: {given.target.text} is a notebook or an installed package: give --to with another "
            "ending, such as .safetensors"
        )
    folder, weights = to.with_name(f"{to.stem}_source"), to.with_suffix(".safetensors")
    _copy(given, folder)
    relative = os.path.relpath(files[0], given.common)
    package = ".".join(Path(relative).with_suffix("").parts) if os.sep in relative else ""
    kept = f"; its weights are in {weights.name}" if subject.weights else ""
    text = _STUB.format(
        about=docstring(_ABOUT.format(origin=given.target.text, source=folder.name, weights=kept)),
        source=folder.name,
        file=relative,
        package=package,
        unique=f"{to.stem}_source_of_net",
        name=given.target.name,
        seed=subject.seed,
        call="" if given.is_finished else f"(**{dict(given.arguments)!r})",
    )
    written = {to: f"the function Net, which makes {given.target.text}", folder: "a copy of its source"}
    if subject.weights:
        written[weights] = f"its trained weights{_in_child(subject, weights)}"
    write_text(to, text)
    return written


def _copy(given: Given, folder: Path) -> None:
    """Write the files of a network into a folder, replacing what an earlier export left there."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as draft:
            given.copy_found(Path(draft) / "files")
            if folder.exists():
                shutil.rmtree(folder)
            (Path(draft) / "files").rename(folder)
    except OSError as error:
        raise UnusableInputError(f"cannot write {folder}: {error.strerror or error}: give a writable path") from None
