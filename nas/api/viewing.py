"""What reads a study: ``nas.leaderboard``, ``show``, ``export`` and ``report``; the leaderboard without Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from nas.api.places import Trial, located
from nas.architecture import named
from nas.arguments import checked
from nas.champions.names import is_champion
from nas.defaults import STORAGE
from nas.results import leaderboard as boards
from nas.results.displayed import Board, TrialCard
from nas.results.selection import find
from nas.results.summary_cache import read_summary
from nas.search.presence import has_launch
from nas.search.study import open_study, quiet


@checked
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
    """The trials of a study, best first; of the newest in ``storage`` where ``study`` is None.

    ``top`` None shows all; ``states`` are of complete, pruned, running, unfinished, failed; each of ``where``, such as
    ``params < 100k``, must hold of a row. Raises UnusableInputError for what there is not.
    """
    place = str(storage)
    summary = read_summary(place, study)
    found = boards.leaderboard(
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


@checked
def show(trial: Trial = "best", *, study: str | None = None, storage: str | Path = STORAGE) -> TrialCard:
    """One trial in full: stages, layers, sizes, learning curve, constraints; ``str`` and a notebook show it.

    ``trial`` is a row, a number, ``best``, an architecture's text, or a champion's name. Raises UnusableInputError for
    a trial, study or champion that there is not.
    """
    from nas.results.trial_card import card

    name, place, of = located(trial, storage, study)
    if is_champion(name):
        from nas.champions.registry import find as champion
        from nas.results.champion_card import champion_card

        return TrialCard(**vars(champion_card(champion(name))))
    with quiet(), open_study(place, of) as opened:
        return TrialCard(**vars(card(opened, find(opened, name, is_live=has_launch(place, opened)))))


@checked
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

    The ending says of which kind: .py, .onnx, ... (docs/export.md has all). ``untrained`` leaves the weights out, and
    takes any network's text or name. ``force`` writes over a file that exists; ``data`` says where the study's data is.
    Raises UnusableInputError for what cannot be written, and warns where the data is out of reach.
    """
    from nas.results import export as exports
    from nas.search.study_folder import study_folder

    name, place, of = located(trial, storage, study)
    exports.check_target(Path(to), force=force)
    if is_champion(name):
        from nas.champions.registry import find as champion

        subject = exports.of_champion(champion(name), untrained=untrained)
    elif untrained and named.is_network(name):
        subject = exports.of_text(name)
    else:
        with quiet(), open_study(place, of) as opened:
            folder = None if untrained else study_folder(place, opened)
            subject = exports.of_trial(opened, find(opened, name), folder, data=None if data is None else str(data))
    for warning in subject.warnings:
        warnings.warn(warning, stacklevel=2)
    return tuple(exports.write(subject, Path(to)))


@checked
def report(to: str | Path, *, study: str | None = None, storage: str | Path = STORAGE) -> Path:
    """Write a study as one self-contained HTML page to ``to``, and return where; of the newest where ``study`` is None.

    Raises UnusableInputError where there is no such study, or ``to`` cannot be written.
    """
    from nas.results.report.page import write_page

    with quiet(), open_study(str(storage), study) as opened:
        write_page(opened, Path(to), is_live=has_launch(str(storage), opened))
    return Path(to)
