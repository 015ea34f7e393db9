"""Check the arguments given by ``--arg`` against the parameters of a class or function."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from inspect import Parameter

from constraints.errors import UnusableInputError


def check_arguments(
    name: str, parameters: Sequence[Parameter], arguments: Collection[str], flag: str = "--arg"
) -> None:
    """Raise UnusableInputError, naming the flag, for a missing or an unknown argument."""
    named = [p for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
    needed = [p.name for p in named if p.default is p.empty and p.name not in arguments]
    needed += [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if needed:
        hint = " ".join(f"{flag} {n}=..." for n in needed)
        raise UnusableInputError(f"{name!r} needs arguments: {', '.join(needed)}: give {hint}")
    strange = [a for a in arguments if a not in {p.name for p in named}]
    if strange and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = ", ".join(p.name for p in named) or "none"
        raise UnusableInputError(f"{name!r} takes no argument {strange[0]!r}: {flag} {strange[0]}: it takes {known}")
