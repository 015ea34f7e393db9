"""Examines this machine for what a search needs: packages, devices, storage, data, caches."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from constraints.errors import UnusableInputError
from nas.cpu import cpu_class
from nas.user_folders import user_cache
from nas.words import counted

State = Literal["ok", "missing", "broken"]
PACKAGES = ("torch", "torchvision", "albumentations", "optuna", "torchinfo", "rich")
EXTRAS: Mapping[str, Sequence[str]] = {
    "postgres": ("psycopg",),
    "onnx": ("onnx", "onnxruntime"),
    "dashboard": ("optuna-dashboard",),
    "ray": ("ray",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
}
"""Optional extra -> the packages that it brings."""
CACHES: Mapping[str, str] = {
    "datasets": "decoded images",
    "epochs": "augmented epochs",
    "download": "downloads",
    "timings": "timings of float32 and bfloat16",
    "digests": "summaries of studies in databases",
    "spaces": "counts of spaces",
}
"""Folder of the user's cache -> its content, all of which is made again when it is needed."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One examined item; ``remedy`` says what to do where it is not ok."""

    topic: str
    name: str
    state: State
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


def examine(storage: str | None = None) -> Iterator[Finding]:
    """Examine everything; a missing extra is not an error. ``storage`` is opened if given."""
    yield _ok("system", "python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for name in PACKAGES:
        yield _package(name)
    for extra, names in EXTRAS.items():
        yield _extra(extra, names)
    yield from _devices()
    yield _data()
    if storage is not None:
        yield _storage(storage)
    yield from caches()


def caches() -> Iterator[Finding]:
    """The folders of the user's cache with their sizes."""
    place = user_cache()
    for name, what in CACHES.items():
        yield _ok("cache", name, f"{_size(_bytes(place / name))} of {what} in {place / name}")
    existing = next(p for p in (place, *place.parents) if p.exists())
    yield _ok("cache", "room", f"{_size(shutil.disk_usage(existing).free)} free on the disk of {existing}")


def clean() -> int:
    """Remove the caches; returns the freed bytes. UnusableInputError where a folder cannot be removed."""
    freed = 0
    for name in CACHES:
        folder = user_cache() / name
        freed += _bytes(folder)
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise UnusableInputError(
                f"cannot remove {folder}: {error.strerror or error}: end the searches that use it, and see its owner"
            ) from None
    return freed


def _ok(topic: str, name: str, text: str) -> Finding:
    return Finding(topic=topic, name=name, state="ok", text=text)


def _package(name: str) -> Finding:
    try:
        return _ok("package", name, version(name))
    except PackageNotFoundError:
        return Finding(topic="package", name=name, state="broken", text="not installed", remedy=f"pip install {name}")


def _extra(extra: str, names: Sequence[str]) -> Finding:
    missing = [name for name in names if not _is_there(name)]
    if not missing:
        return _ok("extra", extra, ", ".join(f"{name} {version(name)}" for name in names))
    remedy = f"uv sync --extra {extra}, or pip install {' '.join(missing)}"
    return Finding(topic="extra", name=extra, state="missing", text="not installed", remedy=remedy)


def _is_there(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _devices() -> Iterator[Finding]:
    import torch

    from nas.search.resources import cores

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    yield _ok("device", "cpu", f"{cpu_class()}, {counted(cores(), 'core')}, {_size(memory)} memory")
    yield _ok("device", "precision", _precision())
    for i in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(i)
        yield _ok(
            "device",
            f"cuda:{i}",
            f"{card.name}, {_size(card.total_memory)} memory, torch for CUDA {torch.version.cuda}",
        )
    if not torch.cuda.device_count():
        yield Finding(
            topic="device",
            name="cuda",
            state="missing",
            text="no GPU that torch can use",
            remedy="searches train on the CPU",
        )


def _precision() -> str:
    """How fast this CPU trains in each precision, and which one ``auto`` chooses."""
    from nas.training.cpu_timing import SAMPLE, timing

    known = timing()
    times = f"float32 {1e3 * known.float32:.1f} ms, bfloat16 {1e3 * known.bfloat16:.1f} ms"
    chosen = "bfloat16" if known.is_bfloat16_faster else "float32"
    return f"{SAMPLE}, forward and backward: {times}: precision auto is {chosen}"


def _data() -> Finding:
    from nas.training import cifar10

    try:
        place = cifar10.find(user_cache())
    except UnusableInputError as error:
        return Finding(
            topic="data", name="cifar10", state="broken", text=str(error), remedy="correct $NAS_DATA or unset it"
        )
    if place is None:
        text = "CIFAR-10 is not in $NAS_DATA, ./data or the cache"
        return Finding(
            topic="data", name="cifar10", state="missing", text=text, remedy="a launch downloads it, or give --data"
        )
    return _ok("data", "cifar10", str(place))


def _storage(storage: str) -> Finding:
    from nas.passwords import masked
    from nas.search.storage import one_line_damage, open_storage

    try:
        with one_line_damage(storage):
            studies = open_storage(storage).get_all_studies()
    except UnusableInputError as error:
        what, _, remedy = str(error).rpartition(": ")
        return Finding(topic="storage", name=masked(storage), state="broken", text=what, remedy=remedy)
    names = ", ".join(s.study_name for s in studies) or "no study yet"
    return _ok("storage", masked(storage), names)


def _bytes(folder: Path) -> int:
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _size(count: float) -> str:
    """``3.8 GB``: bytes in powers of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
