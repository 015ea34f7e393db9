"""Check the arguments given by ``--arg`` against the parameters of a class or function."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from inspect import Parameter, isclass
from typing import Any

from constraints.errors import MissingChoiceError, UnusableInputError
from constraints.sandbox.standins import absent_path


def check_arguments(
    name: str, parameters: Sequence[Parameter], arguments: Collection[str], flag: str = "--arg"
) -> None:
    """Raise UnusableInputError, naming the flag, for a missing or an unknown argument."""
    named = [p for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
    needed = [p.name for p in named if p.default is p.empty and p.name not in arguments]
    needed += [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if needed:
        hint = " ".join(f"{flag} {n}=..." for n in needed)
        if classes := {p.name: kind for p in parameters if p.name in needed and (kind := _own_class(p.annotation))}:
            given = ", ".join(f"{n}={classes[n]}(...)" if n in classes else f"{n}=..." for n in needed)
            hint = f"no flag can give a {' or a '.join(classes.values())}: write in the file "
            hint += f"net = {name}({given}), and name net"
            raise MissingChoiceError(f"{name!r} needs arguments: {', '.join(needed)}: {hint}")
        raise MissingChoiceError(f"{name!r} needs arguments: {', '.join(needed)}: give {hint}")
    strange = [a for a in arguments if a not in {p.name for p in named}]
    if strange and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = ", ".join(p.name for p in named) or "none"
        raise UnusableInputError(f"{name!r} takes no argument {strange[0]!r}: {flag} {strange[0]}: it takes {known}")


def _own_class(annotation: Any) -> str:
    """The name of the class of which a parameter wants an object; empty for Python's own, whose values TOML has."""
    if path := absent_path(annotation):
        return path.rpartition(".")[2]
    is_own = isclass(annotation) and annotation is not Parameter.empty and annotation.__module__ != "builtins"
    return str(annotation.__name__) if is_own else ""
