"""The parts as a library: judge a model, draw feasible networks, train one, write it as source."""

import tempfile
from pathlib import Path

import numpy as np

from constraints import check
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.codegen import source
from nas.architecture.model import build
from nas.space.analytic import metrics
from nas.space.feasible import FeasiblePart
from nas.space.space import load
from nas.training import datasets, recipes
from nas.training.feed import Feed
from nas.training.training_run import train


def main() -> None:
    """Draw five networks that keep every rule, check the smallest as a model, train it on digits for four epochs."""
    part = FeasiblePart(load("tiny"), parse_all([*ASSIGNMENT, "macs < 1M"]))
    rows = part.sample_rows(5, np.random.default_rng(0))
    networks = [part.space.decode(part.space.choices(row)) for row in rows]
    for network in networks:
        figures = metrics(network)  # by arithmetic, nothing is built
        print(f"{figures.params:>7,} params, receptive field {figures.receptive_field:>3}: {network}")

    smallest = min(networks, key=lambda n: metrics(n).params)
    model = build(smallest)
    report = check(model, require=["receptive_field > 44", "params < 200k"])
    assert report.ok, report
    assert report.metrics["params"] == metrics(smallest).params  # the other road to the same number

    dataset = datasets.load("digits")
    with tempfile.TemporaryDirectory() as folder:
        feed = Feed(dataset=dataset, split=dataset.split(), folder=Path(folder))
        result = train(model, feed, recipe=recipes.default(4), epochs=4, seed=0, threads=1)
    print(f"after 4 epochs: {result.curve[-1].val_accuracy:.2%} of the validation images")
    print(source(smallest).splitlines()[0])


if __name__ == "__main__":
    main()
