"""Whose fault an error of a training is, and what the child says of a user's network, without the child process."""

from __future__ import annotations

import base64
import errno
import hashlib
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.request import Request, Target
from nas.search import given_child
from nas.search.engine import Placement
from nas.search.given import Given
from nas.search.worker import Task
from nas.training.errors import SharedFaultError
from nas.training.feed import Feed
from nas.training.given_model import GivenModel
from nas.training.given_preparation import PreparedModel
from tests.engines import forget_users_modules

HERE = Placement(device="cpu", threads=1)


class Failing(nn.Module):
    """A linear model whose forward pass raises an error from a certain call on."""

    def __init__(self, error: Exception, after: int) -> None:
        super().__init__()
        self.layer, self.error, self.left = nn.Linear(3 * 32 * 32, 10), error, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.layer(x.flatten(1))  # type: ignore[no-any-return]


def trained(model: nn.Module, feed: Feed, folder: Path) -> object:
    task = Task(architecture="", feed=feed, epochs=1, until=1, seed=5, folder=folder)
    prepared = PreparedModel(model=GivenModel(model, 10), precision="float32", notes=())
    return given_child._done(lambda: given_child._outcome(*given_child._trained(HERE, task, prepared, lambda _: None)))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files", "table.bin"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "table.bin"),
        OSError("no number"),
        ValueError("of a value"),
    ],
)
def test_an_error_of_the_model_is_its_own_fault_whatever_its_kind(error: Exception, feed: Feed, tmp_path: Path) -> None:
    with pytest.raises(ModelFailedError, match=rf"^the model's code raised at training: {type(error).__name__}: "):
        trained(Failing(error, after=0), feed, tmp_path)


def test_a_folder_that_cannot_be_written_is_not_the_models_fault(feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = trained(Failing(ValueError(), after=10**6), feed, tmp_path / "file" / "trial")

    assert cast(Mapping[str, Any], found)["unwritten"][0] == errno.ENOTDIR


def raised(error: Exception) -> Any:
    def work() -> dict[str, Any]:
        raise error

    return given_child._done(work)


def test_what_is_no_fault_of_the_network_is_marked() -> None:
    assert raised(OSError(errno.ENOSPC, "No space left on device", Path("a"))) == {
        "unwritten": [errno.ENOSPC, "No space left on device", "a"]
    }
    assert raised(OSError(errno.ENOSPC, "No space left on device")) == {
        "unwritten": [errno.ENOSPC, "No space left on device", None]
    }
    assert raised(SharedFaultError("its pipeline: x: do y")) == {"shared": "its pipeline: x: do y"}
    with pytest.raises(OSError, match="without a number"):
        raised(OSError("without a number"))


def asked(file: Path | None, module: str = "") -> Request:
    return Request(target=Target(text="x", file=file, module=module, name="Net"), require=())


def test_the_files_of_a_network_are_the_users_and_the_targets_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("net", "a_part"):
        (tmp_path / f"{name}.py").write_text(name)
        module = ModuleType(name)
        module.__file__ = str(tmp_path / f"{name}.py")
        monkeypatch.setitem(sys.modules, f"{name}_of_given_child", module)
    odd = ModuleType("odd")
    odd.__file__ = None
    monkeypatch.setitem(sys.modules, "odd_of_given_child", odd)

    found = given_child._files(asked(tmp_path / "net.py"))
    own = {file: digest for file, digest in found.items() if file.startswith(str(tmp_path))}
    assert next(iter(found)) == str(tmp_path / "net.py")
    assert own == {str(tmp_path / f"{n}.py"): hashlib.sha256(n.encode()).hexdigest() for n in ("net", "a_part")}
    assert all("site-packages" not in file for file in found)
    assert given_child._files(asked(None, "net_of_given_child")).keys() == found.keys()


@pytest.mark.parametrize("module", ["json", "sys", "no_such_module_here"])
def test_a_network_of_a_library_has_no_files_of_the_user(module: str) -> None:
    assert given_child._files(asked(None, module)) == {}


def test_a_network_without_an_architecture_says_why_in_one_line() -> None:
    failing = cast(Any, SimpleNamespace(model=Failing(ValueError("two\n lines"), after=0)))

    found = given_child._written(failing, asked(None))
    assert found["architecture"] is None
    assert "two lines" in found["why"]
    assert "\n" not in found["why"]


def test_sizes_are_those_of_the_textbook() -> None:
    sizes = given_child._sizes(cast(Any, SimpleNamespace(model=nn.Conv2d(3, 4, 3, bias=False))), asked(None))

    assert sizes is not None  # torchinfo adds the size of a Python object to the 12,288 bytes of the input
    assert sizes.pop("input") == pytest.approx(3 * 32 * 32 * 4 / 1e6, rel=0.01)
    assert sizes == {"forward_backward": 4 * 30 * 30 * 4 * 2 / 1e6, "params": 4 * 3 * 9 * 4 / 1e6}


def test_a_model_that_cannot_be_summarised_has_no_sizes() -> None:
    failing = cast(Any, SimpleNamespace(model=Failing(UnusableInputError("x: y: z"), after=0)))

    assert given_child._sizes(failing, asked(None)) is None


def test_a_rest_suspends_the_limit_and_the_next_heartbeat_sets_it_again() -> None:
    sent = list[Mapping[str, Any]]()
    beat, rest = given_child._signs(sent.append)
    beat()
    rest()
    beat()

    assert [line.get("seconds") for line in sent] == [None, 10**9, None]
    assert {line["stage"] for line in sent} == {"training"}


def test_gradients_are_on_in_a_training_where_the_file_turned_them_off(feed: Feed, tmp_path: Path) -> None:
    code = "import torch\nfrom torch import nn\ntorch.set_grad_enabled(False)\n"
    code += "def net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))\n"
    (tmp_path / "turned_off.py").write_text(code)
    target = Target(text="turned_off.py:net", file=tmp_path / "turned_off.py", module="", name="net")
    task = Task(
        architecture="", given=Given(target=target), feed=feed, epochs=1, until=1, seed=5, folder=tmp_path / "trial"
    )
    before = set(sys.modules)
    handed = base64.b64encode(pickle.dumps((HERE, task))).decode()
    found = given_child.attempt({"handed": handed}, lambda _: None)
    forget_users_modules(before)
    assert list(found) == ["notes"]
    assert torch.is_grad_enabled()
