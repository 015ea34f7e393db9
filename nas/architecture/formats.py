"""A trained network -> files that others read: safetensors, ONNX, torch.export's; each is read back and compared.

A kind of file is one entry of ``FORMATS``. Torch is loaded where something is written, not where a name is checked.
"""

from __future__ import annotations

import copy
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError
from nas.architecture.spec import Architecture, Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

    from nas.architecture.model import Network

TOLERANCE = 1e-5
"""Largest difference of a logit, absolute and relative, between a file and the network that it was made of, ..."""
OF_OWN_ERROR = 10.0
"""... or so many times the error of float32 in the network itself, where that is more, ..."""
MOST_ERROR = 1e-4
"""... but never more than this share of the largest logit: beyond it the comparison would say nothing."""
_BATCH = 4


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A network to write, in eval mode, and all that a file says of it."""

    model: nn.Module
    input: Shape
    about: Mapping[str, str]
    """Metadata by name."""
    source: Callable[[Path], str]
    """Source of a self-contained ``Net``, given the file with its weights."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A kind of file."""

    content: str
    """What it holds, in words."""
    write: Callable[[Exported, Path], None]
    """Writes the file; raises UnusableInputError where it cannot, or where it would compute something else."""
    weights: str = ""
    """Ending of the file beside it that holds the trained weights, where it holds none itself."""
    extra: str = ""
    """The extra that installs ``packages``."""
    packages: tuple[str, ...] = ()
    """What writing needs beyond this project's own dependencies."""

    def check_packages(self) -> None:
        """Raise UnusableInputError, naming the extra, where one is missing."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            raise UnusableInputError(
                f"{self.extra.upper()} needs {', '.join(missing)}: not installed: "
                f"uv run --extra {self.extra} search.py export ..."
            )


class DifferentOutputsError(UnusableInputError):
    """What was written computes something else than the network."""


def load(architecture: Architecture, weights: Path | None) -> Network:
    """The network in eval mode with ``weights`` (safetensors); None: as torch initialises it from seed 0.

    Raises UnusableInputError for weights that are damaged, or of another network.
    """
    import torch

    from nas.architecture.model import build

    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = build(architecture).eval()
    if weights is not None:
        load_weights(model, weights)
    return model


def load_weights(model: nn.Module, weights: Path) -> None:
    """Give a model the weights of a file; UnusableInputError for a file that is damaged or another network's."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise UnusableInputError(
            f"unusable weights: {weights}: {reason}: confirm the trial, which trains it from scratch"
        ) from error


def save_weights(network: Exported, path: Path) -> None:
    """Write the state as safetensors, with metadata."""
    import torch
    from safetensors.torch import load_file, save

    state = {name: tensor.clone().contiguous() for name, tensor in network.model.state_dict().items()}  # may be shared
    with _draft(path) as draft:
        draft.write_bytes(save(state, dict(network.about)))  # the library's own writer keeps a file from other users
        back = load_file(draft)
    if not all(torch.equal(back[name], tensor) for name, tensor in state.items()):
        raise DifferentOutputsError(f"the weights read back differ: {path}: write to another disk")


def save_source(network: Exported, path: Path) -> None:
    """Write the source of a self-contained ``Net``, once it loads the weights strictly and computes the same."""
    import torch

    code = network.source(path.with_suffix(FORMATS[".py"].weights))
    names: dict[str, type[nn.Module]] = {}
    exec(compile(code, str(path), "exec"), names)  # the project's own text, in which nothing foreign is code
    made = names["Net"]().eval()
    made.load_state_dict(network.model.state_dict(), strict=True)
    images = _images(network.input)
    with torch.no_grad():
        _compare(made, network.model, images, path)
    with _draft(path) as draft:
        draft.write_text(code, encoding="utf-8")


def save_program(network: Exported, path: Path) -> None:
    """Write a torch.export program for any batch size, with the metadata as its extra files."""
    import torch

    model, images = network.model, _images(network.input)
    program = torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    with _draft(path) as draft, torch.no_grad():
        torch.export.save(program, draft, extra_files=dict(network.about))
        back = torch.export.load(draft).module()
        for batch in (images, images[:1]):
            _compare(back, model, batch, path)


def save_onnx(network: Exported, path: Path) -> None:
    """Write an ONNX model for any batch size, ``images`` to ``logits``, with metadata properties."""
    import torch

    model, images = network.model, _images(network.input)
    with _quiet():
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    if program is None:
        raise AssertionError("torch.onnx.export gives a program where it is given no file")
    program.model.metadata_props.update(network.about)
    with _draft(path) as draft, torch.no_grad():
        program.save(draft, external_data=False)
        for batch in (images, images[:1]):
            _compare(partial(_run_onnx, draft), model, batch, path)


FORMATS: Mapping[str, Format] = {
    ".py": Format(content="the class Net", write=save_source, weights=".safetensors"),
    ".onnx": Format(
        content="images to logits for any batch size",
        write=save_onnx,
        extra="onnx",
        packages=("onnx", "onnxscript", "onnxruntime"),
    ),
    ".pt2": Format(content="a torch.export program for any batch size", write=save_program),
    ".safetensors": Format(content="the weights", write=save_weights),
}
"""Ending of a file -> its kind."""


def _run_onnx(path: Path, images: torch.Tensor) -> torch.Tensor:
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def _images(input: Shape) -> torch.Tensor:
    import torch

    return torch.randn(_BATCH, *input, generator=torch.Generator().manual_seed(0))


def _compare(made: Callable[[torch.Tensor], torch.Tensor], model: nn.Module, images: torch.Tensor, path: Path) -> None:
    """Raise DifferentOutputsError where what was ``made`` differs from the network by more than rounding does.

    Both are held against the network in float64. How far float32 is off from that depends on the network: with logits
    in the thousands, a logit near 0 is off by 1e-3, by whatever order the same sums are taken in.
    """
    import torch

    exact = copy.deepcopy(model).double()(images.double())
    own_error = (model(images).double() - exact).abs().max()
    allowed = torch.minimum(OF_OWN_ERROR * own_error, MOST_ERROR * exact.abs().max())
    gaps = (made(images).double() - exact).abs()
    if not (gaps <= torch.maximum(allowed, TOLERANCE * (1 + exact.abs()))).all():  # false for NaN too
        raise DifferentOutputsError(
            f"{path.name} would compute something else: logits differ by up to {gaps.max().item():.2g}, and float32 "
            f"itself is off by {own_error.item():.2g}: nothing was written"
        )


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A file beside ``path`` with the same ending, which takes its place when all went well."""
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            yield draft
            os.replace(draft, path)  # noqa: PTH105 (the atomic rename is the point)
    except OSError as error:
        raise UnusableInputError(
            f"cannot write {path}: {error.strerror or error}: give --to a writable path"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on its own inner workings from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
