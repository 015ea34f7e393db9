"""What is known of each tensor after a run: what it sees of each input."""

import gc

import torch
from torch import nn
from torch.nn import functional as F

from constraints.tracing.handles import Handle
from constraints.tracing.values import Value
from tests.constraints.tracing.known import CONV, WIDE, known, sizes


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


def test_a_copy_into_a_tensor_makes_it_what_the_source_is() -> None:
    found = known(lambda m, x: torch.zeros(1, 3, 8, 8).copy_(m.b(x)), b=WIDE)
    assert sizes(found) == [5, 5]


def test_a_tensor_that_takes_only_a_shape_depends_on_nothing() -> None:
    found = known(lambda m, x: torch.zeros_like(m.b(x)) + 1, b=WIDE)
    assert not found.outputs[0].depends
    assert [call.label for call in found.calls] == ["conv2d"]


def test_a_run_that_is_forgotten_is_freed_at_once() -> None:
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    gc.disable()
    try:
        before = {id(o) for o in gc.get_objects()}
        known(lambda m, x: m.head(F.relu(m.a(x)) + x), a=CONV, head=head).forget()
        assert not [o for o in gc.get_objects() if type(o) in {Handle, Value} and id(o) not in before]
    finally:
        gc.enable()
