"""The export of a network of user code, without the child process: what is written is what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from constraints.errors import UnusableInputError
from constraints.sandbox.request import Limits, Target
from nas import exporting_child
from nas.search import given_child
from nas.search.engine import Placement
from nas.search.given import Given
from nas.search.worker import WEIGHTS, Task
from nas.training.feed import Feed
from nas.training.recipes import Recipe

CODE = '''
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, factor=None):
        super().__init__()
        self.last = nn.Linear(3 * 16, 10)
        self.factor = factor() if factor else 1.0

    def forward(self, x):
        return self.last(nn.functional.adaptive_avg_pool2d(x, 4).flatten(1) * self.factor)


class Half(Net):
    def __init__(self):
        super().__init__()
        self.half()


class Drawn(Net):
    def __init__(self):
        super().__init__(lambda: torch.rand(()) * np.random.rand() * random.random() * 20)


class Reading(Net):
    def __init__(self):
        super().__init__(lambda: float(Path(__file__).with_name("factor.txt").read_text()))


class Merging(Net):
    """Computes its layer from its weights when it enters eval mode, as reparametrised networks do."""

    merged = None

    def train(self, mode=True):
        self.merged = None if mode else self.last.weight.detach() * 1
        return super().train(mode)

    def forward(self, x):
        kept = self.last.weight if self.merged is None else self.merged
        return nn.functional.linear(nn.functional.adaptive_avg_pool2d(x, 4).flatten(1), kept)


class Writing(Net):
    def forward(self, x):
        return super().forward(x.mul_(2))


class Counting(Net):
    """Its outputs depend on a number that its training changes."""

    def forward(self, x):
        if self.training:
            self.factor *= 0.5
        return super().forward(x) + torch.arange(10) * self.factor
'''


def trained(name: str, feed: Feed, folder: Path, seed: int = 3) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A network of CODE after an epoch, and what its export is given."""
    file = folder / "net.py"
    file.write_text(CODE)
    given = Given(target=Target(text=f"net.py:{name}", file=file, module="", name=name), limits=Limits(seconds=60))
    task = Task(
        architecture="",
        feed=feed,
        epochs=1,
        until=1,
        seed=seed,
        folder=folder,
        given=given,
        recipe=Recipe(name="own", batch_size=16, precision="float32"),
    )
    place = Placement(device="cpu", threads=1)
    with given_child._prepared(place, task, lambda _: None) as prepared:
        model, result = given_child._trained(place, task, prepared, lambda _: None)
    assert result.reason == ""
    asked = {"given": given.as_dict(), "weights": str(folder / WEIGHTS), "seed": seed, "about": {}}
    return model, {**asked, "input": list(feed.dataset.image_shape)}


@pytest.mark.parametrize("name", ["Half", "Drawn", "Merging", "Writing", "Counting"])
def test_a_program_computes_what_the_trained_network_does(name: str, feed: Feed, tmp_path: Path) -> None:
    model, asked = trained(name, feed, tmp_path)
    exporting_child.write({**asked, "to": str(tmp_path / "net.pt2")}, lambda _: None)
    images = torch.randn(4, *feed.dataset.image_shape)
    with torch.no_grad():
        wanted = model.eval()(images.clone())
        found = torch.export.load(tmp_path / "net.pt2").module()(images.clone())
    assert torch.allclose(found, wanted, atol=1e-5)


def test_weights_that_were_trained_in_float32_are_exported_in_it(feed: Feed, tmp_path: Path) -> None:
    model, asked = trained("Half", feed, tmp_path)
    exporting_child.write({**asked, "to": str(tmp_path / "net.safetensors")}, lambda _: None)
    assert torch.equal(load_file(tmp_path / "net.safetensors")["last.weight"], model.state_dict()["model.last.weight"])


def test_a_network_that_cannot_be_made_again_is_not_exported(feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "factor.txt").write_text("1")
    _, asked = trained("Reading", feed, tmp_path)
    (tmp_path / "factor.txt").write_text("1.5")
    with pytest.raises(UnusableInputError, match="other outputs than the trained one: it keeps values outside"):
        exporting_child.write({**asked, "to": str(tmp_path / "net.safetensors")}, lambda _: None)
    assert not (tmp_path / "net.safetensors").exists()
