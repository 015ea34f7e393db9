"""Adds a confirmed trial of a study as a champion: a table in ``champions.toml``, and half-precision weights beside it.

Run ``python -m benchmarks.champion NAME --study STUDY --trial N [--storage PLACE] [--data SOURCE] [--found TEXT]
[--machine TEXT] [--command TEXT] [--commit HASH] [--without-weights]``. The weights are those of the longest
confirmation's lowest seed, whatever its accuracy. They are read back and tested: more than LARGEST bytes, or an
accuracy more than TOLERANCE below that of the confirmation, is refused; ``--without-weights`` adds the table alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file

from constraints.rules import ASSIGNMENT, parse_all
from constraints.verdicts import judge
from nas import atomic
from nas.architecture.formats import load
from nas.architecture.spec import parse
from nas.champions.registry import FILE, Champion
from nas.cpu import cpu_class
from nas.results.rows import Row
from nas.results.selection import find
from nas.search import weights_file
from nas.search.confirmation import Confirmation, confirmations
from nas.search.given_proposals import networks
from nas.search.study import identity
from nas.search.study_data import load_study_data
from nas.search.study_folder import study_folder
from nas.search.study_opening import open_study
from nas.search.trained_weights import Weights, trained_weights
from nas.search.training_way import Training
from nas.space.analytic import metrics
from nas.training import splits
from nas.training.decoded import Dataset
from nas.training.evaluation import evaluate
from nas.training.named_recipes import RECIPES
from nas.training.recipe_files import nameless
from nas.training.recipes import Recipe
from nas.training.tuning import tuned

LARGEST = 500_000
"""Most bytes of a file of weights."""
TOLERANCE = 0.001
"""Largest accepted loss of test accuracy."""


def halved(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state with its floating-point tensors in half precision, except those with values beyond its range."""
    found = {}
    for name, tensor in state.items():
        half = tensor.half() if tensor.is_floating_point() else tensor
        found[name] = (half if bool(torch.isfinite(half).all()) else tensor).contiguous()
    return found


def recipe_text(recipe: Recipe, epochs: int) -> str:
    """The shipped recipe that differs in the fewest options, and these options, as text."""
    name, options = nearest_recipe(recipe, epochs)
    return ", ".join([name, *(f"{option} {value}" for option, value in options.items())])


def nearest_recipe(recipe: Recipe, epochs: int) -> tuple[str, dict[str, Any]]:
    """The shipped recipe that differs in the fewest options, and the values of these options."""
    several = [(name, _differences(recipe, known.make(epochs))) for name, known in RECIPES.items()]
    return min(several, key=lambda one: len(one[1]))


def recipe_flag(recipe: Recipe, epochs: int) -> str:
    """The ``--recipe`` with which a study of one-epoch trials is confirmed for ``epochs`` by exactly this recipe.

    Options that are not given depend on the length of a training in the default and ``long`` recipes; for another
    recipe, every difference from the one for a single epoch is given.
    """
    name, differences = nearest_recipe(recipe, epochs)
    flag = _flag(name, differences)
    repeated = Training.asked(flag, None, 1).for_epochs(epochs)
    return flag if nameless(repeated) == nameless(recipe) else _flag(name, _differences(recipe, RECIPES[name].make(1)))


def _flag(name: str, differences: Mapping[str, Any]) -> str:
    return ",".join([name, *(f"{option}={json.dumps(value)}" for option, value in differences.items())])


def _differences(recipe: Recipe, known: Recipe) -> dict[str, Any]:
    mine, theirs = (_options(one) for one in (recipe, known))
    return {option: value for option, value in mine.items() if theirs.get(option) != value}


def _options(recipe: Recipe) -> dict[str, Any]:
    options = {name: value for name, value in vars(recipe).items() if name not in {"name", "phases"}}
    for number, phase in enumerate(recipe.phases, 1):
        options |= {f"phases.{number}.{name}": value for name, value in vars(phase).items()}
    return options


def entry(champion: Champion) -> str:
    """The table of a champion as in the file; empty fields are left out."""
    values = champion.model_dump(mode="json", exclude={"name"})
    kept = {name: value for name, value in values.items() if value not in ("", None, [])}
    lines = [
        f"{name} = {value if name == 'date' else json.dumps(value, ensure_ascii=False)}" for name, value in kept.items()
    ]
    return "\n".join([f"[{champion.name}]", *lines]) + "\n"


def shipped_weights(network: str, weights: Weights, dataset: Dataset, place: Path) -> dict[str, Any]:
    """Write half-precision weights to ``place``; returns the fields of the entry about them. SystemExit if unfit."""
    weights_file.save(halved(load_file(weights.path)), place)
    place.chmod(0o644)  # the library's own writer keeps a file from other users
    mean, std = splits.channel_statistics(dataset.train_images, np.arange(len(dataset.train_labels)))
    found = evaluate(load(parse(network), place), dataset.test_images, dataset.test_labels, mean, std).accuracy
    size, wanted = place.stat().st_size, weights.test_accuracy
    if size > LARGEST or wanted is None or found < wanted - TOLERANCE:
        place.unlink()
        raise SystemExit(f"{size:,} bytes, test accuracy {found}, was {wanted}: give --without-weights")
    return {
        "weights": place.name,
        "weights_accuracy": found,
        "classes": dataset.classes,
        "data_hash": dataset.content_hash,
        "mean": mean.tolist(),
        "std": std.tolist(),
    }


@dataclass(frozen=True, kw_only=True)
class Known:
    """The data of a confirmed trial in a study."""

    row: Row
    architecture: str
    longest: Confirmation
    way: Training
    recipe: Recipe
    """The recipe of the longest confirmation, with the trial's tuned options."""
    weights: Weights | None
    data: str
    """The name of the study's data."""
    dataset: Dataset

    @classmethod
    def of(cls, options: argparse.Namespace) -> Self:
        """The trial that is asked for; SystemExit if it is not confirmed, or its network is not an architecture."""
        with open_study(options.storage, options.study) as study:
            row = find(study, options.trial, is_live=None)
            confirmed = confirmations(study, row.trial)
            if not confirmed or row.architecture is None:
                raise SystemExit(
                    f"trial {row.trial} is not confirmed, or no architecture: search.py confirm {row.trial}"
                )
            longest, folder = confirmed[0], study_folder(options.storage, study)
            way, values = Training.of(study, longest.epochs), study.get_trials(deepcopy=False)[row.trial].params
            (network,) = networks(study, [row.trial], folder.path)
            known = {(longest.epochs, s): a for s, a in zip(longest.seeds, longest.accuracies, strict=True)}
            return cls(
                row=row,
                architecture=row.architecture,
                longest=longest,
                way=way,
                recipe=tuned(way.for_epochs(longest.epochs), values),
                weights=trained_weights(folder, row.trial, network.key, curve=row.curve, confirmed=known),
                data=identity(study, "data")["data"]["name"],
                dataset=load_study_data(study, options.data),
            )

    def metrics(self) -> dict[str, Any]:
        """The network's metrics; SystemExit where it breaks a rule, UnusableInputError where its augmentation does."""
        found = metrics(parse(self.architecture), rules := parse_all(ASSIGNMENT)).as_dict()
        if broken := [v.expr for v in judge(rules, found) if not v.ok]:
            raise SystemExit(f"it breaks {', '.join(broken)}")
        self.way.check_rule(self.dataset)
        return found

    def command(self) -> str:
        """The command that repeats it: the network is trained in a study with the same settings, then confirmed."""
        teacher = f" --teacher '{self.way.teacher.name}'" if self.way.teacher else ""
        recipe = recipe_flag(self.recipe, self.longest.epochs)
        return (
            f"uv run search.py train '{self.architecture}' --data {self.data} --recipe '{recipe}' "
            f"--augmentation '{self.way.augmentation.text}'{teacher} --epochs 1 && "
            f"uv run search.py confirm best --epochs {self.longest.epochs} --seeds {len(self.longest.seeds)}"
        )

    def shipped(self, place: Path) -> dict[str, Any]:
        """Write the weights to ``place`` as ``shipped_weights`` does; SystemExit where they are missing."""
        if self.weights is None or not self.weights.confirmed:
            raise SystemExit("the confirmation's weights are missing: give --without-weights")
        return shipped_weights(self.architecture, self.weights, self.dataset, place)


def _champion(options: argparse.Namespace) -> Champion:
    known = Known.of(options)
    found, longest = known.metrics(), known.longest
    shipped = {} if options.without_weights else known.shipped(options.file.with_name(f"{options.name}.safetensors"))
    return Champion(
        name=options.name,
        architecture=known.architecture,
        found=options.found,
        params=found["params"],
        macs=found["macs"],
        data="CIFAR-10 (JPEG copy)" if known.data == "cifar10-jpeg.tar.xz" else known.data,
        recipe=recipe_text(known.recipe, longest.epochs),
        augmentation=known.way.augmentation.text,
        teacher=known.way.teacher.name if known.way.teacher else "",
        epochs=longest.epochs,
        seeds=longest.seeds,
        test_accuracies=longest.accuracies,
        machine=options.machine,
        date=datetime.now(UTC).date(),
        commit=options.commit,
        command=options.command or known.command(),
        **shipped,
    )


def main() -> None:
    """Add the requested champion, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--study", required=True)
    parser.add_argument("--trial", required=True)
    parser.add_argument("--storage", default="runs/journal.log")
    parser.add_argument("--data")
    parser.add_argument("--found", default="by hand")
    parser.add_argument("--machine", default=cpu_class())
    parser.add_argument("--command", default="")
    parser.add_argument("--commit", default="")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--without-weights", action="store_true")
    options = parser.parse_args()
    options.commit = (
        options.commit
        or subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    before = options.file.read_text(encoding="utf-8") if options.file.exists() else ""
    if f"[{options.name}]" in before:
        raise SystemExit(f"{options.name} already exists: give another name")
    text = entry(_champion(options))
    atomic.write(options.file, f"{before.rstrip()}\n\n{text}".lstrip())
    print(text, end="")


if __name__ == "__main__":
    main()
