"""What a user names as a card: trials first, then networks that no study holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.results.found_card import found_card
from tests.nas.results.known import PLAIN, network_study

OTHER = "BR/c8-c8s2/c16-c16s2/c16-c16s2/c16-c16/fc"


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
