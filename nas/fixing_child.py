"""``validate --fix`` in the child process: writes the fixed model as an architecture, or its own file with edits."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Container
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

from constraints.checker import examined
from constraints.edit_code import Names, edit_lines
from constraints.edits import applied
from constraints.errors import UnusableInputError
from constraints.insertions import on_the_input
from constraints.report import Report
from constraints.sandbox.cells import NOTEBOOK
from constraints.sandbox.child import Checked
from constraints.sandbox.choice import FIXED
from constraints.sandbox.notebooks import script
from constraints.sandbox.patching import patched, source_file
from constraints.sandbox.request import Request
from constraints.sandbox.source import read
from constraints.sandbox.source_text import editable
from nas.architecture.formats import FORMATS, ExportedNetwork, save_source, save_weights
from nas.architecture.model import Network, build
from nas.architecture.module_import import Imported, import_module
from nas.architecture.spec import Shape
from nas.results.export_subject import Subject, source
from nas.table_source import table_source

_IMPORTS = {
    "functools": "import functools", "torch": "import torch", "nn": "from torch import nn"
}  # fmt: skip
"""Name that the lines of edits may use -> the line that imports it."""
FOLLOW_UP = f"{__name__}:write_fixed"


def write_fixed(checked: Checked, request: Request) -> dict[str, Any]:
    """Write the fixed network to the request's ``out``, with its weights beside it; returns a description.

    The file has an architecture or, where the model is not one, the user's own code with the edits at the end.
    Raises UnusableInputError for a network that cannot be written in either way, or that would break a constraint.
    """
    (shape, *others), out = request.inputs, request.drafts[FOLLOW_UP]
    if others or shape.name or shape.dtype:
        raise UnusableInputError("no architecture takes other inputs than one image")
    try:
        with applied(checked.model, checked.report.change):
            imported = import_module(checked.model, shape.shape)
    except UnusableInputError as error:
        if not checked.report.change:
            raise
        return _edited_file(checked, request, str(error))
    return _architecture(imported, checked, out)


def _architecture(imported: Imported, checked: Checked, out: Path) -> dict[str, Any]:
    made = build(imported.architecture).eval()
    made.load_state_dict(imported.weights)
    subject = Subject(
        architecture=imported.architecture, weights=None, verdicts=_judged(made, checked).constraints, training={},
        data={}, fixed=_summary(checked.report),
    )  # fmt: skip
    network = ExportedNetwork(
        model=made, input=subject.architecture.input, about=subject.metadata(), source=partial(source, subject)
    )
    save_source(network, out)
    save_weights(network, out.with_suffix(FORMATS[out.suffix].weights))
    return {"name": "Net", "what": f"the class Net, {imported.architecture}"}


def _edited_file(checked: Checked, request: Request, reason: str) -> dict[str, Any]:
    """The user's own file, with a function at its end that creates the model and applies the edits.

    Where an edit does not change a layer that the model stores, the file has the edits in its own lines.
    """
    file = source_file(request.target)
    try:
        text, encoding = _source(file, checked)
        try:
            name, function = _function(text, checked, request)
            found = {"name": name, "encoding": encoding, "code": f"{text.rstrip()}\n\n\n{function}"}
            found["what"] = f"{file} with the function {name}, which makes the model with its edits"
        except UnusableInputError:
            if file.suffix == NOTEBOOK or request.arguments:
                raise
            name, code = checked.report.target.rpartition(":")[2], patched(checked, request)["source"]
            found = {"name": name, "encoding": encoding, "code": code}
            found["what"] = f"{file} with the edits in its lines"
    except UnusableInputError as error:
        raise UnusableInputError(f"{reason}; and its own file cannot be given the edits: {error}") from error
    return _kept(checked, request, found)


def _source(file: Path, checked: Checked) -> tuple[str, str]:
    """The file's Python code and its encoding; for a notebook, the code that the model needs."""
    if file.suffix != NOTEBOOK:
        return editable(file)
    notebook = read(file)
    if missing := [path for path in notebook.written if not Path(path).exists()]:
        raise UnusableInputError(f"it imports {missing[0]}, which a cell writes and which is not there: run that cell")
    return script(notebook, checked.report.target.rpartition(":")[2]), "utf-8"


def _kept(checked: Checked, request: Request, found: dict[str, str]) -> dict[str, Any]:
    """Write the file, and the weights beside it."""
    out, code, shape = request.drafts[FOLLOW_UP], found.pop("code"), request.inputs[0].shape
    out.write_text(code, encoding=found.pop("encoding"), newline="")
    with applied(checked.model, checked.report.change):
        network = ExportedNetwork(model=checked.model, input=cast("Shape", shape), about={}, source=lambda _: code)
        save_weights(network, out.with_suffix(FORMATS[out.suffix].weights))
        after = next(examined(checked.model, checked.question))
    return {**found, "layers": [layer.as_dict() for layer in after.layers]}


def _function(text: str, checked: Checked, request: Request) -> tuple[str, str]:
    """Name and code of a function, for the end of a file, that creates the model and applies the edits.

    The function uses no name that the file uses otherwise, so the meaning of the file is unchanged.
    """
    report, used = checked.report, {*re.findall(r"\w+", text)}
    target = report.target.rpartition(":")[2]
    root = target.partition(".")[0]
    if root in _IMPORTS:
        raise UnusableInputError(f"its name {root} is that of a module which the edits use: give it another one")
    names = Names(model=_free("model", {root}), on_the_input=_free(on_the_input.__name__, used))
    table = _free("Table", used)
    given = ", ".join(f"{key}={_written(value, table)}" for key, value in request.arguments.items())
    made = target if checked.is_finished else f"{target}({given})"
    making = table_source(table) if f"{table}(" in made else ()
    making = (*making, f"{names.model} = {made}")
    lines = (*making, *edit_lines(checked.model, report.change, names), f"return {names.model}")
    imports = [line for name, line in _IMPORTS.items() if any(re.search(rf"\b{name}\.", line) for line in lines)]
    about = textwrap.fill(_summary(report), 110, subsequent_indent="    ")
    fixed = _free(FIXED, used)
    helper = f"{names.helper()}\n\n" if any(names.on_the_input in line for line in lines) else ""
    body = "".join(f"    {line}\n" for line in (f'"""{about}"""', *imports, "", *lines))
    return fixed, f"{helper}def {fixed}():\n{body}".replace("\n    \n", "\n\n")


def _written(value: Any, table: str) -> str:
    """The source of an argument; ``table`` is a class of dictionaries whose entries are attributes too."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{key!r}: {_written(entry, table)}" for key, entry in value.items())
        return f"{table}({{{pairs}}})"
    return f"[{', '.join(_written(entry, table) for entry in value)}]" if isinstance(value, list) else repr(value)


def _free(name: str, used: Container[str]) -> str:
    """The name or, if it is used, the name with the smallest number after it that is not used."""
    return next(n for i in count(1) if (n := name if i == 1 else f"{name}_{i}") not in used)


def _judged(made: Network, checked: Checked) -> Report:
    """The report on the network to be written, which must keep every constraint."""
    report = next(examined(made, replace(checked.question, fixes_seconds=0.0, verify=False)))
    if not report.ok:
        broken = "; ".join(f"{v.expr}: {v.why}" for v in report.constraints if not v.ok)
        raise UnusableInputError(f"the architecture that it comes to, {made}, breaks a constraint: {broken}")
    return report


def _summary(report: Report) -> str:
    how = f" by these edits: {', '.join(report.fix_all.edits)}" if report.fix_all else ", which kept every constraint"
    return f"Made of {report.target}{how}."
