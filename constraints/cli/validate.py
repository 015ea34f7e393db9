"""One run of ``validate``: read the options, check in the sandbox, show the report; no torch here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from constraints.cli.options import check_format, read_arguments, read_limits, read_numbers, read_seconds
from constraints.cli.profiles import rules
from constraints.cli.target import folder_of, line_of, parse_target, possible_metrics, read_source
from constraints.cli.targets import Targets, expand, may_hold_model
from constraints.cli.writing import Check, Writer, drafted, written
from constraints.errors import ConstraintError, ExitCode, NoModelError, UnusableInputError
from constraints.findings import Refused, Result
from constraints.inputs import read_input
from constraints.output.busy_message import working
from constraints.output.formats import FORMATS, LISTS, NAMES, json_line
from constraints.output.plain import say, sentence
from constraints.output.summary import skipped_line
from constraints.report import Report
from constraints.sandbox.cells import NOTEBOOK
from constraints.sandbox.parent import CheckOutcome, Sandbox, check_file
from constraints.sandbox.request import Request, Target

_CHANNELS = 3
_INPUT = "3,32,32"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command, unparsed."""

    targets: Sequence[str | Target]
    inputs: list[str] = field(default_factory=list)
    """If empty, the input shape of the target, or ``3,32,32``."""
    arguments: list[str]
    require: list[str]
    constraints: Path | None = None
    profile: str | None = None
    augmentation: str | None = None
    augmentation_arguments: list[str] = field(default_factory=list)
    mean: str = "0.4914,0.4822,0.4465"
    classes: int | None = None
    verify: bool = False
    fixes_timeout: str = "10s"
    timeout: str = "60s"
    memory: str = "4GiB"
    format: str = "table"
    writers: tuple[Writer, ...] = ()
    """Files to write in addition to the report; for one target only."""


def validate_targets(options: Options) -> int:
    """Check, print the report on stdout, and return the exit code: 0 when everything holds, 1 when not.

    Raises UnusableInputError and ModelFailedError as the sandbox does; errors that can be found without
    starting it are found first. Of several targets, each has its report or its error, a summary ends the
    output, and the exit code is the worst of them.
    """
    check_format(options.format, NAMES)
    asked = expand(options.targets)
    if options.writers and not asked.is_one:
        raise UnusableInputError(f"several targets: {options.writers[0].flag}: give one target")
    if asked.is_one and (options.writers or options.format != "jsonl"):
        report = _one(_request(options, asked.targets[0]), options)
        return ExitCode.DONE if report.ok else ExitCode.FAILED
    skipped: list[str] = []
    with Sandbox() as sandbox:  # torch is loaded once for all targets
        results = list(_each(options, asked, sandbox.check, skipped))
    if not results:
        raise UnusableInputError(
            f"no model found: {' '.join(map(str, options.targets))!r}: name a file that defines one"
        )
    _show_all(results, skipped, options.format)
    return max(r.exit_code if isinstance(r, Refused) else ExitCode(not r.ok) for r in results)


def _one(request: Request, options: Options) -> Report:
    """Check one target, show its report, and write the files."""
    if not options.writers:
        report, _ = _checked(request, check_file)
        _show(report, options.format)
        return report
    with ExitStack() as stack:
        check = stack.enter_context(Sandbox()).check
        drafts = {writer.follow_up: stack.enter_context(drafted(writer.path)) for writer in options.writers}
        request = replace(request, follow_ups=tuple(drafts), drafts=drafts)
        report, outcome = _checked(request, check)
        _show(report, options.format)
        for writer in options.writers:
            sys.stderr.write(written(writer, outcome, request, check) + "\n")
    return report


def _each(options: Options, asked: Targets, check: Check, skipped: list[str]) -> Iterator[Result]:
    """The result of each target, shown at once where the format allows it; files without a model go to ``skipped``."""
    for target in asked.targets:
        try:
            if target in asked.found and not may_hold_model(target):
                skipped.append(target.text)
                continue
            result: Result = _checked(_request(options, target), check)[0]
        except NoModelError as error:
            if target in asked.found:
                say(f"skipped: {error}", sys.stderr)
                skipped.append(target.text)
                continue
            result = _refused(target, error)
        except ConstraintError as error:
            result = _refused(target, error)
        if options.format == "jsonl":
            say(json_line(result), flush=True)
        elif options.format == "table" and isinstance(result, Report):
            _show(result, "table")
        yield result


def _refused(target: Target, error: ConstraintError) -> Refused:
    say(f"error: {sentence(f'{target.text}: {error}')}", sys.stderr)
    return Refused(target=target.text, error=str(error), exit_code=error.exit_code)


def _request(options: Options, target: Target) -> Request:
    """The options as a request; the file is parsed, not run."""
    tree = read_source(target)
    known = possible_metrics(tree)
    require = rules(options.require, options.constraints, options.profile, folder_of(target), known=known)
    augmentation = parse_target(options.augmentation, needs_name=True) if options.augmentation else None
    if augmentation:
        read_source(augmentation)
    return Request(
        target=target,
        inputs=tuple(map(read_input, options.inputs or [target.input or _INPUT])),
        arguments=read_arguments(options.arguments),
        require=require,
        classes=options.classes,
        verify=options.verify,
        augmentation=augmentation,
        augmentation_arguments=read_arguments(options.augmentation_arguments),
        mean=read_numbers(options.mean, _CHANNELS),
        fixes_seconds=read_seconds(options.fixes_timeout, least=0),
        limits=read_limits(options.timeout, options.memory),
    )


def _checked(request: Request, check: Check) -> tuple[Report, CheckOutcome]:
    """The report with the line that defines the model, and the outcome of the sandbox."""
    with working(f"loading torch, running {request.target.text}, looking for fixes"):
        import_module("constraints.output.table")  # loaded while the child loads torch
        outcome = check(request)
    sys.stderr.write(outcome.printed)
    return _located(outcome.report, request.target), outcome


def _located(report: Report, target: Target) -> Report:
    if target.file is None:
        return report
    if target.file.suffix == NOTEBOOK:  # line numbers would be those of cells
        return replace(report, location=(str(target.file), 1))
    tree = read_source(target)
    name = target.name or report.target.rpartition(":")[2]
    line = line_of(tree, name) if tree else None
    return replace(report, location=(str(target.file), line)) if line else report


def _show(report: Report, output_format: str) -> None:
    if output_format == "table":
        from constraints.output.console import SafeConsole
        from constraints.output.table import print_report

        print_report(report, SafeConsole())
    else:
        say(FORMATS[output_format](report))


def _show_all(results: Sequence[Result], skipped: Sequence[str], output_format: str) -> None:
    if skipped and output_format != "table":
        say(skipped_line(skipped), sys.stderr)
    if output_format == "table":
        from constraints.output.console import SafeConsole
        from constraints.output.summary import print_summary

        print_summary(results, SafeConsole(), skipped)
    elif output_format != "jsonl":
        say(LISTS[output_format](results))
