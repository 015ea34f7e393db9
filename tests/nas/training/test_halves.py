"""A batch differentiated in halves: equal to the whole one, repeatable, and no half waits for one that failed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from nas.training.halves import Halves, Rows

IMAGES = 9


def _network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    body = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(4 * 16, 5)).to(dtype)


def _batch(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(IMAGES, 3, 8, 8, dtype=dtype) * 2 + 3
    images[: IMAGES // 2] += 5  # the halves differ
    return images.contiguous(memory_format=torch.channels_last), torch.arange(IMAGES) % 5


def _share(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, rows: Rows) -> torch.Tensor:
    loss: torch.Tensor = nn.functional.cross_entropy(network(images[rows]), labels[rows], reduction="sum")
    return loss / len(labels)


def test_gradients_loss_and_running_statistics_are_those_of_the_whole_batch() -> None:
    """Nine images, five and four, in float64: equal to what torch finds of all nine together."""
    network, (images, labels) = _network(), _batch()
    whole = copy.deepcopy(network)
    expected = _share(whole, images, labels, slice(None))
    expected.backward()  # type: ignore[no-untyped-call]
    halves = Halves(network, 2)
    with halves.shared():
        found = halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close([p.grad for p in network.parameters()], [p.grad for p in whole.parameters()])
    torch.testing.assert_close(dict(network.named_buffers()), dict(whole.named_buffers()))


def test_a_step_repeats_bit_for_bit() -> None:
    """Each half adds in an order of its own, and the two always in the same one."""

    def gradients() -> list[torch.Tensor]:
        network, (images, labels) = _network(torch.float32), _batch(torch.float32)
        halves = Halves(network, 2)
        halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
        return [p.grad for p in network.parameters() if p.grad is not None]

    assert all(torch.equal(one, other) for one, other in zip(gradients(), gradients(), strict=True))


@pytest.mark.parametrize("first", [0, 5])
def test_an_error_in_either_half_is_raised_and_the_next_step_is_whole(first: int) -> None:
    """The half that waits is released, and both threads end."""
    network, (images, labels) = _network(), _batch()
    halves = Halves(network, 2)

    def failing(model: nn.Module, rows: Rows) -> torch.Tensor:
        if (rows.start or 0) == first:
            raise ValueError("no such half")
        return _share(model, images, labels, rows)

    with pytest.raises(ValueError, match="no such half"):
        halves.differentiate(IMAGES, failing)
    found = halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
    torch.testing.assert_close(found, _share(copy.deepcopy(network), images, labels, slice(None)).detach())


@pytest.mark.parametrize("first", [0, 5])
def test_a_backward_pass_that_failed_leaves_no_gradients_for_the_next_step(first: int) -> None:
    """One half is through with its layers by then, the other with some of them."""
    network, (images, labels) = _network(), _batch()
    whole, halves = copy.deepcopy(network), Halves(network, 2)

    def fail(gradient: torch.Tensor) -> None:
        raise ValueError("no memory")

    def failing(model: nn.Module, rows: Rows) -> torch.Tensor:
        if (rows.start or 0) == first:
            model.get_parameter("0.weight").register_hook(fail)  # type: ignore[no-untyped-call]
        return _share(model, images, labels, rows)

    with pytest.raises(ValueError, match="no memory"):
        halves.differentiate(IMAGES, failing)
    for model in (network, halves._twin):
        model.get_parameter("0.weight")._backward_hooks = None
    network.zero_grad()
    halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
    _share(whole, images, labels, slice(None)).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close([p.grad for p in network.parameters()], [p.grad for p in whole.parameters()])


def test_an_interrupt_before_the_own_half_begins_lets_the_other_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else that thread would wait for ever, and the interpreter at its end for that thread."""
    network, (images, labels) = _network(), _batch()
    halves, begun = Halves(network, 2), []
    submit = halves._pool.submit

    def interrupted(*args: Any) -> None:
        begun.append(submit(*args))
        raise KeyboardInterrupt

    monkeypatch.setattr(halves._pool, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
    assert begun[0].result(timeout=300) == 0


def test_twin_sees_new_weights() -> None:
    """The weights are in one place: an update of the network's is one of its twin's."""
    network, (images, labels) = _network(), _batch()
    halves = Halves(network, 2)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(0.5)
    found = halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
    torch.testing.assert_close(found, _share(copy.deepcopy(network), images, labels, slice(None)).detach())


def test_own_norms_are_those_of_each_half() -> None:
    """Gradients are the sum of both halves', each computed alone, and running statistics their mean."""
    network, (images, labels) = _network(), _batch()
    alone = [copy.deepcopy(network), copy.deepcopy(network)]
    rows = slice(5), slice(5, IMAGES)
    expected = [_share(one, images, labels, part) for one, part in zip(alone, rows, strict=True)]
    for loss in expected:
        loss.backward()  # type: ignore[no-untyped-call]
    halves = Halves(network, 2, own_norms=True)
    with halves.shared():
        found = halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
    torch.testing.assert_close(found, (expected[0] + expected[1]).detach())
    for mine, *theirs in zip(network.parameters(), *(one.parameters() for one in alone), strict=True):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad, torch.stack([p.grad for p in theirs if p.grad is not None]).sum(0))
    for name, mine in network.named_buffers():
        theirs = [one.get_buffer(name) for one in alone]
        torch.testing.assert_close(mine, torch.stack(theirs).mean(0) if mine.is_floating_point() else theirs[0])


def test_own_norms_start_from_the_statistics_that_were_restored() -> None:
    """The twin's statistics are no part of a checkpoint: those of a network that was read back are taken over."""
    network, (images, labels) = _network(), _batch()
    first, again = Halves(network, 2, own_norms=True), copy.deepcopy(network)

    def step(halves: Halves) -> None:
        with halves.shared():
            halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))

    step(first)
    later = Halves(again, 2, own_norms=True)
    again.load_state_dict(network.state_dict())
    step(first)
    step(later)
    torch.testing.assert_close(dict(again.named_buffers()), dict(network.named_buffers()))


def test_a_network_without_batch_norm_is_halved_as_well() -> None:
    """It has no statistics, of the whole batch or its own."""
    network, (images, labels) = nn.Sequential(nn.Conv2d(3, 5, 8), nn.Flatten()).to(torch.float64), _batch()
    whole = _share(copy.deepcopy(network), images, labels, slice(None)).detach()
    halves = Halves(network, 2, own_norms=True)
    with halves.shared():
        found = halves.differentiate(IMAGES, lambda model, rows: _share(model, images, labels, rows))
    torch.testing.assert_close(found, whole)


def test_only_an_even_number_of_threads_is_halved() -> None:
    """Of three, one would have nothing to do; statistics that are not kept as usual are left to torch."""
    network = _network()
    assert [Halves.of(network, threads) is None for threads in (1, 2, 3, 4)] == [True, False, True, False]
    assert Halves.of(nn.Sequential(nn.BatchNorm2d(3, affine=False)), 2) is None
