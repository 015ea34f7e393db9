"""The layers of a network of a few lines, with the calls that made them, as a patch sees them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

from torch import nn

from constraints.sandbox.constructions import Constructions
from constraints.sandbox.loops import NAME, Loops
from constraints.sandbox.made_layers import MadeLayers
from constraints.sandbox.user_file import UserFile

CONV = tuple(name for name in inspect.signature(nn.Conv2d).parameters)


def made_layers(folder: Path, text: str) -> MadeLayers:
    """The convolutions of ``net``, which the text makes, by their paths."""
    file, loops = str((folder / "net.py").resolve()), Loops()
    tree = loops.visit(ast.parse(text))
    names: dict[str, Any] = {NAME: loops.counted}
    with Constructions(is_wanted=True, loops=loops) as found:
        exec(compile(tree, file, "exec"), names)
    modules = names["net"].named_modules()
    convs = {path: module for path, module in modules if isinstance(module, nn.Conv2d)}
    layers = {path: [v for v in found.levels(conv) if v.call.file == file] for path, conv in convs.items()}
    return MadeLayers(source=UserFile(file, text), layers=layers, parameters_of=lambda layer: CONV)
