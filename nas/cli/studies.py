"""The commands about whole studies: ``studies`` and ``delete``."""

from __future__ import annotations

import sys

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from constraints.cli.options import check_format
from constraints.collection import without_collection
from constraints.errors import ExitCode, UnusableInputError
from constraints.output.busy_message import working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from constraints.output.plain import one_line
from nas.cli.common import TABLE_OR_JSON, interruptible, wide_console
from nas.cli.introducing import print_line
from nas.results.rows import STATES
from nas.results.study_list import StudyEntry
from nas.results.study_list import studies as listed
from nas.search.study_opening import quiet


@interruptible("the studies are as they were")
def studies(storage: str, output_format: str) -> int:
    """Print the studies of a storage."""
    check_format(output_format, TABLE_OR_JSON)
    with working("reading the studies"), without_collection():
        found = listed(storage)
    if output_format == "json":
        print(json_text({"storage": storage, "studies": [entry.as_dict() for entry in found]}))
    else:
        wide_console().print(_table(found))
    return ExitCode.DONE


def _table(found: list[StudyEntry]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("study", "data", "space", "objective", "target", "best val %", "trials"):
        justify: JustifyMethod = "right" if heading in {"target", "best val %"} else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for entry in found:
        known = (entry.data, entry.space, entry.objective, _percent(entry.target), _percent(entry.best))
        unreadable = "damaged" if entry.is_damaged else "not made by this tool"
        shown = known if entry.is_readable else (unreadable, "", "", "", "")
        trials = ", ".join(f"{entry.counts[state]:,} {state}" for state in STATES if entry.counts[state]) or "none"
        table.add_row(*(Text(one_line(text)) for text in (entry.study, *shown, trials)))
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


@interruptible("what was deleted is gone, the rest is as it was")
def delete(name: str, storage: str, output_format: str, *, yes: bool) -> int:
    """Delete a study with its files, after asking, and print what was deleted."""
    check_format(output_format, TABLE_OR_JSON)
    with quiet():
        with working("reading the study"):
            from nas.search.deletion import delete as delete_study
            from nas.search.deletion import planned

            plan = planned(storage, name)
        files = f"and its files in {plan.folder}" if plan.folder else "and no files: none are the study's alone"
        what = f"study {plan.study} with {plan.trials:,} trial{'s' * (plan.trials != 1)} {files}"
        is_agreed = yes or _agreed(what)
        if is_agreed:
            delete_study(storage, plan)
    if output_format == "json":
        folder = str(plan.folder) if plan.folder else None
        print(json_text({"study": plan.study, "trials": plan.trials, "folder": folder, "deleted": is_agreed}))
    else:
        print_line(f"deleted {what}" if is_agreed else f"kept {plan.study}", SafeConsole())
    return ExitCode.DONE if is_agreed else ExitCode.FAILED


def _agreed(what: str) -> bool:
    """Ask on the terminal; UnusableInputError where stdin is not a terminal."""
    if not sys.stdin.isatty():
        raise UnusableInputError(f"delete asks before it deletes {what}: stdin is not a terminal: give --yes")
    return SafeConsole(stderr=True).input(f"delete {what}? [y/N] ", markup=False).strip().lower() in {"y", "yes"}
