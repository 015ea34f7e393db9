"""The commands that train: ``launch`` and ``confirm``; the result on stdout, the progress on stderr."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from rich.console import Console

from constraints.cli.options import check_format
from constraints.errors import ExitCode, UnusableInputError
from constraints.output.busy_message import CHECKING, working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from nas.cli.common import TABLE_OR_JSON, interruptible
from nas.cli.introducing import decoding, introduce, introduce_settings, introduce_training, print_line
from nas.defaults import STORAGE
from nas.project_settings import settings
from nas.results.board import Leaderboard, leaderboard
from nas.results.board_table import FORMATS, print_board
from nas.results.files import write_text
from nas.results.rows import Row
from nas.results.selection import best, find
from nas.search.confirmation import Confirmation, confirmations
from nas.search.presence import has_launch
from nas.search.study import TARGET
from nas.search.study_data import load_study_data
from nas.search.study_opening import open_study, quiet
from nas.words import counted

if TYPE_CHECKING:
    import optuna

    from nas.config import LaunchConfig
    from nas.search.budget import LaunchSummary
    from nas.search.search_launch import PreparedLaunch
    from nas.training.decoded import Dataset


@interruptible("everything finished is kept: launch again to continue")
def launch(config_file: Path | None, flags: Mapping[str, Any], write_config: Path | None, output_format: str) -> int:
    """Run or resume a search, print its leaderboard; 1 where a target was asked for and missed."""
    from nas.config import LaunchConfig, read_config
    from nas.project_settings import settings

    check_format(output_format, FORMATS)
    project, console = settings(Path()), SafeConsole(stderr=True)
    asked = read_config(config_file, flags, project)
    with working(CHECKING):
        from nas.search import search_launch
        from nas.search.confirmed_end import is_reached
        from nas.search.kept_settings import existing, kept, settled
        from nas.search.written_config import written
        from nas.training import datasets

        study = existing(asked)
        config = settled(asked, study)
        search_launch.check(config)
    introduce_settings(project, LaunchConfig.model_fields, console)
    if words := kept(asked, study):
        print_line(words, console)
    if write_config is not None:
        write_text(write_config, written(config, study))
    if config.data == "auto":  # its download may be waited for
        print_line("data: CIFAR-10 in $NAS_DATA, ./data or the cache folder, else its download", console)
    with quiet():
        with decoding(console) as decoded:
            dataset = datasets.load(config.data, progress=decoded)
        introduce(dataset, console)
        prepared, summary = _searched(config, dataset, console)
        print_line(f"search ended: {_ending(summary)}", console)
        confirmed = _confirmed(config, prepared, dataset, console)
        reached = is_reached(prepared.driver, summary, confirmed)
        board = leaderboard(prepared.study, is_live=False)
        print_board(board, output_format, SafeConsole())
        for line in _saved(prepared, board):
            print_line(line, console)
        print_line(_next(board, config, is_confirmed=bool(confirmed)), console)
    return ExitCode.DONE if prepared.driver.budget.target is None or reached else ExitCode.FAILED


def _saved(prepared: PreparedLaunch, board: Leaderboard) -> list[str]:
    """What pruning and constraints saved, and the search's time relative to one training of its best network."""
    from nas.search.savings import direct_seconds, savings

    driver, best = prepared.driver, board.best_complete
    trials = driver.store.trials()
    confirmed = confirmations(prepared.study, best.trial) if best else []
    direct = direct_seconds(trials[best.trial], confirmed) if best else 0.0
    seconds = driver.clock() - driver.started
    return savings(trials, driver.rejected, epochs=driver.budget.epochs, seconds=seconds, direct=direct)


def _searched(config: LaunchConfig, dataset: Dataset, console: Console) -> tuple[PreparedLaunch, LaunchSummary]:
    """Run a search with the live view; if interrupted, print the leaderboard on stderr."""
    from nas.results.progress import SearchView
    from nas.search import search_launch
    from nas.search.objectives import Objectives

    prepared = None
    try:
        with SearchView(console) as view:
            prepared = search_launch.prepare(config, dataset, view.show)
            introduce_training(prepared, console)
            if prepared.driver.objectives != Objectives():
                print_line(f"objective: {prepared.driver.objectives.sentence}", console)
            view.wait("starting the workers, which load torch")
            return prepared, search_launch.run(prepared)
    except KeyboardInterrupt:
        if prepared is not None:
            _leave(config, prepared, console)
        raise


def _confirmed(
    config: LaunchConfig, prepared: PreparedLaunch, dataset: Dataset, console: Console
) -> list[Confirmation]:
    """Confirm the best trials, as many as were asked for; if interrupted, print the leaderboard on stderr."""
    from nas.search.confirmed_end import is_any_complete, to_confirm

    count = to_confirm(config, prepared.driver)
    if not count:
        return []
    if not is_any_complete(prepared.driver):
        console.print("nothing to confirm: no trial is complete", highlight=False)
        return []
    try:
        chosen = best(prepared.study, count, is_live=False)
        return _confirm(prepared.study, chosen, config, dataset, seeds=range(1), epochs=None)
    except KeyboardInterrupt:
        _leave(config, prepared, console)
        raise


def _leave(config: LaunchConfig, prepared: PreparedLaunch, console: Console) -> None:
    """Print what an interrupted launch found, and the next commands."""
    board = leaderboard(prepared.study, is_live=False)
    print_board(board, "table", console)
    print_line(_next(board, config), console)


def _next(board: Leaderboard, config: LaunchConfig, *, is_confirmed: bool = False) -> str:
    """Commands to continue with after a search; what is confirmed once has no spread yet."""
    where = next_place(config)
    if board.best_complete is None:
        return f"next{where}: search.py launch, which continues · leaderboard"
    confirm = "confirm best --seeds 3" if is_confirmed else "confirm best"
    return f"next{where}: search.py show best · {confirm} · export best --to net.py"


def next_place(config: LaunchConfig) -> str:
    """The flags with which further commands find the study; empty where they need none."""
    from nas.passwords import masked

    project = settings(Path())
    usual = {"study": type(config)().study, "storage": STORAGE, **(project.table if project else {})}
    flags = [f"--study {quote(config.study)}"] if config.study != usual["study"] else []
    flags += [f"--storage {quote(masked(config.storage))}"] if config.storage != usual["storage"] else []
    return f", with {' '.join(flags)}" if flags else ""


def _ending(summary: LaunchSummary) -> str:
    """Why a search ended, and what is unfinished."""
    if not summary.unfinished:
        return summary.ended
    left = "1 trial is" if summary.unfinished == 1 else f"{summary.unfinished} trials are"
    return f"{summary.ended}; {left} unfinished: launch again to continue"


@interruptible("finished epochs are kept: confirm again to continue")
def confirm(
    trial: str | None,
    top: int | None,
    name: str | None,
    *,
    seeds: int,
    epochs: int | None,
    flags: Mapping[str, Any],
    output_format: str,
) -> int:
    """Retrain winners on the whole training set, print test accuracy as mean and standard deviation."""
    from nas.config import read_config
    from nas.project_settings import CONFIRMING, settings

    check_format(output_format, TABLE_OR_JSON)
    if trial is not None and top is not None:
        raise UnusableInputError(f"both a trial and --top: {trial}, {top}: give one of them")
    with quiet(), ExitStack() as held:
        with working("reading the study"):
            study = held.enter_context(open_study(flags["storage"], name))
            live = has_launch(flags["storage"], study)
            chosen = best(study, top or 1, is_live=live) if trial is None else [find(study, trial, is_live=live)]
        config = read_config(None, {**flags, "study": study.study_name}, settings(Path()), CONFIRMING)
        console = SafeConsole(stderr=True)
        with decoding(console) as decoded:
            dataset = load_study_data(study, None if config.data == "auto" else config.data, decoded)
        introduce(dataset, console)
        confirmations = _confirm(study, chosen, config, dataset, seeds=range(seeds), epochs=epochs)
        target = study.user_attrs.get(TARGET)
    if output_format == "json":
        print(json_text([c.as_dict() for c in confirmations]))
    else:
        for confirmation in confirmations:
            print_line(_sentence(confirmation, target), SafeConsole())
    return ExitCode.DONE if target is None or any(c.mean > target for c in confirmations) else ExitCode.FAILED


def _sentence(c: Confirmation, target: float | None) -> str:
    runs = ", ".join(f"{a:.2%}" for a in c.judged)
    verdict = "" if target is None else f", {c.verdict(target)}"
    spread = f" ± {100 * c.std:.2f}" if len(c.seeds) > 1 else ""  # one training has no spread
    length = counted(c.epochs, "epoch")
    return f"trial {c.trial}: test {c.measure.replace('_', ' ')} {c.mean:.2%}{spread} ({runs}; {length}){verdict}"


def _confirm(
    study: optuna.Study,
    rows: Sequence[Row],
    config: LaunchConfig,
    dataset: Dataset,
    *,
    seeds: Sequence[int],
    epochs: int | None,
) -> list[Confirmation]:
    from nas.results.confirm_progress import ConfirmView
    from nas.search.confirm_launch import confirm_trials

    trials = [row.trial for row in rows]
    with ConfirmView(SafeConsole(stderr=True)) as view:
        return confirm_trials(study, trials, config, dataset, seeds=seeds, epochs=epochs, progress=view.show)
