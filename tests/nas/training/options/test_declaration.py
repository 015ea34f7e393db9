"""Ranges at, under and over their ends, and an option that is added in one file."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.training.options.declaration import Option, check, declared, option
from nas.training.options.phase import Phase
from nas.training.recipes import Recipe
from nas.training.tuning import ranges

ROOT = Path(__file__).parents[4]


@dataclass(frozen=True, kw_only=True)
class Own:
    """Options of each kind."""

    share: float = option(0.5, "a share", low=0, high=1)
    some: float = option(0.5, "a part", low=0, high=1, above=True)
    most: float = option(0.5, "not all", low=0, high=1, below=True)
    count: int = option(3, "a number", low=1, unit="pixels")
    rate: float = option(3.0, "a rate", low=0, above=True)
    flag: bool = option(False, "a switch")
    plain: int = 0


@pytest.mark.parametrize(
    ("name", "good", "bad", "allowed"),
    [
        ("share", (0.0, 1.0), (-1e-9, 1 + 1e-9, math.nan), "0 to 1"),
        ("some", (1e-9, 1.0), (0.0, 1 + 1e-9), "more than 0, up to 1"),
        ("most", (0.0, 1 - 1e-9), (-1e-9, 1.0), "0 or more and less than 1"),
        ("count", (1, 10**9), (0,), "1 or more pixels"),
        ("rate", (1e-9, 1e9), (0.0, math.inf), "more than 0"),
    ],
)
def test_a_value_is_held_to_its_range(name: str, good: tuple[float, ...], bad: tuple[float, ...], allowed: str) -> None:
    for value in good:
        check(Own(**{name: value}))  # type: ignore[arg-type]
    for value in bad:
        with pytest.raises(UnusableInputError, match=f"^{name} is out of range: {value}: give {allowed}$"):
            check(Own(**{name: value}))  # type: ignore[arg-type]


def test_what_is_declared_is_found_by_name() -> None:
    found = declared(Own)
    assert list(found) == ["share", "some", "most", "count", "rate", "flag"]
    assert [name for name, one in found.items() if one.is_whole] == ["count"]
    assert found["flag"] == Option(meaning="a switch")


def test_every_option_of_a_recipe_says_what_it_means_and_holds_its_default() -> None:
    for kind in (Recipe, Phase):
        names = {field.name for field in fields(kind)} - {"name", "phases"}
        assert set(declared(kind)) == names
        for name, one in declared(kind).items():
            assert one.meaning
            assert one.tune is None or one.holds(one.tune[0]) <= one.holds(one.tune[1]), name


CLIPPING = """\
    clip: float = option(0.0, "largest norm of all gradients together; 0 is none", low=0, tune=(0.5, 5.0))

    def groups("""
CLIPPED = """\
        if self.clip:
            import torch

            torch.nn.utils.clip_grad_norm_(optimisers.weights, self.clip)
        optimisers.step()
"""
TRIED = """
import pathlib, torch
from nas.training.optimisers import Optimisers
from nas.training.recipe_files import load, to_toml
from nas.training.tuning import ranges, tuned
pathlib.Path("mine.toml").write_text("clip = 0.5\\n[[phases]]\\npeak_lr = 1.0\\nmomentum = 0.0\\nweight_decay = 0.0\\n")
recipe = load("mine.toml", 2).recipe
print([line for line in to_toml(recipe).splitlines() if "clip" in line])
print(ranges(["clip"], {}, recipe, "mine.toml"))
model = torch.nn.Linear(2, 1, bias=False)
for one in (recipe, tuned(recipe, {"recipe.clip": 0.0})):
    with torch.no_grad():
        model.weight.zero_()
    optimisers = Optimisers(model, one)
    optimisers.set_rate(1.0)
    model.weight.grad = torch.tensor([[30.0, 40.0]])
    one.update(optimisers, None)
    print([round(value, 3) for value in model.weight.tolist()[0]])
try:
    load("default,clip=-1", 2)
except Exception as error:
    print(error)
"""


def test_an_option_with_its_range_its_meaning_and_its_effect_is_added_in_one_file(tmp_path: Path) -> None:
    for package in ("nas", "constraints"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
        )
    file = tmp_path / "nas" / "training" / "options" / "updates.py"
    text = file.read_text(encoding="utf-8")
    assert text.count("    def groups(") == text.count("        optimisers.step()\n") == 1
    text = text.replace("    def groups(", CLIPPING).replace("        optimisers.step()\n", CLIPPED)
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", TRIED], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['clip = 0.5                # largest norm of all gradients together; 0 is none']",
        "{'clip': Range(low=0.5, high=5.0, log=False, choices=())}",
        "[-0.3, -0.4]",  # the norm is 50: a hundredth of (30, 40)
        "[-30.0, -40.0]",
        "recipe default,clip=-1: clip is out of range: -1.0: give 0 or more",
    ]


def test_a_whole_number_with_a_factor_has_three_choices() -> None:
    recipe = Recipe(name="own", batch_size=3)
    assert ranges(["batch_size"], {}, recipe, "x")["batch_size"].choices == (1, 3, 6)
