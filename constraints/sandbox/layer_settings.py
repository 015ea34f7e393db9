"""Whether two networks have equal layers; a lazy layer may have run in one of them and not in the other."""

from __future__ import annotations

from itertools import zip_longest

from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy


def have_equal_layers(one: nn.Module, other: nn.Module) -> bool:
    """Whether the layers, the shapes of their parameters, and the replaced forward methods are equal.

    How much a dropout drops does not count, since none does where networks are checked.
    What a lazy layer infers in its first run is compared only where both layers ran, or neither did.
    """
    pairs = zip_longest(*(model.named_modules(remove_duplicate=False) for model in (one, other)))
    return all(a and b and a[0] == b[0] and _are_equal(a[1], b[1]) for a, b in pairs)


def _are_equal(one: nn.Module, other: nn.Module) -> bool:
    if ("forward" in vars(one)) != ("forward" in vars(other)):
        return False
    if _waits(one) == _waits(other):
        return _described(one) == _described(other)
    lazy, ran = (one, other) if _waits(one) else (other, one)
    becomes = getattr(lazy, "cls_to_become", None) or type(lazy)
    return type(ran) is becomes and _settings(ran, lazy) == _settings(lazy, lazy)


def _waits(module: nn.Module) -> bool:
    """Whether a layer has parameters or buffers whose shapes its first run will infer."""
    return any(is_lazy(t) for t in (*module.parameters(recurse=False), *module.buffers(recurse=False)))


def _described(module: nn.Module) -> tuple[object, ...]:
    shapes = [None if is_lazy(p) else tuple(p.shape) for p in module.parameters(recurse=False)]
    if isinstance(module, _DropoutNd):
        return type(module).__name__, "", shapes
    has_layers = next(module.children(), None) is not None
    return type(module).__name__, module.extra_repr() if has_layers else repr(module), shapes


def _settings(module: nn.Module, lazy: nn.Module) -> dict[str, object]:
    """What a layer was made with, except what ``lazy`` has yet to infer, which is 0 or None there."""
    wanted = [name for name, v in vars(lazy).items() if v and isinstance(v, int | float | str | tuple)]
    made = {name: vars(module).get(name) for name in wanted if name != "training" and not name.startswith("_")}
    return {**made, **{name: p is not None for name, p in module._parameters.items()}}
