"""``train``: an architecture in this process, a user's own file in the limited one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import search
from constraints.sandbox.parent import Sandbox
from nas.latency.predictor import Predictor
from nas.search import given_network
from nas.search.study import IDENTITY, TARGET
from nas.search.study_opening import open_study
from tests.engines import few_digits, search_in_this_process
from tests.forked_guard import EXPORT, fork_guards

Captured = pytest.CaptureFixture[str]
TINY = "BR/c8-c8s2/c8/fc"
TRAIN = ("--data", "digits", "--epochs", "1", "--device", "cpu", "--workers", "1", "--format", "json")
NET = """
import time
from torch import nn
from blocks import Block

class Net(nn.Module):
    def __init__(self, width=4, hangs=False):
        super().__init__()
        self.body, self.last, self.hangs = Block(width), nn.Linear(width, 10), hangs
        self.tied = nn.Linear(width, width)
        self.again = nn.Linear(width, width)
        self.again.weight = self.tied.weight

    def forward(self, images):
        if self.hangs and len(images) > 8:
            time.sleep(1000)
        x = self.body(images).flatten(2).mean(2)
        return self.last(self.again(self.tied(x).relu()) + x).softmax(1)
"""
BLOCKS = "from torch import nn\ndef Block(width):\n    return nn.Conv2d(3, width, 3, 2)\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    search_in_this_process(monkeypatch)
    few_digits(monkeypatch)
    fork_guards(monkeypatch, EXPORT)


def document(capsys: Captured, *command: str, code: int) -> Any:
    capsys.readouterr()
    assert search.run(list(command)) == code
    return json.loads(capsys.readouterr().out)


def error(capsys: Captured, *command: str, code: int = 2) -> str:
    """The line on stderr that ends a command."""
    capsys.readouterr()
    assert search.run(list(command)) == code
    return capsys.readouterr().err.splitlines()[-1].removeprefix("error: ")


def test_an_architecture_is_a_trial_beside_which_a_search_continues(here: Path, capsys: Captured) -> None:
    found = document(capsys, "train", TINY, "--seeds", "2", "--require", "params < 1k", *TRAIN, code=1)
    assert (found["origin"], found["architecture"]) == ("text", TINY)
    assert found["broken"] == ["params < 1000"]
    assert [(row["trial"], row["seed"]) for row in found["rows"]] == [(0, 0), (1, 1)]
    assert found["val_accuracy"] == pytest.approx(sum(row["val_accuracy"] for row in found["rows"]) / 2)
    again = document(capsys, "train", TINY, "--seeds", "3", *TRAIN, code=1)  # the rules are the study's
    assert [(row["trial"], row["seconds"]) for row in again["rows"][:2]] == [
        (row["trial"], row["seconds"]) for row in found["rows"]
    ]
    assert len(again["rows"]) == 3
    with open_study() as study:
        assert "space" not in study.user_attrs[IDENTITY]
    rules = ("--require", "params < 1k")
    none = error(capsys, "launch", "--space", "tiny", "--trials", "1", *rules, *TRAIN)
    assert "params < 1000" in none, "no network of the space is that small"


def test_the_end_names_the_next_commands_with_the_study_and_its_storage(here: Path, capsys: Captured) -> None:
    place = ("--study", "mine", "--storage", "other.log")
    assert search.run(["train", TINY, *TRAIN[:-2], "--require", "params < 100k", *place]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "next, with --study mine --storage other.log: search.py confirm 0 · show 0 · leaderboard"


def test_a_network_that_keeps_the_rules_is_best_and_meets_the_target(here: Path, capsys: Captured) -> None:
    rules = ("--require", "params < 100k")
    document(capsys, "train", TINY, "--target", "0.001", *rules, *TRAIN, code=0)
    launch = ("launch", "--space", "tiny", "--trials", "1", *rules, *TRAIN)
    board = document(capsys, *launch, code=0)
    assert {row["origin"] for row in board["rows"]} == {None, "text"}
    assert (board["counts"]["complete"], board["counts"]["pruned"]) == (2, 0)
    with open_study() as study:
        assert study.user_attrs[IDENTITY]["space"]["name"] == "tiny"
    met = document(capsys, *launch, "--stop-at-target", "--target", "0.001", "--trials", "9", code=0)
    assert len(met["rows"]) == 2, "the target is met already"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["BR/c8/nohead"], "unknown head: 'nohead'"),
        (
            ["BR.1x8x8.3/c8-c8s2/fc"],
            "is for images of 1x8x8 and 3 classes, not images of 3x32x32 and 10 classes: give the text without",
        ),
        ([TINY, "--arg", "width=3"], "an architecture takes no arguments: --arg width"),
        ([TINY, "--seeds", "0"], "--seeds: 0: give 1 or more"),
        (["missing.py:Net"], "cannot read the file: 'missing.py'"),
        (["no_such_module:Net"], "no such module: 'no_such_module': give file.py:NAME"),
        (["net.py:Net", "--timeout", "soon"], "not a duration: 'soon'"),
    ],
)
def test_what_cannot_be_trained_is_one_line(here: Path, capsys: Captured, command: list[str], message: str) -> None:
    assert message in error(capsys, "train", *command, "--data", "digits")
    assert not (here / "runs").exists()


@pytest.fixture(scope="module")
def opened() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(opened: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """One for all that a test runs, so that torch is loaded once for them."""
    one_for_all(monkeypatch, opened)
    return opened


def test_it_goes_by_the_settings_of_the_project_in_a_new_study_alone(here: Path, capsys: Captured) -> None:
    """A search after it, which goes by them too, takes the study."""
    table = '[tool.nas]\ndata = "digits"\nepochs = 1\nrequire = ["params < 1k"]\nrecipe = "sgd"\nstudy = "mine"\n'
    (here / "pyproject.toml").write_text(table + 'space = "tiny"\n')
    capsys.readouterr()
    assert search.run(["train", TINY, *TRAIN[4:]]) == 1
    found = capsys.readouterr()
    assert f"settings: data, epochs, recipe, study, constraints from [tool.nas] of {here}/pyproject.toml" in found.err
    with open_study(study="mine") as study:
        known = study.user_attrs[IDENTITY]
    assert (known["epochs"], known["constraints"], known["recipe"]["name"]) == (1, ["params < 1000"], "sgd")
    other = table.replace("1k", "9k").replace("sgd", "seed").replace("= 1", "= 3")
    (here / "pyproject.toml").write_text(other + "target = 0.1\n")
    assert search.run(["train", TINY, "--seeds", "2", *TRAIN[4:]]) == 1
    found = capsys.readouterr()
    assert f"settings: data, study from [tool.nas] of {here}/pyproject.toml" in found.err, "the rest is the study's"
    assert len(json.loads(found.out)["rows"]) == 2
    with open_study(study="mine") as study:
        assert study.user_attrs[TARGET] == 0.85
    assert "other recipe" in error(capsys, "train", TINY, "--recipe", "seed", *TRAIN[4:])


OWN = """
from torch import nn
from constraints import metric

@metric
def filters(model, trace):
    return sum(m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d))
"""


def test_it_is_measured_and_logged_as_a_candidate_is(
    here: Path, capsys: Captured, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = Predictor(
        machine="this one", threads=1, weights={"network": 0.5}, median_error=0.12, error_90=0.3, networks=24
    )
    for place in ("launch_measures.load", "early_check.load_latency"):
        monkeypatch.setattr(f"nas.search.{place}", lambda: half)
    for name, text in (("own.py", OWN), ("net.py", NET), ("blocks.py", BLOCKS)):
        (here / name).write_text(text, encoding="utf-8")
    rules = (
        "--require",
        "params < 100k",
        "--require",
        "filters > 6",
        "--objective",
        "accuracy,filters,macs,latency_ms",
    )
    own = ("--metrics", "own.py")
    document(capsys, "launch", "--space", "tiny", "--trials", "1", *own, *rules, *TRAIN, code=0)
    assert error(capsys, "train", TINY, *TRAIN).endswith("measures networks by own.py: give that file: --metrics")
    (text,) = document(capsys, "train", TINY, *own, "--log", "tensorboard:curves", *TRAIN, code=0)["rows"]
    assert (text["filters"], text["latency_ms"], text["broken"]) == (8 + 8 + 8, 0.5, [])
    assert len(list((here / "curves").rglob("events.*"))) == 1
    found = document(capsys, "train", "net.py:Net", *own, "--arg", "width=5", *TRAIN, code=1)
    (code,) = found["rows"]
    assert (code["filters"], code["broken"], code["macs"]) == (5, ["filters > 6"], 15 * 15 * 5 * 27 + 2 * 25 + 50)
    assert 0 < code["latency_ms"] < 100, "of no architecture it is measured"
    way = "of net.py:Net is measured (median, torch, threads: 1); that of candidates is predicted, with an error"
    assert any(f"{way} of 12%" in note for note in found["notes"])
    front = document(capsys, "leaderboard", "--pareto", "--format", "json", code=0)["rows"]
    assert text["trial"] in {row["trial"] for row in front}, "no other has fewer filters and keeps the rules"


def test_a_file_of_ones_own(here: Path, capsys: Captured, sandbox: Sandbox) -> None:
    """Trained in the limited process, confirmed and exported from its copy; a change is not resumed."""
    (here / "net.py").write_text(NET, encoding="utf-8")
    (here / "blocks.py").write_text(BLOCKS, encoding="utf-8")
    found = document(capsys, "train", "net.py:Net", "--arg", "width=5", *TRAIN, code=1)
    assert (found["origin"], found["architecture"]) == ("net.py:Net", None)
    assert found["metrics"]["params"] == 5 * 28 + 10 * 6 + 25 + 2 * 5  # the shared weight once
    assert any("its logarithm is trained" in note for note in found["notes"])
    (row,) = found["rows"]
    assert (row["trial"], row["state"], row["macs"]) == (0, "complete", 15 * 15 * 5 * 27 + 2 * 25 + 50)
    (here / "blocks.py").unlink()
    (confirmed,) = document(capsys, "confirm", "net.py:Net", *TRAIN[4:], code=1)
    assert confirmed["architecture"] == "net.py:Net"
    assert search.run(["export", "0", "--to", "out.py"]) == 0
    assert load_file("out.safetensors").keys() >= {"body.weight", "tied.weight", "again.weight"}
    assert (here / "out_source" / "blocks.py").read_text(encoding="utf-8") == BLOCKS
    shown = document(capsys, "show", "0", "--format", "json", code=0)
    assert shown["report"]["metrics"]["params"] == row["params"]
    assert search.run(["compare", "0", "0"]) == 0
    assert search.run(["report", "--to", "page.html"]) == 0
    (here / "blocks.py").write_text(BLOCKS, encoding="utf-8")
    (here / "grey.py").write_text(NET.replace("Block(width)", "nn.Conv2d(1, width, 3)"), encoding="utf-8")
    grey = error(capsys, "train", "grey.py:Net", *TRAIN, code=3)
    assert grey.endswith("have 3 channels: make the model for these, perhaps by --arg")
    hanging = ("train", "net.py:Net", "--arg", "hangs=true", "--timeout", "5s", *TRAIN)
    assert "took too long at training: 5 s" in error(capsys, *hanging, code=3)


def test_networks_of_a_notebook_and_of_a_package_share_a_study(here: Path, capsys: Captured, sandbox: Sandbox) -> None:
    code = "from torch import nn\ndef net(width=4):\n    layers = nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1)\n"
    code += "    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width, 10))\n"
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (here / "book.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (here / "inside" / "deep").mkdir(parents=True)
    for part in ("inside", "inside/deep"):
        (here / part / "__init__.py").touch()
    (here / "inside" / "deep" / "nets.py").write_text(code, encoding="utf-8")
    own = ("--arg", "width=5", *TRAIN)
    first = document(capsys, "train", "book.ipynb:net", *TRAIN, code=1)
    second = document(capsys, "train", "inside.deep.nets:net", *own, code=1)
    assert [one["metrics"]["params"] for one in (first, second)] == [w * 28 + 10 * (w + 1) for w in (4, 5)]
    rows = document(capsys, "leaderboard", "--format", "json", code=0)["rows"]
    assert {row["origin"] for row in rows} == {"book.ipynb:net", "inside.deep.nets:net"}
    for trial, width in (("0", 4), ("1", 5)):
        assert search.run(["export", trial, "--to", f"{trial}.safetensors"]) == 0
        weights = load_file(f"{trial}.safetensors").values()
        assert [tuple(one.shape) for one in weights if one.ndim == 4] == [(width, 3, 3, 3)]


def one_for_all(patch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    from nas.results import export_given
    from nas.search import given_training, launch_measures, measures

    class Shared:
        def __init__(self, **_: object) -> None:
            self.check, self.run = sandbox.check, sandbox.run

        def __enter__(self) -> Shared:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    for module in (given_network, given_training, export_given, launch_measures, measures):
        patch.setattr(module, "Sandbox", Shared)
