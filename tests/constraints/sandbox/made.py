"""The layers of a network of a few lines, with the calls that made them, as a patch sees them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

from torch import nn

from constraints.checker import check
from constraints.question import Question
from constraints.sandbox.child import Checked
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


def checked(folder: Path, text: str) -> Checked:
    """The check of ``net``, which the text of ``net.py`` makes, with the calls that made its layers."""
    file, names = folder / "net.py", dict[str, Any]()
    file.write_text(text, "utf-8")
    with Constructions(is_wanted=True) as found:
        exec(compile(text, str(file), "exec"), names)
    asked = Question(input_size=(3, 16, 16), require=["params >= 0"])
    report = check(names["net"], asked.input_size, asked.require)
    return Checked(report=report, model=names["net"], question=asked, made=found, is_finished=True)
