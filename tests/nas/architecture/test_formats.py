"""Files are written only when they compute what the network does."""

from pathlib import Path

import pytest
import torch

from constraints.errors import UnusableInputError
from nas.architecture import formats
from nas.architecture.codegen import source
from nas.architecture.named import NAMED
from nas.architecture.spec import Architecture, parse

SMALL = parse("BR.1x8x8.4/c4-c4s2/c4/fc")


def exported(architecture: Architecture, code: str = "") -> formats.Exported:
    model = formats.load(architecture, None)
    return formats.Exported(model=model, input=architecture.input, about={"about": "é"}, source=lambda _: code)


def test_source_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    other = source(SMALL).replace("nn.ReLU()", "nn.SiLU()")
    with pytest.raises(formats.DifferentOutputsError, match=r"net\.py would compute something else: logits differ by"):
        formats.save_source(exported(SMALL, code=other), file)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
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


def test_every_activation_and_block_becomes_onnx(tmp_path: Path) -> None:
    """save_onnx itself runs the file and compares it with the network."""
    pytest.importorskip("onnxruntime")
    architecture = parse("BR/c12-se4-%mx3_5d2a3.gl12:bLT-+dw:BS.pw12:GL-c12s2:BH/c8:GL-mx1_3:N/conv")
    formats.save_onnx(exported(architecture), tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").exists()
