"""The command that trains the user's own network: ``train``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constraints.cli.options import check_format, read_arguments
from constraints.errors import ExitCode
from constraints.output.busy_message import CHECKING, working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from constraints.output.plain import say
from nas.cli.common import TABLE_OR_JSON, interruptible
from nas.cli.introducing import decoding, introduce, introduce_settings, introduce_training, print_line
from nas.cli.search import next_place
from nas.objective_text import MEASURES
from nas.results.board import leaderboard
from nas.results.rows import Row
from nas.search.confirmation import mean_of
from nas.search.study_opening import quiet
from nas.words import counted

if TYPE_CHECKING:
    from nas.search.given_launch import Trainings


@interruptible("finished epochs are kept: give the same command again to continue")
def train(
    target: str, arguments: list[str], flags: Mapping[str, Any], code: Mapping[str, Any], output_format: str
) -> int:
    """Train a given network as a study's candidates are, and print the result.

    ``flags`` are fields of the configuration, ``code`` the seeds and the limits for user code. Returns 1 where the
    network breaks a constraint, or misses a target that was asked for; errors of user code are passed on.
    """
    check_format(output_format, TABLE_OR_JSON)
    given = read_arguments(arguments)
    with working(CHECKING):  # the imports take seconds too
        from nas.config import read_config
        from nas.project_settings import TRAINING, settings
        from nas.results.progress import SearchView
        from nas.search import given_launch, search_launch
        from nas.search.wanted import Wanted
        from nas.training import datasets

        wanted = Wanted(target=target, arguments=given, **code)
        project, console = settings(Path()), SafeConsole(stderr=True)
        asked = read_config(None, flags, project, TRAINING)
        config = given_launch.as_studied(asked, flags)
        given_launch.check(config, wanted)
    introduce_settings(project, [n for n in TRAINING if getattr(config, n) == getattr(asked, n)], console)
    with quiet():
        with decoding(console) as decoded:
            dataset = datasets.load(config.data, progress=decoded)
        introduce(dataset, console)
        with SearchView(console) as view:
            trainings = given_launch.prepare(config, wanted, dataset, view.show)
            prepared = trainings.prepared
            introduce_training(prepared, console)
            search_launch.run(prepared)
        rows = _rows(trainings)
    target_asked = config.target is not None
    if output_format == "json":
        say(_document(trainings, rows))
    else:
        for line in _lines(trainings, rows, next_place(config)):
            print_line(line, SafeConsole())
    return _code(trainings, rows, is_target_asked=target_asked)


def _rows(trainings: Trainings) -> list[Row]:
    """The trials of the network, by seed."""
    rows = {row.trial: row for row in leaderboard(trainings.prepared.study, top=None, is_live=False).rows}
    return [rows[trial.number] for trial in trainings.trials()]


def _mean(rows: Sequence[Row]) -> float | None:
    known = [row.score for row in rows if row.state == "complete" and row.score is not None]
    return mean_of(known) if known else None


def _met(trainings: Trainings, rows: Sequence[Row]) -> bool | None:
    """Whether the mean accuracy is over the study's target and the constraints hold; None without a target."""
    mean, target = _mean(rows), trainings.prepared.driver.budget.target
    return None if mean is None or target is None else mean > target and not trainings.network.broken


def _document(trainings: Trainings, rows: Sequence[Row]) -> str:
    found = {
        "study": trainings.prepared.study.study_name,
        "data": trainings.prepared.dataset.name,
        "target": trainings.prepared.driver.budget.target,
        "origin": trainings.network.origin,
        "architecture": str(trainings.network.architecture) if trainings.network.architecture else None,
        "metrics": trainings.network.metrics.as_dict(),
        "broken": list(trainings.network.broken),
        MEASURES[trainings.prepared.driver.objectives.measure]: _mean(rows),
        "meets_target": _met(trainings, rows),
        "notes": list(trainings.notes),
        "rows": [row.as_dict() for row in rows],
    }
    return json_text(found)


def _lines(trainings: Trainings, rows: Sequence[Row], where: str) -> list[str]:
    """Accuracy, constraints, target, and what to do next; ``where`` are the flags that find the study."""
    network = trainings.network
    lines = [_sentence(row) for row in rows]
    mean, target = _mean(rows), trainings.prepared.driver.budget.target
    complete = [row for row in rows if row.state == "complete"]
    if mean is not None and len(complete) > 1:
        values = [row.score for row in complete if row.score is not None]
        lines.append(
            f"{len(values)} seeds: validation {_measure(complete[0])} {mean:.2%} ± {100 * statistics.stdev(values):.2f}"
        )
    lines.append(f"breaks: {', '.join(network.broken)}" if network.broken else "keeps every rule of the study")
    if mean is not None and target is not None:
        broken = ", but it breaks a rule: the target is not met" if network.broken and mean > target else ""
        lines.append(f"{'over' if mean > target else 'not over'} the target of {target:.2%}{broken}")
    if complete:
        best = max(complete, key=lambda row: row.score or 0.0)
        lines.append(f"next{where}: search.py confirm {best.trial} · show {best.trial} · leaderboard")
    return lines


def _sentence(row: Row) -> str:
    accuracy = "" if row.score is None else f", validation {_measure(row)} {row.score:.2%}"
    why = f": {row.reason}" if row.reason else ""
    return f"trial {row.trial}, seed {row.seed}: {row.state}{accuracy} after {counted(row.epochs, 'epoch')}{why}"


def _measure(row: Row) -> str:
    return row.measure.replace("_", " ")


def _code(trainings: Trainings, rows: Sequence[Row], *, is_target_asked: bool) -> int:
    errors = list(trainings.prepared.driver.errors.values())
    if errors:
        raise errors[0]
    is_missed = is_target_asked and not _met(trainings, rows)
    is_whole = all(row.state == "complete" for row in rows)
    return ExitCode.DONE if is_whole and not trainings.network.broken and not is_missed else ExitCode.FAILED
