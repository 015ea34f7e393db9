"""CIFAR-10 in its original format, found on this machine or downloaded, verified by its published checksums."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import socket
import tarfile
from http.client import HTTPException, IncompleteRead
from pathlib import Path, PurePosixPath
from ssl import SSLCertVerificationError
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
from filelock import FileLock

from constraints.errors import UnusableInputError
from nas.training.archives import ARCHIVE_SUFFIXES
from nas.user_folders import expanded

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
KEY = "cifar10-c58f30108f718f92721af3b95e74349a"
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
TRAIN = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
}
TEST = {"test_batch": "40351d587109b95175f43aff81a1287e"}
META = {"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"}
"""Files of the archive and their MD5 sums, which torchvision publishes (importing it takes seconds)."""
CONNECT_SECONDS = 10


def find(cache: Path) -> Path | None:
    """CIFAR-10 in $NAS_DATA, ./data or ``cache``, in this order.

    Each may be the data itself (a folder with train/ and test/, or a tar) or contain it: as the original folder or
    archive, or as a folder or tar whose name begins with cifar10 or cifar-10.
    """
    named = os.environ.get("NAS_DATA")
    if named and not expanded(named).exists():
        raise UnusableInputError(f"NAS_DATA names nothing: {named}: correct it or unset it")
    places = [expanded(named)] if named else []
    for place in [*places, Path("data"), cache]:
        if place.is_file() or (place / "train").is_dir() or place.name == FOLDER:
            return place
        for candidate in sorted(place.glob("cifar*")):
            if _fits(candidate):
                return candidate
    return None


def _fits(path: Path) -> bool:
    if not path.name.startswith(("cifar10", "cifar-10")) or path.name.startswith(("cifar100", "cifar-100")):
        return False
    return path.name == FOLDER or path.name.endswith(ARCHIVE_SUFFIXES) or (path / "train").is_dir()


def is_original(place: Path) -> bool:
    """Whether this is the original folder or archive rather than images in class folders."""
    return place.name in (ARCHIVE, FOLDER)


def download(cache: Path) -> Path:
    """Download the original archive into ``cache``, and verify its checksum.

    Raises UnusableInputError when the server does not answer within ten seconds or the file is not the archive.
    """
    partial = cache / "download" / ARCHIVE
    try:
        cache.mkdir(parents=True, exist_ok=True)
        partial.parent.mkdir(exist_ok=True)
        with FileLock(cache / f"{ARCHIVE}.lock"):
            if not (cache / ARCHIVE).exists():  # another process may have fetched it meanwhile
                _fetch(partial)
                partial.replace(cache / ARCHIVE)
    except (OSError, RuntimeError, HTTPException) as error:
        raise UnusableInputError(
            f"CIFAR-10 could not be downloaded: {_why(error)}: {URL}: "
            f"put {ARCHIVE} into ./data, or give its place by $NAS_DATA or --data"
        ) from error
    return cache / ARCHIVE


def _fetch(file: Path) -> None:
    with urlopen(URL, timeout=CONNECT_SECONDS) as response, file.open("wb") as target:
        shutil.copyfileobj(response, target)
        if response.length:  # bytes that were announced and did not come
            raise IncompleteRead(b"", response.length)
    with file.open("rb") as content:
        if hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() != ARCHIVE_MD5:
            raise RuntimeError("not the archive")


def _why(error: OSError | RuntimeError | HTTPException) -> str:
    """Why a download failed, in this tool's words instead of the library's."""
    # urllib's own error holds the one of the network
    cause = error if isinstance(error, HTTPError) else getattr(error, "reason", error)
    match cause:
        case HTTPError():
            why = f"the server answers {cause.code} ({cause.reason})"
        case socket.gaierror():
            why = "its server's name is not known here, as where there is no internet"
        case TimeoutError():
            why = f"its server did not answer within {CONNECT_SECONDS:g} s"
        case SSLCertVerificationError():
            why = f"its server's certificate was refused ({cause.verify_message})"
        case RuntimeError():
            why = "what came is not the archive, by its published sum"
        case ConnectionResetError() | IncompleteRead():
            why = "the connection was closed before all had come"
        case HTTPException():
            why = f"what answers is no web server, or a proxy's address is wrong ({cause})"
        case OSError(filename=str(place)):
            why = f"{cause.strerror}: {place}"
        case _:
            why = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(why).splitlines()[0]


def read(place: Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Class names and the four arrays of the original data, from its folder or its archive.

    The batches are pickles: each is read only after its published MD5 checksum was verified.
    """
    content = _content(place)
    sums = {**TRAIN, **TEST, **META}
    for name, wanted in sums.items():
        if hashlib.md5(content.get(name, b""), usedforsecurity=False).hexdigest() != wanted:
            raise UnusableInputError(f"a file of CIFAR-10 is missing or damaged: {name} in {place}: download it again")
    batches = {name: pickle.loads(content[name], encoding="latin1") for name in sums}
    arrays = {}
    for part, names in (("train", TRAIN), ("test", TEST)):
        pixels = np.concatenate([batches[name]["data"] for name in names])
        arrays[f"{part}_images"] = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        arrays[f"{part}_labels"] = np.array([n for name in names for n in batches[name]["labels"]], np.int64)
    return tuple(batches["batches.meta"]["label_names"]), arrays


def _content(place: Path) -> dict[str, bytes]:
    if place.is_dir():
        return {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    content = {}
    try:
        with tarfile.open(place, "r|*") as tar:
            for member in tar:
                if stream := tar.extractfile(member) if member.isreg() else None:
                    content[PurePosixPath(member.name).name] = stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UnusableInputError(f"the archive cannot be read: {place}: download it again") from error
    return content
