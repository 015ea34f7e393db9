"""An Optuna sampler that proposes feasible candidates only, each of them once in a study."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.spec import Architecture
from nas.optuna_private import storage_of
from nas.space.attributes import ARCHITECTURE, PROPOSED
from nas.space.feasible import FeasiblePart, Judged
from nas.space.feasible_tpe import BulkTPE, Values, tpe
from nas.space.proxy import Proxy
from nas.space.space import Encoded, Space, load

MOST_CLASHES = 20
"""Times that a worker looks again for the last networks of a space, which others claim at the same moment."""
CLASH_SECONDS = 0.05
"""Longest time for which it waits before it looks again."""

PROXY_TRIALS = 16
"""How many trials the proxy chooses before the base sampler, which has learnt from them, takes over."""
PROXY_DRAWS = 1024
"""Feasible networks of which the proxy chooses the best for one trial."""

REPEATED = "repeated"
"""The rule that rejects a network that the study holds already."""


class SpaceExhaustedError(Exception):
    """The study holds every feasible network, or none new was found."""


class FeasibleSampler(BaseSampler):
    """Filters the proposals of a base sampler; after ``patience`` rejected ones it draws from the feasible part.

    The base sampler is made anew for every trial from (seed, trial number), so an interrupted study resumes with
    the proposals that it would have made. ``rejected`` counts the base sampler's rejected proposals by rule. Parameters
    that are none of the space's are left to the base sampler. With a ``proxy`` of what networks are worth, each of the
    first PROXY_TRIALS is the best by it of PROXY_DRAWS networks, drawn from the feasible part.
    """

    def __init__(
        self,
        space: str | FeasiblePart,
        constraints: Iterable[str] = ASSIGNMENT,
        *,
        seed: int = 0,
        base: Callable[[int], BaseSampler] = tpe,
        patience: int = 10,
        proxy: Proxy | None = None,
        values: Values | None = None,
    ) -> None:
        """``space`` is a preset's name or a TOML file, or the feasible part itself, which has its constraints.

        ``base`` makes the base sampler from a seed; ``values`` is needed in a study of several objectives. Raises
        UnusableInputError for a space or a constraint that there is not.
        """
        self.feasible = space if isinstance(space, FeasiblePart) else FeasiblePart(load(space), parse_all(constraints))
        self.rejected: Counter[str] = Counter()
        self._seed = seed
        self._base = base
        self._patience = patience
        self._proxy = proxy
        self._values = values
        self._others = base(seed)
        self._known: WeakKeyDictionary[Study, _Known] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters of the space: they are proposed together, because feasibility ties them."""
        return dict(self.feasible.space.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choices of a feasible network that no trial of the study holds.

        Raises SpaceExhaustedError where none is left, or none is found.
        """
        if not set(search_space) <= set(self.feasible.space.distributions):
            return self._foreign(study, trial, search_space)
        with self._lock:
            for attempt in itertools.count():
                try:
                    choices = self._new(study, trial, attempt)
                except SpaceExhaustedError:
                    if not 0 < attempt < MOST_CLASHES:  # after a clash the last network may be free again
                        raise
                else:
                    text = str(self.feasible.space.decode(choices))
                    self._networks(study).claim(trial.number, text)
                    if text not in self._refresh(study, trial):  # no other worker has proposed it meanwhile
                        return choices
                self._networks(study).claim(trial.number, "")  # two workers that clash both wait, each for another time
                time.sleep(random.SystemRandom().uniform(0.0, CLASH_SECONDS))
        raise AssertionError("unreachable")

    def _foreign(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The base sampler's choices of parameters that are none of the space's."""
        base = self._base(self._trial_seed(trial))
        choices = base.sample_relative(study, trial, search_space)
        for name, distribution in search_space.items():
            if name not in choices:
                choices[name] = base.sample_independent(study, trial, name, distribution)
        return choices

    def _new(self, study: Study, trial: FrozenTrial, attempt: int) -> dict[str, Any]:
        seen, space = self._refresh(study, trial), self.feasible.space.distributions
        seed = random.Random(f"{self._seed}/{trial.number}" + f"/{attempt}" * bool(attempt)).getrandbits(32)
        if self._proxy is not None and len(seen) < PROXY_TRIALS:
            return self._unseen(seen, np.random.default_rng(seed))
        base = self._base(seed)
        if isinstance(base, BulkTPE):
            base.feasible, base.distributions, base.values = self._feasible, space, self._values
            base.is_new = lambda choices: str(self.feasible.space.decode(choices)) not in seen
        for _ in range(self._patience):
            choices = self._propose(base, study, trial, dict(space))
            rule = self._refusal(self.feasible.judge(choices), seen)
            if rule is None:
                return choices
            self.rejected[rule] += 1
            if isinstance(base, BulkTPE) and base.has_searched:
                break  # it has looked among many already
        return self._unseen(seen, np.random.default_rng(seed))

    def _feasible(self, several: list[dict[str, Any]]) -> npt.NDArray[np.bool_]:
        """Which of a base sampler's candidates may be proposed; they are drawn, not proposed, so not counted."""
        return self.feasible.vector.feasible(self.feasible.vector.encode(several), self.feasible.constraints)

    def _unseen(self, seen: Set[str], generator: np.random.Generator) -> dict[str, Any]:
        """Uniform over what is feasible and not in the study, or the best of several such draws by the proxy."""
        listed = self.feasible.listed
        if listed is not None and len(listed):
            order = (listed[i] for i in generator.permutation(len(listed)))  # without a copy of all
            if (best := self._best(self._new_ones(order, seen))) is not None:
                return self.feasible.space.choices(best)
            raise SpaceExhaustedError(f"every feasible network is proposed; the study holds {len(seen)}")
        draws = (16, 256, 4096) if self._proxy is None else (PROXY_DRAWS, 4096)
        for n in draws:
            rows = self.feasible.sample_rows(n, generator)
            if (best := self._best(self._new_ones(rows, seen))) is not None:
                return self.feasible.space.choices(best)
        raise SpaceExhaustedError(f"no new feasible network in {sum(draws):,} draws; the study holds {len(seen)}")

    def _new_ones(self, rows: Iterable[Encoded], seen: Set[str]) -> Iterator[tuple[Encoded, Architecture]]:
        """Those of ``rows`` that the study does not hold, with their networks."""
        space = self.feasible.space
        decoded = ((row, space.decode(space.choices(row))) for row in rows)
        return (one for one in decoded if str(one[1]) not in seen)

    def _best(self, several: Iterator[tuple[Encoded, Architecture]]) -> Encoded | None:
        """The first, or the best of the first PROXY_DRAWS by the proxy; None where there is none."""
        few = list(itertools.islice(several, 1 if self._proxy is None else PROXY_DRAWS))
        if not few:
            return None
        if self._proxy is None:
            return few[0][0]
        rows, networks = zip(*few, strict=True)
        worth = map(self._proxy, networks, self.feasible.vector.metrics_of(np.stack(rows)))
        best: Encoded = rows[int(np.argmax(list(worth)))]
        return best

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter outside the space: the base sampler's own choice."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """As Optuna asks in every worker process of one study; our draws depend on the trial's number alone."""
        self._others.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the base sampler prepare."""
        self._others.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Let the base sampler learn what it stores itself."""
        self._others.after_trial(study, trial, state, values)

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock and what was read of studies."""
        return {name: value for name, value in self.__dict__.items() if name not in {"_lock", "_known"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With a lock of its own, and every study to be read anew."""
        self.__dict__.update(state, _lock=threading.Lock(), _known=WeakKeyDictionary())

    def _trial_seed(self, trial: FrozenTrial) -> int:
        return random.Random(f"{self._seed}/{trial.number}").getrandbits(32)

    @staticmethod
    def _propose(
        base: BaseSampler, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        choices = base.sample_relative(study, trial, search_space)  # every trial of the study has it whole
        for name, distribution in search_space.items():
            if name not in choices:
                choices[name] = base.sample_independent(study, trial, name, distribution)
        return {name: choices[name] for name in search_space}

    @staticmethod
    def _refusal(judged: Judged, seen: Set[str]) -> str | None:
        if judged.broken:
            return judged.broken[0]
        return REPEATED if str(judged.architecture) in seen else None

    def _refresh(self, study: Study, trial: FrozenTrial) -> Set[str]:
        """The networks of the study's other trials."""
        return self._networks(study).of_others(study.get_trials(deepcopy=False), trial.number)

    def _networks(self, study: Study) -> _Known:
        if study not in self._known:
            self._known[study] = _Known(self.feasible.space, study)
        return self._known[study]


class _Either(Set[str]):
    """What is in a large set or a small one, without a copy of the large one."""

    def __init__(self, large: Set[str], small: Set[str]) -> None:
        self._large, self._small = large, small - large

    def __contains__(self, text: object) -> bool:
        return text in self._large or text in self._small

    def __iter__(self) -> Iterator[str]:
        return itertools.chain(self._large, self._small)

    def __len__(self) -> int:
        return len(self._large) + len(self._small)


class _Known:
    """The networks that a study holds; what a trial holds for good is read once."""

    def __init__(self, space: Space, study: Study) -> None:
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
        return _Either(self._settled, claims)

    def _network(self, trial: FrozenTrial) -> tuple[str, bool]:
        """A trial's network, empty where it has none, and whether it keeps it."""
        if ARCHITECTURE in trial.user_attrs:
            return trial.user_attrs[ARCHITECTURE], True
        if set(self._space.distributions) <= set(trial.params):
            return str(self._space.decode(trial.params)), True
        return trial.system_attrs.get(PROPOSED, ""), trial.state.is_finished()
