"""A user's network from Python, in this process; a user's code in the limited one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import nas
from constraints.errors import UnusableInputError
from tests.engines import few_digits, search_in_this_process
from tests.forked_guard import EXPORT, fork_guards

TEXT = "BR/c8-c8-c16s2/c16-c16-c16s2/c16-c16-c16s2/c16-dwd2-pw16-c32/fc"
MANY = "ignore:.*(selected by|a whole training has)"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    search_in_this_process(monkeypatch)
    few_digits(monkeypatch)
    fork_guards(monkeypatch, EXPORT)


@pytest.mark.filterwarnings(MANY)
def test_a_text_is_a_trial_of_the_study_a_seed(here: Path) -> None:
    row = nas.train(TEXT, data="digits", epochs=1, seeds=2, workers=1, device="cpu", constraints=["params < 100k"])
    board = nas.leaderboard()
    assert [(one.trial, one.state, one.architecture) for one in board.rows if one.trial == row.trial] == [
        (row.trial, "complete", TEXT)
    ]
    assert {one.seed for one in board.rows} == {0, 1}
    assert row.val_accuracy == max(one.val_accuracy or 0.0 for one in board.rows)
    assert row.broken == ()


@pytest.mark.filterwarnings(MANY)
def test_a_module_is_trained_from_its_weights_and_stays_as_it_is(here: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    row = nas.train(module, data="digits", epochs=1, workers=1, device="cpu", constraints=["params < 100"])
    assert (row.state, row.params, list(row.broken)) == ("complete", 4 * 28 + 50, ["params < 100"])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    with pytest.raises(UnusableInputError, match=r"kept nowhere: give it again \(nas.confirm\(trial, model=module\)\)"):
        nas.confirm(row, workers=1, device="cpu")
    confirmed = nas.confirm(row, model=module, workers=1, device="cpu")
    assert (confirmed.trial, confirmed.seeds) == (row.trial, (0,))


def test_what_is_no_network_is_refused(here: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"no network: int: give a text such as net\.py:Net, or an nn.Module"):
        nas.train(3)
    with pytest.raises(UnusableInputError, match="seeds is out of range: 0: give 1 or more"):
        nas.train(TEXT, seeds=0)
