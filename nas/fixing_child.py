"""The child's side of ``validate --fix``: the fixed model as an architecture, or its own file with the edits."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from constraints.checker import examined
from constraints.edit_code import MODEL, ON_THE_INPUT, edit_lines
from constraints.edits import applied
from constraints.errors import UnusableInputError
from constraints.report import Report
from constraints.sandbox.child import Checked
from constraints.sandbox.patching import source_file
from constraints.sandbox.request import Request
from constraints.sandbox.source import decoded
from nas.architecture.formats import FORMATS, Exported, save_source, save_weights
from nas.architecture.from_module import Imported, import_module
from nas.architecture.model import Network, build
from nas.architecture.spec import Shape
from nas.results.export_subject import Subject, source

FIXED = "fixed_model"
"""The function that makes the model in a file that is no architecture's."""
STEP = f"{__name__}:write_fixed"


def write_fixed(checked: Checked, request: Request) -> dict[str, Any]:
    """Write the fixed network to the request's ``out``, and its weights beside it; what it is, in words.

    That is an architecture, or where none can be written of the model, its own file with the edits made at the end.
    Raises UnusableInputError for a network that can be written in neither way, or that would break a constraint.
    """
    (shape, *others), out = request.inputs, request.drafts[STEP]
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
    network = Exported(
        model=made, input=subject.architecture.input, about=subject.metadata(), source=partial(source, subject)
    )
    save_source(network, out)
    save_weights(network, out.with_suffix(FORMATS[out.suffix].weights))
    return {"name": "Net", "what": f"the class Net, {imported.architecture}"}


def _edited_file(checked: Checked, request: Request, reason: str) -> dict[str, Any]:
    """The model's own file, with a function at its end that makes the model and then the edits in it."""
    out, report, shape = request.drafts[STEP], checked.report, request.inputs[0].shape
    try:
        text, _ = decoded(source_file(request.target))
        lines = edit_lines(checked.model, report.change)
    except UnusableInputError as error:
        raise UnusableInputError(f"{reason}; and its own file cannot be given the edits: {error}") from error
    name = report.target.rpartition(":")[2]
    given = ", ".join(f"{key}={value!r}" for key, value in request.arguments.items())
    made = name if checked.is_finished else f"{name}({given})"
    body = "".join(f"    {line}\n" for line in (f"{MODEL} = {made}", *lines, f"return {MODEL}"))
    about = textwrap.fill(_summary(report), 110, subsequent_indent="    ")
    helper = f"\n\n{ON_THE_INPUT}" if ON_THE_INPUT.split("(")[0][4:] in body else ""
    imports = "import functools  # noqa: E402\n\nfrom torch import nn  # noqa: E402\n"
    code = f'{text.rstrip()}\n\n\n{imports}{helper}\n\ndef {FIXED}():\n    """{about}"""\n{body}'
    out.write_text(code, encoding="utf-8", newline="")
    with applied(checked.model, report.change):
        network = Exported(model=checked.model, input=cast("Shape", shape), about={}, source=lambda _: code)
        save_weights(network, out.with_suffix(FORMATS[out.suffix].weights))
        after = next(examined(checked.model, checked.question))
    what = f"{source_file(request.target)} with the function {FIXED}, which makes the model with its edits"
    return {"name": FIXED, "what": what, "layers": [layer.as_dict() for layer in after.layers]}


def _judged(made: Network, checked: Checked) -> Report:
    """The report on what will be written, which keeps every constraint."""
    report = next(examined(made, replace(checked.question, fixes_seconds=0.0, verify=False)))
    if not report.ok:
        broken = "; ".join(f"{v.expr}: {v.why}" for v in report.constraints if not v.ok)
        raise UnusableInputError(f"the architecture that it comes to, {made}, breaks a constraint: {broken}")
    return report


def _summary(report: Report) -> str:
    how = f" by these edits: {', '.join(report.fix_all.edits)}" if report.fix_all else ", which kept every constraint"
    return f"Made of {report.target}{how}."
