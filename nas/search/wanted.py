"""A request to ``train``: a network by text, file or module, and how to train it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from constraints.cli.options import read_bytes, read_seconds
from constraints.cli.parameters import parameters_of
from constraints.cli.target import parse_target, read_source
from constraints.errors import UnusableInputError
from constraints.sandbox.arguments import check_arguments
from constraints.sandbox.read_entries import entries_in
from constraints.sandbox.request import Limits
from nas.architecture import named

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A network to train, and the limits of its user code."""

    target: str
    """A file or a module with a name in it, an architecture's text, or a known network's name."""
    module: nn.Module | None = None
    """A model in memory; ``target`` is then its name."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1
    timeout: str = "5m"
    """The time limit of the code for one step."""
    memory: str = "4GiB"
    recipe: str | None = None
    """A recipe's name or file; None means the study's, or the default."""
    augmentation: str | None = None
    teacher: Sequence[str] | None = None
    """Trials and exports whose logits it learns from; None means the study's teacher, if any."""
    anew: bool = False
    """Whether unfinished trials of the target whose files have changed are ended instead of refused."""

    @property
    def is_architecture(self) -> bool:
        """Whether the target names an architecture rather than code."""
        if self.module is not None:
            return False
        place = self.target.rpartition(":")[0] or self.target
        if named.is_name(self.target):
            return True
        is_there = os.path.exists(place)  # noqa: PTH110 (a text that can be no path does not exist either)
        return "/" in self.target and not place.endswith((".py", ".ipynb")) and not is_there

    def check(self) -> None:
        """Raise UnusableInputError for what can be found to be wrong before any data is decoded."""
        self.limits()
        if self.is_architecture:
            named.architecture(self.target)
            if self.arguments:
                raise UnusableInputError(
                    f"an architecture takes no arguments: --arg {next(iter(self.arguments))}: leave it out"
                )
        elif self.module is None:
            target = parse_target(self.target)
            tree = read_source(target)
            parameters = None if tree is None else parameters_of(tree, target.name)
            if tree is not None and parameters is not None:
                found = next(node for node in tree.body if getattr(node, "name", "") == target.name)
                entries = {p.name: entries_in(found, p.name) for p in parameters}
                check_arguments(target.name, parameters, self.arguments, entries=entries)

    def limits(self) -> Limits:
        """Limits of the code; UnusableInputError for an invalid duration or size."""
        return Limits(seconds=read_seconds(self.timeout), memory_bytes=read_bytes(self.memory))
