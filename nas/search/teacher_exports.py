"""Reads an exported network as a teacher: metadata and weights, without unpickling or running anything."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from math import isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from nas.architecture.spec import parse
from nas.passwords import masked
from nas.user_folders import expanded

if TYPE_CHECKING:
    import torch

    from nas.training.decoded import Dataset
    from nas.training.teacher import Member

EXPORTS = (".safetensors", ".pt2", ".py")
_WHOLE = "the whole training set"
"""What an export's metadata say where it was trained on the validation images too."""
_TYPES = {6: "float16", 7: "float32", 5: "int64"}
"""Types of the tensors in a torch.export archive (``torch._export.serde.schema.ScalarType``)."""


OF_CODE = "its network is the user's own code, which teaches no other: give one that can be written as an architecture"


class _OfCodeError(UnusableInputError):
    """An export of user code, which is not run here."""


def _place_of_export(text: str) -> str:
    """The file that contains the weights."""
    return f"{text.removesuffix('.py')}.safetensors" if text.endswith(".py") else text


def check_export(text: str) -> None:
    """Raise UnusableInputError where the file with the weights cannot be read."""
    place = _place_of_export(text)
    try:
        with expanded(place).open("rb"):
            pass
    except OSError as error:
        raise _unreadable(place, error) from None


def _unreadable(place: str, error: OSError) -> UnusableInputError:
    return UnusableInputError(f"cannot read {place}: {error.strerror or error}: give another --teacher")


def of_export(text: str, dataset: Dataset) -> Member:
    """The network of an exported file, from its metadata."""
    from nas.training.teacher import Member

    place = _place_of_export(text)
    reader = _program if place.endswith(".pt2") else _safetensors
    try:
        about, weights = reader(expanded(place))
        if "architecture" not in about and "origin" in about:
            raise _OfCodeError(f"--teacher {text}: {OF_CODE}")
        data, training = (_table(about.get(name)) for name in ("data", "training"))
        architecture = str(about["architecture"])
        standard = scales(data, parse(architecture).input[0])
    except OSError as error:
        raise _unreadable(place, error) from None
    except _OfCodeError:
        raise
    except Exception as error:  # on arbitrary bytes, the readers may raise anything
        raise UnusableInputError(
            f"unusable teacher: {place}: it is none of this tool's exports, or damaged: export the network again"
        ) from error
    if not training:
        raise UnusableInputError(f"--teacher {text}: the network is untrained: export a trained one")
    if data.get("hash") != dataset.content_hash and data.get("classes") != list(dataset.classes):
        raise UnusableInputError(f"--teacher {text}: it was trained on other data: give one of the same classes")
    return Member(
        name=masked(text),
        architecture=architecture,
        weights=weights,
        saw_validation=training.get("images") == _WHOLE,
        **standard,
    )


def _safetensors(path: Path) -> tuple[Mapping[str, str], bytes]:
    """Metadata and content of a file of weights."""
    from safetensors import safe_open

    content = path.read_bytes()
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}, content


def _program(path: Path) -> tuple[Mapping[str, str], bytes]:
    """Metadata and weights of a torch.export program: raw bytes described by a JSON table; nothing is unpickled."""
    import torch
    from safetensors.torch import save

    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        config = json.loads(archive.read(f"{root}/data/weights/model_weights_config.json"))["config"]
        names = {name.rpartition("/")[2]: name for name in archive.namelist() if name.startswith(f"{root}/extra/")}
        about = {name: archive.read(place).decode() for name, place in names.items()}
        state: dict[str, torch.Tensor] = {}
        for name, entry in config.items():
            if entry["use_pickle"]:
                raise ValueError(f"{name} is pickled")
            meta = entry["tensor_meta"]
            content = bytearray(archive.read(f"{root}/data/weights/{entry['path_name']}"))
            flat = torch.frombuffer(content, dtype=getattr(torch, _TYPES[meta["dtype"]]))
            sizes, strides = ([one["as_int"] for one in meta[key]] for key in ("sizes", "strides"))
            if prod(sizes) > len(flat):  # a stride of 0 would make much of little
                raise ValueError(f"{name} has {sizes} of {len(flat)} values")
            state[name] = torch.as_strided(flat, sizes, strides).clone().contiguous()
    return about, save(state)


def _table(text: str | None) -> Mapping[str, Any]:
    """A table of the metadata; empty where there is none. Raises ValueError for anything else."""
    table = json.loads(text or "{}")
    if not isinstance(table, dict):
        raise ValueError(f"no table: {text}")
    return table


def scales(table: Mapping[str, Any], channels: int) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation of each channel, where both are known; raises ValueError for what is neither."""
    if not table.get("mean") or not table.get("std"):
        return {"mean": (), "std": ()}
    if isinstance(table["mean"], str) or isinstance(table["std"], str):
        raise ValueError("text in place of numbers")
    found = {name: tuple(map(float, table[name])) for name in ("mean", "std")}
    for values in found.values():
        if len(values) != channels or not all(map(isfinite, values)):
            raise ValueError(f"not a finite number for each of {channels} channels: {values}")
    if min(found["std"]) <= 0:
        raise ValueError(f"no standard deviation: {found['std']}")
    return found
