"""Check a model in this process: trace it, judge its metrics, try changes that fix failing constraints."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from constraints.compile_wrappers import as_written
from constraints.errors import ConstraintError, UnusableInputError
from constraints.faults import failed, is_ours
from constraints.fix_search import Fixes
from constraints.fix_trials import Judged
from constraints.fixes import suggest
from constraints.inputs import Sizes, specs
from constraints.judging import metrics_of, stages_of, verdicts_of
from constraints.latency import LatencyTiming, timing
from constraints.metrics import LATENCIES, Metrics
from constraints.model_state import copied, parts
from constraints.question import Question
from constraints.report import Report
from constraints.rules import ASSIGNMENT, Constraint, parse_all
from constraints.tracer import Trace, shaped, trace
from constraints.user_metrics import CustomMetric
from constraints.verdicts import Verdict, judge
from constraints.verification import verify as with_probe


def check(
    model: nn.Module,
    input_size: Sizes = (3, 32, 32),
    require: str | Iterable[str | Constraint] | None = None,
    *,
    input_data: Any = None,
    metrics: Iterable[CustomMetric] = (),
    classes: int | None = None,
    verify: bool = False,
    threads: int = 1,
    fixes: bool = True,
    fixes_timeout: float = 10.0,
    target: str = "",
) -> Report:
    """Trace ``model`` on one sample of shape ``input_size`` (no batch axis), or on ``input_data``, and judge it.

    ``input_size`` is one shape or one for each input; ``input_data`` is real data with its batch axis: a tensor, a
    dict, or a tuple of arguments, the last of which may be a dict of keyword arguments. ``require`` are expressions
    such as ``"params < 200k"``, or constraints (default: the assignment's set); ``metrics`` are metrics of your own
    (see ``constraints.metric``); ``classes`` adds the rule that the model has this number of outputs; ``verify``
    confirms the receptive field by gradients; ``threads`` is the number of threads for measuring a latency; ``fixes``
    tries changes on a copy of the model for each rule that fails, which costs up to 128 further traces and at most
    ``fixes_timeout`` seconds.

    An exception from the model's own code is in ``failed`` of the report; then only the parameter metrics are known
    and the report is not ``ok``. Raises UnusableInputError for a model, input or expression that cannot be used, and
    ModelFailedError for a metric of your own that fails.
    """
    seconds = fixes_timeout if fixes else 0.0
    question = Question(
        input_size=input_size, input_data=input_data, require=require, metrics=tuple(metrics), classes=classes,
        verify=verify, threads=threads, fixes_seconds=seconds, target=target,
    )  # fmt: skip
    *_, report = examined(model, question)
    return report


def examined(model: nn.Module, question: Question) -> Iterator[Report]:
    """The report as soon as its verdicts are known, then again whenever something is added to it.

    First the result of the probe is added, then one fix after another. Compiled modules are examined uncompiled.
    """
    given = _module(model)
    require = ASSIGNMENT if question.require is None else question.require
    constraints = parse_all(require, [*LATENCIES, *(m.name for m in question.metrics)])
    timed = {rule.metric for rule in constraints} & {*LATENCIES} - {m.name for m in question.metrics}

    def measured(candidate: nn.Module) -> tuple[Trace, LatencyTiming]:
        traced = trace(candidate, question.input_size, input_data=question.input_data)
        return traced, timing(candidate, timed, question.input_size, question.input_data, threads=question.threads)

    def judged(candidate: nn.Module) -> tuple[Trace, tuple[Verdict, ...]]:
        traced, times = measured(candidate)
        return traced, verdicts_of(candidate, traced, constraints, question, times)

    try:
        traced, times = measured(given)  # a latency is that of the compiled model
    except ConstraintError:
        raise
    except Exception as error:
        if is_ours(error):
            raise
        with as_written(parts(given)) as found:
            yield _failed(found.model, question, constraints, error)
        return
    with as_written(parts(given)) as found:
        verdicts = verdicts_of(found.model, traced, constraints, question, times)
        yield from _reported(found.model, question, traced, verdicts, judged)


def _reported(
    model: nn.Module, question: Question, traced: Trace, verdicts: tuple[Verdict, ...], judged: Judged
) -> Iterator[Report]:
    report = _report(model, question, traced, verdicts)
    yield report
    if question.verify:
        report = with_probe(model, report, question.input_size, question.input_data)
        yield report
    if question.fixes_seconds > 0:
        changeable = _shaped_copy(model, question)
        yield from _with_fixes(report, suggest(changeable, traced, verdicts, judged, question.fixes_seconds))


def _shaped_copy(model: nn.Module, question: Question) -> nn.Module:
    """The model, or a copy with initialised parameters if the model has lazy ones."""
    if not parts(model).is_lazy:
        return model
    return shaped(copied(model), question.input_size, question.input_data)


def _module(model: Any) -> nn.Module:
    if type(model).__name__ == "ExportedProgram":
        model = model.module()
    if not isinstance(model, nn.Module):
        raise UnusableInputError(f"not an nn.Module: {model!r}: give a model instance")
    return model


def _report(model: nn.Module, question: Question, traced: Trace, verdicts: tuple[Verdict, ...]) -> Report:
    stages = stages_of(traced, (v.constraint for v in verdicts if v.constraint is not None))
    return Report(
        target=question.target or type(model).__name__,
        input=traced.input,
        inputs=traced.inputs,
        output=traced.output,
        metrics=MappingProxyType(metrics_of(model, traced, question.metrics, stages) | _times(verdicts)),
        constraints=verdicts,
        layers=traced.layers,
        stage_ends=tuple(stages.reasons().items()) if stages else (),
        stage_spans=stages.spans() if stages else (),
        warnings=traced.warnings,
        location=definition(type(model)),
    )


def _times(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """The latencies among the judged metrics."""
    return {verdict.name: verdict.value for verdict in verdicts if verdict.name in LATENCIES}


def _failed(model: nn.Module, question: Question, constraints: tuple[Constraint, ...], error: Exception) -> Report:
    """The report on a model whose forward pass raised: its parameters, and the reason why nothing else is known."""
    found = failed("forward", error)
    reason = str(found)
    parameters = [p for p in model.parameters() if not is_lazy(p)]
    names = [*Metrics.definitions(), *(m.name for m in question.metrics), *(c.metric for c in constraints)]
    metrics: dict[str, Any] = dict.fromkeys(names)
    metrics["params"] = sum(p.numel() for p in parameters)
    metrics["trainable_params"] = sum(p.numel() for p in parameters if p.requires_grad)
    runs = Verdict(name="runs", expr="the model runs", value=False, ok=False, why=reason, constraint=None)
    inputs = () if question.input_data is not None else specs(question.input_size)
    return Report(
        target=question.target or type(model).__name__,
        input=inputs[0].shape if inputs else (),
        inputs=inputs,
        output=(),
        metrics=MappingProxyType(metrics),
        constraints=(*judge(constraints, metrics, unknown=dict.fromkeys(metrics, "the model does not run")), runs),
        layers=(),
        warnings=(reason,),
        location=definition(type(model)),
        failed=reason,
        traceback=found.traceback,
    )


def definition(thing: Any) -> tuple[str, int] | None:
    """The file and line where a class or function is defined, if Python knows them."""
    try:
        return inspect.getsourcefile(thing) or "", inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return None


def _with_fixes(report: Report, found: Iterator[Fixes]) -> Iterator[Report]:
    for fixes in found:
        verdicts = tuple(replace(v, fix=fixes.sentences.get(i, v.fix)) for i, v in enumerate(report.constraints))
        cut = (fixes.cut,) if fixes.cut else ()
        warnings = (*report.warnings, *cut)
        yield replace(report, constraints=verdicts, warnings=warnings, fix_all=fixes.together, change=fixes.change)
