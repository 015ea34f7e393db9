"""The functions that read a study: ``nas.leaderboard`` (loads no Optuna), ``show``, ``export`` and ``report``."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from nas.api.keywords import public
from nas.api.places import Trial, located
from nas.architecture import named
from nas.champions.names import is_champion
from nas.defaults import STORAGE
from nas.results import board
from nas.results.displayed import Board, TrialCard
from nas.results.selection import find
from nas.results.summary_cache import read_summary
from nas.search.presence import has_launch
from nas.search.study_opening import open_study, quiet


@public
def leaderboard(
    storage: str | Path = STORAGE,
    study: str | None = None,
    *,
    top: int | None = 20,
    sort: str | None = None,
    states: Iterable[str] = (),
    where: Iterable[str] = (),
    pareto: bool = False,
) -> Board:
    """The trials of a study, best first; ``study`` None means the newest in ``storage``.

    ``top`` None shows all; ``states`` are among complete, pruned, running, unfinished, failed; every comparison in
    ``where``, such as ``params < 100k``, must hold for a row. Raises UnusableInputError for a study, state or metric
    that does not exist.
    """
    place = str(storage)
    summary = read_summary(place, study)
    found = board.leaderboard(
        summary,
        top=top,
        sort=sort,
        states=states,
        where=where,
        pareto=pareto,
        storage=place,
        is_live=has_launch(place, summary),
    )
    return Board(**vars(found))


@public
def show(trial: Trial = "best", *, study: str | None = None, storage: str | Path = STORAGE) -> TrialCard:
    """One trial in full: stages, layers, sizes, learning curve, constraints; ``str`` and a notebook show it.

    ``trial`` is a row, a number, ``best``, an architecture's text, or a known network's name; a network need not be in
    a study. Raises UnusableInputError for a trial, study or champion that does not exist.
    """
    from nas.results.cards import found_card

    name, place, of = located(trial, storage, study)
    return TrialCard(**vars(found_card(name, name, of, place, is_of_study=True)))


@public
def export(
    trial: Trial,
    to: str | Path,
    *,
    untrained: bool = False,
    force: bool = False,
    data: str | Path | None = None,
    study: str | None = None,
    storage: str | Path = STORAGE,
) -> tuple[Path, ...]:
    """Write a trial's network with its trained weights to ``to``, and return the files written.

    The file's ending chooses the format: .py, .onnx, ... (all in docs/export.md). ``untrained`` leaves the weights out,
    and also allows any network's text or name. ``force`` overwrites an existing file; ``data`` is the location of the
    study's data. Raises UnusableInputError where the file cannot be written, and warns where the data is not available.
    """
    from nas.results import exported_files, exports
    from nas.search.study_folder import study_folder

    name, place, of = located(trial, storage, study)
    exported_files.check_target(Path(to), force=force)
    if is_champion(name):
        from nas.champions.registry import find as champion

        subject = exports.of_champion(champion(name), untrained=untrained)
    elif untrained and named.is_network(name):
        subject = exports.of_text(name)
    else:
        with quiet(), open_study(place, of) as opened:
            folder = None if untrained else study_folder(place, opened)
            row = find(opened, name, is_live=has_launch(place, opened))
            subject = exports.of_trial(opened, row, folder, data=None if data is None else str(data))
    for warning in subject.warnings:
        warnings.warn(warning, stacklevel=4)
    return tuple(exported_files.write(subject, Path(to)))


@public
def report(to: str | Path, *, study: str | None = None, storage: str | Path = STORAGE) -> Path:
    """Write a study as one self-contained HTML page to ``to``, and return its path; ``study`` None means the newest.

    Raises UnusableInputError where there is no such study, or ``to`` cannot be written.
    """
    from nas.results.report.page import write_page

    with quiet(), open_study(str(storage), study) as opened:
        write_page(opened, Path(to), is_live=has_launch(str(storage), opened))
    return Path(to)
