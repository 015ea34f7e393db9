"""One sample for a model: random ones of given shapes, and the caller's own data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from constraints import check
from constraints.errors import UnusableInputError
from constraints.inputs import InputSpec
from constraints.samples import made, taken


class Captions(nn.Module):
    """An image beside token numbers, which are looked up in a table of 5 rows of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.table, self.head = nn.Conv2d(3, 4, 3), nn.Embedding(5, 4), nn.Linear(4, 2)

    def forward(self, image: torch.Tensor, tokens: torch.Tensor, *, scale: torch.Tensor | None = None) -> Any:
        seen = self.conv(image).mean((2, 3)) + self.table(tokens).mean(1)
        return self.head(seen if scale is None else seen * scale)


IMAGE, TOKENS = InputSpec(shape=(3, 8, 8)), InputSpec(shape=(6,), dtype="int64", name="tokens")
MACS = 36 * 27 * 4 + 4 * 2


def test_several_inputs_by_place_and_by_name() -> None:
    report = check(Captions(), [IMAGE, TOKENS], require=[])
    assert report.metrics["macs"] == MACS
    assert report.metrics["receptive_field_hw"] == [3, 3]
    assert report.input == (3, 8, 8)
    assert report.inputs == (IMAGE, TOKENS)
    assert "inputs 3,8,8 and tokens=int64:6, output 2" in str(report)


def test_real_data_as_arguments_and_keywords() -> None:
    image, tokens, scale = torch.ones(1, 3, 8, 8), torch.tensor([[0, 4, 3]]), torch.ones(1, 1)
    for data in ((image, tokens), (image, {"tokens": tokens, "scale": scale}), {"image": image, "tokens": tokens}):
        assert check(Captions(), input_data=data, require=[]).metrics["macs"] == MACS


def test_a_batch_is_cut_to_its_first_sample_and_says_so() -> None:
    image, tokens = torch.ones(7, 3, 8, 8), torch.ones(7, 3, dtype=torch.int64)
    report = check(Captions(), input_data=(image, tokens), require=[])
    assert (report.metrics["macs"], report.output) == (MACS, (2,))
    assert report.warnings[0] == "input_data holds 7 samples: the first one is traced"


def test_a_dict_that_is_no_keywords_is_an_argument() -> None:
    class OfDict(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            result: torch.Tensor = self.conv(batch["image"])
            return result

    report = check(OfDict(), input_data={"image": torch.ones(1, 3, 8, 8)}, require=[])
    assert report.metrics["receptive_field_hw"] == [3, 3]
    assert taken(Captions(), {"tokens": torch.ones(1), "image": torch.ones(1)}, []).kwargs.keys() == {"tokens", "image"}


def test_the_callers_tensors_stay_as_they_are() -> None:
    class InPlace(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mul_(0)

    image = torch.ones(1, 3, 8, 8, requires_grad=True)
    check(InPlace(), input_data=image, require=[])
    assert image.detach().eq(1).all()
    assert not vars(image)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([IMAGE], r"the forward pass of Captions needs further inputs: tokens: give --input tokens=SHAPE \(int64:16"),
        ([IMAGE, InputSpec(shape=(6,), name="mask")], "needs further inputs: tokens: give --input tokens=SHAPE"),
        ([IMAGE, TOKENS, InputSpec(shape=(6,), name="mask")], r"takes no input 'mask': it takes image, tokens, scale"),
        ([(3, 8, 8), (6,), (7,)], "takes 2 positional inputs, not 3: leave some out"),
    ],
)
def test_what_is_missing_or_too_much_is_named(given: Any, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message) as error:
        check(Captions(), given)
    assert "\n" not in str(error.value)


def test_data_without_a_tensor_is_refused() -> None:
    with pytest.raises(UnusableInputError, match="no tensor in input_data: list: give tensors with their batch axis"):
        check(Captions(), input_data=[1, 2])


def test_token_numbers_that_were_not_asked_for_get_a_hint() -> None:
    report = check(nn.Sequential(nn.Embedding(30, 8), nn.Flatten(), nn.Linear(96, 2)), (12,), require=[])
    assert report.failed.endswith("this input is token numbers: give it as --input int64:16, in Python as input_data=")


def test_the_precision_is_that_of_most_parameters_and_then_another() -> None:
    model = nn.ParameterList([torch.ones(2, dtype=torch.float64), torch.ones(4), torch.ones(1, dtype=torch.float64)])
    samples = list(made(model, [IMAGE, InputSpec(shape=(2,), dtype="int64")], list(model)))
    assert [(s.args[0].dtype, s.args[1].tolist()) for s in samples] == [
        (dtype, [[value, value]]) for dtype in (torch.float32, torch.float64) for value in (1, 0)
    ]


def test_whole_numbers_are_zero_where_one_is_too_large() -> None:
    model = nn.Sequential(nn.Embedding(1, 4), nn.Flatten(), nn.Linear(8, 2))
    assert check(model, [InputSpec(shape=(2,), dtype="int64")], require=[]).metrics["macs"] == 8 * 2
