"""One run of ``validate``: read the options, check in the sandbox, show the report; no torch here."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from constraints.cli.options import check_format, read_arguments, read_limits, read_numbers, read_seconds
from constraints.cli.profiles import chosen
from constraints.cli.target import line_of, parse_target, possible_metrics, read_source
from constraints.errors import ExitCode
from constraints.inputs import read_input
from constraints.output.formats import FORMATS, NAMES
from constraints.report import Report
from constraints.rules import parse_all
from constraints.sandbox.parent import check_file
from constraints.sandbox.request import Request

_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command, as they were written."""

    target: str
    inputs: list[str] = field(default_factory=lambda: ["3,32,32"])
    arguments: list[str]
    require: list[str]
    constraints: Path | None = None
    profile: str | None = None
    augmentation: str | None = None
    mean: str = "0.4914,0.4822,0.4465"
    classes: int | None = None
    verify: bool = False
    fixes_timeout: str = "10s"
    timeout: str = "60s"
    memory: str = "4GiB"
    format: str = "table"


def validate_target(options: Options) -> int:
    """Check, print the report on stdout, and return the exit code: 0 when everything holds, 1 when not.

    Raises UnusableInputError and ModelFailedError as the sandbox does; everything that can be found wrong
    without starting it is found first.
    """
    check_format(options.format, NAMES)
    request, tree = _read(options)
    outcome = check_file(request)
    sys.stderr.write(outcome.printed)
    report = outcome.report
    if tree is not None and (line := line_of(tree, request.target.name)):
        report = replace(report, location=(str(request.target.file), line))
    _show(report, options.format)
    return ExitCode.DONE if report.ok else ExitCode.FAILED


def _read(options: Options) -> tuple[Request, ast.Module | None]:
    """The options as values, and the syntax tree of a target that is a file."""
    target = parse_target(options.target)
    tree = read_source(target)
    require = parse_all(chosen(options.require, options.constraints, options.profile), possible_metrics(tree))
    augmentation = parse_target(options.augmentation) if options.augmentation else None
    if augmentation:
        read_source(augmentation)
    limits = read_limits(options.timeout, options.memory)
    request = Request(
        target=target,
        inputs=tuple(map(read_input, options.inputs)),
        arguments=read_arguments(options.arguments),
        require=require,
        classes=options.classes,
        verify=options.verify,
        augmentation=augmentation,
        mean=read_numbers(options.mean, _CHANNELS),
        fixes_seconds=read_seconds(options.fixes_timeout, least=0),
        limits=limits,
    )
    return request, tree


def _show(report: Report, output_format: str) -> None:
    from rich.console import Console

    from constraints.output.table import print_report

    if output_format == "table":
        print_report(report, Console())
    else:
        print(FORMATS[output_format](report))
