"""The names of the package: each is there, loads on first use, and is hidden by no module."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import constraints
import nas
from tests.nas.results.known import known_study

FOLDER = Path(nas.__file__).parent


def test_every_name_loads() -> None:
    assert {name for name in nas.__all__ if getattr(nas, name) is None} == set()
    assert {name for name in dir(nas) if not name.startswith("__")} == set(nas.__all__) - {"__version__"}
    assert set(nas.__all__) <= set(dir(nas))


def test_the_page_of_functions_names_each_with_parameters_that_it_has() -> None:
    page = (FOLDER.parent / "docs" / "api.md").read_text(encoding="utf-8")
    packages = {"nas": nas, "constraints": constraints}
    for package in packages.values():
        assert {name for name in package.__all__ if not re.search(rf"`({package.__name__}\.)?{name}\b", page)} == set()
    calls = re.findall(r"^\| `(?:(nas)\.)?(\w+)\((.*?)\)` \|", page, flags=re.MULTILINE)
    assert len(calls) > 8
    for package, name, written in calls:
        made = getattr(packages[package or "constraints"], name)
        if isinstance(made, ModuleType):  # constraints.trace, where another test imported the module of 0.1.0
            made = made.trace
        known = inspect.signature(made).parameters
        assert {part.split("=")[0].strip() for part in written.split(",")} <= set(known), name


def test_no_module_hides_a_name() -> None:
    modules = {path.stem for path in FOLDER.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert modules.isdisjoint(nas.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'nas' has no attribute 'lunch'"):
        getattr(nas, "lunch")  # noqa: B009 (a type checker knows that too)


def loaded(code: str) -> list[str]:
    """What of the heavy packages a program loads."""
    heavy = "print(*sorted({'torch', 'optuna', 'pandas', 'pydantic', 'rich', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"import sys, nas\n{code}\n{heavy}"], capture_output=True, check=True)
    return done.stdout.decode().split()


def test_the_package_alone_loads_nothing() -> None:
    assert loaded("") == []


def test_a_board_is_read_without_torch_optuna_and_pydantic(tmp_path: Path) -> None:
    known_study(tmp_path / "known.log")
    assert loaded(f"board = nas.leaderboard({str(tmp_path / 'known.log')!r}); board.best; board.to_json()") == ["numpy"]


def test_the_sampler_needs_no_torch() -> None:
    assert "torch" not in loaded("nas.FeasibleSampler; nas.suggest; nas.parse; nas.leaderboard; nas.LaunchConfig")
