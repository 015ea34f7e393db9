"""Fits the predictor of latency to timings of a grid of layers, and tests it on whole networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from constraints.latency import milliseconds
from nas.architecture import components
from nas.architecture.model import build
from nas.architecture.spec import Architecture, Block, HeadKind
from nas.latency.network_features import features
from nas.latency.predictor import Predictor, machine
from nas.space.space import load

WORDS = (
    "c{out}", "c{out}k5", "c{out}d2", "c{out}s2", "c{out}g4", "c{out}d2g4", "pw{out}", "dw", "dws2", "dwk5", "dwk7",
    "dwd2", "dwk5d2", "dwk7d2", "gl{out}", "mx3_5", "se4", "u2",
)  # fmt: skip
POSTS = ("N", "BR", "BS", "BG", "BH", "BT", "LR")
HEADS: tuple[HeadKind, ...] = ("gap", "fc", "conv")
CLASSES = 10
SIZES = (32, 16, 8, 4)
CHANNELS = (8, 16, 32, 64, 96)
ROUNDS = 9
"""Number of layers for each word."""
LAYER_SECONDS = 0.25
NETWORKS = 12
"""Number of whole networks of each preset on which the fit is tested."""
PRESETS = ("assignment", "wide")

Progress = Callable[[int, int], None]
"""Called with (networks timed, networks in all)."""


def calibrate(
    *,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
    timed: Callable[[Architecture], float] | None = None,
) -> Predictor:
    """Time a grid of layers and whole networks with ``threads`` of torch, fit to the layers, test on the networks.

    ``timed`` replaces the measurement on this machine, which takes a minute or two.
    """
    measure = timed or (lambda network: _timed(network, threads))
    layers, wholes = list(grid()), list(networks())
    total, times = len(layers) + len(wholes), []
    for done, network in enumerate((*layers, *wholes), start=1):
        times.append(measure(network))
        progress(done, total)
    weights = fit(layers, times[: len(layers)])
    predictor = Predictor(
        machine=machine(), threads=threads, weights=weights, median_error=0.0, error_90=0.0, networks=len(wholes)
    )
    measured = np.array(times[len(layers) :])
    errors = np.abs(predictor.predict(wholes) - measured) / measured
    return Predictor(
        **{
            **predictor.as_dict(),
            "median_error": float(np.median(errors)),
            "error_90": float(np.quantile(errors, 0.9)),
        }
    )


def fit(networks: Sequence[Architecture], times: Sequence[float]) -> dict[str, float]:
    """Non-negative weights of the features with the least sum of squared relative errors.

    Lawson and Hanson, *Solving Least Squares Problems* (1974), chapter 23.
    """
    from scipy.optimize import nnls

    found = [features(network) for network in networks]
    names = sorted({name for each in found for name in each})
    amounts = np.array([[each[name] for name in names] for each in found], dtype=np.float64)
    relative: npt.NDArray[np.float64] = amounts / np.array(times)[:, None]
    scale = np.maximum(relative.max(axis=0), 1e-12)
    weights, _ = nnls(relative / scale, np.ones(len(times)))
    return dict(zip(names, (weights / scale).tolist(), strict=True))


def grid() -> Iterator[Architecture]:
    """Networks of one or two layers: every word with several widths, map sizes, norms and activations."""
    generator = random.Random(0)
    for word in WORDS:
        for round_ in range(ROUNDS):
            size, channels, out = (generator.choice(choices) for choices in (SIZES, CHANNELS, CHANNELS))
            is_residual = round_ % 3 == 0 and "{out}" in word and "s2" not in word
            out = channels if is_residual else out
            post, head, shape = generator.choice(POSTS), generator.choice(HEADS), (channels, size, size)
            yield _placed(post, word.format(out=out), head, shape, residual=is_residual)


def networks() -> Iterator[Architecture]:
    """Random networks of the presets."""
    generator = random.Random(1)
    for preset in PRESETS:
        space = load(preset)
        for _ in range(NETWORKS):
            yield space.decode(space.random(generator))


def _placed(letters: str, word: str, head: HeadKind, shape: tuple[int, int, int], *, residual: bool) -> Architecture:
    """One layer on a map of that shape; twice if it is residual."""
    component = components.read(word, shape[0], letters)
    block = Block(components=(component, component), residual=True) if residual else Block(components=(component,))
    classes = component.out_channels(shape[0]) if head == "gap" else CLASSES
    return Architecture(stages=((block,),), head=head, input=shape, classes=classes)


def _timed(network: Architecture, threads: int) -> float:
    return milliseconds(build(network), network.input, threads=threads, seconds=LAYER_SECONDS)
