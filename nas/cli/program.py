"""The program's commands and their help: flags in groups, as plain text, the same in a pipe and on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from nas.cli import zsh
from nas.cli.listed_names import filled

CHECK, SEARCH, STUDIES, TAKE, MACHINE = "Check", "Search", "Studies", "Take away", "This machine"
"""Groups of commands, in the order of the help."""
_GENERAL = "General"
_WIDEST = 110
"""Columns of the help; more are hard to read."""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST}

QUIET, VERBOSE, DEBUG = ("-q", "--quiet"), ("-v", "--verbose"), ("--debug",)
GENERAL: Mapping[tuple[str, ...], str] = {
    QUIET: "print only the result, warnings and errors",
    VERBOSE: "print more: what is done, how long it takes, and the logs of the libraries",
    DEBUG: "also print the traceback of an error",
}
"""Flags that every command takes, anywhere on the command line."""


class ExtraArgumentError(Exception):
    """An argument that a command does not take."""


class Command(TyperCommand):
    """A command whose help has its flags in groups, in the order in which groups first appear."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raise ExtraArgumentError with the first extra argument, which typer has only in its message."""
        ctx.allow_extra_args = True
        rest: list[str] = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise ExtraArgumentError(rest[0])
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS] TARGET...``."""
        return ["[OPTIONS]", *(_argument(p) if p.required else f"[{_argument(p)}]" for p in _arguments(self, ctx))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of flags, then the flags of every command."""
        if arguments := _arguments(self, ctx):
            with formatter.section("Arguments"):
                formatter.write_dl(
                    [(_argument(p), p.get_help_record(ctx)[1].split("  [required]")[0]) for p in arguments]
                )
        _write_flags(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example, without breaking lines inside its flags."""
        _write_whole(self.epilog or "", formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the flags of the command, and those of every command."""
        found = _complete(super().shell_complete(ctx, incomplete))
        if not incomplete.startswith("-"):
            return found
        item = type(super().shell_complete(ctx, "--help")[0])  # typer has no public name for it
        return [*found, *(item(name) for names in GENERAL for name in names if name.startswith(incomplete))]


class Program(TyperGroup):
    """The program, whose help has its commands in groups."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """For shell completion, remove the flags of every command, as ``general`` does for a command line."""
        return super().parse_args(ctx, general(args)[0] if ctx.resilient_parsing else args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command of a line; the error for an unknown one has its name as ``command``."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:
            error.command = args[0]  # type: ignore[attr-defined]  # typer has it in its message alone
            raise

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the commands and the flags."""
        return _complete(super().shell_complete(ctx, incomplete))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in their groups, then the flags."""
        groups = _grouped(self.commands.values())
        for title in sorted(groups, key=(CHECK, SEARCH, STUDIES, TAKE, MACHINE).index):
            with formatter.section(title):
                formatter.write_dl([(command.name, command.help or "") for command in groups[title]])
        _write_flags(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write where to read more."""
        _write_whole(self.epilog or "", formatter)


def program(**settings: Any) -> typer.Typer:
    """An empty program."""
    return typer.Typer(cls=Program, context_settings=_SETTINGS, rich_markup_mode=None, **settings)


def general(argv: Sequence[str]) -> tuple[list[str], set[tuple[str, ...]]]:
    """A command line without the flags of every command, and those flags; after ``--`` nothing is a flag."""
    end = argv.index("--") if "--" in argv else len(argv)
    by_name = {name: names for names in GENERAL for name in names}
    asked = {by_name[word] for word in argv[:end] if word in by_name}
    return [word for i, word in enumerate(argv) if i >= end or word not in by_name], asked


def command(app: typer.Typer, group: str, example: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a command of a function, with an example at the end of its help."""
    return app.command(cls=Command, epilog=f"Example: uv run search.py {example}", rich_help_panel=group)


def _complete(found: list[Any]) -> list[Any]:
    """Completions as the shell that asks can show them."""
    for item in found:
        item.help = filled(item.help or "")
    return zsh.items(found) if zsh.is_zsh() else found


def _arguments(command: Command, ctx: Any) -> list[Any]:
    return [p for p in command.get_params(ctx) if p.param_type_name == "argument"]


def _argument(param: Any) -> str:
    return f"{param.metavar}{'...' * (param.nargs == -1)}"


def _write_flags(command: Any, ctx: Any, formatter: Any) -> None:
    """Write one section per group, the flags of every command last."""
    groups = _grouped(p for p in command.get_params(ctx) if p.param_type_name == "option" and p.name != "help")
    own = groups.pop(_GENERAL, [])
    for title, members in groups.items():
        with formatter.section(title):
            formatter.write_dl([(names, filled(text)) for p in members for names, text in [p.get_help_record(ctx)]])
    general = [(", ".join(names), text) for names, text in GENERAL.items()]
    with formatter.section(_GENERAL):
        formatter.write_dl([*(p.get_help_record(ctx) for p in own), *general, ("-h, --help", "show this help and end")])


def _grouped(members: Iterable[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for member in members:
        groups.setdefault(member.rich_help_panel or _GENERAL, []).append(member)
    return groups


def _write_whole(text: str, formatter: Any) -> None:
    """Write a paragraph whose lines are broken only at spaces."""
    lines: Sequence[str] = textwrap.wrap(text, formatter.width - 2, break_on_hyphens=False, break_long_words=False)
    formatter.write("".join(f"\n  {line}" for line in lines) + "\n")
