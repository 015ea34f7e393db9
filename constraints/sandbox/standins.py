"""Replace modules that are not installed by stand-ins (stubs), as long as the model runs without them.

A file that draws curves imports matplotlib; its network does not. So the attributes of such a module can be named,
called, subclassed and used as decorators while the file is imported and the model built. Anything that would need
a value (a truth value, a number, an iteration) raises ``NotInstalledError``, and so does any use in the forward pass.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from constraints.errors import UnusableInputError
from constraints.missing_modules import MissingModule
from constraints.owners import is_users
from constraints.sandbox.lightning import LightningModule

_LIGHTNING = frozenset({"pytorch_lightning", "lightning"})
_CHECKERS = ("beartype.beartype", "typeguard.typechecked", "jaxtyping.jaxtyped")
"""Decorators that check types and change nothing."""
ABSENT = "__absent__"
"""Attribute of a class that extends a stand-in: the stand-in for the missing base class."""


class NotInstalledError(UnusableInputError):
    """The network would depend on something of a module that is not installed."""


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An import finder for the packages that may be replaced, and for all their submodules."""

    def __init__(self) -> None:
        """Replace nothing yet."""
        self.packages: dict[str, MissingModule] = {}
        """Those that are replaced, by their names."""
        self.is_sealed = False
        """Whether the model is built, after which no stand-in may be used."""
        self.unfound: dict[str, MissingModule] = {}
        """Modules that the user's code imports and that nothing found, replaced or not."""
        self.starred: frozenset[str] = frozenset()
        """The names that ``from MODULE import *`` binds."""
        self._parts: dict[str, _StandIn] = {}

    def allow(self, package: str, folder: Path | None = None) -> None:
        """Replace a package or module from now on; its file would be in ``folder``."""
        self.packages[package] = MissingModule(name=package, folder=folder)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the modules of allowed packages."""
        if not any(f"{fullname}.".startswith(f"{package}.") for package in self.packages):
            if file := _importing_file():
                self.unfound[fullname] = MissingModule(name=fullname, folder=None if "." in fullname else file.parent)
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make a module with a stand-in for every name."""
        return _Module(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: there is nothing to run."""

    def part(self, path: str) -> Any:
        """The stand-in for ``path``, the same object each time."""
        if path.rpartition(".")[2] == "LightningModule" and path.partition(".")[0] in _LIGHTNING:
            return LightningModule
        return self._parts.setdefault(path, _StandIn(self, path))

    def use(self, path: str) -> None:
        """Raise NotInstalledError if the model is already built."""
        if self.is_sealed:
            self.refuse(path)

    def refuse(self, path: str) -> NoReturn:
        """Raise NotInstalledError with what is not installed and how to install it."""
        what = "uses a module that is not there" if self._of(path).is_file else "uses what is not installed"
        raise NotInstalledError(f"the network {what}: {path!r}: {self._remedy(path)}")

    def missing(self, path: str) -> str:
        """The dotted name ``path``, and what to do to have it."""
        place = "there" if self._of(path).is_file else "installed"
        return f"{path.partition('(')[0]}, which is not {place}: {self._remedy(path)}"

    def _of(self, path: str) -> MissingModule:
        package = next((p for p in self.packages if f"{path}.".startswith(f"{p}.")), "")
        return self.packages.get(package) or MissingModule(name=path.partition(".")[0])

    def _remedy(self, path: str) -> str:
        return self._of(path).remedy(path, [n for n, m in sys.modules.items() if isinstance(m, _Module)])

    def remedies(self) -> str:
        """What to do, for an error that a stand-in may have caused; empty where there is none."""
        return "; ".join(f"{module.lack()}: {module.remedy()}" for module in self.packages.values())

    def unfound_remedies(self) -> str:
        """The same for modules whose absence the code handles itself, as by ``except ImportError``."""
        own = [module for name, module in self.unfound.items() if name not in self.packages and name not in sys.modules]
        return "; ".join(f"{module.lack()}: {module.remedy()}" for module in own)

    def warnings(self) -> list[str]:
        """A warning for each package that was replaced."""
        return [
            f"{module.lack()}: it was replaced by a stand-in, since the forward pass does not use it"
            for module in self.packages.values()
        ]

    def forget(self) -> None:
        """Remove the stand-ins from ``sys.modules``."""
        for name in [n for n, m in sys.modules.items() if isinstance(m, _Module)]:
            del sys.modules[name]


def _importing_file() -> Path | None:
    """The user's file whose import is running; None where a library imports."""
    frame = inspect.currentframe()
    while frame is not None and (frame.f_code.co_filename == __file__ or "importlib" in frame.f_code.co_filename):
        frame = frame.f_back
    file = frame.f_code.co_filename.partition(", cell ")[0] if frame else ""
    return Path(file).resolve() if file and is_users(file) else None


def absent_path(value: Any) -> str:
    """The dotted name that this stand-in replaces; empty for any other object."""
    return value._path if type(value) is _StandIn else ""


def absent_reason(value: Any) -> str:
    """The dotted name that a stand-in replaces, and what to do to have it; empty for any other object."""
    return value._absent.missing(value._path) if type(value) is _StandIn else ""


class _Module(ModuleType):
    """A module that is not installed."""

    def __init__(self, name: str, absent: StandIns) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__dict__["_absent"] = absent

    def __getattr__(self, name: str) -> Any:
        absent: StandIns = self.__dict__["_absent"]
        if name == "__all__":
            return sorted(absent.starred)
        if name.startswith("__"):
            raise AttributeError(name)
        absent.use(f"{self.__name__}.{name}")
        return absent.part(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Be what a module that is missing defines: ``from data import loaders`` does not tell which of both it is."""
        absent: StandIns = self.__dict__["_absent"]
        return absent.part(self.__name__)(*args, **kwargs)


def _refusing(name: str) -> Any:
    def refused(self: _StandIn, *_: Any) -> NoReturn:
        self._absent.refuse(self._path)

    refused.__name__ = name
    return refused


class _StandIn:
    """Something of a module that is not installed."""

    def __init__(self, absent: StandIns, path: str) -> None:
        self._absent, self._path = absent, path
        self.__module__, self.__qualname__ = "", f"{path}, which is not installed,"  # as torch's errors name it

    def __repr__(self) -> str:
        return f"<{self._path}, which is not installed>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._next(f".{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and inspect.isclass(args[0]):
            return args[0]  # a decorator
        if len(args) == 1 and not kwargs and inspect.isfunction(args[0]):
            return self._decorated(args[0])
        return self._next("()")

    def __getitem__(self, _: Any) -> Any:
        return self._next("[]")

    def __or__(self, _: Any) -> Any:
        return self  # in an annotation

    __ror__ = __or__

    def __deepcopy__(self, _: Any) -> _StandIn:
        return self

    def __mro_entries__(self, _: tuple[type, ...]) -> tuple[type, ...]:
        return (type(self._path.rpartition(".")[2].strip("()[]") or "Base", (_Stub,), {ABSENT: self}),)

    def __instancecheck__(self, _: Any) -> NoReturn:
        self._absent.refuse(self._path)

    __hash__ = object.__hash__

    def _next(self, step: str) -> Any:
        self._absent.use(self._path)
        return self._absent.part(self._path + step)

    def _decorated(self, function: Any) -> Any:
        if self._path.startswith(_CHECKERS):
            return function

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self._absent.use(self._path)
            return function(*args, **kwargs)

        return guarded


_VALUES = ("bool", "iter", "len", "contains", "int", "float", "index", "enter", "setitem")
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_ARITHMETIC = (
    "add",
    "radd",
    "sub",
    "rsub",
    "mul",
    "rmul",
    "truediv",
    "rtruediv",
    "floordiv",
    "rfloordiv",
    "mod",
    "pow",
)
for _operation in (*_VALUES, *_COMPARISONS, *_ARITHMETIC, "pow", "rpow", "neg"):
    setattr(_StandIn, f"__{_operation}__", _refusing(_operation))


class _Stub:
    """The base class put in place of one from a module that is not installed."""

    def __init_subclass__(cls, **_: Any) -> None:
        super().__init_subclass__()

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()
