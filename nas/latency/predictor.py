"""Predicts the latency of networks on this machine from the measurements of ``calibrate``."""

from __future__ import annotations

import hashlib
import json
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


def keep(predictor: Predictor) -> Path:
    """Store a calibration in place of an earlier one of the same machine; returns the file."""
    place = _place(predictor.machine)
    place.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(place, json.dumps({"version": VERSION, **predictor.as_dict()}, indent=1))
    return place


def load() -> Predictor:
    """The calibration of this machine; UnusableInputError where there is none for this version of torch."""
    name = machine()
    try:
        table = json.loads(_place(name).read_text(encoding="utf-8"))
        if table.pop("version") != VERSION or table["machine"] != name:
            raise ValueError(name)
        return Predictor(**table)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        raise UnusableInputError(
            f"latency_ms is not known here: {name} was not calibrated: run search.py calibrate first"
        ) from None


def _place(name: str) -> Path:
    return user_cache() / "latency" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
