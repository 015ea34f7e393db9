"""The networks in a study, for a sampler that proposes each network once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set

from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.optuna_private import storage_of
from nas.space.attributes import ARCHITECTURE, PROPOSED
from nas.space.space import Space


class KnownNetworks:
    """The networks in a study; a trial whose network is final is read only once."""

    def __init__(self, space: Space, study: Study) -> None:
        """Read nothing yet."""
        self._space = space
        self._storage = storage_of(study)
        self._study_id = self._storage.get_study_id_from_name(study.study_name)
        self._settled: set[str] = set()
        self._open: list[int] = []
        """Numbers of trials whose network may still change."""
        self._read = 0
        """Number of trials read so far; they are ordered by number."""

    def claim(self, number: int, text: str) -> None:
        """Claim a network for a trial, visible to the study's other workers; an empty text removes the claim."""
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        self._storage.set_trial_system_attr(trial_id, PROPOSED, text)

    def of_others(self, trials: Sequence[FrozenTrial], excluded: int) -> Set[str]:
        """The networks of ``trials`` (all trials of the study) except those that only trial ``excluded`` has."""
        still_open, claims = [], set[str]()
        for number in (*self._open, *range(self._read, len(trials))):
            text, is_settled = self._network(trials[number])
            if not is_settled or number == excluded:
                still_open.append(number)
            if text and number != excluded:
                (self._settled if is_settled else claims).add(text)
        self._open, self._read = still_open, len(trials)
        return Either(self._settled, claims)

    def _network(self, trial: FrozenTrial) -> tuple[str, bool]:
        """A trial's network, empty where it has none, and whether that is final."""
        if ARCHITECTURE in trial.user_attrs:
            return trial.user_attrs[ARCHITECTURE], True
        if set(self._space.distributions) <= set(trial.params):
            return str(self._space.decode({name: trial.params[name] for name in self._space.distributions})), True
        return trial.system_attrs.get(PROPOSED, ""), trial.state.is_finished()


class Either(Set[str]):
    """The union of a large and a small set, without copying the large one."""

    def __init__(self, large: Set[str], small: Set[str]) -> None:
        """The sets are referenced, not copied."""
        self._large, self._small = large, {text for text in small if text not in large}

    def __contains__(self, text: object) -> bool:
        return text in self._large or text in self._small

    def __iter__(self) -> Iterator[str]:
        return itertools.chain(self._large, self._small)

    def __len__(self) -> int:
        return len(self._large) + len(self._small)
