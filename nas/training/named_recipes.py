"""The shipped recipes by name, with their purpose and measured accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nas.training import recipes
from nas.training.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class Named:
    """A shipped recipe; ``make(epochs)`` builds it."""

    make: Callable[[int], Recipe]
    purpose: str
    measured: str
    """Measured accuracy and its commit; docs/measurements/training.md has command, machine and spread."""


DEFAULT = "default"
LONG = "long"
RECIPES: Mapping[str, Named] = MappingProxyType(
    {
        DEFAULT: Named(
            make=recipes.default,
            purpose="short trainings of small networks; what trains for 2 to 29 epochs unless asked otherwise",
            measured="CIFAR-10 (JPEG copy), 196,666 parameters, 10 epochs: test 85.65 ± 0.18 %, three seeds (5247a21); "
            "198,762 parameters, 3 epochs: validation 79.28 ± 0.09 %, three seeds (23a94dd)",
        ),
        LONG: Named(
            make=recipes.long,
            purpose="trainings of 30 to 400 epochs, which it trains unless asked otherwise; its alternating flip takes "
            "effect with --augmentation assignment,flip=1, which is then the default too",
            measured="CIFAR-10 (JPEG copy), 196,666 parameters, 110 epochs, crops of 4 pixels and coarse dropout 0.5: "
            "test 89.37 %, one seed (70b47c76); without mixup and smoothing, with low resolution for 0.4, 24,973 "
            "parameters, 120 epochs: test 85.89 %, one seed (8be283f), training 92.84 %; its parts "
            "(moving average 0.999, smoothing 0.05, low resolution, growing mixup, crop, decay of what Muon leaves, "
            "alternating flip) come from published recipes, and each has a row without it in benchmarks.recipes; in 3 "
            "epochs mixup and smoothing cost no more accuracy than chance explains (23a94dd), low resolution for 0.4 "
            "0.35 ± 0.17 points (b87979c)",
        ),
        "sgd": Named(
            make=recipes.sgd,
            purpose="the default without Muon and whitening, to compare with",
            measured="CIFAR-10 (JPEG copy), 198,762 parameters, 4 epochs: validation 78.0 %, with Muon 79.5 %, "
            "one seed each (2e5c7f1)",
        ),
        "seed": Named(
            make=lambda epochs: recipes.seed(),
            purpose="the three phases of the hand-made network's training, meant for 400 epochs",
            measured="CIFAR-10 (JPEG copy), architecture seed, the first 39 of 400 epochs: validation 80.5 %, "
            "one seed (23a94dd); the rest was not measured",
        ),
    }
)
