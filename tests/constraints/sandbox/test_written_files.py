"""Modules that exist as the text of a cell only, and packages of which some modules do."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from constraints.sandbox.written_files import WrittenFiles


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Mapping[str, str], str], Any]]:
    """Imports a module by its name where files are written; its folder is ``tmp_path``."""
    monkeypatch.syspath_prepend(tmp_path)
    finders, before = [], set(sys.modules)

    def of(texts: Mapping[str, str], name: str) -> Any:
        finders.append(WrittenFiles(texts))
        sys.meta_path.insert(0, finders[-1])
        return importlib.import_module(name)

    yield of
    for finder in finders:
        sys.meta_path.remove(finder)
    for name in set(sys.modules) - before:
        del sys.modules[name]


Import = Callable[[Mapping[str, str], str], Any]


def test_a_module_is_its_text_and_knows_its_file(imported: Import) -> None:
    module = imported({"net_written.py": "here = __file__\nname = __name__"}, "net_written")

    assert (module.here, module.name) == ("net_written.py", "net_written")


def test_a_module_that_is_not_written_is_left_to_others() -> None:
    assert WrittenFiles({"a/b.py": ""}).find_spec("b") is None
    assert WrittenFiles({"ab/c.py": ""}).find_spec("a") is None


def test_a_package_needs_no_file_of_its_own(imported: Import) -> None:
    assert imported(
        {"parts_written/deep/net.py": "from . import more", "parts_written/deep/more.py": ""}, "parts_written.deep.net"
    )


def test_a_package_may_be_written_and_comes_before_a_module_of_its_name(imported: Import) -> None:
    texts = {"both_written/__init__.py": "which = 'package'\nfrom .a import x", "both_written/a.py": "x = 3"}
    module = imported({**texts, "both_written.py": "which = 'module'"}, "both_written")

    assert (module.which, module.x, module.__file__) == ("package", 3, "both_written/__init__.py")


@pytest.mark.parametrize("is_regular", [False, True])
def test_the_rest_of_a_package_is_in_its_folder(is_regular: bool, imported: Import, tmp_path: Path) -> None:
    (tmp_path / "mixed_written").mkdir()
    (tmp_path / "mixed_written" / "on_disk.py").write_text("y = 2")
    (tmp_path / "mixed_written" / "net.py").write_text("x = 'of an earlier run'")
    if is_regular:
        (tmp_path / "mixed_written" / "__init__.py").write_text("top = 5")
    module = imported({"mixed_written/net.py": "from .on_disk import y\nx = 1 + y"}, "mixed_written.net")

    assert module.x == 3
    assert getattr(sys.modules["mixed_written"], "top", None) == (5 if is_regular else None)


def test_a_written_package_still_has_what_is_in_its_folder(imported: Import, tmp_path: Path) -> None:
    (tmp_path / "kept_written").mkdir()
    (tmp_path / "kept_written" / "on_disk.py").write_text("y = 2")
    module = imported({"kept_written/__init__.py": "from .on_disk import y"}, "kept_written")

    assert module.y == 2


def test_a_module_of_the_same_name_in_the_folder_is_not_mistaken_for_the_package(
    imported: Import, tmp_path: Path
) -> None:
    (tmp_path / "flat_written.py").write_text("raise SystemExit")

    assert imported({"flat_written/net.py": "x = 1"}, "flat_written.net").x == 1


@pytest.mark.parametrize(
    ("path", "name"), [("wrong_written.py", "wrong_written"), ("w_written/__init__.py", "w_written")]
)
def test_an_error_names_the_line_of_the_written_file(path: str, name: str, imported: Import) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        imported({path: "x = 0\ny = 1 / x"}, name)

    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == (path, 2, "y = 1 / x")
