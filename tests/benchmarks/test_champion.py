"""How a champion is written down: weights in half precision, the recipe in words, the table read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.champion import entry, halved, recipe_text
from nas.champions.registry import champions, find
from nas.training import recipes


def test_what_outgrows_half_precision_stays_as_it_is() -> None:
    state = {"a": torch.tensor([1 / 3]), "b": torch.tensor([1e6]), "n": torch.tensor(3)}
    found = halved(state)
    assert [tensor.dtype for tensor in found.values()] == [torch.float16, torch.float32, torch.int64]
    assert torch.equal(found["b"], state["b"])


def test_a_recipe_is_told_by_the_nearest_that_ships() -> None:
    changed = replace(recipes.default(30), name="mine", ema_decay=0.999, label_smoothing=0.05)
    assert recipe_text(changed, 30) == "default, label_smoothing 0.05, ema_decay 0.999"
    assert recipe_text(recipes.long(60), 60) == "long"


def test_an_entry_is_read_back(tmp_path: Path) -> None:
    place = tmp_path / "champions.toml"
    wide = find("champion-wide")
    place.write_text(entry(wide) + "\n" + entry(find("champion-search")))
    assert list(champions(place).values()) == [wide, find("champion-search")]
