"""A written network is the one that was written, as far as float32 can tell."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from nas.architecture import formats
from nas.architecture.read_back import DifferentOutputsError, compare, images_for
from nas.architecture.spec import parse

SMALL = parse("BR.1x8x8.4/c4-c4s2/c4/fc")


def large(network: torch.nn.Module, factor: float) -> torch.nn.Module:
    """The same with logits ``factor`` times as large, and one that stays near 0."""
    last = [one for one in network.modules() if isinstance(one, torch.nn.Linear | torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight *= factor
        last.weight[0] -= last.weight[0].mean()
    return network


@pytest.mark.parametrize("factor", [1.0, 1e4, 1e8])
def test_what_float32_itself_is_off_by_is_no_difference(factor: float, tmp_path: Path) -> None:
    """A sound file sums in another order: here the same network, its channels in reverse."""
    network = large(formats.load(SMALL, None), factor)
    _, second, third = (m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    images = images_for(SMALL.input)

    def reversed_sums(batch: torch.Tensor) -> torch.Tensor:
        made = copy.deepcopy(network)
        copied = [m for m in made.modules() if isinstance(m, torch.nn.Conv2d)]
        for of, other in zip((second, third), copied[1:], strict=True):
            other.weight.data = of.weight.data.flip(1)
        norms = [m for m in made.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for layer in (copied[0], copied[1]):
            layer.weight.data = layer.weight.data.flip(0)
            if layer.bias is not None:
                layer.bias.data = layer.bias.data.flip(0)
        for norm in norms[:2]:
            for tensor in norm.state_dict().values():
                if tensor.ndim:
                    tensor.copy_(tensor.flip(0).clone())
        result: torch.Tensor = made(batch)
        return result

    with torch.no_grad():
        compare(reversed_sums, network, images, tmp_path / "net.onnx")


@pytest.mark.parametrize("factor", [1.0, 1e4, 1e8])
@pytest.mark.parametrize("wrong", ["one weight by a thousandth", "a missing bias", "another epsilon", "NaN"])
def test_what_computes_something_else_is_refused_whatever_the_size_of_its_logits(
    factor: float, wrong: str, tmp_path: Path
) -> None:
    network = large(formats.load(SMALL, None), factor)
    made = copy.deepcopy(network)
    convs = [m for m in made.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        if wrong == "another epsilon":
            for norm in (m for m in made.modules() if isinstance(m, torch.nn.BatchNorm2d)):
                norm.eps = 1e-3
        elif wrong == "a missing bias":
            norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
            norm.bias.data += 0.1
        else:
            convs[0].weight *= 1.001 if wrong != "NaN" else float("nan")
        with pytest.raises(DifferentOutputsError, match=r"logits differ by .*, and float32 itself is off by"):
            compare(made, network, images_for(SMALL.input), tmp_path / "net.onnx")
