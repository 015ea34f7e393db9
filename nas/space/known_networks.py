"""The networks that a study holds, for a sampler that proposes each of them once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set

from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.optuna_private import storage_of
from nas.space.attributes import ARCHITECTURE, PROPOSED
from nas.space.space import Space


class KnownNetworks:
    """The networks that a study holds; what a trial holds for good is read once."""

    def __init__(self, space: Space, study: Study) -> None:
        """Nothing is read yet."""
        self._space = space
        self._storage = storage_of(study)
        self._study_id = self._storage.get_study_id_from_name(study.study_name)
        self._settled: set[str] = set()
        self._open: list[int] = []
        """Numbers of trials whose network may still change."""
        self._read = 0
        """Trials read so far, which are ordered by number."""

    def claim(self, number: int, text: str) -> None:
        """Let the study's other workers know the network that a trial is about to get; an empty text takes it back."""
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        self._storage.set_trial_system_attr(trial_id, PROPOSED, text)

    def of_others(self, trials: Sequence[FrozenTrial], but: int) -> Set[str]:
        """The networks of ``trials``, all of the study, without those that only number ``but`` holds."""
        still_open, claims = [], set[str]()
        for number in (*self._open, *range(self._read, len(trials))):
            text, is_settled = self._network(trials[number])
            if not is_settled or number == but:
                still_open.append(number)
            if text and number != but:
                (self._settled if is_settled else claims).add(text)
        self._open, self._read = still_open, len(trials)
        return Either(self._settled, claims)

    def _network(self, trial: FrozenTrial) -> tuple[str, bool]:
        """A trial's network, empty where it has none, and whether it keeps it."""
        if ARCHITECTURE in trial.user_attrs:
            return trial.user_attrs[ARCHITECTURE], True
        if set(self._space.distributions) <= set(trial.params):
            return str(self._space.decode({name: trial.params[name] for name in self._space.distributions})), True
        return trial.system_attrs.get(PROPOSED, ""), trial.state.is_finished()


class Either(Set[str]):
    """What is in a large set or a small one, without a copy of the large one."""

    def __init__(self, large: Set[str], small: Set[str]) -> None:
        """Kept as they are; what both hold counts once."""
        self._large, self._small = large, {text for text in small if text not in large}

    def __contains__(self, text: object) -> bool:
        return text in self._large or text in self._small

    def __iter__(self) -> Iterator[str]:
        return itertools.chain(self._large, self._small)

    def __len__(self) -> int:
        return len(self._large) + len(self._small)
