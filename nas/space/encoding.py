"""Finds the choices that produce a given network in a space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from nas.architecture import named
from nas.architecture.spec import Architecture, Block, Stage
from nas.space.layer_blocks import layer_blocks
from nas.space.space import Choice, Space
from nas.space.stage_space import Form, Residual

Choices = dict[str, Choice]


def choices_of(space: Space, network: Architecture | str) -> Choices | None:
    """Choices for which ``space.decode`` returns ``network``; None where the space does not contain it.

    If a network has several encodings, any of them is returned: ``Vector.canonical`` makes them equal. A string is a
    name or text; ArchitectureError where it is neither.
    """
    architecture = named.architecture(network) if isinstance(network, str) else network
    if len(architecture.stages) != len(space.stages):
        return None
    for form, norm, activation in product(space.forms, space.norms, space.activations):
        reader = _Reader(space=space, form=form, post=(f"{norm}_norm", activation))
        found = reader.read(architecture)
        if found is not None:
            found |= {"form": form, "norm": norm, "activation": activation, "head": architecture.head}
            chosen = {name: found.get(name, values[0]) for name, values in space.parameters.items()}
            if architecture.head in space.heads and space.decode(chosen) == architecture:
                return {name: chosen[name] for name in space.distributions}
    return None


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reads stages as layers of one form, norm and activation."""

    space: Space
    form: Form
    post: tuple[str, ...]

    def read(self, architecture: Architecture) -> Choices | None:
        """The choices of all stages; None where one cannot be read."""
        channels = [0] * len(architecture.stages)  # behind each stage
        for placed in architecture.placed:
            is_classifier = architecture.head == "gap" and placed is architecture.placed[-1]
            channels[placed.stage] = channels[placed.stage] if is_classifier else placed.output[0]
        found: Choices = {}
        for number, stage in enumerate(architecture.stages, start=1):
            is_classified = architecture.head == "gap" and number == len(architecture.stages)
            blocks = stage[:-1] if is_classified else stage
            before = channels[number - 2] if number > 1 else None
            one = next(self._stage(number, blocks, before, channels[number - 1]), None)
            if one is None:
                return None
            found |= one
        return found

    def _stage(self, number: int, blocks: Stage, before: int | None, after: int) -> Iterator[Choices]:
        """Every way to read a stage; ``before`` is None where the stage's width shows in its stem alone."""
        stage = self.space.stages[number - 1]
        following = "last.width" if number == len(self.space.stages) else f"c{number + 1}.width"
        for width, residual in product(stage.width.values(), stage.residual):
            channels = self.space.scaled(width, self.form)
            if before not in (None, channels):
                continue
            for next_width in self.space.widths_after(number).values():
                if self.space.scaled(next_width, self.form) == after:
                    for words in self._layers(number, blocks, (channels, after), residual, ()):
                        *body, down = words
                        named: Choices = {f"c{number}.layer{j}": word for j, word in enumerate(body, start=1)}
                        depth, own = len(words), f"c{number}.width"
                        named |= {f"c{number}.depth": depth, f"c{number}.residual": residual, own: width}
                        yield named | {f"c{number}.down": down, following: next_width}

    def _layers(
        self, number: int, blocks: Stage, ends: tuple[int, int], residual: Residual, before: tuple[str, ...]
    ) -> Iterator[tuple[str, ...]]:
        """The words of the layers that make up ``blocks``, appended to those ``before``."""
        stage = self.space.stages[number - 1]
        stride, dilation = self.space.ending(number, self.form)
        if len(before) + 1 in stage.depth:
            for word in stage.down:
                made = layer_blocks(word, ends[0], ends[1], post=self.post, stride=stride, dilation=dilation)
                if made == blocks:
                    yield (*before, word)
        if len(before) + 1 >= max(stage.depth):
            return
        is_stem = number == 1 and not before
        for word in stage.stem if is_stem else stage.body:
            made = self._body(word, ends[0], residual, is_stem=is_stem)
            if made == blocks[: len(made)]:
                yield from self._layers(number, blocks[len(made) :], ends, residual, (*before, word))

    def _body(self, word: str, width: int, residual: Residual, *, is_stem: bool) -> tuple[Block, ...]:
        if is_stem:
            return self.space.stem(word, width, self.post)
        return layer_blocks(word, width, width, post=self.post, residual=residual)
