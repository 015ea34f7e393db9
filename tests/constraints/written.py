"""A model written in a line."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Written(nn.Module):
    """A model whose forward pass is a function of its modules and inputs."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.run(self, *inputs)
