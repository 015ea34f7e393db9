"""What the search commands do: call the parts, print the result on stdout and the progress on stderr."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.live import Live

from constraints.cli.profiles import read_constraints
from constraints.errors import ConstraintError, UnusableInputError
from constraints.rules import ASSIGNMENT, parse_all
from nas.results.board_table import FORMATS, as_table, print_board
from nas.results.leaderboard import Leaderboard, Row, leaderboard
from nas.results.summary_cache import read_summary
from nas.search import study as studies

if TYPE_CHECKING:
    import optuna

    from nas.config import LaunchConfig
    from nas.search.budget import Summary
    from nas.search.confirm import Confirmation

DONE, TARGET_MISSED, INTERRUPTED = 0, 1, 130
WATCH_SECONDS = 2.0


class InterruptedCommandError(ConstraintError):
    """Ctrl-C, or a request to end."""

    exit_code = INTERRUPTED


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Say in one line what an interrupted command leaves behind."""
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedCommandError(f"interrupted: {advice}") from None


@interruptible("everything finished is kept: launch again to continue")
def launch(config_file: Path | None, flags: Mapping[str, Any], write_config: Path | None, form: str) -> int:
    """Run or resume a search, print its leaderboard; 1 where a target was asked for and missed."""
    import optuna

    from nas.config import read_config

    _check_format(form)
    config = read_config(config_file, flags)
    from nas.results.progress import SearchView
    from nas.search import launch as launches

    launches.check(config)
    if write_config is not None:
        _write(write_config, config.to_toml())
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    progress = Console(stderr=True)
    dataset = _load_data(config.data, progress)
    with SearchView(progress) as view:
        prepared = launches.prepare(config, dataset, view.show)
        summary = launches.run(prepared)
    progress.print(f"search ended: {_ending(summary)}", highlight=False, soft_wrap=True)
    if config.confirm and summary.best is None:
        progress.print("nothing to confirm: no trial is complete", highlight=False)
    elif config.confirm:
        _confirm(prepared.study, _best(prepared.study, config.confirm), (0,), None, config)
    print_board(leaderboard(prepared.study), form, Console())
    return DONE if prepared.driver.budget.target is None or summary.reached else TARGET_MISSED


def _ending(summary: Summary) -> str:
    """Why a search ended, and what it left to do."""
    if not summary.unfinished:
        return summary.ended
    left = "1 trial is" if summary.unfinished == 1 else f"{summary.unfinished} trials are"
    return f"{summary.ended}; {left} unfinished: launch again to continue"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableInputError(f"cannot write {path}: {error.strerror}: give a writable path") from None


@dataclass(frozen=True, kw_only=True)
class View:
    """Which rows of a leaderboard to show, in which order."""

    top: int = 20
    sort: str = "val_accuracy"
    states: Sequence[str] = ()
    where: Sequence[str] = ()
    pareto: bool = False


@interruptible("the study is as it was")
def show_leaderboard(name: str | None, storage: str, form: str, view: View, *, watch: bool) -> int:
    """Print a study's leaderboard; ``watch`` prints it anew until interrupted."""
    _check_format(form)
    _check_counts(top=view.top)
    if watch and form != "table":
        raise UnusableInputError(f"--watch shows a table only: {form!r}: leave one of the two flags out")
    console = Console()

    def board() -> Leaderboard:
        return leaderboard(read_summary(storage, name), **vars(view))

    if watch:
        _watch(board, console)
    else:
        print_board(board(), form, console)
    return DONE


def _watch(board: Callable[[], Leaderboard], console: Console) -> NoReturn:
    """Show the leaderboard anew until Ctrl-C, in place on a terminal and one below another elsewhere."""
    screen = Live(console=console, auto_refresh=False, screen=True) if console.is_terminal else nullcontext()
    try:
        with screen as live:
            while True:
                if live is None:
                    print_board(board(), "table", console)
                else:
                    live.update(as_table(board(), console.width), refresh=True)
                time.sleep(WATCH_SECONDS)
    finally:
        if console.is_terminal:
            print_board(board(), "table", console)


@interruptible("finished epochs are kept: confirm again to continue")
def confirm(
    trial: str | None,
    top: int,
    name: str | None,
    *,
    seeds: int,
    epochs: int | None,
    flags: Mapping[str, Any],
    form: str,
) -> int:
    """Retrain winners on the whole training set, print test accuracy as mean and standard deviation."""
    from nas.config import read_config

    if form not in {"table", "json"}:
        raise UnusableInputError(f"unknown format: {form!r}: use table, json")
    _check_counts(top=top, seeds=seeds, epochs=epochs)
    study = open_study(flags["storage"], name)
    chosen = _best(study, top) if trial is None else [find(study, trial)]
    config = read_config(None, {**flags, "study": study.study_name})
    confirmations = _confirm(study, chosen, range(seeds), epochs, config)
    target = study.user_attrs.get(studies.TARGET)
    if form == "json":
        print(json.dumps([c.as_dict() for c in confirmations], indent=1))
    else:
        for confirmation in confirmations:
            print(_sentence(confirmation, target))
    return DONE if target is None or any(c.mean > target for c in confirmations) else TARGET_MISSED


def _sentence(c: Confirmation, target: float | None) -> str:
    runs = ", ".join(f"{a:.2%}" for a in c.accuracies)
    verdict = "" if target is None else f", {'over' if c.mean > target else 'not over'} {target:.2%}"
    spread = f" ± {100 * c.std:.2f}" if len(c.seeds) > 1 else ""  # one training has no spread
    return f"trial {c.trial}: test accuracy {c.mean:.2%}{spread} ({runs}; {c.epochs} epochs){verdict}"


def expressions(require: Sequence[str] | None, file: Path | None) -> list[str] | None:
    """The constraints of ``--require`` and ``--constraints``; None where neither is given."""
    if not require and file is None:
        return None
    return [*(read_constraints(file) if file is not None else ()), *(require or ())]


@interruptible("nothing was written")
def space(
    source: str,
    require: Sequence[str] | None,
    file: Path | None,
    form: str,
    *,
    metrics: Path | None = None,
    neighbours: str | None = None,
) -> int:
    """Print what a space holds, or with ``neighbours`` the feasible networks one edit away from one of its own."""
    from nas.space import show
    from nas.space.describe import OwnMetrics
    from nas.user_metrics import figures as own_figures
    from nas.user_metrics import read_metrics

    show.check_format(form)
    own = read_metrics(metrics) if metrics is not None else ()
    names = tuple(m.name for m in own)
    constraints = parse_all(expressions(require, file) or ASSIGNMENT, names)
    if neighbours is None:
        figures = partial(own_figures, own)
        return show.show_space(source, constraints, form, OwnMetrics(names=names, figures=figures) if own else None)
    if named := [c.expr for c in constraints if c.metric in names]:
        raise UnusableInputError(f"neighbours are judged by arithmetic: {named[0]!r}: leave it out with --neighbours")
    return show.show_neighbours(source, neighbours, constraints, form)


@interruptible("a file that was not finished is not there")
def export(
    trial: str, to: Path, name: str | None, storage: str, *, data: str | None, untrained: bool, force: bool
) -> int:
    """Write a trial, or with ``untrained`` any architecture, to a file whose ending says of which kind."""
    from nas.architecture.spec import parse
    from nas.results import export as exports
    from nas.search import storage as storages

    exports.check_target(to, force=force)
    if "/" in trial:
        trial = str(parse(trial))
    if "/" in trial and untrained:
        subject = exports.of_text(trial)
    else:
        study = open_study(storage, name)
        folder = storages.run_folder(storage, study.study_name)
        subject = exports.of_trial(study, find(study, trial), folder, data=data, untrained=untrained)
    for warning in subject.warnings:
        Console(stderr=True).print(f"warning: {warning}", highlight=False, soft_wrap=True, markup=False)
    print("\n".join(exports.write(subject, to)))
    return DONE


def find(study: optuna.Study, trial: str) -> Row:
    """The row of a trial's number, of ``best``, or of an architecture's text."""
    rows = leaderboard(study, top=None).rows
    for row in rows:
        if trial in {str(row.trial), row.architecture} or (trial == "best" and row.rank == 1):
            return row
    known = f"trials 0 to {max(r.trial for r in rows)}" if rows else "no trials yet"
    raise UnusableInputError(
        f"no such trial: {trial!r}: the study holds {known}; give a number, best or an architecture"
    )


def _best(study: optuna.Study, count: int) -> list[Row]:
    rows = leaderboard(study, top=count, states=["complete"]).rows
    if not rows:
        raise UnusableInputError("nothing to confirm: no trial is complete: let the search continue")
    return list(rows)


def _confirm(
    study: optuna.Study, rows: Sequence[Row], seeds: Sequence[int], epochs: int | None, config: LaunchConfig
) -> list[Confirmation]:
    from nas.results.progress import ConfirmView
    from nas.search import confirm as confirming
    from nas.search import launch as launches
    from nas.search import storage as storages
    from nas.search.holding import hold, one_line_errors
    from nas.search.resources import engine

    console = Console(stderr=True)
    source = config.data if config.data != "auto" else study.user_attrs.get(studies.SOURCE, "auto")
    dataset = _load_data(source, console)
    identity = study.user_attrs[studies.IDENTITY]
    if dataset.content_hash != identity["data"]["hash"]:
        raise UnusableInputError(
            f"other data: {source} is not what study {study.study_name!r} was made with: give that with --data"
        )
    folder = storages.run_folder(config.storage, study.study_name)
    with (
        hold(config.storage, study.study_name, "confirm"),
        one_line_errors(),
        ConfirmView(console) as view,
    ):
        return confirming.confirm(
            study,
            [(row.trial, row.architecture) for row in rows],
            engine=engine(config, tasks=len(rows) * len(seeds)),
            feed=launches.confirm_feed(dataset),
            seeds=seeds,
            epochs=epochs or identity["epochs"],
            folder=folder,
            progress=view.show,
            precisions=launches.precisions(study),
        )


def open_study(storage: str, name: str | None) -> optuna.Study:
    """An existing study of a storage; the only one there is where no name is given."""
    import optuna

    from nas.search import storage as storages

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return studies.load(storages.open_storage(storage), name)


def _load_data(source: str, console: Console) -> Any:
    from rich.progress import Progress

    from nas.training import datasets

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("decoding images", total=None, visible=False)
        dataset = datasets.load(
            source, progress=lambda done, total: bars.update(task, completed=done, total=total, visible=True)
        )
    for warning in dataset.warnings:
        console.print(f"warning: {warning}", highlight=False, soft_wrap=True)
    console.print(
        f"data: {dataset.name}, {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images, "
        f"{len(dataset.classes)} classes", highlight=False, soft_wrap=True,
    )  # fmt: skip
    return dataset


def _check_format(form: str) -> None:
    if form not in FORMATS:
        raise UnusableInputError(f"unknown format: {form!r}: use {', '.join(FORMATS)}")


def _check_counts(**flags: int | None) -> None:
    for name, count in flags.items():
        if count is not None and count < 1:
            raise UnusableInputError(f"--{name}: {count}: give 1 or more")
