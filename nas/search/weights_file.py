"""The file of trained weights, with a checksum by which a damaged file is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from constraints.errors import UnusableInputError

if TYPE_CHECKING:
    import torch

SUM = "sha256"
"""Metadata key: SHA-256 over names, types, shapes and bytes of the tensors. Files by 0.1.0 have none."""


def save(weights: Mapping[str, torch.Tensor], path: Path, about: Mapping[str, str] | None = None) -> None:
    """Write contiguous tensors, with more metadata ``about`` them; raises OSError or SafetensorError."""
    from safetensors.torch import save_file

    save_file(dict(weights), path, metadata={**(about or {}), SUM: _sum(weights)})


def check(path: Path) -> None:
    """Raise UnusableInputError where a file cannot be read, or its content does not match its checksum."""
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb") as opened:
            opened.read(1)
    except OSError as error:  # what cannot be read is not damaged
        raise UnusableInputError(
            f"unusable weights: {path}: they cannot be read ({error.strerror}): fix that, or confirm the trial"
        ) from None
    try:
        with safe_open(path, framework="pt") as file:
            wanted = (file.metadata() or {}).get(SUM)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        is_whole = wanted is None or wanted == _sum(weights)
    except (OSError, SafetensorError, ValueError, RuntimeError):
        is_whole = False
    if not is_whole:
        raise UnusableInputError(
            f"unusable weights: {path}: they are damaged: confirm the trial, which trains it from scratch"
        )


def _sum(weights: Mapping[str, torch.Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()
