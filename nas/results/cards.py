"""The card of what a user names: a trial, a champion, or a network that no study holds."""

from __future__ import annotations

from dataclasses import replace

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture import named
from nas.architecture.spec import Architecture, parse
from nas.champions.names import is_champion
from nas.champions.registry import Champion
from nas.champions.registry import find as find_champion
from nas.results.network_description import described
from nas.results.rows import Row
from nas.results.selection import NoSuchTrialError, find
from nas.results.trial_card import Card, card, of_network
from nas.search.presence import has_launch
from nas.search.stored import NothingStoredError
from nas.search.study_opening import open_study, quiet


def found_card(trial: str, label: str, study: str | None, storage: str, *, is_of_study: bool = False) -> Card:
    """The card of a trial or champion; of a network where there is no storage or its study holds no such trial.

    ``label`` is the name of such a network in the card. ``is_of_study``: of a ``study`` that is named, only a trial is
    shown. Raises UnusableInputError for a trial, study or champion that does not exist.
    """
    try:
        return _stored(trial, study, storage)
    except (NothingStoredError, NoSuchTrialError) as error:
        is_bound = study is not None and (is_of_study or isinstance(error, NothingStoredError))
        if is_bound or is_champion(trial) or not named.is_network(trial):
            raise
        return network_card(trial, label)


def _stored(trial: str, study: str | None, storage: str) -> Card:
    """The card of a trial, or of a champion, for which no study is opened."""
    if is_champion(trial):
        return champion_card(find_champion(trial))
    with quiet(), open_study(storage, study) as opened:
        return card(opened, find(opened, trial, is_live=has_launch(storage, opened)))


def champion_card(champion: Champion) -> Card:
    """The card of a champion: its network judged by the assignment's constraints, and its confirmed accuracy."""
    made = _judged(parse(champion.architecture), champion.name)
    row = replace(
        made.row,
        rank=1,
        test_accuracy=champion.test_accuracy,
        test_std=champion.test_std,
        test_seeds=len(champion.seeds),
        params=champion.params,
        macs=champion.macs,
        epochs=champion.epochs,
        architecture=champion.architecture,
        origin=champion.name,
    )
    taught = f", taught by {champion.teacher}" if champion.teacher else ""
    return replace(
        made,
        study=champion.name,
        champion=champion.name,
        row=row,
        recipe=champion.recipe + taught,
        augmentation=champion.augmentation,
    )


def network_card(text: str, label: str) -> Card:
    """The card of a network's text or name, judged by the assignment's constraints; its accuracy is unknown."""
    return replace(_judged(named.architecture(text), label), label=label)


def _judged(network: Architecture, target: str) -> Card:
    """The card of a network of no study by itself, judged by the assignment's constraints."""
    found = described(network, parse_all(ASSIGNMENT), target)
    metrics = found.report.metrics
    row = Row(
        rank=0,
        trial=0,
        state="complete",
        val_accuracy=None,
        test_accuracy=None,
        params=metrics["params"],
        macs=metrics["macs"],
        receptive_field=metrics["receptive_field"],
        epochs=0,
        seconds=None,
        meets_target=None,
        architecture=str(network),
    )
    return of_network(network, found, row, "")
