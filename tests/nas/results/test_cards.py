"""What a user names as a card: trials first, then networks that no study holds, by themselves and beside another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import search
from constraints.errors import UnusableInputError
from nas.results.cards import found_card, network_card
from tests.nas.results.known import PLAIN, network_study

OTHER = "BR/c8-c8s2/c16-c16s2/c16-c16s2/c16-c16/fc"
ONCE, TWICE = "BR/c16-c16-c16s2/c32/fc", "BR/c16-2c16-c16s2/c32/fc"


@pytest.fixture
def journal(tmp_path: Path) -> str:
    network_study(tmp_path / "journal.log")
    return str(tmp_path / "journal.log")


def test_a_text_is_the_trial_that_has_it_and_else_the_network(journal: str) -> None:
    trial, network = (found_card(text, "left", None, journal) for text in (PLAIN, OTHER))
    assert (trial.study, trial.name, trial.row.val_accuracy) == ("networks", "trial 0", 0.875)
    assert (network.study, network.name, network.row.val_accuracy) == ("", "left", None)


def test_of_a_study_that_is_named_only_a_trial_is_shown(journal: str) -> None:
    assert found_card(PLAIN, "left", "networks", journal).study == "networks"
    with pytest.raises(UnusableInputError, match="no such trial"):
        found_card(OTHER, "left", "networks", journal, is_of_study=True)
    assert found_card(OTHER, "left", "networks", journal).name == "left"  # as a side of a comparison


def test_without_a_storage_a_number_is_refused_and_a_network_is_not(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "absent.log")
    assert found_card("seed", "seed", None, nowhere).name == "seed"
    with pytest.raises(UnusableInputError, match="no storage at"):
        found_card("3", "3", None, nowhere)


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
