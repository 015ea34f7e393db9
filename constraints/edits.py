"""Edits of a model's layers, each with an estimate of its size; a trace shows whether they help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

from torch import nn

from constraints.call_syntax import Written
from constraints.errors import UnusableInputError
from constraints.forward_edits import ForwardEdit
from constraints.model_state import parts
from constraints.replacing import replace_module

_WHERE = "{}"
_MOST_NAMES = 1000


Rewrite = Callable[[Any, str, str, Written], str]
"""(layer, prefix of ``torch.nn`` in the file, source of the call that makes it, its arguments) -> the new source."""


class Called(NamedTuple):
    """A call in a forward method, for use in a sentence."""

    function: str
    owner: str
    """The layer whose forward method it is, or the model's class."""
    number: int = 0
    """Its number among such calls, from 1; 0 if it is the only one."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One layer replaced by another, or the model's own forward method wrapped."""

    layer: str
    """Dotted name; empty for the model's own forward pass."""
    text: str
    """The change as the subject of a sentence: ``dilation 2 and padding 2 in {}``, with ``{}`` for the layer."""
    size: float
    """Size of the change, to try small ones first; comparable among edits for the same metric."""
    make: Callable[..., Any]
    """The existing module -> its replacement; for the model itself, the same for its forward method.

    The new forward method is a ``partial`` and not a closure, so that a deep copy of the model copies it.
    """
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """New values of arguments in the call that makes the layer, if nothing else changes."""
    rewrite: Rewrite | None = None
    """Writes the expression that replaces the call that makes the layer, if there is one."""
    worked_out_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name in ``arguments`` -> other arguments of that call from which its new value is computed."""
    reshapes: bool = False
    """Whether it intentionally changes the shape of the model's output."""
    wraps: bool = False
    """Whether it adds layers around the existing one."""
    alone: bool = False
    """Whether only this name of a shared layer changes, and not its other names."""
    adds: Callable[[], nn.Module] | None = None
    """Makes a new submodule of the model, which is passed to ``make`` before the forward method."""
    in_forward: ForwardEdit | None = None
    """The function calls that change, if ``make`` changes calls in the forward method."""
    called: Called | None = None
    """The calls that replace ``{}``, if these are function calls."""

    @property
    def order(self) -> int:
        """Its position among edits of one layer: arguments first, then replacements, then additions around it."""
        return (self.rewrite is not None) + self.wraps


Change = tuple[Edit, ...]
"""Edits that are made together, in this order."""


def without_overwritten(change: Change) -> Change:
    """A change without the edits of which later ones of the same layer set every argument again."""
    return tuple(edit for i, edit in enumerate(change) if not _is_overwritten(edit, change[i + 1 :]))


def _is_overwritten(edit: Edit, later: Change) -> bool:
    again = {name for other in later if other.layer == edit.layer and not other.rewrite for name in other.arguments}
    is_of_arguments = bool(edit.arguments) and not (edit.rewrite or edit.called or edit.wraps)
    return is_of_arguments and edit.arguments.keys() <= again


def words(change: Change, others: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """A change as the subject of a sentence, similar edits in one phrase; ``others`` is from ``other_names``."""
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
    """While entered, the change is applied to the model; undone at the end."""
    with ExitStack() as undo:
        for edit in change:
            undo.callback(apply(model, edit))
        yield


def apply(model: nn.Module, edit: Edit) -> Callable[[], None]:
    """Apply an edit to the model, under all names of a shared layer or one; the returned function undoes it."""
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
    """The first of ``added0``, ``added1``, ... that is not an attribute of the model."""
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
