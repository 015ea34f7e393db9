"""Architecture -> the source of a self-contained module, which needs only torch and keeps the weights' keys."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources

from nas.architecture.spec import Architecture, Block, Conv, Excite, HeadKind, Mixed, Part, Unit
from nas.architecture.units import NORMS, channels_after

WIDTH = 88
"""Columns at which ruff breaks lines by default; a longer call has one argument a line."""

_POST = {
    "batch_norm": ("bn", "nn.BatchNorm2d(filters)"),
    "layer_norm": ("ln", "ChannelNorm(filters)"),
    "relu": ("relu", "nn.ReLU()"),
    "silu": ("silu", "nn.SiLU()"),
    "gelu": ("gelu", "nn.GELU()"),
    "hardswish": ("hardswish", "nn.Hardswish()"),
    "tanhexp": ("tanhexp", "TanhExp()"),
}
"""What may follow a convolution -> how a function is named after it, and the module."""

_MIXED = '''
class MixedConv(nn.Module):
    """Depthwise convolutions side by side over equal shares of the channels."""

    def __init__(self, channels: int, *parts: nn.Module) -> None:
        """Give one part for each share."""
        super().__init__()
        self.share = channels // len(parts)
        self.parts = nn.ModuleList(parts)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> the same, the sides divided by the stride."""
        shares = zip(self.parts, input.split(self.share, 1), strict=True)
        return torch.cat([part(share) for part, share in shares], 1)
'''

_CONV_SIGNATURE = """
    inputs: int,
    filters: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
"""
_CONV = """nn.Conv2d(
                inputs,
                filters,
                kernel,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                bias={bias},
            )"""
_GATED = "nn.Conv2d(inputs, 2 * filters, 1, bias={bias})"


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
    body = _net(architecture, notes)
    parts = [
        _docstring(about or f"Net: {architecture}"),
        _imports(architecture),
        "\n".join(_constant(name, values) for name, values in (constants or {}).items()),
        *(_class(name) for name in _classes(architecture)),
        *_factories(architecture),
    ]
    head, functions = parts[:3], parts[3:]
    return "\n\n\n".join(["\n\n".join(p for p in head if p), *functions, body]) + "\n"


def _docstring(text: str) -> str:
    """Lines without what would end the literal, or the formatter would trim."""
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    escaped = printable.replace("\\", "\\\\").replace('"""', "'''")
    lines = "\n".join(line.rstrip() for line in escaped.strip().splitlines())
    if lines.endswith('"'):
        lines = lines[:-1] + "'"
    return f'"""{lines}\n"""' if "\n" in lines else f'"""{lines}"""'


def _imports(architecture: Architecture) -> str:
    needs_functional = any(isinstance(p.unit, Excite) for p in architecture.placed)
    lines = ["from collections import OrderedDict\n", "import torch", "from torch import nn"]
    return "\n".join([*lines, *(["from torch.nn import functional as F"] if needs_functional else [])])


def _constant(name: str, values: Iterable[str | float]) -> str:
    return _call(f"{name} = ", [_literal(v) for v in values], 0, single=True)


def _literal(value: str | float) -> str:
    if isinstance(value, float):
        return repr(round(value, 6))
    quote = '"' if value.count('"') <= value.count("'") else "'"
    return quote + "".join(_character(c, quote) for c in value) + quote


def _character(character: str, quote: str) -> str:
    if character in {"\\", quote}:
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _classes(architecture: Architecture) -> list[str]:
    """The classes beside torch's own that the network is made of, in the order of the blocks."""
    units = [p.unit for p in architecture.placed]
    blocks = [block for stage in architecture.stages for block in stage]
    posts = {name for unit in units if not isinstance(unit, Excite) for name in unit.post}
    wanted = {
        "ChannelNorm": "layer_norm" in posts,
        "TanhExp": "tanhexp" in posts,
        "Product": any(isinstance(u, Conv) and u.gated for u in units),
        "MixedConv": any(isinstance(u, Mixed) for u in units),
        "SqueezeExcite": any(isinstance(u, Excite) for u in units),
        "Residual": any(b.residual and not b.scaled for b in blocks),
        "ScaledResidual": any(b.scaled for b in blocks),
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _class(name: str) -> str:
    """The very class that is trained, without its remarks to a type checker; a mixture takes its parts ready made."""
    return _MIXED.strip() if name == "MixedConv" else _trained_classes()[name]


@cache
def _trained_classes() -> dict[str, str]:
    """Classes of the blocks by name, read as text, which needs no torch."""
    text = resources.files("nas.architecture").joinpath("blocks.py").read_text(encoding="utf-8")
    text = re.sub(r"  # type: ignore\[[^\]]*\]", "", text)
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    return {node.name: ast.get_source_segment(text, node) or "" for node in nodes}


def _factories(architecture: Architecture) -> list[str]:
    """One function for each way in which the network's convolutions are followed up."""
    found = {_factory_name(p.unit): p.unit for p in architecture.placed if not isinstance(p.unit, Excite)}
    return [_factory(name, unit) for name, unit in found.items()]


def _factory_name(unit: Conv | Mixed) -> str:
    kind = "mixed" if isinstance(unit, Mixed) else "gated" if unit.gated else "conv"
    return "_".join([kind, *(["bias"] if unit.bias else []), *(_POST[name][0] for name in unit.post)])


def _factory(name: str, unit: Conv | Mixed) -> str:
    layers, signature = {}, "inputs: int, filters: int"
    if isinstance(unit, Mixed):
        layers["conv"], signature = "MixedConv(filters, *parts)", "filters: int, *parts: nn.Module"
    else:
        layers["conv"] = (_GATED if unit.gated else _CONV).format(bias=unit.bias)
        signature = signature if unit.gated else _CONV_SIGNATURE
    for post in unit.post:
        layers["norm" if post in NORMS else "act"] = _POST[post][1]
    if isinstance(unit, Conv) and unit.gated:
        layers = {k: v.replace("(filters)", "(2 * filters)") for k, v in layers.items()}
        layers["gate"] = f"Product({layers.pop('act', 'None')})"
    rows = "\n".join(f"            {key}={layer}," for key, layer in layers.items())
    return (
        f'def {name}({signature}) -> nn.Sequential:\n    """{_factory_text(unit)}"""\n'
        f"    return nn.Sequential(\n        OrderedDict(\n{rows}\n        )\n    )"
    )


def _factory_text(unit: Conv | Mixed) -> str:
    kinds = {
        "mixed": "Depthwise convolutions side by side",
        "gated": "A gated 1x1 convolution",
        "conv": "A convolution",
    }
    kind = kinds[_factory_name(unit).split("_")[0]]
    followed = " and ".join(post.replace("_", " ") for post in unit.post) or "nothing"
    return f"{kind} {'with' if unit.bias else 'without'} bias, then {followed}."


def _net(architecture: Architecture, notes: Sequence[str]) -> str:
    first = {(p.stage, p.block): p.input[0] for p in reversed(architecture.placed)}
    maps = {p.stage: p.output for p in architecture.placed}
    lines, before = [], architecture.input
    for s, stage in enumerate(architecture.stages):
        modules = [_block(block, first[s, b], 12) for b, block in enumerate(stage)]
        note = f", {notes[s]}" if notes else ""
        lines.append(f"        # {_shape(before)} -> {_shape(maps[s])}{note}")
        lines.append(f"        c{s + 1} = {_exploded('nn.Sequential', modules, 8)}")
        before = maps[s]
    names = [f"c{s + 1}=c{s + 1}" for s in range(len(architecture.stages))]
    stages = _call("nn.Sequential", [_call("OrderedDict", names, 12)], 8, before="self.stages = ")
    layers = _head(architecture.head, before[0], architecture.classes)
    head = _exploded("nn.Sequential", [_exploded("OrderedDict", layers, 12)], 8)
    return "\n".join(
        [
            "class Net(nn.Module):",
            f'    """The stages c1 to c{len(architecture.stages)} and a head, which pools globally."""\n',
            "    def __init__(self) -> None:",
            '        """Make every layer; weights are torch\'s default initialisation."""',
            "        super().__init__()",
            *lines,
            f"        self.stages = {stages}",
            f"        self.head = {head}\n",
            "    def forward(self, images: torch.Tensor) -> torch.Tensor:",
            f'        """(batch, {_shape_in(architecture)}) images -> (batch, {architecture.classes}) logits."""',
            "        return self.head(self.stages(images))",
        ]
    )


def _block(block: Block, channels: int, indent: int) -> str:
    units, width = [], channels
    for unit in block.units:
        units.append(_unit(unit, width, indent + 4 if block.residual else indent))
        width = channels_after(unit, width)
    if block.scaled:
        return _call("ScaledResidual", [str(channels), *units], indent)
    return _call("Residual", units, indent) if block.residual else units[0]


def _unit(unit: Unit, channels: int, indent: int) -> str:
    if isinstance(unit, Excite):
        return f"SqueezeExcite({channels}, {unit.hidden(channels)})"
    if isinstance(unit, Mixed):
        parts = [_part(part, channels // len(unit.parts), unit, indent + 4) for part in unit.parts]
        return _call(_factory_name(unit), [str(channels), *parts], indent)
    if unit.gated:
        return f"{_factory_name(unit)}({channels}, {unit.out})"
    options = _options(stride=unit.stride, padding=unit.pad, dilation=unit.dilation, groups=unit.groups)
    return _call(_factory_name(unit), [str(channels), str(unit.filters), str(unit.kernel), *options], indent)


def _part(part: Part, share: int, unit: Mixed, indent: int) -> str:
    if part.kernel == 1:
        return "nn.Identity()"
    padding = part.dilation * (part.kernel - 1) // 2
    options = _options(stride=unit.stride, padding=padding, dilation=part.dilation, groups=share)
    bias = [] if unit.bias else ["bias=False"]
    numbers = [str(share), str(share), str(part.kernel), *options, *bias]
    if part.pool == 1:
        return _call("nn.Conv2d", numbers, indent)
    pool = f"nn.AvgPool2d({part.pool}, stride=1, padding={part.pool // 2})"
    return _call("nn.Sequential", [pool, _call("nn.Conv2d", numbers, indent + 4)], indent)


def _options(**numbers: int) -> list[str]:
    return [f"{name}={n}" for name, n in numbers.items() if n != (0 if name == "padding" else 1)]


def _head(kind: HeadKind, channels: int, classes: int) -> list[str]:
    layers = ["pool=nn.AdaptiveAvgPool2d(1)"]
    if kind == "conv":
        layers.append(f"conv=nn.Conv2d({channels}, {classes}, 1)")
    layers.append("flatten=nn.Flatten()")
    return [*layers, f"fc=nn.Linear({channels}, {classes})"] if kind == "fc" else layers


def _call(name: str, arguments: Sequence[str], indent: int, *, before: str = "", single: bool = False) -> str:
    """A call on one line where it fits and every argument does, else one argument a line."""
    tail = "," if single and len(arguments) == 1 else ""
    line = f"{name}({', '.join(arguments)}{tail})"
    fits = indent + len(before) + len(line) < WIDTH and "\n" not in line
    return line if fits else _exploded(name, arguments, indent)


def _exploded(name: str, arguments: Sequence[str], indent: int) -> str:
    """A call with one argument a line; ``indent`` is that of the line on which it begins."""
    rows = "".join(f"{' ' * (indent + 4)}{argument},\n" for argument in arguments)
    return f"{name}(\n{rows}{' ' * indent})"


def _shape_in(architecture: Architecture) -> str:
    return ", ".join(map(str, architecture.input))


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
