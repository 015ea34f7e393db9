"""Check the arguments given by ``--arg`` against the parameters of a class or function."""

from __future__ import annotations

import inspect
from collections import abc
from collections.abc import Collection, Iterator, Mapping, Sequence
from inspect import Parameter, isclass, signature
from types import MappingProxyType
from typing import Any

from constraints.errors import MissingChoiceError, UnusableInputError
from constraints.sandbox.read_entries import Entries, as_toml, entries_of
from constraints.sandbox.standins import absent_path

_TABLES = (
    "addict.",
    "argparse.Namespace",
    "box.",
    "easydict.",
    "ml_collections.",
    "omegaconf.",
    "types.SimpleNamespace",
    "yacs.",
)
"""Beginnings of the names of classes that hold named values, for which a table of TOML serves as well."""
_OF_TOML = frozenset({Any, Parameter.empty, abc.Collection, abc.Iterable, abc.Mapping, abc.Sequence})
"""Annotations outside ``builtins`` of what TOML has."""
_NOTHING: Mapping[str, Entries] = MappingProxyType({})


def check_arguments(
    name: str,
    parameters: Sequence[Parameter],
    arguments: Collection[str],
    flag: str = "--arg",
    *,
    entries: Mapping[str, Entries] = _NOTHING,
    variables: Collection[str] = (),
) -> None:
    """Raise UnusableInputError, naming the flag, for a missing or an unknown argument.

    ``entries`` are those that are read of each parameter's value, ``variables`` the file's own, of which one with the
    name of a parameter is meant for it.
    """
    named = [p for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
    needed = [p for p in named if p.default is p.empty and p.name not in arguments]
    needed += [p for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if needed:
        missing = ", ".join(p.name for p in needed)
        raise MissingChoiceError(f"{name!r} needs arguments: {missing}: {_way(name, needed, flag, entries, variables)}")
    strange = [a for a in arguments if a not in {p.name for p in named}]
    if strange and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = ", ".join(p.name for p in named) or "none"
        raise UnusableInputError(f"{name!r} takes no argument {strange[0]!r}: {flag} {strange[0]}: it takes {known}")


def needs_nothing(function: Any) -> bool:
    """Whether a class or function can be called without arguments."""
    return not required(function)


def required(function: Any) -> int:
    """The number of required arguments of a class or function; 0 where Python does not know its parameters."""
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    return sum(p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD} for p in parameters)


def signature_of(function: Any) -> inspect.Signature:
    """The signature, with the classes of its annotations where the file's own names give them."""
    try:
        return signature(function, eval_str=True)
    except Exception:  # annotations are the user's code, often of what only a type checker imports
        return signature(function)


def missing_entry(
    name: str, function: Any, arguments: Mapping[str, Any], error: KeyError | AttributeError, flag: str = "--arg"
) -> str:
    """What to give where a class or function reads an argument that it was not given; empty for any other error.

    The argument is one of ``**kwargs`` (``kwargs["width"]``), or an entry of a table (``cfg["width"]``, ``cfg.width``).
    """
    key = error.name if isinstance(error, AttributeError) else error.args[0] if error.args else None
    if not isinstance(key, str) or not key.isidentifier():
        return ""
    for table, given in arguments.items():
        entries = entries_of(function, table)
        if isinstance(given, Mapping) and key in entries and key not in given:
            whole = {name: entries.get(name, {}) for name in (*given, *entries)}
            return f"the table {table} has no {key}: add it: {flag} '{table}={as_toml(whole)}'"
    is_lacking = isinstance(error, KeyError) and any(
        key not in keywords and key in entries_of(function, table) for table, keywords in _keywords(function, error)
    )
    return f"{name!r} needs arguments: {key}: give {flag} {key}=..." if is_lacking else ""


def _keywords(function: Any, error: BaseException) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and value of ``**kwargs`` of a class's constructor or a function, if an error is raised in its own code."""
    code = getattr(inspect.unwrap(function.__init__ if isclass(function) else function), "__code__", None)
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None or at.tb_frame.f_code is not code:
        return
    for parameter in signature(function).parameters.values():
        found = at.tb_frame.f_locals.get(parameter.name)
        if parameter.kind is parameter.VAR_KEYWORD and isinstance(found, Mapping):
            yield parameter.name, found


def flags_for(function: Any, flag: str = "--arg") -> str:
    """The flags that give a class or function its required arguments, after a space; empty where no flag can."""
    try:
        parameters = signature_of(function).parameters.values()
    except (TypeError, ValueError):
        return ""
    needed = [p for p in parameters if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    if any(p.kind is p.POSITIONAL_ONLY or _own_class(p.annotation) for p in needed):
        return ""
    return "".join(f" {_flagged(p, flag, entries_of(function, p.name))}" for p in needed)


def _way(
    name: str, needed: Sequence[Parameter], flag: str, entries: Mapping[str, Entries], variables: Collection[str]
) -> str:
    """How to give the arguments: by flags, or in the file, where an object is needed or a variable has it."""
    classes = {p.name: kind for p in needed if (kind := _own_class(p.annotation))}
    own = {p.name: p.name for p in needed if p.name in variables} or {
        p.name: _made(p.annotation, kind) for p in needed if (kind := classes.get(p.name, ""))
    }
    if own:
        given = ", ".join(f"{p.name}={own.get(p.name, '...')}" for p in needed)
        reason = "" if own.keys() & variables else f"no flag can give a {' or a '.join(classes.values())}: "
        return f"{reason}write in the file net = {name}({given}), and name net"
    return f"give {' '.join(_flagged(p, flag, entries.get(p.name, {})) for p in needed)}"


def _flagged(parameter: Parameter, flag: str, entries: Entries) -> str:
    """The flag for an argument; a table has the entries that are read of it."""
    if entries or _is_table(parameter.annotation):
        return f"{flag} '{parameter.name}={as_toml(entries) if entries else '{...}'}'"
    return f"{flag} {parameter.name}=..."


def _own_class(annotation: Any) -> str:
    """The name of the class of which a parameter wants an object; empty for those whose values TOML has."""
    if _is_table(annotation):
        return ""
    if path := absent_path(annotation):
        return path.rpartition(".")[2]
    if not isclass(annotation) or annotation in _OF_TOML or annotation.__module__ == "builtins":
        return ""
    return str(annotation.__name__)


def _is_table(annotation: Any) -> bool:
    known = f"{annotation.__module__}.{annotation.__name__}" if isclass(annotation) else ""
    return (absent_path(annotation) or known).startswith(_TABLES)


def _made(annotation: Any, kind: str) -> str:
    """The call that makes an object of a class, without arguments where it needs none."""
    return f"{kind}()" if isclass(annotation) and needs_nothing(annotation) else f"{kind}(...)"
