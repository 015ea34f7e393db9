"""A network of user code, written as a file: with its trained weights, and refused where a format cannot have it.

Without the child process. What is written is what was trained.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.request import Limits, Target
from nas import exporting_child
from nas.search import given_child
from nas.search.engine import Placement
from nas.search.given import Given
from nas.search.worker import WEIGHTS, Task
from nas.training.feed import Feed
from nas.training.recipes import Recipe
from tests.engines import forget_users_modules

CODE = """import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, width, 3), nn.Linear(width, 10)
    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))
class Lazy(nn.Sequential):
    def __init__(self):
        super().__init__(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10))
class Double(Net):
    def __init__(self):
        super().__init__()
        self.double()
class DefaultDouble(Net):
    def __init__(self):
        torch.set_default_dtype(torch.float64)
        super().__init__()
class Silent(Net):
    def train(self, mode=True):
        super().train(mode)
class Counting(Net):
    def get_extra_state(self):
        return {"calls": 1}
class Raising(Net):
    def forward(self, x):
        raise ValueError("no images")
"""
INPUT = [3, 8, 8]


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    torch.set_default_dtype(torch.float32)
    forget_users_modules(before)


@pytest.fixture
def stages() -> list[str]:
    return []


def write(folder: Path, name: str, to: str, stages: list[str], *, weights: Path | None = None, **given: Any) -> Path:
    """The file that ``name`` of the code is written to."""
    (folder / "net.py").write_text(CODE, "utf-8")
    target = Target(text=f"net.py:{name}", file=folder / "net.py", module="", name=name)
    asked: Mapping[str, Any] = {
        "given": Given(target=target, arguments=given).as_dict(),
        "to": str(folder / to),
        "input": INPUT,
        "weights": str(weights) if weights else "",
        "seed": 0,
        "about": {"trial": "7"},
    }
    assert exporting_child.write(asked, lambda line: stages.append(line["stage"])) == {"unchecked": ""}
    return folder / to


def test_the_weights_that_are_written_are_those_of_the_file(tmp_path: Path, stages: list[str]) -> None:
    first = write(tmp_path, "Net", "first.safetensors", stages, width=6)
    trained = {name: torch.full_like(value, 0.5) for name, value in load_file(first).items()}
    assert trained["conv.weight"].shape == (6, 3, 3, 3)
    save_file(trained, tmp_path / "trained.safetensors")
    again = write(tmp_path, "Net", "again.safetensors", stages, weights=tmp_path / "trained.safetensors", width=6)
    assert all((value == 0.5).all() for value in load_file(again).values())
    assert stages[-1] == "its export"


def test_without_weights_it_is_the_same_network_each_time(tmp_path: Path, stages: list[str]) -> None:
    one, other = (load_file(write(tmp_path, "Net", f"{n}.safetensors", stages)) for n in "ab")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["Lazy", "Double", "DefaultDouble", "Silent"])
def test_lazy_layers_other_precisions_and_a_train_that_returns_nothing_are_run_once_in_float32(
    tmp_path: Path, stages: list[str], name: str
) -> None:
    found = load_file(write(tmp_path, name, "net.safetensors", stages))
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert {tuple(value.shape) for value in found.values()} >= {(4, 3, 3, 3), (10,)}


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("Raising", "net.safetensors", "raised.* its export: ValueError: no images"),
        ("Counting", "net.safetensors",
         r"^the model cannot be written as \.safetensors: AttributeError: .*: give --to with the ending \.py$"),
        ("Missing", "net.safetensors", r"^no such name in .*net\.py: 'Missing'"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_and_leaves_no_file(
    tmp_path: Path, stages: list[str], name: str, to: str, message: str
) -> None:
    with pytest.raises((ModelFailedError, UnusableInputError), match=message) as caught:
        write(tmp_path, name, to, stages)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".py" and file.is_file()] == []


def test_weights_of_another_network_are_refused(tmp_path: Path, stages: list[str]) -> None:
    other = write(tmp_path, "Net", "other.safetensors", stages, width=5)
    with pytest.raises(UnusableInputError, match=r"^unusable weights: .*other\.safetensors: "):
        write(tmp_path, "Net", "net.safetensors", stages, weights=other)
    (tmp_path / "none.safetensors").write_bytes(b"x")
    with pytest.raises(UnusableInputError, match=r"^unusable weights: .*none\.safetensors: "):
        write(tmp_path, "Net", "net.safetensors", stages, weights=tmp_path / "none.safetensors")
    assert not (tmp_path / "net.safetensors").exists()


TRAINED_CODE = '''
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


class Partial(Net):
    """Its state_dict leaves its frozen part out."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(48, 48).requires_grad_(False)

    def state_dict(self, *args, **kwargs):
        whole = super().state_dict(*args, **kwargs)
        for name in [name for name in whole if "frozen." in name]:
            del whole[name]
        return whole

    def forward(self, x):
        return self.last(self.frozen(nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)))


class Noisy(Net):
    def forward(self, x):
        return super().forward(x) + np.random.randn() + random.random()


class Unseeded(Net):
    def forward(self, x):
        return super().forward(x) + np.random.default_rng().normal()
'''


def _trained(name: str, feed: Feed, folder: Path, seed: int = 3) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A network of TRAINED_CODE after an epoch, and what its export is given."""
    file = folder / "net.py"
    file.write_text(TRAINED_CODE)
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


@pytest.mark.parametrize("name", ["Half", "Drawn", "Merging", "Writing", "Counting", "Partial"])
def test_a_program_computes_what_the_trained_network_does(name: str, feed: Feed, tmp_path: Path) -> None:
    model, asked = _trained(name, feed, tmp_path)
    exporting_child.write({**asked, "to": str(tmp_path / "net.pt2")}, lambda _: None)
    images = torch.randn(4, *feed.dataset.image_shape)
    with torch.no_grad():
        wanted = model.eval()(images.clone())
        found = torch.export.load(tmp_path / "net.pt2").module()(images.clone())
    assert torch.allclose(found, wanted, atol=1e-5)


def test_weights_that_were_trained_in_float32_are_exported_in_it(feed: Feed, tmp_path: Path) -> None:
    model, asked = _trained("Half", feed, tmp_path)
    exporting_child.write({**asked, "to": str(tmp_path / "net.safetensors")}, lambda _: None)
    assert torch.equal(load_file(tmp_path / "net.safetensors")["last.weight"], model.state_dict()["model.last.weight"])


@pytest.mark.parametrize(
    ("name", "why"), [("Noisy", ""), ("Unseeded", "it gives other outputs for the same images each time")]
)
def test_a_network_that_draws_numbers_in_eval_mode_is_exported(feed: Feed, tmp_path: Path, name: str, why: str) -> None:
    model, asked = _trained(name, feed, tmp_path)
    found = exporting_child.write({**asked, "to": str(tmp_path / "net.safetensors")}, lambda _: None)
    assert found == {"unchecked": why}
    assert torch.equal(load_file(tmp_path / "net.safetensors")["last.weight"], model.state_dict()["model.last.weight"])


def test_a_network_that_cannot_be_made_again_is_not_exported(feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "factor.txt").write_text("1")
    _, asked = _trained("Reading", feed, tmp_path)
    (tmp_path / "factor.txt").write_text("1.5")
    with pytest.raises(UnusableInputError, match="other outputs than the trained one: it keeps values outside"):
        exporting_child.write({**asked, "to": str(tmp_path / "net.safetensors")}, lambda _: None)
    assert not (tmp_path / "net.safetensors").exists()
