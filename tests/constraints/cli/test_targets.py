"""Files, folders and patterns as one list of targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.cli.target import parse_target
from constraints.cli.targets import expand, may_hold_model
from constraints.errors import UnusableInputError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = ("a.py", "b.ipynb", "c.txt", "deep/d.py", "deep/__init__.py", "deep/test_d.py", ".hidden/e.py", "venv/f.py")
    for name in (*names, "deep/odd[1].py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def texts(*given: str) -> list[str]:
    return [t.text for t in expand(given).targets]


@pytest.mark.usefixtures("here")
def test_a_folder_means_its_sources_and_a_pattern_for_what_it_matches() -> None:
    assert texts("deep/") == ["deep/d.py", "deep/odd[1].py"]
    assert texts(".") == ["a.py", "b.ipynb", "deep/d.py", "deep/odd[1].py"]
    assert texts("*.ipynb", "a.py") == ["b.ipynb", "a.py"]
    assert texts("**/d.py:Net") == ["deep/d.py:Net"]
    assert texts("a.py", "*.py", "a.py:Net") == ["a.py", "a.py:Net"]
    assert texts("deep/odd[1].py") == ["deep/odd[1].py"]


def test_a_link_to_nowhere_in_a_folder_is_not_passed_over(here: Path) -> None:
    (here / "deep/gone.py").symlink_to(here / "nowhere.py")
    (here / "deep/round.py").symlink_to("round.py")
    (here / "deep/folder.py").mkdir()
    assert texts("deep/") == ["deep/d.py", "deep/gone.py", "deep/odd[1].py", "deep/round.py"]


@pytest.mark.usefixtures("here")
def test_one_file_is_one_target_and_a_folder_of_one_is_not() -> None:
    assert expand(["a.py:Net"]).is_one
    assert expand(["package.module"]).is_one
    assert not expand(["a.py", "b.ipynb"]).is_one
    assert not expand(["b.*nb"]).is_one
    assert expand(["deep:Net"]).targets[0].module == "deep"  # a package, since it has a NAME


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("text", ["*.rs", "c*.txt", ".hidden"])
def test_a_folder_or_pattern_without_a_source_is_refused(text: str) -> None:
    if text == ".hidden":
        Path(".hidden/e.py").unlink()
    with pytest.raises(UnusableInputError, match=r"no \.py or \.ipynb file found: "):
        expand([text])


@pytest.mark.parametrize(
    ("code", "may"),
    [
        ("class Net: pass", True),
        ("net = make()", True),
        ("net = [make()]", True),
        ("import torch.nn as nn\ndef make():\n    return nn.Linear(2, 2)", True),
        ("from torch import nn\ndef make():\n    return nn.Linear(2, 2)", True),
        ("import torchvision\ndef f(): pass\nx = 3", False),
    ],
)
def test_a_file_of_functions_alone_is_run_only_if_it_imports_torch(tmp_path: Path, code: str, may: bool) -> None:
    (tmp_path / "net.py").write_text(code)
    assert may_hold_model(parse_target(f"{tmp_path}/net.py")) is may


def test_a_name_that_no_file_can_have_is_a_file_that_is_not_there() -> None:
    (target,) = expand([f"{'a' * 300}.py:Net"]).targets
    assert target.file == Path(f"{'a' * 300}.py")
