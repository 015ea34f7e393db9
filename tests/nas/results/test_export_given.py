"""The file with the source of a user's own network."""

from __future__ import annotations

import ast
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from constraints.sandbox.request import Target
from nas.results.export_given import GivenSubject, write_given
from nas.search.given import Given, file_hash
from tests.engines import forget_users_modules

CODE = """import random
import torch
from torch import nn
class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
        self.drawn = random.random()
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[str]:
    """The text of an exported file; its modules are forgotten afterwards."""
    before, path = set(sys.modules), list(sys.path)
    file = tmp_path / "net.py"
    file.write_text(CODE, encoding="utf-8")
    target = Target(text="net.py:Net", file=file, module="", name="Net")
    given = Given(target=target, files={str(file): file_hash(file)})
    to = tmp_path / "out.py"
    write_given(GivenSubject(given=given, input=(2,), weights=None, about={}), to)
    yield to.read_text(encoding="utf-8")
    forget_users_modules(before)
    sys.path[:] = path


@pytest.mark.parametrize("has_numpy", [True, False])
def test_an_exported_file_needs_torch_alone(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_numpy: bool
) -> None:
    if not has_numpy:
        monkeypatch.setitem(sys.modules, "numpy", None)  # its import raises ModuleNotFoundError
    scope: dict[str, Any] = {"__file__": str(tmp_path / "out.py"), "__name__": "out"}
    exec(program, scope)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    one, other = scope["Net"](), scope["Net"]()
    assert torch.equal(one.weight, other.weight)
    assert one.drawn == other.drawn == random.Random(0).random()
    now = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    assert torch.equal(now[0], states[0])
    assert now[1:] == states[1:]


@pytest.mark.parametrize("stem", ['a"""b', "back\\\\slash", "new\nline", 'ends"'])
def test_whatever_its_source_is_called_an_exported_file_is_a_program(tmp_path: Path, stem: str) -> None:
    file = tmp_path / f"{stem}.py"
    file.write_text(CODE, encoding="utf-8")
    target = Target(text=f"{file.name}:Net", file=file, module="", name="Net")
    given = Given(target=target, files={str(file): file_hash(file)})
    to = tmp_path / f"{stem}-out.py"
    write_given(GivenSubject(given=given, input=(2,), weights=None, about={}), to)
    (about, *_) = ast.parse(to.read_text(encoding="utf-8")).body
    assert isinstance(about, ast.Expr)
    assert ":Net, as it was trained." in ast.literal_eval(about.value)
