"""Which package a file is part of, and where a package is found above a file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from constraints.sandbox.packages import home_of, package_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file two folders deep, of which the inner ones are packages."""
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "__init__.py").touch()
    (tmp_path / "outer" / "__init__.py").touch()
    (inner / "net.py").touch()
    return inner / "net.py"


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("import torch", ""),
        ("from . import layers", "outer.inner.net"),
        ("from ..common import x", "outer.inner.net"),
        ("import outer.common", "outer.inner.net"),
        ("from outer import x", "outer.inner.net"),
        ("from outermost import x", ""),
    ],
)
def test_imports_say_whether_a_file_is_part_of_a_package(file: Path, text: str, package: str) -> None:
    assert package_of(file, ast.parse(text)) == package


def test_relative_imports_count_folders_without_an_init(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    assert package_of(tmp_path / "deep" / "net.py", ast.parse("from . import x")) == "deep.net"


def test_a_dot_in_a_files_name_makes_no_package(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    assert package_of(tmp_path / "deep" / "net.v2.py", ast.parse("from . import x")) == "deep.net_v2"


def test_a_name_without_its_dot_is_not_that_of_a_neighbour(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "net_v2.py").touch()
    assert package_of(tmp_path / "deep" / "net.v2.py", ast.parse("from .net_v2 import x")) == "deep.net_v2_"


def test_a_package_is_looked_for_in_the_folders_of_the_project(file: Path) -> None:
    project = file.parents[2]
    (project / "helpers.py").touch()
    (project / "pyproject.toml").touch()
    assert home_of("helpers", file) == project
    assert home_of("absent", file) is None
    (project.parent / "beyond.py").touch()
    assert home_of("beyond", file) is None
