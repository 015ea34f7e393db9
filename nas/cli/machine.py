"""The command ``doctor``, which examines this machine."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from constraints.cli.options import check_format
from constraints.errors import ExitCode, UnusableInputError
from constraints.output.busy_message import working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from constraints.output.plain import say
from nas import doctor as examining
from nas.cli.common import TABLE_OR_JSON, interruptible

_STYLES = {"ok": "green", "missing": "yellow", "broken": "bold red"}


@interruptible("nothing was changed")
def doctor(storage: str | None, output_format: str, *, remove: bool, is_sure: bool) -> int:
    """Print what this machine has and what is missing, or remove the caches; 1 where something is broken."""
    check_format(output_format, TABLE_OR_JSON)
    if remove:
        return _clean(is_sure)
    with working("examining this machine"):
        found = list(examining.examine(storage))
    if output_format == "json":
        print(json_text([finding.as_dict() for finding in found]))
    else:
        _print_findings(found, SafeConsole())
    return ExitCode.FAILED if any(finding.state == "broken" for finding in found) else ExitCode.DONE


def _print_findings(found: Sequence[examining.Finding], console: Console) -> None:
    for finding in found:
        text = _wrapped(f"{finding.topic:<8} {finding.name}: {finding.text}", 17, console)
        console.print(
            Text(f"{finding.state:<8}", style=_STYLES[finding.state]).append(text, style="none"), soft_wrap=True
        )
        if finding.remedy:
            remedy = _wrapped(finding.remedy, 8, console)
            console.print(Text(f"        {remedy}", style="cyan"), soft_wrap=True)


def _wrapped(text: str, indent: int, console: Console) -> str:
    """The text that begins in column 8, broken between words on a terminal; its further lines are indented."""
    if not console.is_terminal:
        return text
    lines = textwrap.wrap(
        text, console.width, initial_indent=" " * 8, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(lines)[8:]


def _clean(is_sure: bool) -> int:
    """Remove the caches after asking; ``is_sure`` skips the question."""
    for finding in examining.caches():
        say(f"{finding.name}: {finding.text}")
    if not is_sure and not sys.stdin.isatty():
        raise UnusableInputError("cannot ask: stdin is not a terminal: add --yes to remove the caches")
    if not is_sure and not Confirm.ask("Remove these caches? They are made again where they are needed", default=False):
        print("nothing was removed")
        return ExitCode.DONE
    print(f"{examining.clean() / 1e6:,.1f} MB removed")
    return ExitCode.DONE
