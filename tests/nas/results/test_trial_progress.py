from __future__ import annotations

import io

import optuna
from rich.console import Console

from nas.results.selection import find
from nas.results.trial_progress import as_line, as_lines
from nas.search.study import IDENTITY


def test_a_trial_in_a_line_and_with_its_curve(study: optuna.Study) -> None:
    study.set_user_attr(IDENTITY, {"epochs": 20})
    row = find(study, 1, is_live=None)
    line = "trial 1: complete, 2 of 20 epochs in 2s, validation accuracy 86.00%"
    assert as_line(row, study) == line
    file = io.StringIO()
    Console(file=file, width=60).print(as_lines(row, study, 60))
    lines = file.getvalue().splitlines()
    assert "".join(lines[:2]).replace("\n", " ").startswith("trial 1: complete, 2 of 20 epochs in 2s")
    assert any(one.startswith(" 86.00% ") for one in lines)
    assert max(map(len, lines)) <= 60


def test_before_the_first_epoch(study: optuna.Study) -> None:
    assert as_line(find(study, 4, is_live=None), study) == "trial 4: running, 0 epochs in 0s"
    file = io.StringIO()
    Console(file=file, width=60).print(as_lines(find(study, 4, is_live=None), study, 60))
    assert "no epoch yet" in file.getvalue()
