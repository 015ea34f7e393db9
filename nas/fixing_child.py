"""The child's side of ``validate --fix``: the fixed model as an architecture, written as source with its weights."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from constraints.checker import examined
from constraints.edits import applied
from constraints.errors import UnusableInputError
from constraints.report import Report
from constraints.sandbox.child import Checked
from constraints.sandbox.request import Request
from nas.architecture.formats import FORMATS, Exported, save_source, save_weights
from nas.architecture.from_module import import_module
from nas.architecture.model import Network, build
from nas.results.export_subject import Subject, source

STEP = f"{__name__}:write_fixed"


def write_fixed(checked: Checked, request: Request) -> dict[str, Any]:
    """Write the fixed network to the request's ``out``, and its weights beside it; the architecture's text.

    Raises UnusableInputError for a network that cannot be written, or that would break a constraint.
    """
    (shape, *others), out = request.inputs, request.drafts[STEP]
    if others or shape.name or shape.dtype:
        raise UnusableInputError("no architecture takes other inputs than one image")
    with applied(checked.model, checked.report.change):
        imported = import_module(checked.model, shape.shape)
    made = build(imported.architecture).eval()
    made.load_state_dict(imported.weights)
    subject = Subject(
        architecture=imported.architecture, weights=None, verdicts=_judged(made, checked).constraints, training={},
        data={}, fixed=_told(checked.report),
    )  # fmt: skip
    network = Exported(
        model=made, input=subject.architecture.input, about=subject.metadata(), source=partial(source, subject)
    )
    save_source(network, out)
    save_weights(network, out.with_suffix(FORMATS[out.suffix].weights))
    return {"architecture": str(imported.architecture)}


def _judged(made: Network, checked: Checked) -> Report:
    """The report on what will be written, which keeps every constraint."""
    report = next(examined(made, replace(checked.question, fixes_seconds=0.0, verify=False)))
    if not report.ok:
        broken = "; ".join(f"{v.expr}: {v.why}" for v in report.constraints if not v.ok)
        raise UnusableInputError(f"the architecture that it comes to, {made}, breaks a constraint: {broken}")
    return report


def _told(report: Report) -> str:
    how = f" by these edits: {', '.join(report.fix_all.edits)}" if report.fix_all else ", which kept every constraint"
    return f"Made of {report.target}{how}."
