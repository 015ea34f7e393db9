"""The probe's verdict on a traced field: it agrees, contradicts, or is unknown with a reason."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from constraints import Report, check
from constraints.verification import verify
from tests.constraints.written import Written


def plain() -> nn.Sequential:
    """Sees 3 + 2 * 2 = 7 pixels: a 3x3, then one of dilation 2."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=2, dilation=2))


def report(model: nn.Module, *fields: int, shape: tuple[int, ...] = (3, 8, 8)) -> Report:
    found = check(model, shape, require=[], fixes=False)
    metrics = dict(found.metrics) | ({"receptive_field_hw": list(fields)} if fields else {})
    return replace(found, metrics=MappingProxyType(metrics))


def test_a_field_that_gradients_confirm() -> None:
    found = verify(plain(), report(plain(), 7, 7), (3, 8, 8))
    (verdict,) = found.constraints
    assert (verdict.name, verdict.expr, verdict.ok) == ("verified", "receptive_field_hw == gradients", True)
    assert found.verified is not None
    # A strip is doubled until it holds twice the field, 14 pixels, along its axis.
    assert found.verified["input"] == [[3, 16, 8], [3, 8, 16]]
    assert found.verified["receptive_field_hw"] == [7, 7]
    assert verdict.why == "gradients measure 7x7 on inputs of 3x16x8 and 3x8x16, the trace says 7x7"


@pytest.mark.parametrize("fields", [(6, 7), (7, 6), (8, 7), (9, 9)])
def test_a_field_that_gradients_contradict(fields: tuple[int, int]) -> None:
    found = verify(plain(), report(plain(), *fields), (3, 8, 8))
    assert not found.ok
    assert found.verified is not None
    assert found.verified["agrees"] is False
    assert found.constraints[-1].why.endswith(f"the trace says {fields[0]}x{fields[1]}")


def test_each_axis_is_measured_by_itself() -> None:
    model = nn.Conv2d(3, 4, (3, 5), padding=(1, 2))
    assert verify(model, report(model), (3, 8, 8)).verified is not None
    assert verify(model, report(model, 3, 5), (3, 8, 8)).ok
    assert not verify(model, report(model, 5, 3), (3, 8, 8)).ok


def test_the_map_that_was_judged_is_measured_whatever_needs_one_size_behind_it() -> None:
    """1 + 2 + 2 * 2 = 7 before the pool, which is global on the map of the input and is not on a strip."""
    body = (nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=2, dilation=2))
    for head in (
        (nn.AvgPool2d(8), nn.Conv2d(4, 2, 1)),
        (nn.MaxPool2d(8), nn.Flatten(), nn.Linear(4, 2)),
        (nn.Flatten(), nn.Linear(4 * 64, 2)),
    ):
        model = nn.Sequential(*body, *head)
        found = verify(model, report(model), (3, 8, 8))
        assert found.verified is not None, found.warnings
        assert (found.ok, found.verified["receptive_field_hw"]) == (True, [7, 7])


def test_a_model_that_takes_no_longer_input_is_measured_on_its_own() -> None:
    class Placed(nn.Module):
        """Adds a learned value to each place, before a kernel of ``size`` pixels."""

        def __init__(self, size: int) -> None:
            super().__init__()
            self.first, self.place = nn.Conv2d(3, 4, 1), nn.Parameter(torch.zeros(4, 8, 8))
            self.last = nn.Conv2d(4, 4, size, padding=size // 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.last(self.first(x) + self.place)
            return result

    small, large = Placed(5), Placed(7)
    found = verify(small, report(small), (3, 8, 8))
    assert found.verified is not None
    assert found.verified["input"] == [[3, 8, 8], [3, 8, 8]]
    assert found.ok
    # of 8 units those in the middle see from pixel 0 or to pixel 7
    found = verify(large, report(large), (3, 8, 8))
    assert (found.ok, found.constraints, found.verified) == (True, (), None)
    (warning,) = found.warnings
    assert warning.startswith(
        "the receptive field is not verified, because every unit that might see 7 pixels sees a border of the input "
        "of 3x8x8, and the model does not take a longer one: the probe met RuntimeError: "
    )


def test_a_map_that_does_not_grow_is_measured_on_the_input_alone() -> None:
    model = nn.Sequential(nn.Upsample(size=(8, 8)), nn.Conv2d(3, 4, 3, padding=1))
    found = verify(model, report(model), (3, 8, 8))
    assert found.verified is not None
    assert (found.ok, found.verified["input"], found.verified["receptive_field_hw"]) == (True, [[3, 8, 8]] * 2, [3, 3])


def test_what_is_written_to_a_part_of_the_map_is_measured_too() -> None:
    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.wide(x)
        y[:, ::2].copy_(m.narrow(x)[:, ::2])
        return y  # type: ignore[no-any-return]

    model = Written(run, wide=nn.Conv2d(3, 4, 5, padding=2), narrow=nn.Conv2d(3, 4, 1))
    found = verify(model, report(model), (3, 8, 8))
    assert found.verified is not None
    assert (found.ok, found.verified["receptive_field_hw"]) == (True, [5, 5])


def test_what_attention_sees_beside_the_field_is_no_contradiction() -> None:
    """A kernel made of the pooled map: 3 pixels more a unit, and the whole map through the kernel."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        return F.conv2d(y, m.kernel(y.mean((2, 3))).view(4, 4, 3, 3), padding=1)

    model = Written(run, conv=nn.Conv2d(3, 4, 3, padding=1), kernel=nn.Linear(4, 144))
    found = check(model, (3, 16, 16), require=[], verify=True)
    assert found.metrics["global_context"] is True
    assert found.verified is None
    assert "attention or a gate" in found.warnings[-1]


def test_several_inputs_and_real_data_are_probed_where_the_field_is_measured() -> None:
    def run(m: Any, tokens: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return m.conv(image) * m.table(tokens).mean(1)[..., None, None]  # type: ignore[no-any-return]

    model = Written(run, conv=nn.Conv2d(3, 4, 3, padding=1), table=nn.Embedding(9, 4))
    data = (torch.tensor([[1, 2]]), torch.ones(1, 3, 8, 8))
    found = check(model, input_data=data, require=[], verify=True)
    assert found.verified is not None, found.warnings
    assert (found.ok, found.verified["receptive_field_hw"]) == (True, [3, 3])


def test_a_field_that_reaches_further_than_any_strip_is_contradicted() -> None:
    model = nn.Conv2d(3, 4, 41, padding=20)
    found = verify(model, report(model, 3, 3, shape=(3, 8, 8)), (3, 8, 8))
    assert not found.ok
    assert "or more on inputs of 3x32x8" in found.constraints[0].why


def test_an_unknown_field_gets_a_warning() -> None:
    before = report(plain())
    unknown = replace(before, metrics=MappingProxyType({"receptive_field_hw": None}))
    (warning,) = verify(plain(), unknown, (3, 8, 8)).warnings
    assert warning == "the receptive field is not verified, because the traced receptive field is unknown"


def test_neighbours_that_see_differently_are_all_asked() -> None:
    """Nearest upsampling by 2, then a kernel of 2: every second unit sees two pixels, the others one."""
    model = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 2))
    found = report(model)
    assert found.metrics["receptive_field_hw"] == [2, 2]
    assert verify(model, found, (3, 8, 8)).ok


def test_rows_of_a_batch_are_measured_each_by_itself() -> None:
    class Flipped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.body(torch.cat([x, x.flip(3)]))
            return y.mean((2, 3)).mean(0, keepdim=True)

    model = Flipped()
    report = verify(model, check(model, (3, 24, 24)), (3, 24, 24))
    assert report.verified is not None
    assert report.verified["receptive_field_hw"] == [7, 7]
    assert report.verified["agrees"]


@pytest.mark.parametrize(
    "pooled",
    [
        lambda y: y.flatten(2).amax(2),
        lambda y: torch.softmax(y.flatten(2), 1).sum(2),
    ],
)
def test_rows_that_follow_each_other_on_one_axis_are_measured_inside_of_rows(pooled: Any) -> None:
    """The unit in the middle of the flattened map begins or ends a row, so it sees an end of the strip."""
    model = Written(lambda m, x: pooled(m.conv(x)), conv=nn.Conv2d(3, 4, 5, padding=2))
    found = check(model, (3, 32, 32), require=[], verify=True)
    assert found.verified is not None, found.warnings
    assert (found.ok, found.verified["receptive_field_hw"]) == (True, [5, 5])


def test_a_field_that_grows_with_the_input_is_not_contradicted_by_a_longer_one() -> None:
    """Two halves of 16 columns, enlarged and joined with the map: on a strip of 256 pixels they are halves of 128."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        return y + F.interpolate(F.adaptive_avg_pool2d(y, 2), size=y.shape[2:])  # type: ignore[no-any-return]

    found = check(Written(run, conv=nn.Conv2d(3, 4, 3, padding=1)), (3, 32, 32), require=[], verify=True)
    assert found.verified is None
    assert found.warnings[-1].startswith("the receptive field is not verified, because the field depends on the input")


def test_a_map_without_gradients_is_not_verified() -> None:
    model = Written(lambda m, x: m.last(m.first(x).round()), first=nn.Conv2d(3, 4, 3), last=nn.Conv2d(4, 4, 3))
    found = check(model, (3, 32, 32), require=[], verify=True)
    assert (found.metrics["receptive_field_hw"], found.verified) == ([5, 5], None)
    assert "no gradient reaches the input" in found.warnings[-1]


def test_what_is_added_and_subtracted_again_is_seen() -> None:
    """Quantised values with the gradient of the others: 3 pixels, then 2 more."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = m.first(x)
        return m.last(y + (y.round() - y).detach())  # type: ignore[no-any-return]

    model = Written(run, first=nn.Conv2d(3, 4, 3), last=nn.Conv2d(4, 4, 3))
    found = check(model, (3, 32, 32), require=[], verify=True)
    assert found.verified is not None
    assert (found.ok, found.verified["receptive_field_hw"]) == (True, [5, 5])
