"""What was wrong with a command line, in one line: what, the value, what to do, and whose help says more."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from constraints.suggestions import nearest
from nas.cli.program import GENERAL
from nas.validation_words import what_to_do

_CUTOFF = 0.75
"""Of likeness, from which on an option is suggested: the dashes of two make any two alike."""


def is_usage_error(error: Exception) -> bool:
    """Whether typer, of any version, raised it about the command line."""
    return hasattr(error, "format_message")


def sentence(error: Any, path: str) -> str:
    """The line of an error of the command line, without its ``error:``; ``path`` is the command, as it was called."""
    context = getattr(error, "ctx", None)
    return f"{_what(error, context)}: see {path} --help"


def _what(error: Any, context: Any) -> str:
    """What is wrong, and what to do."""
    if isinstance(error.__cause__, ValidationError):
        value = error.__cause__.errors(include_url=False)[0]["input"]
        return f"{_name(error.param)}: {value!r}: {what_to_do(error.__cause__)}"
    if hasattr(error, "possibilities"):
        return f"no such option: {error.option_name}: {_near_option(error.option_name, context)}"
    if hasattr(error, "param_type") and error.param is not None:
        return f"{_name(error.param)} is missing: give {error.param.help or 'it'}".split("  [")[0]
    commands = getattr(getattr(context, "command", None), "commands", None)
    if commands is not None:
        return _no_command(getattr(error, "command", None), commands)
    return _lower(error.format_message())


def _name(param: Any) -> str:
    """As a person writes it."""
    return str(max(param.opts, key=len)) if param.param_type_name == "option" else str(param.metavar or param.name)


def _near_option(name: str, context: Any) -> str:
    params = context.command.get_params(context) if context is not None else ()
    own = [name for p in params if p.param_type_name == "option" for name in (*p.opts, *p.secondary_opts)]
    return nearest(name, [*own, *(name for names in GENERAL for name in names)], "leave it out", _CUTOFF)


def _no_command(name: str | None, commands: Any) -> str:
    """No command, or one that there is not."""
    if name is None:
        return f"no command: use one of {', '.join(commands)}"
    return f"no such command: {name!r}: {nearest(name, commands)}"


def _lower(message: str) -> str:
    text = message.strip().rstrip(".")
    return text[:1].lower() + text[1:]
