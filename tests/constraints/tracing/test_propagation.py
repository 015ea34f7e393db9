"""What is known of each tensor after a run: layers and what they are charged, writes in place, what is not known."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracing.propagation import Propagation
from constraints.tracing.recorder import record
from tests.constraints.written import Written


def known(run: Callable[..., Any], *shapes: tuple[int, ...], **parts: nn.Module | nn.Parameter) -> Propagation:
    model = Written(run, **parts).eval()
    inputs = [torch.zeros(1, *shape) for shape in shapes or [(3, 8, 8)]]
    return Propagation(record(model, dict(model.named_modules()), inputs))


def sizes(found: Propagation) -> list[int | None]:
    """What the units of the first output see along each axis of each input."""
    return [None if view is None else view.size for view in found.outputs[0].views]


CONV, WIDE = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 5, padding=2)


def test_every_input_has_axes_of_its_own() -> None:
    found = known(lambda m, a, b, c: a, (3, 8, 8), (5,), (2, 7))
    assert [list(span) for span in found.spans] == [[0, 1], [], [2]]
    assert sizes(found) == [1, 1, None]


def test_inputs_that_meet_are_seen_each_by_itself() -> None:
    found = known(lambda m, a, b: m.a(a) + m.b(b), (3, 8, 8), (3, 8, 8), a=CONV, b=WIDE)
    assert sizes(found) == [3, 3, 5, 5]


def test_views_and_copies_are_no_calls() -> None:
    found = known(lambda m, x: F.relu(m.a(x).permute(0, 2, 3, 1).clone().unsqueeze(0)), a=CONV)
    assert [call.label for call in found.calls] == ["conv2d", "relu"]


def test_parameters_are_charged_to_the_first_call_that_uses_them() -> None:
    found = known(lambda m, x: m.a(m.a(x)), a=CONV)
    assert [call.params for call in found.calls] == [3 * 27 + 3, 0]
    assert found.calls[0].key == found.calls[1].key
    tied = known(lambda m, x: F.conv2d(F.conv2d(x, m.w), m.w * 2), w=nn.Parameter(torch.zeros(3, 3, 1, 1)))
    assert [call.params for call in tied.calls] == [9, 0]


def test_weights_computed_from_parameters_are_charged_and_make_no_call() -> None:
    found = known(
        lambda m, x: F.conv2d(x, m.g * m.v / m.v.norm()),
        g=nn.Parameter(torch.ones(3, 1, 1, 1)), v=nn.Parameter(torch.ones(3, 3, 1, 1)),
    )  # fmt: skip
    assert [(call.label, call.params) for call in found.calls] == [("conv2d", 3 + 9)]


def test_a_write_in_place_is_followed_through_views() -> None:
    def half(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[:, :, :4] = m.b(x)[:, :, :4]
        return y

    assert sizes(known(half, b=WIDE)) == [5, 5]

    def border(m: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(1, 3, 8, 8)
        y[:, :, 3:] = m.a(x)[:, :, 3:]
        y[:, :, :3] = m.b(x)[:, :, :3]  # rows whose windows of 5 all reach the first one, so that none is inside
        return y

    assert sizes(known(border, a=CONV, b=WIDE)) == [3, 5]


def test_a_copy_into_a_tensor_makes_it_what_the_source_is() -> None:
    found = known(lambda m, x: torch.zeros(1, 3, 8, 8).copy_(m.b(x)), b=WIDE)
    assert sizes(found) == [5, 5]


def test_a_tensor_that_takes_only_a_shape_depends_on_nothing() -> None:
    found = known(lambda m, x: torch.zeros_like(m.b(x)) + 1, b=WIDE)
    assert not found.outputs[0].depends
    assert [call.label for call in found.calls] == ["conv2d"]


def test_what_is_not_known_is_named_once_and_spoils_only_what_comes_of_it() -> None:
    found = known(lambda m, x: (torch.cumsum(torch.cumsum(x, 2), 2), m.a(x)), a=CONV)
    reason = "cumsum: what it does to the receptive field is not known"
    assert found.outcomes.reasons == {reason: "cumsum"}
    first, second = found.outputs
    assert all(view is not None and view.unknown == reason for view in first.views)
    assert first.flow.poison == {reason}
    assert (second.flow.poison, sizes(known(lambda m, x: m.a(x), a=CONV))) == (frozenset(), [3, 3])


@pytest.mark.parametrize(
    ("run", "names"),
    [
        (lambda m, x: F.relu(m.a(x)), ["a", "relu"]),
        (lambda m, x: m.s(x), ["s.0", "s.1"]),
        (lambda m, x: F.conv2d(x, m.a.weight), ["conv2d"]),
    ],
)
def test_calls_are_named_by_their_module_or_their_function(run: Callable[..., Any], names: list[str]) -> None:
    found = known(run, a=CONV, s=nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))
    assert [call.name_or_label for call in found.calls] == names
