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


def test_only_an_even_number_of_threads_is_halved() -> None:
    """Of three, one would have nothing to do; statistics that are not kept as usual are left to torch."""
    network = _network()
    assert [Halves.of(network, threads) is None for threads in (1, 2, 3, 4)] == [True, False, True, False]
    assert Halves.of(nn.Sequential(nn.BatchNorm2d(3, affine=False)), 2) is None
