"""A user's metrics of candidates, which are built and traced for it, since arithmetic cannot compute them.

User code runs only in the limited child process of ``constraints.sandbox``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constraints.errors import UnusableInputError
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Job, Limits, Target
from nas.architecture.spec import Architecture

_CHILD = "nas.user_metrics_child"
_LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class UserMetrics:
    """The metrics that a file defines."""

    path: Path
    names: tuple[str, ...]
    maximised: frozenset[str] = frozenset()
    """Those that are maximised as objectives."""
    sandbox: Sandbox
    """The sandbox in which the user's code runs."""
    limits: Limits = _LIMITS
    """Limits of the file's import, and of each network's measurement."""

    def measure(self, architectures: Sequence[Architecture]) -> list[Mapping[str, Any]]:
        """The metrics of each network, which is built and traced for that.

        Raises ModelFailedError where the user's code raises, hangs, or outgrows its limits.
        """
        texts = [str(architecture) for architecture in architectures]
        return _in_child(self.sandbox, "measure", {"path": str(self.path), "architectures": texts}, self.limits)

    def measure_code(self, target: Target, arguments: Mapping[str, Any], shape: Sequence[int]) -> Mapping[str, Any]:
        """The metrics of a network that the user's code creates, traced on an image of ``shape``; raises as above."""
        asked = {"path": str(self.path), "target": {**vars(target)}, "arguments": dict(arguments), "shape": list(shape)}
        (found,) = _in_child(self.sandbox, "measure_code", asked, self.limits)
        return dict(found)


def read_metrics(path: Path, sandbox: Sandbox, limits: Limits = _LIMITS) -> UserMetrics:
    """The metrics that a Python file defines or imports.

    Raises UnusableInputError where it cannot be read or holds none, ModelFailedError where its code raises.
    """
    try:
        compile(path.read_bytes(), str(path), "exec")
    except OSError as error:
        raise UnusableInputError(f"cannot read metrics: {str(path)!r}: {error.strerror}: give a .py file") from None
    except SyntaxError as error:
        raise UnusableInputError(f"syntax error: {path}:{error.lineno or 1}: {error.msg}: fix that line") from None
    except ValueError as error:
        raise UnusableInputError(f"not Python source: {str(path)!r}: {error}: give a .py file") from None
    found = dict(_in_child(sandbox, "names", {"path": str(path)}, limits))
    maximised = frozenset(name for name, is_maximised in found.items() if is_maximised)
    return UserMetrics(path=path, names=tuple(found), maximised=maximised, sandbox=sandbox, limits=limits)


def _in_child(sandbox: Sandbox, function: str, arguments: Mapping[str, Any], limits: Limits) -> list[Any]:
    found, _ = sandbox.run(Job(function=f"{_CHILD}:{function}", arguments=arguments, limits=limits, each_stage=True))
    return list(found)
