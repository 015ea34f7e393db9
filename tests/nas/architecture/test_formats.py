"""Files are written only when they compute what the network does."""

import copy
from pathlib import Path

import pytest
import torch

from constraints.errors import UnusableInputError
from nas.architecture import formats
from nas.architecture.codegen import source
from nas.architecture.named import NAMED
from nas.architecture.read_back import DifferentOutputsError
from nas.architecture.spec import Architecture, parse
from tests.nas.architecture.test_read_back import large

SMALL = parse("BR.1x8x8.4/c4-c4s2/c4/fc")


def exported(architecture: Architecture, code: str = "") -> formats.ExportedNetwork:
    model = formats.load(architecture, None)
    return formats.ExportedNetwork(model=model, input=architecture.input, about={"about": "é"}, source=lambda _: code)


def test_source_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    other = source(SMALL).replace("nn.ReLU()", "nn.SiLU()")
    with pytest.raises(DifferentOutputsError, match=r"net\.py would compute something else: logits differ by"):
        formats.save_source(exported(SMALL, code=other), file)
    assert list(tmp_path.iterdir()) == []


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
    network, images = exported(architecture), torch.rand(2, *architecture.input)
    large(network.model, 1e6)
    formats.save_onnx(network, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"images": images.numpy()})
    with torch.no_grad():
        exact = copy.deepcopy(network.model).double()(images.double())
    size = exact.abs().max()
    assert size > 3_000
    assert (torch.from_numpy(found).double() - exact).abs().max() < 1e-5 * size  # float32 keeps 6e-8 of each sum
