"""What Lightning's ``save_hyperparameters`` collects, as its documentation describes it."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from constraints.sandbox.lightning import LightningModule


class Base(LightningModule):
    def __init__(self, width: int, *sizes: int, rate: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(width, 2)


class Derived(Base):
    def __init__(self, depth: int, width: int = 7) -> None:
        super().__init__(width + 1, 9)
        hparams: Any = self.hparams
        self.at_first = dict(hparams)


def test_arguments_of_a_derived_class_are_kept_and_override_those_of_its_base() -> None:
    net = Derived(5)

    assert net.layer.in_features == 8
    assert net.at_first == net.hparams == {"depth": 5, "width": 7, "rate": 0.1}


def test_arguments_of_another_module_that_is_being_made_are_not_kept() -> None:
    class Outer(LightningModule):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.inner = Base(channels)

    net = Outer(3)
    assert net.inner.hparams == {"width": 3, "rate": 0.1}
    assert not hasattr(net, "hparams")


def test_a_method_of_a_constructor_keeps_the_arguments_of_the_constructor() -> None:
    class Net(LightningModule):
        def __init__(this, width: int, /, *, depth: int) -> None:
            super().__init__()
            this.begin("name")

        def begin(self, text: str) -> None:
            self.save_hyperparameters()

    assert Net(3, depth=2).hparams == {"width": 3, "depth": 2}


def test_nothing_is_kept_outside_of_a_constructor() -> None:
    class Net(LightningModule):
        def configure_model(self, width: int) -> None:
            self.save_hyperparameters()

    net = Net()
    net.configure_model(3)
    assert net.hparams == {}


def test_an_argument_that_the_constructor_deleted_is_left_out() -> None:
    class Net(LightningModule):
        def __init__(self, width: int, depth: int) -> None:
            super().__init__()
            del width
            self.save_hyperparameters()

    assert Net(3, 4).hparams == {"depth": 4}


def test_one_object_gives_its_entries() -> None:
    @dataclass
    class Config:
        width: int = 3
        update: int = 4

    class Net(LightningModule):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.save_hyperparameters(config, ignore=["width"])

    for config in (Config(), Namespace(width=3, update=4), {"width": 3, "update": 4}):
        hparams: Any = Net(config).hparams
        assert list(dict.items(hparams)) == [("update", 4)]


def test_the_device_is_that_of_the_first_parameter() -> None:
    assert Base(1).to("meta").device == torch.device("meta")
    assert LightningModule().device == "cpu"
