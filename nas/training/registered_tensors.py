"""The parameters and buffers that a user's model registers, where its code makes or replaces some while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from constraints.errors import UnusableInputError
from constraints.model_state import OF_ANY_MODULE, parts

_PASSED = ("View", "ReshapeAlias", "UnsafeView", "ToCopy", "Squeeze", "Unsqueeze", "Clone", "Alias")
"""Operations of an autograd graph that change no value, by the beginning of their names."""
_LEAF = "torch::autograd::AccumulateGrad"


class RegisteredTensors:
    """The parameters and persistent buffers of a model, by which its optimiser, average and checkpoints know it."""

    def __init__(self, model: nn.Module) -> None:
        """Note what is registered now."""
        self._model = model
        self._known = {path: tensor for path, _, _, tensor in _registered(model)}

    def made(self) -> list[str]:
        """The names of those that have been registered since."""
        return [path for path, *_ in _registered(self._model) if path not in self._known]

    @torch.no_grad()
    def settle(self) -> None:
        """Write a buffer that the code has replaced into the one that was registered, which takes its place again.

        Raises UnusableInputError for a parameter that is new or replaced, which no optimiser would train, and for a
        buffer that is new or has another shape or type, which no checkpoint would fit.
        """
        for path, kept, name, now in _registered(self._model):
            known = self._known.get(path)
            if now is known:
                continue
            if known is None:
                raise UnusableInputError(
                    f"the model makes {path} while it trains, which its optimiser and checkpoints do not know: make it "
                    "in __init__"
                )
            if isinstance(known, nn.Parameter):
                raise UnusableInputError(
                    f"the model replaces its parameter {path} while it trains, and no optimiser trains the new one: "
                    "keep the parameter, and change its values (.data.copy_)"
                )
            if (known.shape, known.dtype) != (now.shape, now.dtype):
                raise UnusableInputError(
                    f"the buffer {path} becomes another one while it trains, {_described(now)} after "
                    f"{_described(known)}, which no average and no checkpoint holds: keep its shape and type, or "
                    "register it with persistent=False"
                )
            known.copy_(now)
            kept[name] = known


def unregistered_weights(model: nn.Module, outputs: torch.Tensor) -> list[str]:
    """What gets a gradient from ``outputs`` and is no parameter of the model, so that no optimiser trains it.

    By name where the model has one for it, else by its shape. Tensors that the forward pass makes are left out, unless
    they are made as parameters.
    """
    trained = {id(tensor) for *_, tensor in _registered(model) if isinstance(tensor, nn.Parameter)}
    names = _names(model)
    leaves = [leaf for leaf in _leaves(outputs) if id(leaf) not in trained]
    found = [names.get(id(leaf), "") or (_described(leaf) if isinstance(leaf, nn.Parameter) else "") for leaf in leaves]
    return sorted(filter(None, found))


def last_operation(outputs: torch.Tensor) -> str:
    """The operation that computed the values of ``outputs``, as autograd names it: ``Sigmoid``, say."""
    node: Any = outputs.grad_fn
    while node is not None and _operation(node).startswith(_PASSED):
        node = node.next_functions[0][0]
    return "" if node is None else _operation(node)


def _operation(node: Any) -> str:
    return str(node.name()).partition("Backward")[0]


def _registered(model: nn.Module) -> Iterator[tuple[str, dict[str, Any], str, torch.Tensor]]:
    """Path, the registry of its module, name and tensor of each parameter and persistent buffer."""
    for place, module in model.named_modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in list(kept.items()):
                if tensor is not None and name not in module._non_persistent_buffers_set:
                    yield f"{place}.{name}" if place else name, kept, name, tensor


def _leaves(outputs: torch.Tensor) -> Sequence[torch.Tensor]:
    """The tensors in which a backward pass from ``outputs`` adds up gradients."""
    found: dict[int, torch.Tensor] = {}
    waiting: list[Any] = [outputs.grad_fn]
    seen = set[Any]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == _LEAF:
            found[id(node.variable)] = node.variable
        waiting += [before for before, _ in node.next_functions]
    return list(found.values())


def _names(model: nn.Module) -> Mapping[int, str]:
    """The path of each tensor that a module of the model has, registered or not, by its id."""
    found: dict[int, str] = {}
    for place, module in parts(model).modules.items():
        dot = f"{place}." if place else ""
        own = {name: value for name, value in vars(module).items() if name not in OF_ANY_MODULE}
        for name, value in {**own, **module._buffers, **module._parameters}.items():
            for way, tensor in _tensors(value):
                found.setdefault(id(tensor), f"{dot}{name}{way}")
    return found


def _tensors(value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """A tensor, or those in a list or a dict, with the way to each."""
    if isinstance(value, torch.Tensor):
        yield "", value
    elif isinstance(value, list | tuple):
        yield from ((f".{i}", one) for i, one in enumerate(value) if isinstance(one, torch.Tensor))
    elif isinstance(value, dict):
        yield from ((f".{key}", one) for key, one in value.items() if isinstance(one, torch.Tensor))


def _described(tensor: torch.Tensor) -> str:
    size = "x".join(map(str, tensor.shape)) or "a single number"
    return f"{size} of {str(tensor.dtype).removeprefix('torch.')}"
