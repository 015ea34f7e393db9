"""Changes to layers of a model, each with its likely size; a trace says whether they help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import nn

from constraints.errors import UnusableInputError
from constraints.forward_edits import ForwardEdit
from constraints.model_state import parts
from constraints.replacing import replace_module
from constraints.source_edits import Written

_WHERE = "{}"
_MOST_NAMES = 1000


Rewrite = Callable[[Any, str, str, Written], str]
"""(layer, ``nn.`` as it is imported, the call that makes it, what that gives) -> the expression in its place."""


class Called(NamedTuple):
    """A call in a forward method, as a sentence names it."""

    function: str
    owner: str
    """The layer whose forward method it is, or the model's class."""
    number: int = 0
    """Which of such calls it is, from 1; 0 where there is one."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One layer replaced by another, or what the model itself does by something around it."""

    layer: str
    """Dotted name; empty for the model's own forward pass."""
    text: str
    """All that changes, as the subject of a sentence: ``dilation 2 and padding 2 in {}``, with ``{}`` for the layer."""
    size: float
    """How much changes, to try small changes first; comparable among edits for one metric."""
    make: Callable[..., Any]
    """What is there -> what takes its place: a module; for the model itself, its forward method.

    That is no function around it but a ``partial``, which a copy of the model copies with it.
    """
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the call that makes the layer, with their new values, where that is all that changes."""
    rewrite: Rewrite | None = None
    """What writes the expression in place of the call that makes the layer, where there is one."""
    worked_out_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """One of ``arguments`` -> others of that call of which its new value is worked out."""
    reshapes: bool = False
    """Whether it changes the shape of the model's output on purpose."""
    wraps: bool = False
    """Whether it puts others around whatever is there."""
    alone: bool = False
    """Whether only the named place of a layer changes, not the others at which a model has the same layer."""
    adds: Callable[[], nn.Module] | None = None
    """What makes a further part of the model, which is then given to ``make`` before the forward method."""
    in_forward: ForwardEdit | None = None
    """Which calls of functions change, where that is what ``make`` does to the forward method."""
    called: Called | None = None
    """What ``{}`` stands for where that is a call of a function."""

    @property
    def order(self) -> int:
        """Its place among edits of one layer: arguments first, then what replaces it, then what is put around it."""
        return (self.rewrite is not None) + self.wraps


Change = tuple[Edit, ...]
"""Edits that are made together, in this order."""


def words(change: Change, others: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """What a change is, as the subject of a sentence: alike edits in one phrase; ``others`` as of ``other_names``."""
    phrases = []
    for (text, is_called), alike in groupby(change, key=lambda edit: (edit.text, edit.called is not None)):
        edits = list(alike)
        names = [_named(edit.layer, others.get(edit.layer, ())) for edit in edits]
        layers = f"layer{'s' * (len(names) > 1)} {listed(names)}"
        where = calls_named([edit.called for edit in edits if edit.called]) if is_called else layers
        phrases.append(text.replace(_WHERE, where, 1))
    return listed([p.removesuffix(",") for p in phrases] if len(phrases) > 1 else phrases)


def _named(name: str, others: Sequence[str]) -> str:
    return f"{name} (which is {listed(others)} too)" if others else name


def calls_named(calls: Sequence[Called]) -> str:
    """``the 1st and 3rd conv2d called in forward of Net``."""
    phrases = []
    for (function, owner), alike in groupby(sorted(calls), key=lambda call: (call.function, call.owner)):
        numbers = [ordinal(call.number) for call in alike if call.number]
        which = f"the {listed(numbers)} " if numbers else ""
        phrases.append(f"{which}{function} called in forward of {owner}")
    return listed(phrases)


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``4th``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number not in {11, 12, 13} else "th"
    return f"{number}{ending}"


@contextmanager
def applied(model: nn.Module, change: Change) -> Iterator[None]:
    """The model with a change made in it, taken back at the end."""
    with ExitStack() as undo:
        for edit in change:
            undo.callback(apply(model, edit))
        yield


def apply(model: nn.Module, edit: Edit) -> Callable[[], None]:
    """Make an edit in the model, under every name that a shared layer has, or one; what is returned takes it back."""
    if not edit.layer:
        return _apply_to_forward(model, edit)
    original = parts(model).modules[edit.layer]
    made = edit.make(original).train(original.training)
    if edit.alone:
        model.set_submodule(edit.layer, made)
        return partial(model.set_submodule, edit.layer, original)
    return replace_module(model, original, made)


def _apply_to_forward(model: nn.Module, edit: Edit) -> Callable[[], None]:
    undo, before = ExitStack(), vars(model).get("forward")
    if edit.adds:
        name, part = _free_name(model), edit.adds().train(model.training)
        model.add_module(name, part)
        undo.callback(delattr, model, name)
        model.forward = partial(edit.make, part, model.forward)
    else:
        model.forward = edit.make(model.forward)
    undo.callback(lambda: delattr(model, "forward") if before is None else setattr(model, "forward", before))
    return undo.close


def _free_name(model: nn.Module) -> str:
    """The first of ``added0``, ``added1``, ... that is no attribute of a model."""
    for name in (f"added{i}" for i in range(_MOST_NAMES)):
        if not hasattr(model, name):
            return name
    raise UnusableInputError(f"{type(model).__name__} has every attribute that it is asked for: no layer can be added")


def other_names(model: nn.Module) -> dict[str, list[str]]:
    """First name of each shared layer -> its further names."""
    names: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    return {first: others for first, *others in names.values() if others}
