from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.space.analytic import metrics
from nas.space.proxy_features import ProxyFeatures
from nas.training.initialisation import whiten

NETWORK = "BR/c16-pw32-c32s2/+dw.pw32-+c32g4-dws2-pw64/c64d2-dw-pw64-c64s2/+c64-dw-pw64/fc"


def of_accuracy(text: str) -> dict[str, float]:
    return {name: values.item() for name, values in ProxyFeatures.of([parse(text)]).accuracy.items()}


def of_work(text: str) -> dict[str, float]:
    return {name: values.item() for name, values in ProxyFeatures.of([parse(text)]).work.items()}


def test_features_are_logarithms_and_shares_of_the_convolutions() -> None:
    figures = metrics(parse(NETWORK))
    assert of_accuracy(NETWORK) == {
        "whitened": 0.0,  # 16 filters for patches of 27 values
        "residual": 4 / 15,
        "dilated": 1 / 15,
        "convs": pytest.approx(math.log2(15)),
        "params": pytest.approx(math.log2(figures.params)),
        "macs": pytest.approx(math.log2(figures.macs)),
    }


@pytest.mark.parametrize(("filters", "whitened"), [(26, 0.0), (27, 1.0), (32, 1.0)])
def test_a_first_convolution_as_wide_as_its_patches_is_what_training_whitens(filters: int, whitened: float) -> None:
    text = f"BR/c{filters}-c32s2/c64/c64/c64/fc"
    assert of_accuracy(text)["whitened"] == whitened
    model = build(parse(text))
    whiten(model, torch.rand(32, 3, 32, 32))
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    assert first.weight.requires_grad is not bool(whitened)


def test_a_convolution_that_is_called_again_counts_again() -> None:
    assert of_accuracy("BR/c8-3c8/fc")["convs"] == 2.0
    assert of_work("BR/c8-3c8/fc")["standard"] == (1024 * 8 * 27 + 3 * 1024 * 8 * 8 * 9) / 1e6


@pytest.mark.filterwarnings("error")
def test_a_network_without_a_convolution_has_features() -> None:
    """A study may hold one that was trained by itself, and another one learn from that."""
    classifier = 12 * 10 + 10  # of 12 channels, behind an unshuffle
    assert of_accuracy("BR/u2/fc") == {
        "whitened": 0.0,
        "residual": 0.0,
        "dilated": 0.0,
        "convs": 0.0,
        "params": pytest.approx(math.log2(classifier)),
        "macs": pytest.approx(math.log2(12 * 10)),
    }


def test_work_is_split_by_the_kind_of_convolution() -> None:
    assert of_work("BR/c16-c32s2g4/+dw.pw32/c64d2/c64s2/fc") == {
        "any": 1.0,
        "standard": (1024 * 16 * 27 + 64 * 64 * 64 * 9) / 1e6,
        "grouped": 256 * 32 * 4 * 9 / 1e6,
        "depthwise": 256 * 32 * 9 / 1e6,
        "pointwise": 256 * 32 * 32 / 1e6,
        "dilated": 256 * 64 * 32 * 9 / 1e6,
    }


def test_a_depthwise_convolution_that_strides_reads_all_of_its_input() -> None:
    assert of_work("BR/c8-dws2-pw8/fc")["depthwise"] == 1024 * 8 * 9 / 1e6
    assert of_work("BR/c8-dwk5-pw8/fc")["depthwise"] == 1024 * 8 * 25 / 1e6


def test_what_a_gated_convolution_takes_is_no_kind_of_work() -> None:
    assert of_work("BR/c8-gl8/fc")["standard"] == 1024 * 8 * 27 / 1e6
    assert of_accuracy("BR/c8-gl8/fc")["convs"] == 1.0


def test_rows_hold_the_features_that_are_asked_for() -> None:
    found = ProxyFeatures.of([parse("BR/c8-3c8/fc"), parse("BR/c27/fc")])
    assert found.rows(["convs", "whitened"]).tolist() == [[2.0, 0.0], [0.0, 1.0]]
