"""What bash gets to complete, asked for as its function asks."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

import search
from nas.champions.registry import champions, limits
from nas.cli.completion import AUGMENTATIONS
from nas.search.storage import close_storage, open_storage
from nas.training.augmentation import PIPELINES
from tests.nas.results.known import add


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words that bash offers at the end of a line."""
    words = line.split(" ")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_NAS_COMPLETE", "complete_bash")
    with pytest.raises(SystemExit) as ended:
        search.run([], "nas")
    assert not ended.value.code
    out, err = capsys.readouterr()
    assert err == ""
    return out.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nas lau", ["launch"]),
        ("nas launch --sto", ["--stop-at-target", "--storage"]),
        ("nas launch --deb", ["--debug"]),
        ("nas launch --space ", ["assignment", "wide", "tiny", "long", "small"]),
        ("nas space t", ["tiny"]),
        ("nas launch --recipe s", ["sgd", "seed"]),
        ("nas launch --augmentation n", ["none"]),
        ("nas launch --data d", ["digits"]),
        ("nas leaderboard --sort par", ["params", "pareto"]),
        ("nas leaderboard --state p", ["pruned"]),
        ("nas validate x.py --require max", ["max_pools"]),
        ("nas validate x.py --format js", ["json", "jsonl"]),
        ("nas show --storage none.log s", ["seed"]),
        ("nas show --storage none.log champion-", [*champions(), *limits()]),
        ("nas --debug space t", ["tiny"]),
        ("nas space -q t", ["tiny"]),
        ("nas launch -v --space t", ["tiny"]),
        ("nas --debug lau", ["launch"]),
        ("nas leaderboard --state complete,pr", ["complete,pruned"]),
        ("nas leaderboard --state pruned,p", []),
        ("nas leaderboard --columns trial,val_b", ["trial,val_balanced_accuracy"]),
        ("nas launch --objective accuracy,par", ["accuracy,params"]),
        ("nas show --study ", []),
        ("nas launch --recipe default,dist", ["default,distillation="]),
        ("nas launch --recipe default,crop=2,cr", []),
        ("nas launch --tune mixup,warm", ["mixup,warmup"]),
        ("nas launch --start mob", ["mobilenet"]),
        ("nas launch --start ", []),
        ("nas train tin", ["tiniest"]),
        ("nas enqueue mob", ["mobilenet"]),
        ("nas space --neighbours mob", ["mobilenet"]),
        ("nas launch --teacher champion-s", ["champion-search", "champion-small-120"]),
    ],
)
def test_values_are_completed(
    line: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(line, monkeypatch, capsys) == words


def test_studies_of_the_storage_that_the_line_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = open_storage("here.log", write=True)
    for name in ("first", "second"):
        optuna.create_study(storage=storage, study_name=name)
    close_storage(storage)
    assert completed("nas show --storage here.log --study ", monkeypatch, capsys) == ["second", "first"]
    assert completed("nas delete --storage here.log f", monkeypatch, capsys) == ["first"]
    assert completed("nas show --storage here.log see", monkeypatch, capsys) == ["seed"]  # of two studies, no note


def test_trials_are_those_of_the_study_that_the_project_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of a storage that the line names it is the newest study, as the commands themselves take it."""
    storage = open_storage("here.log", write=True)
    for name, trials in (("old", 3), ("new", 1)):
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
        for _ in range(trials):
            add(study, [0.5], params=1)
    close_storage(storage)
    (tmp_path / "pyproject.toml").write_text('[tool.nas]\nstorage = "here.log"\nstudy = "old"\n')
    numbers = [word for word in completed("nas show ", monkeypatch, capsys) if word.isdecimal()]
    assert sorted(numbers) == ["0", "1", "2"]
    for line in ("nas show --study new ", "nas show --storage here.log "):
        assert [word for word in completed(line, monkeypatch, capsys) if word.isdecimal()] == ["0"]
    assert completed("nas delete ", monkeypatch, capsys) == ["new", "old"]


def test_profiles_are_those_of_the_file_that_the_line_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "rules.toml").write_text('[profiles.small]\nrequire = ["params < 50k"]\n[profiles.slow]\n')
    line = "nas validate x.py --constraints rules.toml --profile sm"
    assert completed(line, monkeypatch, capsys) == ["small"]


def test_the_augmentations_are_those_that_ship() -> None:
    assert {*AUGMENTATIONS} == {*PIPELINES, "none"}
