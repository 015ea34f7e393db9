"""The card of a network that no study holds, by itself and beside another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import search
from nas.results.network_card import network_card

ONCE, TWICE = "BR/c16-c16-c16s2/c32/fc", "BR/c16-2c16-c16s2/c32/fc"


def test_sizes_are_known_and_accuracies_are_not() -> None:
    card = network_card(ONCE, "left")
    assert card.name == "left"
    found = card.as_dict()
    assert [found[key] for key in ("study", "trial", "rank", "state", "val_accuracy", "test_accuracy")] == [None] * 6
    kernels = (3 * 16 + 2 * 16 * 16 + 16 * 32) * 9
    assert found["params"] == kernels + 2 * (3 * 16 + 32) + 32 * 10 + 10


def test_two_texts_are_compared_without_a_study(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    nowhere = ["--storage", str(tmp_path / "none.log")]
    assert search.run(["compare", ONCE, TWICE, *nowhere, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"]["params"] == 0
    assert found["differences"]["macs"] == 16 * 16 * 9 * 32 * 32  # the second call of one layer
    assert [edit["text"] for edit in found["edits"]] == ["2c3 instead of c3 in C1"]
    assert search.run(["compare", ONCE, TWICE, *nowhere]) == 0
    assert "2c3 instead of c3 in C1 (an accuracy is not known yet)" in capsys.readouterr().out
    assert search.run(["compare", ONCE, "best", *nowhere]) == 2
    assert search.run(["compare", ONCE, TWICE, *nowhere, "--study", "mine"]) == 2
    assert search.run(["compare", ONCE, "BR/c16-65c16/fc", *nowhere]) == 2
    assert "calls of a block is 65" in capsys.readouterr().err
