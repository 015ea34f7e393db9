"""Predicts the latency of networks on this machine from the measurements of ``calibrate``."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from constraints.errors import UnusableInputError
from nas import atomic
from nas.architecture.spec import Architecture
from nas.cpu import cpu_class
from nas.latency.network_features import features
from nas.user_folders import user_cache

VERSION = 1
_DAMAGED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""Errors that reading a damaged calibration raises."""
_HASH = "hash"
"""Key of the fingerprint in the file, by which a calibration that was changed since is recognised."""


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Milliseconds of one image through a network, as a weighted sum of its features."""

    machine: str
    """The name of the machine, its class of processor and the version of torch."""
    threads: int
    weights: Mapping[str, float]
    """Milliseconds per unit of each feature, at least 0."""
    median_error: float
    """Median of |predicted - measured| / measured over whole networks that it was not fitted to."""
    error_90: float
    """Its 90th percentile."""
    networks: int
    """Number of these networks."""

    def __post_init__(self) -> None:
        """Raise ValueError for what no fit gives, such as a file that was edited."""
        numbers = (*self.weights.values(), self.median_error, self.error_90)
        if not all(isinstance(one, int | float) and 0 <= one < math.inf for one in numbers):
            raise ValueError("a weight or an error is no finite number of at least 0")
        if not all(isinstance(one, int) and one >= 1 for one in (self.threads, self.networks)):
            raise ValueError("threads or networks are no count")

    def __call__(self, network: Architecture) -> float:
        """Milliseconds of a network."""
        return sum(self.weights.get(name, 0.0) * amount for name, amount in features(network).items())

    def predict(self, networks: Sequence[Architecture]) -> npt.NDArray[np.float64]:
        """(n,): milliseconds of each network."""
        names = list(self.weights)
        found = [features(network) for network in networks]
        amounts = np.array([[each[name] for name in names] for each in found], dtype=np.float64)
        weights = np.array(list(self.weights.values()), dtype=np.float64)
        return np.asarray(amounts.reshape(len(found), len(names)) @ weights)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the calibration; a study that uses latency keeps to one calibration."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    @property
    def identity(self) -> dict[str, str]:
        """The predictor as a study's identity stores it."""
        return {"name": f"{self.machine}, {self.threads} threads", "hash": self.fingerprint}

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return asdict(self)


def machine() -> str:
    """The machine that a calibration is valid for."""
    import torch

    return f"{platform.node() or 'this machine'}, {cpu_class()}, torch {torch.__version__}"


def check_room() -> None:
    """Raise UnusableInputError where no calibration can be stored, before one takes minutes."""
    folder = _place(machine()).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UnusableInputError(
            f"the calibration cannot be stored: {folder}: {error.strerror}: make that folder writable, or set "
            "XDG_CACHE_HOME to one that is"
        ) from None


def set_aside(predictor: Predictor) -> Path | None:
    """Rename the file of an earlier calibration of the same machine; None where there is none that can be used.

    Studies that were made with it can be continued once it has its name again.
    """
    place = _place(predictor.machine)
    try:
        before = _read(place.read_text(encoding="utf-8"), predictor.machine)
    except (OSError, *_DAMAGED):
        return None
    kept = place.with_name(f"{place.stem}-{before.fingerprint[:12]}.json")
    place.replace(kept)
    return kept


def keep(predictor: Predictor) -> Path:
    """Store a calibration in place of an earlier one of the same machine; returns the file."""
    place = _place(predictor.machine)
    place.parent.mkdir(parents=True, exist_ok=True)
    table = {"version": VERSION, **predictor.as_dict(), _HASH: predictor.fingerprint}
    atomic.write(place, json.dumps(table, indent=1))
    return place


def load() -> Predictor:
    """The calibration of this machine; UnusableInputError where there is none for this version of torch."""
    name = machine()
    place = _place(name)
    try:
        return _read(place.read_text(encoding="utf-8"), name)
    except FileNotFoundError:
        what = f"{name} was not calibrated: run search.py calibrate first"
    except OSError as error:
        what = f"its calibration cannot be read: {place}: {error.strerror}: make it readable"
    except _DAMAGED:
        what = f"its calibration is damaged: {place}: run search.py calibrate again"
    raise UnusableInputError(f"latency_ms is not known here: {what}")


def _read(text: str, name: str) -> Predictor:
    """The calibration in a file of the machine ``name``; raises various errors for anything else."""
    table = json.loads(text)
    kept = table.pop(_HASH, None)  # calibrations of earlier releases have none
    if table.pop("version") != VERSION or table["machine"] != name:
        raise ValueError(name)
    found = Predictor(**table)
    if kept not in (None, found.fingerprint):
        raise ValueError(kept)
    return found


def _place(name: str) -> Path:
    return user_cache() / "latency" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
