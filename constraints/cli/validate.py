"""One run of ``validate``: read the options, check in the sandbox, show the report; no torch here."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from constraints.cli.options import read_arguments, read_bytes, read_numbers, read_seconds, read_shape
from constraints.cli.profiles import chosen
from constraints.cli.target import line_of, parse_target, possible_metrics, read_source
from constraints.errors import UnusableInputError
from constraints.report import Report
from constraints.rules import parse_all
from constraints.sandbox.parent import Limits, check_file

_FORMATS = ("table", "json", "markdown", "junit", "sarif")
_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of the command, as they were written."""

    target: str
    input: str = "3,32,32"
    arguments: list[str]
    require: list[str]
    constraints: Path | None = None
    profile: str | None = None
    augmentation: str | None = None
    mean: str = "0.4914,0.4822,0.4465"
    classes: int | None = None
    verify: bool = False
    timeout: str = "60s"
    memory: str = "4GiB"
    format: str = "table"


def validate_target(request: Request) -> int:
    """Check, print the report on stdout, and return the exit code: 0 when everything holds, 1 when not.

    Raises UnusableInputError and ModelFailedError as the sandbox does; everything that can be found wrong
    without starting it is found first.
    """
    if request.format not in _FORMATS:
        raise UnusableInputError(f"unknown format: {request.format!r}: use one of {', '.join(_FORMATS)}")
    target = parse_target(request.target)
    tree = read_source(target)
    require = chosen(request.require, request.constraints, request.profile)
    if (names := possible_metrics(tree)) is not None:
        parse_all(require, names)
    if request.augmentation:
        read_source(parse_target(request.augmentation))
    limits = Limits(seconds=read_seconds(request.timeout), memory_bytes=read_bytes(request.memory))
    outcome = check_file(_message(request, require), limits)
    sys.stderr.write(outcome.printed)
    report = outcome.report
    if tree is not None and target.file and (line := line_of(tree, target.name)):
        report = replace(report, location=(str(target.file), line))
    _show(report, request.format)
    return 0 if report.ok else 1


def _message(request: Request, require: tuple[str, ...]) -> dict[str, object]:
    """What the child is told; see constraints/sandbox/child.py."""
    kept = {"target", "augmentation", "classes", "verify"}
    return {k: v for k, v in asdict(request).items() if k in kept} | {
        "input": read_shape(request.input),
        "arguments": read_arguments(request.arguments),
        "require": require,
        "mean": read_numbers(request.mean, _CHANNELS),
        "fixes": True,
    }


def _show(report: Report, form: str) -> None:
    from rich.console import Console

    from constraints.output.formats import FORMATS
    from constraints.output.table import print_report

    if form == "table":
        print_report(report, Console())
    else:
        print(FORMATS[form](report))
