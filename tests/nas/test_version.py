from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import nas
import search
from nas import version

ROOT = Path(__file__).parents[2]


def test_the_version_is_that_of_the_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "installed", {"neural-architecture-search": "7.8.9"}.__getitem__)
    assert nas.__version__ == "7.8.9"


def test_a_tree_that_was_never_installed_has_that_of_its_project(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "installed", nothing)
    assert nas.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_command_line_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert search.run(["--version"]) == 0
    assert capsys.readouterr().out == f"{nas.__version__}\n"
