"""The mode of a run: which operations it records, of which tensors, in which module, and what it leaves behind."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from constraints.tracing.postponed import Postponed
from constraints.tracing.recording import Recorder
from constraints.tracing.run import Frame
from constraints.tracing.tensor_handles import handle_of


@pytest.fixture
def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()


@pytest.fixture
def recorder(net: nn.Module) -> Iterator[Recorder]:
    made = Recorder(dict(net.named_modules()), False, (), Postponed(is_open=False))
    yield made
    made.undo()


def operations(recorder: Recorder) -> list[str]:
    return [recorded.operator.op for recorded in recorder.operations]


def test_operations_are_recorded_with_their_tensors_and_shapes(net: nn.Module, recorder: Recorder) -> None:
    x = torch.zeros(1, 3, 8, 8)
    with recorder.following():
        y = net[0](x)  # type: ignore[index]
        z = y * 2
    conv, product = recorder.operations
    assert (conv.operator.op, product.operator.op) == ("conv2d", "mul")
    assert [h.name for h in conv.inputs] == [None, "0.weight", "0.bias"]
    assert product.inputs[0] is conv.outputs[0] is handle_of(y)
    assert (product.outputs[0], product.shapes) == (handle_of(z), [(1, 4, 6, 6)])


def test_nothing_is_recorded_before_or_after(recorder: Recorder) -> None:
    x = torch.zeros(2)
    x + 1
    assert not recorder.is_followed()
    with recorder.following():
        assert recorder.is_followed()
        x + 1
    x + 1
    assert operations(recorder) == ["add"]


def test_an_operation_is_that_of_the_module_that_runs(recorder: Recorder) -> None:
    with recorder.following():
        torch.zeros(2)
        recorder.here.stack.append(Frame("0", True))
        torch.zeros(2)
    assert [recorded.frame.path for recorded in recorder.operations] == ["", "0"]


def test_composite_operations_are_recorded_as_their_parts(recorder: Recorder) -> None:
    with recorder.following():
        torch.zeros(2, 3, 4) @ torch.zeros(4, 5)
    assert "mm" in operations(recorder)
    assert "matmul" not in operations(recorder)


def test_what_is_written_in_place_is_a_target_and_is_put_back(net: nn.Module, recorder: Recorder) -> None:
    weight = net[0].weight  # type: ignore[index]
    before = weight.detach().clone()
    with recorder.following():
        weight.mul_(3)
    (recorded,) = recorder.operations
    assert [h.name for h in recorded.targets] == ["0.weight"]
    assert not torch.equal(weight, before)
    recorder.undo()
    assert torch.equal(weight, before)


def test_an_array_may_write_to_what_it_was_made_of(net: nn.Module, recorder: Recorder) -> None:
    weight = net[0].weight  # type: ignore[index]
    before = weight.detach().clone()
    with recorder.following():
        array = weight.detach()
        recorder.read(array)
    array.numpy()[:] = 7
    recorder.undo()
    assert torch.equal(weight, before)


def test_a_copy_has_a_handle_of_its_own_as_long_as_the_run_lasts(recorder: Recorder) -> None:
    with recorder.following():
        y = torch.ones(2) * 2
        copied = copy.deepcopy(handle_of(y))
    assert copied is not None
    assert copied is not handle_of(y)
    assert operations(recorder)[-1] == "clone"
    recorder.undo()
    assert copy.deepcopy(handle_of(y)) is None


def test_a_thread_is_followed_where_its_function_is(recorder: Recorder) -> None:
    def work() -> None:
        torch.zeros(2) + 1

    with recorder.following():
        for run in (work, recorder.follow(work)):
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
    assert operations(recorder).count("add") == 1


def test_a_value_that_leaves_is_a_step_without_a_result(recorder: Recorder) -> None:
    with recorder.following():
        y = torch.ones(2) * 2
        recorder.read(y)
        with recorder.unread():
            recorder.read(y)  # as in copying
    assert operations(recorder)[-1] == "read"
    assert operations(recorder).count("read") == 1
    assert recorder.operations[-1].outputs == ()


def test_gradients_that_the_code_enables_are_noticed(recorder: Recorder) -> None:
    with recorder.following(), torch.enable_grad():
        torch.zeros(2) + 1
    assert recorder.wants_gradients
