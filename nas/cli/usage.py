"""One-line errors about a command line: what is wrong, the value, what to do, and which help to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.cli.listed_names import filled
from nas.cli.program import GENERAL, ExtraArgumentError
from nas.project_settings import settings
from nas.toml import read_toml
from nas.validation_words import first_of, what_to_do
from nas.value_places import FLAG, named_by, texts, where_it_is

_READ_PROJECT = frozenset({"launch", "train"})
"""Commands that read all of the project's settings."""
_CUTOFF = 0.75
"""Least similarity at which an option is suggested: the dashes alone make any two options similar."""
_DASHES = "-\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}"
"""The hyphen, and the characters that editors put in place of two of them."""


def is_usage_error(error: Exception) -> bool:
    """Whether an error is about the command line: raised by any version of typer, or by this program's commands."""
    return hasattr(error, "format_message") or isinstance(error, ExtraArgumentError)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A command line: its words, the program's name, and typer's command that it names, if any."""

    words: Sequence[str]
    name: str
    program: Any

    @property
    def command(self) -> Any:
        """The command; the program where the line names no existing command."""
        first = next((word for word in self.words if not word.startswith("-")), "")
        return self.program.commands.get(first, self.program)

    @property
    def path(self) -> str:
        """The program and its command, as typed."""
        return self.name if self.command is self.program else f"{self.name} {self.command.name}"

    def sentence(self, error: Any) -> str:
        """The text of a usage error, without ``error:``."""
        what = self._extra(str(error)) if isinstance(error, ExtraArgumentError) else self._what(error)
        return f"{what}: see {self.path} --help"

    def with_flag(self, message: str) -> str:
        """A message about a flag's value, with the flag prepended and its help appended; other messages unchanged.

        The value is found in the message: ``what is wrong: the value: what to do``. If several flags have that value,
        none is prepended; a message that already mentions a flag is unchanged. A value of no flag may be one of the
        configuration's file or the project's settings, whose key is prepended in the same way.
        """
        if not message.startswith("--"):
            if FLAG.search(message) or ": pip install " in message:
                return message
            named = set(named_by(message, self._given())) or set(named_by(message, self._read()))
            if not named:
                return message
            flag = named.pop()
            message = f"{flag}: {message}" if flag and not named and not message.startswith(flag) else message
        return f"{where_it_is(message, self._given(), self._read())}: see {self.path} --help"

    def _given(self) -> Iterator[tuple[str, str]]:
        """Each flag of the line that takes a value, with that, and each argument."""
        known = {name for param in self._options() if not param.is_flag for name in param.opts}
        at = self.words.index(self.command.name) if self.command is not self.program else -1
        words = iter([word for place, word in enumerate(self.words) if place != at])
        for word in words:
            flag, equals, value = word.partition("=")
            if flag in known:
                yield flag, value if equals else next(words, "")
            elif not word.startswith("-"):
                yield "", word

    def _read(self) -> Iterator[tuple[str, str]]:
        """The key of each text of the configuration's file or the project's settings, with its place, and the text."""
        with suppress(UnusableInputError):  # a file that cannot be read is an error of its own
            for path in (value for flag, value in self._given() if flag == "--config"):
                yield from texts(path, read_toml(Path(path)))
            if self.command.name in _READ_PROJECT and (project := settings(Path())):
                yield from texts(project.source, project.table)

    def _options(self) -> list[Any]:
        return [param for param in self.command.params if param.param_type_name == "option"]

    def _what(self, error: Any) -> str:
        """What is wrong, and what to do."""
        if isinstance(error.__cause__, ValidationError):
            value = first_of(error.__cause__)["input"]
            return f"{_name(error.param)}: {value!r}: {what_to_do(error.__cause__)}"
        if hasattr(error, "possibilities"):
            return self._no_option(error.option_name)
        if hasattr(error, "option_name"):
            return self._no_value(error.option_name)
        if hasattr(error, "param_type") and error.param is not None:
            return f"{_name(error.param)} is missing: give {filled(error.param.help or 'it')}".split("  [")[0]
        if self.command is self.program:
            return _no_command(getattr(error, "command", None), self.program.commands)
        return _lower(error.format_message())

    def _no_option(self, name: str) -> str:
        """An unknown option, as it was typed: typer reads ``-trials`` as ``-t``."""
        long = (word for word in self.words if word[:2] == name and len(word) > 2)
        name = next(long, name) if len(name) == 2 else name
        return f"no such option: {name}: {self._near(name)}"

    def _no_value(self, name: str) -> str:
        """An option without its value, or one that takes none."""
        option = next((param for param in self._options() if name in (*param.opts, *param.secondary_opts)), None)
        if option is None or option.is_flag:
            return f"{name} takes no value: leave it out"
        return f"{name} has no value: write {name} {option.metavar}"

    def _extra(self, word: str) -> str:
        """An argument that a command does not take."""
        if word.startswith(tuple(_DASHES)):
            return f"no such option: {word!r}: {self._near(f'--{word.lstrip(_DASHES)}')}"
        return f"one argument too many: {word!r}: leave it out"

    def _near(self, name: str) -> str:
        own = [known for param in self._options() for known in (*param.opts, *param.secondary_opts)]
        general = [known for names in GENERAL for known in names]
        return nearest(name, [*own, *general, "--help"], "leave it out", _CUTOFF)


def _name(param: Any) -> str:
    """The parameter's name as the user types it."""
    return str(max(param.opts, key=len)) if param.param_type_name == "option" else str(param.metavar or param.name)


def _no_command(name: str | None, commands: Any) -> str:
    """The error for a missing or unknown command."""
    known = f"use one of {', '.join(commands)}"
    if name is None:
        return f"no command: {known}"
    return f"no such command: {name!r}: {nearest(name, [*commands, '--help'], known)}"


def _lower(message: str) -> str:
    text = message.strip().rstrip(".")
    return text[:1].lower() + text[1:]
