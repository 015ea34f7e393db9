"""The commands that only read a study, in this process."""

from __future__ import annotations

import json
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

import search
from nas.cli import views
from nas.results.board import leaderboard
from nas.search.storage import open_storage
from nas.search.trial_store import TrialStore
from tests.nas.cli.refused import refused
from tests.nas.results.known import PLAIN, known_study, network_study

Captured = pytest.CaptureFixture[str]
NETWORKS = ("--storage", "networks.log")


@pytest.fixture
def study(here: Path) -> optuna.Study:
    (here / "runs").mkdir()
    return known_study(here / "runs" / "journal.log")


@pytest.fixture
def networks(here: Path) -> optuna.Study:
    return network_study(here / "networks.log")


def test_the_leaderboard_in_each_format(study: optuna.Study, capsys: Captured) -> None:
    assert search.run(["leaderboard", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == json.loads(json.dumps(leaderboard(study, is_live=False).as_dict()))
    for form, start in (("csv", "rank,trial,state,val_accuracy"), ("markdown", "| # | trial |"), ("table", "study")):
        assert search.run(["leaderboard", "--format", form, "--study", "known"]) == 0
        assert capsys.readouterr().out.startswith(start)


def test_flags_choose_rows(study: optuna.Study, capsys: Captured) -> None:
    def rows(*flags: str) -> list[int]:
        assert search.run(["leaderboard", "--format", "json", *flags]) == 0
        return [row["trial"] for row in json.loads(capsys.readouterr().out)["rows"]]

    assert rows("--top", "2") == [1, 2]
    assert rows("--sort", "params", "--top", "1") == [3]
    assert rows("--state", "failed, running") == [5, 4]
    assert rows("--pareto", "--state", "complete") == [1, 2, 0]
    assert rows("--pareto", "--state", "failed,running") == []


def test_a_front_without_complete_trials_says_why_it_is_empty(study: optuna.Study, capsys: Captured) -> None:
    assert search.run(["leaderboard", "--pareto", "--state", "pruned"]) == 0
    assert "note: none of these trials is complete: leave --pareto out" in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_keeps_to_the_columns_it_is_given(
    study: optuna.Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert search.run(["leaderboard"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert ("architecture" in lines[1]) is (width == 120)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format", "xml"], "--format: unknown format: 'xml': use table, json, csv, markdown"),
        (["--sort", "size"], "--sort: unknown sort key: 'size': use "),
        (
            ["--state", "complete,done"],
            "--state: unknown state: 'done': use complete, pruned, running, unfinished, failed",
        ),
        (["--study", "other"], "--study: no such study: 'other': this storage holds 'known'"),
        (["--top", "0"], "--top: 0: give 1 or more"),
        (["--watch", "--format", "json"], "--watch shows a table only: 'json': leave one of the two flags out"),
        (["--storage", "none.log"], "no storage at none.log: nothing was launched here"),
        (["--columns", "parms"], "--columns: unknown column: 'parms': did you mean params?"),
        (["--columns", "trial,acc"], "--columns: unknown column: 'acc': use one of rank, trial, state, "),
        (["--colour"], "no such option: --colour"),
    ],
)
def test_a_leaderboard_that_cannot_be_shown(
    study: optuna.Study, capsys: Captured, flags: list[str], message: str
) -> None:
    assert refused(capsys, "leaderboard", *flags).startswith(message)


def test_one_of_several_studies_may_be_named(study: optuna.Study, capsys: Captured) -> None:
    storage = open_storage("runs/journal.log", write=True)
    optuna.create_study(storage=storage, study_name="second")
    for name, rows in (("second", 0), ("known", 6)):
        assert search.run(["leaderboard", "--study", name, "--format", "json"]) == 0
        out, err = capsys.readouterr()
        assert (len(json.loads(out)["rows"]), err) == (rows, "")


def test_debug_adds_the_traceback(here: Path, capsys: Captured) -> None:
    assert search.run(["leaderboard", "--storage", "none.log", "--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.splitlines()[-1].startswith("error: no storage at none.log")


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("trial", ["best", "0", PLAIN])
def test_a_trial_is_found_by_number_text_or_as_the_best(trial: str, capsys: Captured) -> None:
    assert search.run(["show", trial, *NETWORKS, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["trial"], document["architecture"]) == (0, PLAIN)
    assert document["report"]["metrics"]["receptive_field"] == 107


@pytest.mark.parametrize("text", ["seed", "bR/c8d2p1-c8/fc"])
def test_a_network_needs_no_study(here: Path, text: str, capsys: Captured) -> None:
    assert search.run(["show", text, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["study"], document["trial"], document["state"], document["report"]["target"]) == (
        None, None, None, text
    )  # fmt: skip
    assert search.run(["show", text]) == 0
    assert f"{text}: no study holds it\n" in capsys.readouterr().out
    assert search.run(["compare", text, "seed"]) == 0


@pytest.mark.parametrize("arguments", [["nonsense"], ["BR/c8-zz/fc"], ["seed", "--study", "other"]])
def test_what_is_neither_a_trial_nor_a_network_is_one_line(here: Path, arguments: list[str], capsys: Captured) -> None:
    assert search.run(["show", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.usefixtures("networks")
def test_show_is_a_table(capsys: Captured) -> None:
    assert search.run(["show", *NETWORKS]) == 0
    assert "study networks, trial 0: complete, 3 epochs" in capsys.readouterr().out


@pytest.mark.usefixtures("networks")
def test_compare_has_both_sides(capsys: Captured) -> None:
    assert search.run(["compare", "0", "1", *NETWORKS, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["left"]["trial"], document["right"]["trial"]) == (0, 1)
    assert search.run(["compare", "0", "1", *NETWORKS]) == 0
    assert "difference" in capsys.readouterr().out


@pytest.mark.usefixtures("networks")
def test_a_trial_of_a_named_study_is_compared_with_a_network_that_is_no_trial(capsys: Captured) -> None:
    assert search.run(["compare", "0", "seed", *NETWORKS, "--study", "networks", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["left"]["trial"], document["right"]["trial"]) == (0, None)


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "9"], "no such trial: '9': the study holds trials 0 to 2"),
        (["show", "nonsense"], "no such trial: 'nonsense': the study holds trials 0 to 2"),
        (["show", "bset"], "no such trial: 'bset': the study holds trials 0 to 2; did you mean best?"),
        (["show", "best", "--format", "xml"], "--format: unknown format: 'xml': use table, json"),
        (["compare", "0", "x"], "no such trial: 'x'"),
        (
            ["report", "--to", "study.txt"],
            "--to: the report is an HTML page: 'study.txt': give a file name that ends with .html",
        ),
        (["report", "--to", "none/study.html"], "--to: cannot write none/study.html: No such file or directory"),
    ],
)
def test_one_line_for_each_error(arguments: list[str], message: str, capsys: Captured) -> None:
    assert refused(capsys, *arguments, *NETWORKS).startswith(message)


@pytest.mark.usefixtures("study")
def test_watching_ends_without_an_error(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def ctrl_c(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", ctrl_c)
    assert search.run(["leaderboard", "--watch", "--columns", "trial,state"]) == 130
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split() == ["trial", "state"]
    assert err == ""


def test_a_trial_that_trains_is_followed_to_its_end(
    networks: optuna.Study, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trial 2 runs; its accuracies come while it is watched."""
    monkeypatch.setattr(views, "has_launch", lambda place, study: networks.trials[2].state == TrialState.RUNNING)
    store = TrialStore(networks)
    running, curve = store.reopen(2), list[dict[str, float]]()

    def meanwhile(seconds: float) -> None:
        if len(curve) == 2:
            store.complete(running, [0.5])
            return
        curve.append({"epoch": len(curve) + 1, "val_accuracy": 0.5, "loss": 1.0, "learning_rate": 0.1, "seconds": 2.0})
        store.add_epoch(running, curve)

    monkeypatch.setattr(time, "sleep", meanwhile)
    assert search.run(["show", "2", "--watch", *NETWORKS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "trial 2: running, 0 of 3 epochs in 0s",
        "trial 2: running, 1 of 3 epochs in 2s, validation accuracy 50.00%",
        "trial 2: running, 2 of 3 epochs in 4s, validation accuracy 50.00%",
    ]
    assert lines[3].startswith("study networks, trial 2: complete, 2 epochs in 4s, validation 50.00%")
    assert refused(capsys, "show", "2", "--watch", "--format", "json", *NETWORKS).startswith("--watch shows a table")
