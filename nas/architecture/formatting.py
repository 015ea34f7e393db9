"""Python source as ruff formats it at any line length of 88 or more: docstrings, literals, calls."""

from __future__ import annotations

from collections.abc import Sequence

from nas.architecture.calls import ModuleCall, Value

WIDTH = 88
"""Columns at which ruff breaks lines by default; a longer call has one argument a line."""


def docstring(text: str) -> str:
    """Lines without what would end the literal, or the formatter would trim."""
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    escaped = printable.replace("\\", "\\\\").replace('"""', "'''")
    lines = "\n".join(line.rstrip() for line in escaped.strip().splitlines())
    if lines.endswith('"'):
        lines = lines[:-1] + "'"
    return f'"""{lines}\n"""' if "\n" in lines else f'"""{lines}"""'


def constant(name: str, values: Sequence[str] | Sequence[float]) -> str:
    """A tuple under a name."""
    literals = [_literal(value) for value in values]
    return join(f"{name} = ", literals, 0, single=True)


def _literal(value: str | float) -> str:
    if isinstance(value, float):
        return repr(round(value, 6))
    quote = '"' if value.count('"') <= value.count("'") else "'"
    return quote + "".join(_character(c, quote) for c in value) + quote


def _character(character: str, quote: str) -> str:
    if character in {"\\", quote}:
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def call(value: Value, indent: int, *, before: str = "") -> str:
    """The source of an argument or a call behind ``before`` on a line that is indented by ``indent``."""
    if not isinstance(value, ModuleCall):
        return f"{before}{value}"
    arguments = [call(argument, indent + 4) for argument in value.arguments]
    options = [f"{name}={option}" for name, option in value.options.items()]
    return join(f"{before}{value.name}", [*arguments, *options], indent)


def join(name: str, arguments: Sequence[str], indent: int, *, after: str = "", single: bool = False) -> str:
    """A call on one line where it fits and every argument does, else one argument a line; ``single``: it is a tuple."""
    comma = "," if single and len(arguments) == 1 else ""
    line = f"{name}({', '.join(arguments)}{comma}){after}"
    fits = indent + len(line) < WIDTH and "\n" not in line
    return line if fits else explode(name, arguments, indent) + after


def explode(name: str, arguments: Sequence[str], indent: int) -> str:
    """A call with one argument a line; ``indent`` is that of the line on which it begins."""
    rows = "".join(f"{' ' * (indent + 4)}{argument},\n" for argument in arguments)
    return f"{name}(\n{rows}{' ' * indent})"
