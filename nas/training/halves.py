"""Computes the gradients of two halves of a batch in parallel threads.

torch's own threads share every operation and synchronise after it: on two cores, the training of one small network is
only 1.3 to 1.5 times as fast as on one. Here each half of the threads processes half of the images, and gradients are
summed. Batch norm (Ioffe and Szegedy, *Batch Normalization*, 2015) uses one of two kinds of statistics:

- those of the whole batch, forward and backward, for which the halves synchronise. The step equals the normal one
  within rounding, as with any other number of threads.
- with ``own_norms``, those of each half (ghost batch norm: Hoffer, Hubara and Soudry, *Train longer, generalize
  better*, 2017), as is usual where several devices share a batch, so that no half waits for the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from constraints.model_state import copied

_NORM = signature(F.batch_norm)
HALVES = 2
LEAST = 32
"""Images of the smallest batch whose halves have statistics of their own: fewer would say too little."""
Rows = slice
"""The rows of a batch that a thread processes."""


class Halves:
    """A network and its twin, which shares its weights but has its own gradients and running statistics.

    The network's running statistics are those of the whole batch, or with ``own_norms`` the mean of both halves'.
    """

    def __init__(self, model: nn.Module, threads: int, *, own_norms: bool = False) -> None:
        """``threads`` is the total for both halves."""
        self.model, self.threads = model, threads
        self._twin = twin(model)
        self._statistics = [[b for b in m.buffers() if b.is_floating_point()] for m in (model, self._twin)]
        self.own_norms = own_norms and bool(self._statistics[0])
        self._exchange = Exchange(HALVES)
        self._pool = ThreadPoolExecutor(1, "half", torch.set_num_threads, (self._each,))  # ends when it is collected

    @classmethod
    def of(cls, model: nn.Module, threads: int, *, own_norms: bool = False) -> Halves | None:
        """The halves of a network; None for an odd number of threads, or unusual batch norms."""
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        is_usual = all(m.affine and m.track_running_stats and m.momentum is not None for m in norms)
        is_even = threads >= HALVES and threads % HALVES == 0
        return cls(model, threads, own_norms=own_norms) if is_usual and is_even else None

    @property
    def _each(self) -> int:
        return self.threads // HALVES

    @property
    def least(self) -> int:
        """Images of the smallest batch that is computed in halves."""
        return LEAST if self.own_norms else HALVES

    @contextmanager
    def shared(self) -> Iterator[None]:
        """A block of steps, in which torch uses half of the threads for each half of the batch."""
        self._pass_on_statistics()  # the network may have been restored from a checkpoint
        torch.set_num_threads(self._each)
        try:
            yield
        finally:
            torch.set_num_threads(self.threads)

    def differentiate(self, count: int, loss: Callable[[nn.Module, Rows], torch.Tensor]) -> torch.Tensor:
        """Add the gradients of both halves of ``count`` images to the network's; returns the total loss, detached.

        ``loss(network, rows)`` is the contribution of the images in ``rows`` to the loss of the batch.
        """
        middle = -(-count // HALVES)
        self._exchange.renew()
        self._twin.zero_grad()  # also removes gradients of a step that failed halfway
        other: Future[torch.Tensor] | None = None
        try:
            other = self._pool.submit(self._half, 1, self._twin, slice(middle, count), loss)
            mine = self._half(0, self.model, slice(middle), loss)
        except BaseException:
            self._exchange.leave()  # an interrupt may have come before this half started
            wait([other] if other else [])
            raise
        theirs = other.result()
        self._add_gradients()
        if self.own_norms:
            own, twins = self._statistics
            torch._foreach_lerp_(own, twins, 0.5)  # both variances are unbiased, as the whole batch's is
            self._pass_on_statistics()
        return mine + theirs

    def _half(
        self, rank: int, model: nn.Module, rows: Rows, loss: Callable[[nn.Module, Rows], torch.Tensor]
    ) -> torch.Tensor:
        try:
            with nullcontext() if self.own_norms else WholeBatchNorm(self._exchange, rank):
                found = loss(model, rows)
            found.backward()  # type: ignore[no-untyped-call]
        except threading.BrokenBarrierError:
            return torch.zeros(())  # the other half failed, and says why
        except BaseException:
            self._exchange.leave()
            raise
        return found.detach()

    def _add_gradients(self) -> None:
        pairs = zip(self.model.parameters(), self._twin.parameters(), strict=True)
        both = [(mine.grad, theirs.grad) for mine, theirs in pairs if mine.grad is not None and theirs.grad is not None]
        torch._foreach_add_([mine for mine, _ in both], [theirs for _, theirs in both])

    def _pass_on_statistics(self) -> None:
        mine, theirs = self._statistics
        if mine:
            torch._foreach_copy_(theirs, mine)


def twin(model: nn.Module) -> nn.Module:
    """A copy of a network that shares its weights' memory, with its own gradients and buffers."""
    found = copied(model)
    for mine, theirs in zip(model.parameters(), found.parameters(), strict=True):
        theirs.data, theirs.grad = mine.data, None
    return found


class Exchange:
    """Exchanges one value per step between threads that run the same steps."""

    def __init__(self, count: int) -> None:
        """``count`` is the number of threads, which are numbered from 0."""
        self._barrier, self._count = threading.Barrier(count), count
        self.renew()

    def renew(self) -> None:
        """Reset, also after a thread left."""
        self._barrier.reset()
        self._turns = [0] * self._count
        # Two alternating tables, so that no thread's next value overwrites one that another thread still reads.
        self._given: tuple[list[Any], list[Any]] = ([None] * self._count, [None] * self._count)

    def all(self, rank: int, value: Any) -> list[Any]:
        """The values of all threads at this step, by thread number; BrokenBarrierError where one of them left."""
        given = self._given[self._turns[rank] % 2]
        self._turns[rank] += 1
        given[rank] = value
        self._barrier.wait()
        return list(given)

    def leave(self) -> None:
        """Make all threads that wait for this one, now or later, raise an error."""
        self._barrier.abort()


class WholeBatchNorm(TorchFunctionMode):
    """Makes ``F.batch_norm`` in training mode use the statistics of the whole batch, though called on a part."""

    def __init__(self, exchange: Exchange, rank: int) -> None:
        """``rank`` is the number of this thread in the exchange."""
        super().__init__()
        self._exchange, self._rank = exchange, rank

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func``, or what replaces it."""
        given = _NORM.bind(*args, **(kwargs or {})).arguments if func is F.batch_norm else {}
        if not given.get("training"):
            return func(*args, **(kwargs or {}))
        layer = given["input"], given["weight"], given["bias"], given["eps"]
        found, mean, variance = _Norm.apply(*layer, self._exchange, self._rank)
        if self._rank == 0:
            given["running_mean"].lerp_(mean, given["momentum"])
            given["running_var"].lerp_(variance, given["momentum"])
        return found


class _Norm(torch.autograd.Function):
    """Batch norm of one part of a batch with the statistics of all parts."""

    @staticmethod
    def forward(  # noqa: PLR0917 - as autograd calls it
        ctx: Any,
        images: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        eps: float,
        exchange: Exchange,
        rank: int,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The normalised part, and mean and unbiased variance of the whole batch."""
        blank = torch.zeros_like(weight), torch.zeros_like(weight)  # the statistics have the weights' type
        own = torch.batch_norm_update_stats(images, *blank, 0.0)
        parts = exchange.all(rank, (images.numel() / len(weight), *own))
        count = sum(part[0] for part in parts)
        mean = sum(part[0] / count * part[1] for part in parts)
        variance = sum(part[0] / count * (part[2] + (part[1] - mean).square()) for part in parts)
        ctx.save_for_backward(images, weight, mean, (variance + eps).rsqrt())
        ctx.eps, ctx.exchange, ctx.rank, ctx.count = eps, exchange, rank, count
        found = torch.native_batch_norm(images, weight, bias, mean, variance, False, 0.0, eps)[0]
        unbiased = variance * (count / max(count - 1, 1))
        ctx.mark_non_differentiable(mean, unbiased)
        return found, mean, unbiased

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        """The gradients of this part, with x' the normalised images: sum(g x') for the weight, sum(g) for the bias.

        For an image: weight / std * (g - mean(g) - x' mean(g x')), with means over the whole batch, i.e. a x + b + c g.
        """
        images, weight, mean, scale = ctx.saved_tensors
        own = torch.ops.aten.native_batch_norm_backward(
            gradient, images, weight, None, None, mean, scale, True, ctx.eps, [False, True, True]
        )[1:]
        parts = ctx.exchange.all(ctx.rank, own)
        steepness = weight * scale
        by_image = -steepness * scale * (sum(part[0] for part in parts) / ctx.count)
        constant = -steepness * (sum(part[1] for part in parts) / ctx.count) - by_image * mean
        blank = torch.zeros_like(mean), torch.ones_like(mean)
        found = torch.native_batch_norm(images, by_image, constant, *blank, False, 0.0, 0.0)[0]
        found.addcmul_(gradient, steepness.to(found.dtype).view(1, -1, *[1] * (images.ndim - 2)))
        return found, *own, None, None, None
