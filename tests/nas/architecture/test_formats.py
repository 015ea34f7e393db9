"""Files are written only when they compute what the network does."""

import copy
from pathlib import Path

import pytest
import torch

from constraints.errors import UnusableInputError
from nas.architecture import formats
from nas.architecture.codegen import source
from nas.architecture.named import NAMED
from nas.architecture.spec import Architecture, parse

SMALL = parse("BR.1x8x8.4/c4-c4s2/c4/fc")


def exported(architecture: Architecture, code: str = "") -> formats.ExportedNetwork:
    model = formats.load(architecture, None)
    return formats.ExportedNetwork(model=model, input=architecture.input, about={"about": "é"}, source=lambda _: code)


def test_source_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    other = source(SMALL).replace("nn.ReLU()", "nn.SiLU()")
    with pytest.raises(formats.DifferentOutputsError, match=r"net\.py would compute something else: logits differ by"):
        formats.save_source(exported(SMALL, code=other), file)
    assert list(tmp_path.iterdir()) == []


def large(network: formats.ExportedNetwork, factor: float) -> formats.ExportedNetwork:
    """The same with logits ``factor`` times as large, and one that stays near 0."""
    last = [one for one in network.model.modules() if isinstance(one, torch.nn.Linear | torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight *= factor
        last.weight[0] -= last.weight[0].mean()
    return network


@pytest.mark.parametrize("factor", [1.0, 1e4, 1e8])
def test_what_float32_itself_is_off_by_is_no_difference(factor: float, tmp_path: Path) -> None:
    """A sound file sums in another order: here the same network, its channels in reverse."""
    network = large(exported(SMALL), factor)
    _, second, third = (m for m in network.model.modules() if isinstance(m, torch.nn.Conv2d))
    images = formats._images(SMALL.input)

    def reversed_sums(batch: torch.Tensor) -> torch.Tensor:
        made = copy.deepcopy(network.model)
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
        formats._compare(reversed_sums, network.model, images, tmp_path / "net.onnx")


@pytest.mark.parametrize("factor", [1.0, 1e4, 1e8])
@pytest.mark.parametrize("wrong", ["one weight by a thousandth", "a missing bias", "another epsilon", "NaN"])
def test_what_computes_something_else_is_refused_whatever_the_size_of_its_logits(
    factor: float, wrong: str, tmp_path: Path
) -> None:
    network = large(exported(SMALL), factor)
    made = copy.deepcopy(network.model)
    convs = [m for m in made.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        if wrong == "another epsilon":
            for norm in (m for m in made.modules() if isinstance(m, torch.nn.BatchNorm2d)):
                norm.eps = 1e-3
        elif wrong == "a missing bias":
            norm = next(m for m in network.model.modules() if isinstance(m, torch.nn.BatchNorm2d))
            norm.bias.data += 0.1
        else:
            convs[0].weight *= 1.001 if wrong != "NaN" else float("nan")
        with pytest.raises(formats.DifferentOutputsError, match=r"logits differ by .*, and float32 itself is off by"):
            formats._compare(made, network.model, formats._images(SMALL.input), tmp_path / "net.onnx")


def test_an_unwritable_place_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"cannot write .*net\.pt2: No such file"):
        formats.save_program(exported(SMALL), tmp_path / "gone/net.pt2")


def test_untrained_weights_follow_from_seed_0_and_leave_the_generator_alone() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    first, second = (formats.load(SMALL, None).state_dict() for _ in range(2))
    assert torch.equal(torch.rand(1), wanted)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", NAMED)
def test_the_named_networks_become_programs(name: str, tmp_path: Path) -> None:
    architecture = NAMED[name]
    formats.save_program(exported(architecture), tmp_path / "net.pt2")
    extra = {"about": ""}
    made = torch.export.load(str(tmp_path / "net.pt2"), extra_files=extra).module()
    assert made(torch.zeros(7, *architecture.input)).shape == (7, architecture.classes)
    assert extra == {"about": "é"}


def test_every_activation_and_block_becomes_onnx_as_exact_as_large_logits_let_it_be(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    architecture = parse("BR/c12-se4-%mx3_5d2a3.gl12:bLT-+dw:BS.pw12:GL-c12s2:BH/c8:GL-mx1_3:N/conv")
    network, images = large(exported(architecture), 1e6), torch.rand(2, *architecture.input)
    formats.save_onnx(network, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"images": images.numpy()})
    with torch.no_grad():
        exact = copy.deepcopy(network.model).double()(images.double())
    size = exact.abs().max()
    assert size > 3_000
    assert (torch.from_numpy(found).double() - exact).abs().max() < 1e-5 * size  # float32 keeps 6e-8 of each sum
