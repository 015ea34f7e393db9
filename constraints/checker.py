"""Check a model in this process: trace it, judge its metrics, try changes that would fix what fails."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from constraints.errors import ConstraintError, UnusableInputError
from constraints.faults import failed, is_ours
from constraints.fixes import Fixes, suggest
from constraints.inputs import Sizes, specs
from constraints.metrics import Metrics
from constraints.report import Report
from constraints.rules import ASSIGNMENT, Constraint, Verdict, judge, parse_all
from constraints.tracer import Trace, trace
from constraints.user_metrics import CustomMetric
from constraints.verify import verify as with_probe


def check(
    model: nn.Module,
    input_size: Sizes = (3, 32, 32),
    require: str | Iterable[str | Constraint] | None = None,
    *,
    input_data: Any = None,
    metrics: Iterable[CustomMetric] = (),
    classes: int | None = None,
    verify: bool = False,
    fixes: bool = True,
    fixes_timeout: float = 10.0,
    target: str = "",
) -> Report:
    """Trace ``model`` on one sample of shape ``input_size`` (no batch axis), or on ``input_data``, and judge it.

    ``input_size`` is one shape or one for each input; ``input_data`` is real data with its batch axis: a tensor, a
    dict, or a tuple of arguments, the last of which may be a dict of keyword arguments. ``require`` are expressions
    such as ``"params < 200k"``, or constraints (default: the assignment's set); ``metrics`` are metrics of your own
    (see ``constraints.metric``); ``classes`` adds the rule that the model gives so many outputs; ``verify`` confirms
    the receptive field by gradients; ``fixes`` tries changes on a copy of the model for each rule that fails, which
    costs up to 128 further traces and at most ``fixes_timeout`` seconds.

    What the model's own code raises is in ``failed`` of the report, in which no figure but the parameters is known
    and which is not ``ok``. Raises UnusableInputError for a model, input or expression that cannot be used, and
    ModelFailedError for a metric of your own that fails.
    """
    seconds = fixes_timeout if fixes else 0.0
    question = Question(
        input_size=input_size, input_data=input_data, require=require, metrics=tuple(metrics), classes=classes,
        verify=verify, fixes_seconds=seconds, target=target,
    )  # fmt: skip
    *_, report = examined(model, question)
    return report


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked about a model, as ``check`` takes it."""

    input_size: Sizes
    input_data: Any = None
    require: str | Iterable[str | Constraint] | None = None
    metrics: tuple[CustomMetric, ...] = ()
    classes: int | None = None
    verify: bool = False
    fixes_seconds: float = 10.0
    """For the search for fixes; 0 is none."""
    target: str = ""


def examined(model: nn.Module, question: Question) -> Iterator[Report]:
    """The report with its verdicts as soon as they are known, then anew whenever something is added to it.

    First what the probe confirms, then one fix after the other.
    """
    model = _module(model)
    require = ASSIGNMENT if question.require is None else question.require
    constraints = parse_all(require, [m.name for m in question.metrics])

    def judged(candidate: nn.Module) -> tuple[Trace, tuple[Verdict, ...]]:
        traced = trace(candidate, question.input_size, input_data=question.input_data)
        return traced, _verdicts(candidate, traced, constraints, question)

    try:
        traced, verdicts = judged(model)
    except ConstraintError:
        raise
    except Exception as error:
        if is_ours(error):
            raise
        yield _failed(model, question, constraints, error)
        return
    report = _report(model, question, traced, verdicts)
    yield report
    if question.verify:
        report = with_probe(model, report, question.input_size, question.input_data)
        yield report
    if question.fixes_seconds > 0:
        yield from _with_fixes(report, suggest(model, traced, verdicts, judged, question.fixes_seconds))


def _module(model: Any) -> nn.Module:
    if type(model).__name__ == "ExportedProgram":
        model = model.module()
    if not isinstance(model, nn.Module):
        raise UnusableInputError(f"not an nn.Module: {model!r}: give a model instance")
    return model


def _report(model: nn.Module, question: Question, traced: Trace, verdicts: tuple[Verdict, ...]) -> Report:
    return Report(
        target=question.target or type(model).__name__,
        input=traced.input,
        inputs=traced.inputs,
        output=traced.output,
        metrics=MappingProxyType(_figures(model, traced, question.metrics)),
        constraints=verdicts,
        layers=traced.layers,
        warnings=traced.warnings,
        location=definition(type(model)),
    )


def _failed(model: nn.Module, question: Question, constraints: tuple[Constraint, ...], error: Exception) -> Report:
    """The report on a model whose forward pass raised: its parameters, and why nothing else is known."""
    found = failed("forward", error)
    reason = str(found)
    parameters = [p for p in model.parameters() if not is_lazy(p)]
    figures: dict[str, Any] = dict.fromkeys([*Metrics.definitions(), *(m.name for m in question.metrics)])
    figures["params"] = sum(p.numel() for p in parameters)
    figures["trainable_params"] = sum(p.numel() for p in parameters if p.requires_grad)
    runs = Verdict(name="runs", expr="the model runs", value=False, ok=False, why=reason, constraint=None)
    inputs = () if question.input_data is not None else specs(question.input_size)
    return Report(
        target=question.target or type(model).__name__,
        input=inputs[0].shape if inputs else (),
        inputs=inputs,
        output=(),
        metrics=MappingProxyType(figures),
        constraints=(*judge(constraints, figures, unknown=dict.fromkeys(figures, "the model does not run")), runs),
        layers=(),
        warnings=(reason,),
        location=definition(type(model)),
        failed=reason,
        traceback=found.traceback,
    )


def definition(thing: Any) -> tuple[str, int] | None:
    """The file and line at which a class or function is written, where Python knows."""
    try:
        return inspect.getsourcefile(thing) or "", inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return None


def _figures(model: nn.Module, traced: Trace, custom: Iterable[CustomMetric]) -> dict[str, Any]:
    figures = traced.metrics.as_dict() | {m.name: m(model, traced) for m in custom}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}


def _verdicts(
    model: nn.Module,
    traced: Trace,
    constraints: tuple[Constraint, ...],
    question: Question,
) -> tuple[Verdict, ...]:
    figures = _figures(model, traced, question.metrics)
    verdicts = judge(constraints, figures, unknown=traced.unknown, responsible=traced.responsible)
    return verdicts if question.classes is None else (*verdicts, _classes(traced.output, question.classes))


def _classes(output: tuple[int, ...], expected: int) -> Verdict:
    constraint = Constraint(metric="classes", op="==", limit=expected)
    outputs, shape = math.prod(output), "x".join(map(str, output)) or "a single number"
    return Verdict(
        name=constraint.metric,
        expr=constraint.expr,
        value=outputs,
        ok=constraint.holds(outputs),
        why=f"the model gives {outputs:,} values for one sample ({shape}), {expected:,} are expected",
        constraint=constraint,
    )


def _with_fixes(report: Report, found: Iterator[Fixes]) -> Iterator[Report]:
    for fixes in found:
        verdicts = tuple(replace(v, fix=fixes.sentences.get(i, v.fix)) for i, v in enumerate(report.constraints))
        cut = (fixes.cut,) if fixes.cut else ()
        yield replace(report, constraints=verdicts, warnings=(*report.warnings, *cut))
