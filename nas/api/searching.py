"""The functions that search and confirm: ``nas.launch`` and ``nas.confirm``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from constraints.errors import UnusableInputError
from constraints.output.console import SafeConsole
from nas.api.keywords import in_keywords, public
from nas.api.places import Trial, located
from nas.api.viewing import leaderboard
from nas.config import LaunchConfig, LaunchFields, read_config
from nas.defaults import STORAGE
from nas.results.displayed import Board
from nas.results.rows import Row
from nas.results.selection import best, find
from nas.search import search_launch
from nas.search.confirm_launch import confirm_trials
from nas.search.confirmation import Confirmation
from nas.search.confirmed_end import is_any_complete, is_reached, to_confirm
from nas.search.driver import Driver
from nas.search.kept_settings import existing, kept, settled
from nas.search.presence import has_launch
from nas.search.retraining import Progress
from nas.search.study_data import load_study_data
from nas.search.study_opening import open_study, quiet
from nas.toml import read_toml
from nas.training import datasets, decoded
from nas.value_places import in_file, texts

if TYPE_CHECKING:
    import optuna

    from nas.search.finish import Finish


@dataclass(frozen=True, kw_only=True)
class Search:
    """The result of a launch: how it ended, and its study's trials."""

    ended: str
    """Why, in words."""
    unfinished: int
    """Number of trials that the next launch would resume."""
    reached: bool
    """Whether some candidate met the target."""
    board: Board = field(repr=False)
    confirmations: tuple[Confirmation, ...] = ()
    """The confirmations that ``confirm`` asked for: those of the best trials, best first.

    With ``stop_at_target``, where the search itself confirms, all confirmations of the study: first those over the
    target, which ended the search, then the others, each group in the order of trials.
    """
    beginning: tuple[str, ...] = ()
    """What happened to the networks of ``start`` and ``from_study``, a line each."""

    @property
    def best(self) -> Row:
        """The best complete trial; UnusableInputError, naming what there is instead, if none is complete."""
        return self.board.best

    def _repr_html_(self) -> str:
        """The leaderboard as HTML, for notebooks."""
        return self.board._repr_html_()


@public
def launch(config: str | Path | None = None, *, progress: bool = False, **fields: Unpack[LaunchFields]) -> Search:
    """Run or resume a search, and return its result; ``fields`` override those of a TOML file ``config``.

    Nothing is printed unless ``progress`` asks for the live view, on stderr or in the notebook; warnings about the data
    are UserWarnings. Ctrl-C (a notebook's interrupt) raises KeyboardInterrupt; everything finished is kept, and the
    next launch resumes it. Raises UnusableInputError where no search is possible, with the command
    line's message, in which flags are keywords.
    """
    given = {name: str(value) if isinstance(value, Path) else value for name, value in fields.items()}
    asked = read_config(None if config is None else Path(config), given)
    study = existing(asked)
    settings = settled(asked, study)
    with _placed(config, given):
        search_launch.check(settings)
    if progress and (words := kept(asked, study)):
        _say(words)
    with quiet():
        dataset = warned(datasets.load(settings.data))
        with watching(progress) as observe:
            prepared = search_launch.prepare(settings, dataset, observe)
            for line in prepared.advice:
                warnings.warn(in_keywords(line, LaunchFields.__annotations__), stacklevel=4)
            summary = search_launch.run(prepared)
        if progress:
            _say_end(summary.ended)
        finish, count = prepared.driver.finish, to_confirm(settings, prepared.driver)
        confirmed = _of_study(finish)
        if count and is_any_complete(prepared.driver):
            rows = best(prepared.study, count, is_live=False)
            confirmed = _confirm(prepared.study, rows, settings, dataset, seeds=1, epochs=None, progress=progress)
        reached = is_reached(prepared.driver, summary, confirmed)
    return Search(
        ended=summary.ended,
        unfinished=summary.unfinished,
        reached=reached,
        board=leaderboard(settings.storage, settings.study),
        confirmations=tuple(confirmed),
        beginning=prepared.beginning,
    )


@contextmanager
def _placed(config: str | Path | None, given: Mapping[str, Any]) -> Iterator[None]:
    """Name file and key in errors of the block about values of the file ``config``."""
    try:
        yield
    except UnusableInputError as error:
        if config is not None:
            flags = {f"--{name.replace('_', '-')}": str(value) for name, value in given.items()}
            error.args = (in_file(str(error), flags, texts(str(config), read_toml(Path(config)))),)
        raise


@public
def confirm(
    trial: Trial = "best",
    *,
    model: Any = None,
    seeds: int = 1,
    epochs: int | None = None,
    study: str | None = None,
    storage: str | Path = STORAGE,
    data: str | Path | None = None,
    workers: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    engine: str = "local",
    progress: bool = False,
) -> Confirmation:
    """Retrain a trial on the whole training set with ``seeds`` seeds and use the test set once, after the last epoch.

    ``epochs`` None means the search's epoch budget; ``data`` is the current location of the study's data. For a trial
    of a module in memory, pass the same unchanged nn.Module as ``model``. An interrupted call is resumed by the next
    one. Raises UnusableInputError for a missing trial or missing data, and for another module.
    """
    name, place, of = located(trial, storage, study)
    with quiet(), open_study(place, of) as opened:
        row = find(opened, name, is_live=has_launch(place, opened))
        flags = {"storage": place, "study": opened.study_name, "workers": workers, "device": device, "engine": engine}
        settings = read_config(None, flags)
        dataset = warned(load_study_data(opened, None if data is None else str(data)))
        (found,) = _confirm(
            opened, (row,), settings, dataset, seeds=seeds, epochs=epochs, progress=progress, module=model
        )
    return found


def _of_study(finish: Finish | None) -> list[Confirmation]:
    """All confirmations of a study, those over the target first."""
    return sorted(finish.known.values(), key=lambda one: (one.trial not in finish.over, one.trial)) if finish else []


def _confirm(
    study: optuna.Study,
    rows: tuple[Row, ...],
    config: LaunchConfig,
    dataset: decoded.Dataset,
    *,
    seeds: int,
    epochs: int | None,
    progress: bool,
    module: Any = None,
) -> list[Confirmation]:
    trials = [row.trial for row in rows]
    with _confirming(progress) as observe:
        return confirm_trials(
            study, trials, config, dataset, seeds=range(seeds), epochs=epochs, progress=observe, module=module
        )


def warned(dataset: decoded.Dataset) -> decoded.Dataset:
    """The data, after giving its warnings."""
    for warning in dataset.warnings:
        warnings.warn(in_keywords(warning, LaunchFields.__annotations__), stacklevel=5)
    return dataset


def _say_end(ended: str) -> None:
    """Replace the live view by why the search ended and what to do next."""
    following = "next, of what launch returns: .board, and .best for nas.show, nas.confirm and nas.export"
    _say(f"search ended: {ended}; {following}")


def _say(line: str) -> None:
    console = SafeConsole(stderr=True)
    is_folded = console.is_terminal or console.is_jupyter  # elsewhere a line stays one
    console.print(line, highlight=False, soft_wrap=not is_folded, markup=False)


@contextmanager
def watching(progress: bool) -> Iterator[Callable[[Driver], None]]:
    """The function that a driver calls after every turn: the live view's, or one that does nothing."""
    from nas.results.progress import SearchView

    if not progress:
        yield lambda driver: None
        return
    with SearchView(SafeConsole(stderr=True)) as view:
        yield view.show


@contextmanager
def _confirming(progress: bool) -> Iterator[Progress]:
    """The function that a confirmation calls with its progress: the progress bars', or one that does nothing."""
    from nas.results.confirm_progress import ConfirmView

    if not progress:
        yield lambda trial, seed, done, total: None
        return
    with ConfirmView(SafeConsole(stderr=True)) as view:
        yield view.show
