"""A network of user code, written as a file: with its trained weights, and refused where a format cannot have it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.request import Target
from nas import exporting_child
from nas.search.given import Given
from tests.engines import forget_users_modules

CODE = """import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, width, 3), nn.Linear(width, 10)
    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))
class Lazy(nn.Sequential):
    def __init__(self):
        super().__init__(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10))
class Double(Net):
    def __init__(self):
        super().__init__()
        self.double()
class Choosing(Net):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(-x)
class Raising(Net):
    def forward(self, x):
        raise ValueError("no images")
"""
INPUT = [3, 8, 8]


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before = set(sys.modules)
    yield
    forget_users_modules(before)


@pytest.fixture
def stages() -> list[str]:
    return []


def write(folder: Path, name: str, to: str, stages: list[str], *, weights: Path | None = None, **given: Any) -> Path:
    """The file that ``name`` of the code is written to."""
    (folder / "net.py").write_text(CODE, "utf-8")
    target = Target(text=f"net.py:{name}", file=folder / "net.py", module="", name=name)
    asked: Mapping[str, Any] = {
        "given": Given(target=target, arguments=given).as_dict(),
        "to": str(folder / to),
        "input": INPUT,
        "weights": str(weights) if weights else "",
        "about": {"trial": "7"},
    }
    assert exporting_child.write(asked, lambda line: stages.append(line["stage"])) == {}
    return folder / to


def test_the_weights_that_are_written_are_those_of_the_file(tmp_path: Path, stages: list[str]) -> None:
    first = write(tmp_path, "Net", "first.safetensors", stages, width=6)
    trained = {name: torch.full_like(value, 0.5) for name, value in load_file(first).items()}
    assert trained["conv.weight"].shape == (6, 3, 3, 3)
    save_file(trained, tmp_path / "trained.safetensors")
    again = write(tmp_path, "Net", "again.safetensors", stages, weights=tmp_path / "trained.safetensors", width=6)
    assert all((value == 0.5).all() for value in load_file(again).values())
    assert stages[-1] == "its export"


def test_without_weights_it_is_the_same_network_each_time(tmp_path: Path, stages: list[str]) -> None:
    one, other = (load_file(write(tmp_path, "Net", f"{n}.safetensors", stages)) for n in "ab")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("name", "dtype"), [("Lazy", torch.float32), ("Double", torch.float64)])
def test_lazy_layers_and_other_precisions_are_run_once(
    tmp_path: Path, stages: list[str], name: str, dtype: torch.dtype
) -> None:
    found = load_file(write(tmp_path, name, "net.safetensors", stages))
    assert {value.dtype for value in found.values()} == {dtype}
    assert {tuple(value.shape) for value in found.values()} >= {(4, 3, 3, 3), (10,)}


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("Raising", "net.safetensors", "raised.* its export: ValueError: no images"),
        ("Choosing", "net.pt2",
         r"^the model cannot be written as \.pt2: \w.*: give --to with the ending \.safetensors or \.py$"),
        ("Missing", "net.safetensors", r"^no such name in .*net\.py: 'Missing'"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_and_leaves_no_file(
    tmp_path: Path, stages: list[str], name: str, to: str, message: str
) -> None:
    with pytest.raises((ModelFailedError, UnusableInputError), match=message) as caught:
        write(tmp_path, name, to, stages)
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".py" and file.is_file()] == []


def test_weights_of_another_network_are_refused(tmp_path: Path, stages: list[str]) -> None:
    other = write(tmp_path, "Net", "other.safetensors", stages, width=5)
    with pytest.raises(UnusableInputError, match=r"^unusable weights: .*other\.safetensors: "):
        write(tmp_path, "Net", "net.safetensors", stages, weights=other)
    (tmp_path / "none.safetensors").write_bytes(b"x")
    with pytest.raises(UnusableInputError, match=r"^unusable weights: .*none\.safetensors: "):
        write(tmp_path, "Net", "net.safetensors", stages, weights=tmp_path / "none.safetensors")
    assert not (tmp_path / "net.safetensors").exists()
