"""What the results of a study teach the proxy: a Bayesian surrogate, and the expected improvement a second.

The accuracy is linear in the proxy's features (Bayesian linear regression: Bishop, *Pattern Recognition and Machine
Learning*, 2006, section 3.3). The proxy is the prior's mean, so that before there are results the order is the proxy's;
each result moves the weights. Networks are ranked by their expected improvement over the best result (Jones, Schonlau
and Welch, 1998), divided by the seconds that the proxy predicts for their training (Snoek, Larochelle and Adams, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, isfinite, log, pi, sqrt

import numpy as np
import numpy.typing as npt
from optuna.study import Study

from nas.architecture.spec import Architecture, parse
from nas.space.attributes import ARCHITECTURE, SEED
from nas.space.feasible_tpe import expected
from nas.space.proxy import LinearProxy
from nas.space.proxy_features import ProxyFeatures

Floats = npt.NDArray[np.float64]

DEPARTURE = 0.01
"""Prior standard deviation of a weight, as accuracy for one standard deviation of its feature among the networks."""
NOISE = 0.02
"""Standard deviation of an accuracy around what the features say of it."""
OFFSET = 1.0
"""Prior standard deviation of the accuracy of an average network, of which nothing is known."""
FAR = -8.0
"""Standard deviations below the best from where on the improvement is taken from its asymptotic series."""


@dataclass(frozen=True, kw_only=True)
class RatedNetwork:
    """A network of the study and its accuracy, of all results after as many epochs."""

    network: Architecture
    accuracy: float


def results(study: Study) -> list[RatedNetwork]:
    """Every network that a study trained for an epoch or more, as if each was trained as long as the longest.

    Networks that the user trained, for as long as the user liked, are left out.
    """
    moved = expected(study)
    trials = [
        moved(trial)
        for trial in study.get_trials(deepcopy=False)
        if trial.intermediate_values and ARCHITECTURE in trial.user_attrs and SEED not in trial.user_attrs
    ]
    last = [(trial, trial.intermediate_values[max(trial.intermediate_values)]) for trial in trials]
    return [
        RatedNetwork(network=parse(t.user_attrs[ARCHITECTURE]), accuracy=value) for t, value in last if isfinite(value)
    ]


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Weights of the standardised features, the offset's first: their mean and covariance."""

    mean: Floats
    covariance: Floats

    def predict(self, rows: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the accuracy of each row (1, standardised features), noise included."""
        variance: Floats = np.einsum("ij,jk,ik->i", rows, self.covariance, rows)
        return rows @ self.mean, np.sqrt(variance + NOISE**2)


def posterior(prior: Floats, rows: Floats, accuracies: Floats) -> Posterior:
    """What (n, 1 + features) ``rows`` and their accuracies make of ``prior``, the weights' mean before them.

    With precision P of the prior and noise s: covariance (P + X'X / s^2)^-1, mean covariance (P prior + X'y / s^2).
    """
    precision = np.diag([OFFSET**-2, *[DEPARTURE**-2] * (len(prior) - 1)])
    covariance = np.linalg.inv(precision + rows.T @ rows / NOISE**2).astype(np.float64)
    return Posterior(mean=covariance @ (precision @ prior + rows.T @ accuracies / NOISE**2), covariance=covariance)


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """The proxy after the results of a study; features are standardised by those of networks drawn at random."""

    proxy: LinearProxy
    centre: Floats
    scale: Floats
    weights: Posterior
    best: float
    """The best of the results."""

    @classmethod
    def fitted(cls, proxy: LinearProxy, results: Sequence[RatedNetwork], drawn: ProxyFeatures) -> Surrogate:
        """``results`` holds at least one; ``drawn`` is of random draws."""
        names = list(proxy.weights)
        rows = drawn.rows(names)
        centre, scale = rows.mean(axis=0), rows.std(axis=0)
        scale[scale == 0] = 1.0
        accuracies = np.array([one.accuracy for one in results])
        known = ProxyFeatures.of([one.network for one in results]).rows(names)
        prior = np.array([accuracies.mean(), *scale * np.array([proxy.weights[name] for name in names])])
        weights = posterior(prior, _standardised(known, centre, scale), accuracies)
        return cls(proxy=proxy, centre=centre, scale=scale, weights=weights, best=float(accuracies.max()))

    def worth(self, features: ProxyFeatures) -> Floats:
        """The logarithm of the expected improvement a second of each; minus infinity where the proxy says so.

        Only the order of the values has a meaning.
        """
        rows = _standardised(features.rows(list(self.proxy.weights)), self.centre, self.scale)
        mean, deviation = self.weights.predict(rows)
        found = log_improvement(mean - self.best, deviation) - np.log(self.proxy.predicted_seconds(features))
        return np.where(features.macs >= self.proxy.macs, -np.inf, found)


def _standardised(rows: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.column_stack([np.ones(len(rows)), (rows - centre) / scale])


def log_improvement(difference: Floats, deviation: Floats) -> Floats:
    """Logarithm of the mean of max(0, x), where x is normal with mean ``difference``.

    That is deviation * (z Phi(z) + phi(z)) with z = difference / deviation; far below, where it is lost in rounding,
    phi(z) (z^-2 - 3 z^-4 + 15 z^-6) (by parts; Ament et al., *Unexpected Improvements to Expected Improvement*, 2023).
    """

    def standard(z: float) -> float:
        log_density = -z * z / 2 - log(2 * pi) / 2
        if z < FAR:
            return log_density + log(z**-2 - 3 * z**-4 + 15 * z**-6)
        return log(z * erfc(-z / sqrt(2)) / 2 + np.exp(log_density))

    logarithms: Floats = np.log(deviation) + np.array([standard(z) for z in (difference / deviation).tolist()])
    return logarithms
