"""Where a module is, found without an import."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from constraints.cli.modules import MissingModuleError, files_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with files that must not be run."""
    for name in ("pack_of_test/__init__.py", "pack_of_test/inner/net.py", "pack_of_test/net.py", "bare_of_test/net.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('it was run')")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "files"),
    [
        ("pack_of_test", ["pack_of_test/__init__.py"]),
        ("pack_of_test.net", ["pack_of_test/__init__.py", "pack_of_test/net.py"]),
        ("bare_of_test.net", ["bare_of_test/net.py"]),
    ],
)
def test_the_files_around_a_module_come_first(module: str, files: list[str], folder: Path) -> None:
    before = sys.path[:]

    assert files_of(module) == [folder / file for file in files]
    assert sys.path == before


@pytest.mark.parametrize("module", ["sys", "bare_of_test", "torch._C"])
def test_only_an_import_can_say_what_else_it_is(module: str, folder: Path) -> None:
    assert files_of(module) is None


@pytest.mark.parametrize(
    ("module", "missing", "found"),
    [
        ("no_such_of_test", "no_such_of_test", []),
        ("no_such_of_test.net", "no_such_of_test", []),
        ("pack_of_test.other", "pack_of_test.other", ["pack_of_test/__init__.py"]),
        ("pack_of_test.net.more", "pack_of_test.net.more", ["pack_of_test/__init__.py", "pack_of_test/net.py"]),
        ("bare_of_test.other", "bare_of_test.other", []),
    ],
)
def test_the_first_part_that_is_missing_is_named(module: str, missing: str, found: list[str], folder: Path) -> None:
    with pytest.raises(
        MissingModuleError, match=f"^no such module: '{missing}': give file.py:NAME or correct the name$"
    ) as raised:
        files_of(module)
    assert raised.value.files == [folder / file for file in found]


@pytest.mark.parametrize(
    "module",
    ["", ".", "a..b", "..", "pack_of_test.", "pack_of_test..net", "a\0b", "x" * 5_000, "é", "-", "pack_of_test/net"],
)
def test_what_can_be_no_module_is_missing_or_left_to_an_import(module: str, folder: Path) -> None:
    with suppress(MissingModuleError):
        assert files_of(module) is None
