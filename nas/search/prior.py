"""Starts a search from another study: its best networks are tried first, its accuracies rank later candidates.

Its accuracies never become results of this study: they only fit the weights of the proxy that chooses the first
candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from optuna.trial import TrialState

from constraints.errors import UnusableInputError
from nas.architecture.adapting import adapted
from nas.architecture.spec import Architecture, ArchitectureError, parse
from nas.search.starts import GivenStart
from nas.search.study import MALFORMED, identity
from nas.search.study_opening import open_study
from nas.search.trial_order import best_trials
from nas.space.attributes import ARCHITECTURE
from nas.space.proxy import FITTED, LinearProxy
from nas.space.proxy_features import ProxyFeatures
from nas.space.space import Space

if TYPE_CHECKING:
    import optuna

MOST_STARTS = 5
"""How many of its best networks are tried first."""
LEAST_RESULTS = 12
"""Fewest results for a fit: two per feature of the proxy."""
STRENGTH = 1.0
"""Strength of the ridge penalty towards the weights ``FITTED``, as a number of results."""
COMPARED = ("data", "space", "constraints", "objective", "epochs")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PriorResult:
    """A network of the other study, with its accuracy and number of epochs."""

    network: Architecture
    epochs: int
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What a search uses from another study."""

    study: str
    starts: tuple[GivenStart, ...]
    weights: Mapping[str, float] | None
    """Weights of a proxy; None where the default proxy ranks the results as well."""
    lines: tuple[str, ...]
    """Messages for the user."""


def read_prior(text: str, storage: str, study: str, identity_here: Mapping[str, Any], space: Space) -> Prior:
    """The prior from ``NAME``, a study of ``storage``, or ``STORAGE#NAME``; its networks are adapted to ``space``.

    Raises UnusableInputError for a study that is not there, that is this one, or that holds no network with an epoch.
    """
    place, name = _named(text, storage, study)
    with open_study(place, name) as other:
        results, best = _some(_results(other), text), _best(other)
        differs = _differences(identity(other), identity_here)
    fitting = [(one, network) for number, one in best if (network := _fit_to(one.network, space)) is not None]
    numbers = {id(one): number for number, one in best}
    starts = tuple(
        GivenStart(origin=f"study {name}, trial {numbers[id(one)]}", architecture=network)
        for one, network in fitting[:MOST_STARTS]
    )
    weights, ranking = fitted(results)
    lines = [f"from study {name}: its {len(starts)} best networks are tried first; {ranking}"]
    if differs:
        lines.append(f"from study {name}: made with other {', '.join(differs)}: its accuracies count nothing here")
    return Prior(study=name, starts=starts, weights=weights, lines=tuple(lines))


def check(text: str, storage: str, study: str) -> None:
    """Raise UnusableInputError for a study that is not there, that is this one, or that holds no trained network."""
    place, name = _named(text, storage, study)
    with open_study(place, name) as other:
        _some(_results(other), text)


def _named(text: str, storage: str, study: str) -> tuple[str, str]:
    """Storage and name of a study other than this one."""
    place, name = _place(text, storage)
    if (place, name) == (storage, study):
        raise UnusableInputError(f"--from-study is the study itself: {text!r}: a launch resumes it: name another study")
    return place, name


def _some(results: list[PriorResult], text: str) -> list[PriorResult]:
    if not results:
        raise UnusableInputError(f"--from-study: {text!r}: none of its networks is trained: name another study")
    return results


def proxy_of(weights: Mapping[str, float]) -> LinearProxy:
    """A proxy with these weights."""
    return replace(FITTED, weights=dict(weights))


def fitted(results: Sequence[PriorResult]) -> tuple[dict[str, float] | None, str]:
    """Weights that rank the results better than ``FITTED`` does, or None; and a line that says which.

    Ridge regression (Hoerl and Kennard, 1970) towards the weights ``FITTED``, on accuracies minus the mean of those
    with equal epochs; both proxies are compared by leave-one-out rank correlation.
    """
    groups = {epochs: [r for r in results if r.epochs == epochs] for epochs in {r.epochs for r in results}}
    several = [group for group in groups.values() if len(group) > 1]
    count = sum(map(len, several))
    if count < LEAST_RESULTS:
        return None, f"{len(results)} results are too few to rank what is tried next"
    names = tuple(FITTED.weights)
    x = np.concatenate([_centred(ProxyFeatures.of([r.network for r in group]).rows(names)) for group in several])
    y = np.concatenate([_centred([r.accuracy for r in group]) for group in several])
    before = np.array([FITTED.weights[name] for name in names])
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    x, before_scaled = x / scale, before * scale
    inverse = np.linalg.inv(x.T @ x + STRENGTH * np.eye(len(names)))
    weights = before_scaled + inverse @ x.T @ (y - x @ before_scaled)
    leverage = np.einsum("ij,jk,ik->i", x, inverse, x)
    left_out = y - (y - x @ weights) / (1 - leverage)  # each result as a fit without it predicts it
    own, usual = _rank_correlation(left_out, y), _rank_correlation(x @ before_scaled, y)
    if not own > usual:
        return None, f"{count} results rank what is tried next no better than the proxy does ({usual:.2f})"
    line = f"{count} results rank what is tried next (rank correlation {own:.2f} where left out, {usual:.2f} without)"
    return dict(zip(names, (weights / scale).tolist(), strict=True)), line


def _place(text: str, storage: str) -> tuple[str, str]:
    place, mark, name = text.rpartition("#")
    if not name:
        raise UnusableInputError(f"no study in --from-study: {text!r}: write NAME, or STORAGE#NAME")
    return (place if mark else storage), name


def _results(study: optuna.Study) -> list[PriorResult]:
    """Every network with the accuracy of its last epoch."""
    return [one for _, one in _trained(study)]


def _best(study: optuna.Study) -> list[tuple[int, PriorResult]]:
    """The complete trials' numbers and results, best first, including those that a confirmation finished."""
    trained, ranked = dict(_trained(study)), best_trials(study, study.get_trials(deepcopy=False))
    return [(trial.number, trained[trial.number]) for trial in ranked if trial.number in trained]


def _trained(study: optuna.Study) -> list[tuple[int, PriorResult]]:
    found = []
    for trial in study.get_trials(deepcopy=False):
        text, curve = trial.user_attrs.get(ARCHITECTURE), trial.intermediate_values
        if text is None or not curve or trial.state == TrialState.FAIL:
            continue
        try:
            last = max(curve)
            found.append((trial.number, PriorResult(network=parse(text), epochs=last, accuracy=float(curve[last]))))
        except (ArchitectureError, *MALFORMED):
            continue
    return found


def _differences(other: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    def decisive(value: Any) -> Any:
        return value.get("hash") if isinstance(value, Mapping) else value

    return [key for key in COMPARED if decisive(other.get(key)) != decisive(here.get(key))]


def _fit_to(network: Architecture, space: Space) -> Architecture | None:
    try:
        return adapted(network, space.input, space.classes)
    except UnusableInputError:
        return None


def _centred(values: npt.ArrayLike) -> Floats:
    array = np.array(values, dtype=np.float64)
    return np.asarray(array - array.mean(axis=0))


def _rank_correlation(a: Floats, b: Floats) -> float:
    """Correlation of dense ranks (equal values share a rank); 0 where either does not vary."""
    first, second = (np.unique(values, return_inverse=True)[1].astype(np.float64) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1]) if first.std() and second.std() else 0.0
