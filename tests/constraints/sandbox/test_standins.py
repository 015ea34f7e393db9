"""Modules that are not installed: what of them may be used, and when."""

from __future__ import annotations

import copy
import importlib
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import pytest
from torch import nn

from constraints.faults import is_ours, missing
from constraints.missing_modules import remedy
from constraints.sandbox.standins import NotInstalledError, StandIns


@pytest.fixture
def absent() -> Iterator[StandIns]:
    finder = StandIns()
    sys.meta_path.append(finder)
    for package in ("drawing_x", "pytorch_lightning"):
        finder.allow(package)
    yield finder
    sys.meta_path.remove(finder)
    finder.forget()


def test_a_missing_module_is_named_called_and_subclassed_before_the_model_runs(absent: StandIns) -> None:
    module: Any = importlib.import_module("drawing_x.inner.deep")
    module.style.use("dark")

    class Own(module.Base):  # type: ignore[misc]
        pass

    class Net(nn.Module, module.Mixin, tag="x"):  # type: ignore[misc,call-arg]
        pass

    @module.register("name")
    class Registered:
        pass

    @module.cached  # type: ignore[untyped-decorator]
    def twice(x: int) -> int:
        return 2 * x

    annotated: Any = module.Float[int, "b c"] | None
    assert repr(annotated).startswith("<drawing_x.inner.deep.Float")
    assert isinstance(Own(3, key=4), Own)
    assert isinstance(Net(), nn.Module)
    assert Registered.__name__ == "Registered"
    assert twice(4) == 8
    absent.is_sealed = True
    with pytest.raises(
        NotInstalledError, match=r"'drawing_x\.inner\.deep\.cached': run uv run --with drawing-x search\.py"
    ):
        twice(4)
    with pytest.raises(NotInstalledError, match="the network uses what is not installed"):
        module.show()


@pytest.mark.parametrize(
    "use", [bool, int, len, list, float, lambda x: x + 1, lambda x: x == 1, lambda x: x > 1, lambda x: isinstance(1, x)]
)
def test_no_value_of_a_missing_module_is_made_up(absent: StandIns, use: Any) -> None:
    module: Any = importlib.import_module("drawing_x")
    with pytest.raises(NotInstalledError, match=r"drawing_x\.width"):
        use(module.width)


def test_a_model_that_holds_one_can_be_copied(absent: StandIns) -> None:
    module: Any = importlib.import_module("drawing_x")
    net = nn.Linear(2, 2)
    net.accuracy = module.Accuracy()
    absent.is_sealed = True
    assert copy.deepcopy(net).accuracy is net.accuracy


def test_a_lightning_module_is_a_network_with_its_hyperparameters(absent: StandIns) -> None:
    lightning: Any = importlib.import_module("pytorch_lightning")

    class Net(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self, width: int, rate: float = 0.1, **more: int) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = nn.Linear(width, self.hparams.depth)

    net = Net(3, depth=5)
    assert isinstance(net, nn.Module)
    assert net.layer.out_features == 5
    assert net.hparams == {"width": 3, "rate": 0.1, "depth": 5}
    assert net.device.type == "cpu"
    net.log("loss", 3)


def test_hyperparameters_can_be_copied_asked_for_and_named(absent: StandIns) -> None:
    lightning: Any = importlib.import_module("pytorch_lightning")

    class Net(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self, given: Any = None, **options: Any) -> None:
            super().__init__()
            self.save_hyperparameters(*options.pop("named", ()), ignore=options.pop("ignore", ()))

    net = Net(3, depth=5)
    assert copy.deepcopy(net).hparams.depth == 5
    assert not hasattr(net.hparams, "width")
    assert Net(3, depth=5, named=["depth"]).hparams == {"depth": 5}
    assert Net(3, depth=5, ignore="given").hparams == {"depth": 5}
    assert Net(named=[Namespace(rate=0.1)]).hparams == {"rate": 0.1}
    assert Net(named=[{"rate": 0.1}]).hparams.rate == 0.1


def test_hyperparameters_of_a_base_class_are_kept_and_what_is_none_is_the_users_error(absent: StandIns) -> None:
    lightning: Any = importlib.import_module("pytorch_lightning")

    class Base(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.save_hyperparameters()

    class Net(Base):
        def __init__(self, depth: int) -> None:
            super().__init__(width=3)
            self.save_hyperparameters()

    net = Net(depth=5)
    assert net.hparams == {"width": 3, "depth": 5}
    with pytest.raises(AttributeError) as error:
        _ = net.hparams.height
    assert not is_ours(error.value)


def test_only_a_package_that_nothing_finds_missing() -> None:
    assert missing(ModuleNotFoundError("", name="no_such_package_x")) == "no_such_package_x"
    assert missing(ModuleNotFoundError("", name="torch.no_such_part")) == ""
    assert missing(ModuleNotFoundError("", name="json")) == ""


def test_the_remedy_names_the_distribution() -> None:
    assert remedy("cv2") == "run uv run --with opencv-python-headless search.py ..."


def test_what_checks_types_lets_a_forward_method_run(absent: StandIns) -> None:
    for package in ("beartype", "jaxtyping"):
        absent.allow(package)
    checked, shaped = absent.part("beartype.beartype"), absent.part("jaxtyping.jaxtyped")(typechecker=None)

    def forward(x: int) -> int:
        return x

    absent.is_sealed = True
    assert checked(forward)(3) == shaped(forward)(3) == 3


def test_torch_names_what_stands_in_for_a_layer(absent: StandIns) -> None:
    with pytest.raises(TypeError, match=r"drawing_x\.Layer\(\), which is not installed, is not a Module"):
        nn.Sequential(absent.part("drawing_x.Layer")())
