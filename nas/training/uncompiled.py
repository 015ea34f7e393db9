"""torch's optimisers without importing its compiler, which takes seconds of processor time."""

from __future__ import annotations

import inspect

import torch


class Uncompiled(torch.optim.Optimizer):
    """The methods of torch's Optimizer without the decorators that exclude them from ``torch.compile``.

    Those decorators load ``torch._dynamo`` and SymPy when an optimiser is created: 1.3 to 1.8 s of processor time
    (Xeon with AVX-512, torch 2.15) in every process that trains, for a compiler that no training here uses.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class SGD(Uncompiled, torch.optim.SGD):
    """``torch.optim.SGD``."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class Adam(Uncompiled, torch.optim.Adam):
    """``torch.optim.Adam``."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(Uncompiled, torch.optim.AdamW):
    """``torch.optim.AdamW``."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
