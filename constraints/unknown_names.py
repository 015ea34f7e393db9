"""What to do about a name or an attribute that the model's code does not find; no torch."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

from constraints.owners import is_users
from constraints.suggestions import nearest

_IMPORTS = {
    "F": "import torch.nn.functional as F",
    "math": "import math",
    "nn": "from torch import nn",
    "np": "import numpy as np",
    "torch": "import torch",
}
"""Name that networks use -> the line that imports it."""
_OF_PYTHON_2 = {"basestring": "str", "long": "int", "raw_input": "input", "unicode": "str", "xrange": "range"}
"""Name that only Python 2 has -> what to write."""
_OF_NAMES = {name: f"add {line}" for name, line in _IMPORTS.items()} | {
    name: f"the code is for Python 2: write {now}" for name, now in _OF_PYTHON_2.items()
}
_NEARLY_INIT = re.compile(r"_{0,3}(?:init|int|inti|init_)_{0,3}")
_NO_ATTRIBUTE = re.compile(r"has no attribute '(?P<name>\w+)'$")
_NO_NAME = re.compile(r"cannot import name '(?P<name>\w+)' from '")
_CUTOFF = 0.7


def hint_of_name(error: BaseException) -> str:
    """Which name was meant, or what defines it, an environment variable included; empty where nothing is known."""
    frame = _last_frame(error)
    own = frame.f_locals.get("self") if frame else None
    if isinstance(error, NameError) and error.name:
        meant = f"did you mean self.{error.name}?" if error.name in _names(own) else ""
        return _OF_NAMES.get(error.name, meant)
    if isinstance(error, KeyError) and own is os.environ:
        name = error.args[0]
        return f"{name} is no environment variable here: set it before the command: {name}=..."
    if isinstance(error, ImportError):
        return _hint_of_import(error)
    found = _NO_ATTRIBUTE.search(str(error)) if isinstance(error, AttributeError) else None
    if not found:
        return ""
    obj = getattr(error, "obj", None)
    owner = own if obj is None else obj
    if not isinstance(owner, ModuleType) and (wrong := _nearly_init(type(owner))):
        return f"{type(owner).__name__} defines {wrong}, which nothing calls: write __init__"
    return nearest(found["name"], _names(owner), otherwise=" ", cutoff=_CUTOFF).strip()


def _hint_of_import(error: ImportError) -> str:
    """What to write for a name that a module lacks; a file may have the name of the module that it imports."""
    found, frame = _NO_NAME.match(str(error)), _last_frame(error)
    if not found or not frame:
        return ""
    if error.path and Path(error.path).resolve() == Path(frame.f_code.co_filename).resolve():
        return f"this file has the name of the module that it imports: rename {Path(error.path).name}"
    return nearest(found["name"], _names(sys.modules.get(str(error.name))), otherwise=" ", cutoff=_CUTOFF).strip()


def near_method(kind: type, name: str) -> str:
    """The method of a class whose name is nearly ``name``; empty where there is none."""
    said = nearest(name, [n for n in vars(kind) if not n.startswith("_")], otherwise=" ", cutoff=_CUTOFF)
    return said.removeprefix("did you mean ").rstrip("? ")


def _last_frame(error: BaseException) -> FrameType | None:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at.tb_frame if at else None


def _names(owner: Any) -> list[str]:
    """The attributes of an object, without running code of its own; those of an nn.Module include its parts."""
    try:
        own = dict(object.__getattribute__(owner, "__dict__"))
    except (AttributeError, TypeError, ValueError):
        return []
    inner = [own.get(part) for part in ("_modules", "_parameters", "_buffers")]
    return [
        *(n for n in own if isinstance(n, str) and not n.startswith("_")),
        *(n for part in inner if isinstance(part, dict) for n in part),
    ]


def _nearly_init(kind: type) -> str:
    """A method of a class, or of its base classes, that was meant to be its constructor."""
    return next(_misspelt(kind), "")


def _misspelt(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        if "__init__" not in vars(base):
            yield from (name for name, value in vars(base).items() if _is_users(value) and _is_meant_as_init(name))


def _is_users(value: object) -> bool:
    """Whether it is a function of a file of the user's; built-in classes have none, and libraries other files."""
    return isinstance(value, FunctionType) and is_users(value.__code__.co_filename)


def _is_meant_as_init(name: str) -> bool:
    """Whether it is nearly ``__init__``, and no method that Python itself calls, such as ``__int__``."""
    return name[:1] == "_" and bool(_NEARLY_INIT.fullmatch(name)) and not hasattr(int, name)
