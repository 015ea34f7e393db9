"""Which name was meant by one that the model's code does not find."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from constraints.unknown_names import hint_of_name


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.width = 4

    def misspelt(self) -> Any:
        return self.con1

    def other(self) -> Any:
        return self.something_else

    def without_self(self) -> Any:
        return conv1  # type: ignore[name-defined]  # noqa: F821

    def not_imported(self) -> Any:
        return F.relu(torch.ones(1))  # type: ignore[name-defined]  # noqa: F821


class NoConstructor(nn.Module):
    def _init_(self) -> None:
        self.conv1 = nn.Conv2d(3, 4, 3)

    def run(self) -> Any:
        return self.conv1


class Whole:
    def __int__(self) -> int:
        return 3


class Settings:
    def __inti__(self) -> None:
        self.width = 4


@pytest.mark.parametrize(
    ("run", "hint"),
    [
        (lambda: Net().misspelt(), "did you mean conv1?"),
        (lambda: Net().other(), ""),
        (lambda: Net().without_self(), "did you mean self.conv1?"),
        (lambda: Net().not_imported(), "add import torch.nn.functional as F"),
        (lambda: NoConstructor().run(), "NoConstructor defines _init_, which nothing calls: write __init__"),
        (lambda: nn.Conv2D, "did you mean Conv2d"),  # type: ignore[attr-defined]
        (lambda: torch.ones(2).nothing, ""),  # type: ignore[attr-defined]
        (lambda: int("x"), ""),
        (lambda: xrange(3), "the code is for Python 2: write range"),  # type: ignore[name-defined]  # noqa: F821
        (
            lambda: os.environ["WIDTH_OF_NOTHING"],
            "WIDTH_OF_NOTHING is no environment variable here: set it before the command: WIDTH_OF_NOTHING=...",
        ),
        (lambda: {"a": 1}["WIDTH_OF_NOTHING"], ""),
        (lambda: (3).sizes, ""),  # type: ignore[attr-defined]
        (lambda: torch.ones(2, 3).size(1).sizes, ""),  # type: ignore[attr-defined]
        (lambda: Whole().sizes, ""),  # type: ignore[attr-defined]
        (lambda: Settings().width, "Settings defines __inti__, which nothing calls: write __init__"),
    ],
)
def test_what_was_meant(run: Callable[[], Any], hint: str) -> None:
    with pytest.raises((AttributeError, KeyError, NameError, ValueError)) as error:
        run()
    assert hint_of_name(error.value).startswith(hint)
    assert bool(hint_of_name(error.value)) == bool(hint)


@pytest.mark.parametrize(
    ("file", "line", "hint"),
    [
        (
            "einops_.py",
            "from einops_ import reduce",
            "this file has the name of the module that it imports: rename einops_.py",
        ),
        ("net.py", "from torch.nn import Conv2D", "did you mean Conv2d?"),
        ("net.py", "from torch.nn import nothing_like_it", ""),
        ("net.py", "from math import squareroot", ""),
    ],
)
def test_a_name_that_a_module_lacks(
    file: str, line: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / file).write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, file.removesuffix(".py"), module := ModuleType(file.removesuffix(".py")))
    module.__file__ = str(tmp_path / file)
    with pytest.raises(ImportError) as error:
        exec(compile(line, tmp_path / file, "exec"), vars(module))
    assert hint_of_name(error.value) == hint
