"""Finds what a user names and shows it as a card: a trial, a champion, or a network that no study holds."""

from __future__ import annotations

from nas.architecture import named
from nas.champions.names import is_champion
from nas.results.champion_card import champion_card
from nas.results.network_card import network_card
from nas.results.selection import NoSuchTrialError, find
from nas.results.trial_card import Card, card
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
        from nas.champions.registry import find as champion

        return champion_card(champion(trial))
    with quiet(), open_study(storage, study) as opened:
        return card(opened, find(opened, trial, is_live=has_launch(storage, opened)))
