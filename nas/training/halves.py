"""Both halves of a batch differentiated at once, each by its own thread; the step is that of the whole batch.

torch's own threads share every single operation, and wait for each other after it: on two cores a training of one small
network is 1.3 to 1.5 times as fast as on one. Here each half of the threads differentiates half of the images, and the
halves meet only where a batch acts as a whole: batch norm takes mean and variance over both (Ioffe and Szegedy,
*Batch Normalization*, 2015), forward and backward. Gradients are added up. So the step is equal to the usual one within
rounding, as that of another number of threads is.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_NORM = signature(F.batch_norm)
HALVES = 2
Rows = slice
"""Those of a batch that a thread differentiates."""


class Halves:
    """A network and its twin, which shares its weights and has gradients of its own.

    The network's running statistics are those of the whole batch; the twin's are not read.
    """

    def __init__(self, model: nn.Module, threads: int) -> None:
        """``threads`` are those of both halves together."""
        self.model, self.threads = model, threads
        self._twin = twin(model)
        self._exchange = Exchange(HALVES)
        self._pool = ThreadPoolExecutor(1, "half", torch.set_num_threads, (self._each,))  # ends when it is collected

    @classmethod
    def of(cls, model: nn.Module, threads: int) -> Halves | None:
        """The halves of a network that is built of layers of this project; None where there is nothing to share."""
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        is_usual = all(m.affine and m.track_running_stats and m.momentum is not None for m in norms)
        return cls(model, threads) if is_usual and threads >= HALVES and threads % HALVES == 0 else None

    @property
    def _each(self) -> int:
        return self.threads // HALVES

    @contextmanager
    def shared(self) -> Iterator[None]:
        """A block in which each half of the threads belongs to a half of the batch."""
        torch.set_num_threads(self._each)
        try:
            yield
        finally:
            torch.set_num_threads(self.threads)

    def differentiate(self, count: int, loss: Callable[[nn.Module, Rows], torch.Tensor]) -> torch.Tensor:
        """Add the gradients of both halves of ``count`` images to the network's; the sum of their losses, detached.

        ``loss(network, rows)`` is what the images in ``rows`` add to the loss of the batch.
        """
        middle = -(-count // HALVES)
        self._exchange.renew()
        self._twin.zero_grad()  # those of a step, too, that failed in the middle
        other: Future[torch.Tensor] | None = None
        try:
            other = self._pool.submit(self._half, 1, self._twin, slice(middle, count), loss)
            mine = self._half(0, self.model, slice(middle), loss)
        except BaseException:
            self._exchange.leave()  # an interrupt may have come before this half began
            wait([other] if other else [])
            raise
        theirs = other.result()
        self._add_gradients()
        return mine + theirs

    def _half(
        self, rank: int, model: nn.Module, rows: Rows, loss: Callable[[nn.Module, Rows], torch.Tensor]
    ) -> torch.Tensor:
        try:
            with WholeBatchNorm(self._exchange, rank):
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


def twin(model: nn.Module) -> nn.Module:
    """A copy of a network with the same weights in memory, gradients and buffers of its own."""
    found = copy.deepcopy(model)
    for mine, theirs in zip(model.parameters(), found.parameters(), strict=True):
        theirs.data, theirs.grad = mine.data, None
    return found


class Exchange:
    """Where threads that take the same steps show each other a value a step."""

    def __init__(self, count: int) -> None:
        """``count`` threads, which are numbered from 0."""
        self._barrier, self._count = threading.Barrier(count), count
        self.renew()

    def renew(self) -> None:
        """Begin again, after a thread left too."""
        self._barrier.reset()
        self._turns = [0] * self._count
        # Two tables in turns: no thread overwrites, by its next value, one that another thread still reads.
        self._given: tuple[list[Any], list[Any]] = ([None] * self._count, [None] * self._count)

    def all(self, rank: int, value: Any) -> list[Any]:
        """The values of all threads at this step, by number; BrokenBarrierError where one of them left."""
        given = self._given[self._turns[rank] % 2]
        self._turns[rank] += 1
        given[rank] = value
        self._barrier.wait()
        return list(given)

    def leave(self) -> None:
        """End the waiting of all that wait for this thread, or will, with an error."""
        self._barrier.abort()


class WholeBatchNorm(TorchFunctionMode):
    """Computes every training ``F.batch_norm`` of its block, which sees a part of a batch, as of the whole."""

    def __init__(self, exchange: Exchange, rank: int) -> None:
        """``rank`` is the number of this thread in the exchange."""
        super().__init__()
        self._exchange, self._rank = exchange, rank

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call ``func``, or what stands in for it."""
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
    """Batch norm of one part of a batch by the statistics of all parts."""

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
        """The part, and mean and unbiased variance of the whole."""
        blank = torch.zeros_like(weight), torch.zeros_like(weight)  # of the weights' type, which the statistics take
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
        """The gradients of this part: with x' the normed images, of the weight sum(g x'), of the bias sum(g).

        Of an image weight / std * (g - mean(g) - x' mean(g x')), with means over the whole batch: a x + b + c g.
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
