"""Architecture -> source of a self-contained module, which needs only torch and has the same state_dict keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

from nas.architecture import assembly
from nas.architecture.calls import Factory, ModuleCall
from nas.architecture.formatting import call, constant, docstring, explode, join
from nas.architecture.spec import Architecture


def source(
    architecture: Architecture,
    *,
    about: str = "",
    constants: Mapping[str, Sequence[str] | Sequence[float]] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The module as Python source, formatted as ruff does it at any line length of 88 or more; its class is ``Net``.

    ``Net().state_dict()`` has the keys, in the order, of ``nas.architecture.model.build(architecture)``. ``about``
    becomes the module's docstring, whatever is in it; ``constants`` follow the imports, as tuples; ``notes``
    are one for each stage, in the comment above it after its shapes.
    """
    stages = assembly.stages(architecture)
    calls = [part for blocks in stages.values() for block in blocks for part in block.parts()]
    factories = {one.maker.name: one.maker for one in calls if isinstance(one.maker, Factory)}.values()
    classes = _classes(calls, factories)
    top = [
        docstring(about or f"Net: {architecture}"),
        _imports(classes),
        "\n".join(constant(name, values) for name, values in (constants or {}).items()),
    ]
    body = _net(architecture, stages, notes)
    functions = [_factory(factory) for factory in factories]
    return "\n\n\n".join(["\n\n".join(part for part in top if part), *classes, *functions, body]) + "\n"


def _imports(classes: Iterable[str]) -> str:
    lines = ["from collections import OrderedDict\n", "import torch", "from torch import nn"]
    needs_functional = any(re.search(r"\bF\.", text) for text in classes)
    return "\n".join([*lines, *["from torch.nn import functional as F"] * needs_functional])


def _classes(calls: Iterable[ModuleCall], factories: Iterable[Factory]) -> list[str]:
    """The classes used by the network that are not torch's, in the order of ``nas.architecture.blocks``."""
    layers = [part for factory in factories for layer in _layers(factory).values() for part in layer.parts()]
    wanted = {one.name for one in [*calls, *layers]}
    return [text for name, text in _trained_classes().items() if name in wanted]


@cache
def _trained_classes() -> dict[str, str]:
    """Source of the classes that are trained, without type-checker comments; read as text, which needs no torch."""
    text = resources.files("nas.architecture").joinpath("blocks.py").read_text(encoding="utf-8")
    text = re.sub(r"  # type: ignore\[[^\]]*\]", "", text)
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    return {node.name: ast.get_source_segment(text, node) or "" for node in nodes}


def _layers(factory: Factory) -> Mapping[str, ModuleCall]:
    """A factory's layers in terms of its parameters."""
    return factory.layers(*factory.parameters, **{name: name for name in factory.options})


def _factory(factory: Factory) -> str:
    parameters = [f"{name}: {'nn.Module' if name.startswith('*') else 'int'}" for name in factory.parameters]
    options = [f"{name}: int = {default}" for name, default in factory.options.items()]
    signature = [*parameters, *["*"] * bool(options), *options]
    head = join(f"def {factory.name}", signature, 0, after=" -> nn.Sequential:")
    rows = [call(layer, 12, before=f"{name}=") for name, layer in _layers(factory).items()]
    layers = explode("OrderedDict", rows, 8)
    return f'{head}\n    """{factory.about}"""\n    return nn.Sequential(\n        {layers}\n    )'


def _net(architecture: Architecture, stages: Mapping[str, Sequence[ModuleCall]], notes: Sequence[str]) -> str:
    named_stages = join("OrderedDict", [f"{name}={name}" for name in stages], 12)
    layers = [call(layer, 16, before=f"{name}=") for name, layer in assembly.head(architecture).items()]
    head = explode("nn.Sequential", [explode("OrderedDict", layers, 12)], 8)
    shape = ", ".join(map(str, architecture.input))
    return "\n".join(
        [
            "class Net(nn.Module):",
            f'    """The stages c1 to c{len(stages)} and a head, which pools globally."""\n',
            "    def __init__(self) -> None:",
            '        """Make every layer; weights are torch\'s default initialisation."""',
            "        super().__init__()",
            *_stages(architecture, stages, notes),
            f"        {join('self.stages = nn.Sequential', [named_stages], 8)}",
            f"        self.head = {head}\n",
            "    def forward(self, images: torch.Tensor) -> torch.Tensor:",
            f'        """(batch, {shape}) images -> (batch, {architecture.classes}) logits."""',
            "        return self.head(self.stages(images))",
        ]
    )


def _stages(
    architecture: Architecture, stages: Mapping[str, Sequence[ModuleCall]], notes: Sequence[str]
) -> Iterator[str]:
    """Each stage as a local variable under a comment of its shapes."""
    after = {placed.stage: placed.output for placed in architecture.placed}
    before = architecture.input
    for number, (name, blocks) in enumerate(stages.items()):
        note = f", {notes[number]}" if notes else ""
        yield f"        # {_shape(before)} -> {_shape(after[number])}{note}"
        yield f"        {name} = {explode('nn.Sequential', [call(block, 12) for block in blocks], 8)}"
        before = after[number]


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
