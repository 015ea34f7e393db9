"""Let downloads of weights fail at once where there is no network, in place of repeated attempts."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import socket
import threading
import urllib.request
from collections.abc import Sequence
from types import FrameType, ModuleType

_HUB, _HOST = "huggingface_hub", "huggingface.co"
_OFFLINE = "HF_HUB_OFFLINE"
_SECONDS = 2.0
_CLIENTS = frozenset({"gdown", "http", "httpcore", "httpx", "huggingface_hub", "requests", "ssl", "urllib", "urllib3"})
"""Packages through which code downloads."""


class HubOffline(importlib.abc.MetaPathFinder):
    """An import finder that finds nothing: before the first import of ``huggingface_hub`` it looks for a network.

    Without one it sets ``HF_HUB_OFFLINE``, which that package reads while it is imported. Its attempts, with longer
    and longer pauses between, would take half a minute for each file.
    """

    def __init__(self) -> None:
        """Set nothing yet."""
        self._is_set = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find nothing."""
        if fullname == _HUB and _OFFLINE not in os.environ and not urllib.request.getproxies() and not _is_known(_HOST):
            os.environ[_OFFLINE], self._is_set = "1", True
        return None

    def undo(self) -> None:
        """Remove the variable if it was set here."""
        if self._is_set:
            os.environ.pop(_OFFLINE, None)


def _is_known(host: str) -> bool:
    """Whether a host's name is resolved in time."""
    found: list[object] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(host, None))
        except OSError:
            return

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return bool(found)


def is_downloading(frame: FrameType | None) -> bool:
    """Whether one of the calls on a stack is of a package that downloads."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _CLIENTS:
            return True
        frame = frame.f_back
    return False
