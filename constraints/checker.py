"""Check a model in this process: trace it, judge its metrics, try changes that would fix what fails."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import nn

from constraints.errors import UnusableInputError
from constraints.fixes import suggest
from constraints.metrics import Layer
from constraints.report import Report
from constraints.rules import ASSIGNMENT, Constraint, Verdict, judge, parse_all
from constraints.stages import STRUCTURE, Split, split
from constraints.tracer import Trace, trace
from constraints.user_metrics import CustomMetric
from constraints.verify import verify as with_probe


def check(
    model: nn.Module,
    input_size: Sequence[int] = (3, 32, 32),
    require: Iterable[str | Constraint] | None = None,
    *,
    metrics: Iterable[CustomMetric] = (),
    classes: int | None = None,
    verify: bool = False,
    fixes: bool = True,
    target: str = "",
) -> Report:
    """Trace ``model`` on one sample of shape ``input_size`` (no batch axis) and judge it.

    ``require`` are expressions such as ``"params < 200k"``, or constraints (default: the assignment's set);
    ``metrics`` are metrics of your own (see ``constraints.metric``); ``classes`` adds the rule that the model
    gives so many outputs; ``verify`` confirms the receptive field by gradients; ``fixes`` tries single changes
    on a copy of the model for each rule that fails, which costs some further traces.

    Raises UnusableInputError for a model, shape or expression that cannot be used, and ModelFailedError for a
    metric of your own that fails. What the model's own code raises goes through unchanged.
    """
    if not isinstance(model, nn.Module):
        raise UnusableInputError(f"not an nn.Module: {model!r}: give a model instance")
    custom = tuple(metrics)
    constraints = parse_all(_several(require), [m.name for m in custom])

    def judged(candidate: nn.Module) -> tuple[Trace, tuple[Verdict, ...]]:
        traced = trace(candidate, tuple(input_size))
        return traced, _verdicts(candidate, traced, constraints, custom, classes)

    started = time.perf_counter()
    traced, verdicts = judged(model)
    seconds = time.perf_counter() - started
    if fixes:
        verdicts = _with_fixes(verdicts, suggest(model, traced, verdicts, judged, seconds))
    stages = _split(traced, constraints)
    report = Report(
        target=target or type(model).__name__,
        input=traced.input,
        output=traced.output,
        metrics=MappingProxyType(_figures(model, traced, custom, constraints)),
        constraints=verdicts,
        layers=traced.layers,
        stage_ends=tuple(stages.reasons().items()) if stages else (),
        warnings=traced.warnings,
        location=definition(type(model)),
    )
    return with_probe(model, report) if verify else report


def definition(thing: Any) -> tuple[str, int] | None:
    """The file and line at which a class or function is written, where Python knows."""
    try:
        return inspect.getsourcefile(thing) or "", inspect.getsourcelines(thing)[1]
    except (OSError, TypeError):
        return None


def _several(require: Iterable[str | Constraint] | None) -> Iterable[str | Constraint]:
    if require is None:
        return ASSIGNMENT
    return (require,) if isinstance(require, str) else require


def _figures(
    model: nn.Module, traced: Trace, custom: Iterable[CustomMetric], constraints: Iterable[Constraint]
) -> dict[str, Any]:
    figures = traced.metrics.as_dict() | {m.name: m(model, traced) for m in custom}
    if (stages := _split(traced, constraints)) is not None:
        figures |= {"stages": len(stages.convs_per_stage), "convs_per_stage": list(stages.convs_per_stage)}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}


def _verdicts(
    model: nn.Module,
    traced: Trace,
    constraints: tuple[Constraint, ...],
    custom: tuple[CustomMetric, ...],
    classes: int | None,
) -> tuple[Verdict, ...]:
    figures, stages = _figures(model, traced, custom, constraints), _split(traced, constraints)
    responsible = traced.responsible if stages is None else {**traced.responsible, "stages": tuple(stages.reasons())}
    verdicts = judge(constraints, figures, unknown=traced.unknown, responsible=responsible)
    if stages is not None:
        verdicts = tuple(_with_ends(v, stages, traced.layers) for v in verdicts)
    return verdicts if classes is None else (*verdicts, _classes(traced, classes))


def _split(traced: Trace, constraints: Iterable[Constraint]) -> Split | None:
    """The stages by which the constraints are judged; None where they are unknown."""
    return None if traced.metrics.stages is None else split(traced.path, constraints)


def _with_ends(verdict: Verdict, stages: Split, layers: tuple[Layer, ...]) -> Verdict:
    """The verdict on stages with where they end, where it fails or dilated convolutions stand in for strides."""
    if verdict.name not in STRUCTURE or (verdict.ok and not stages.stand_ins):
        return verdict
    why = f"{verdict.why}; convolutions of the stages: {stages.words()}"
    if not verdict.ok and (most := stages.by_dilation_too).stand_ins:
        why += f"; with every dilated one as an end: {most.words()}"
    pools = [s.name for s in layers if "avg_pool" in s.op and s.stride and max(s.stride) > 1 and max(s.output[1:]) > 1]
    if pools and not verdict.ok:
        why += f"; average pools end no stage: {', '.join(pools)}"
    return replace(verdict, why=why)


def _classes(traced: Trace, expected: int) -> Verdict:
    """Whether one sample gives one row of so many logits."""
    constraint = Constraint(metric="classes", op="==", limit=expected)
    outputs, shape = math.prod(traced.output), "x".join(map(str, traced.output)) or "a single number"
    why = f"the model gives {outputs:,} values for one sample ({shape}), {expected:,} are expected"
    if traced.rows != 1:
        why = f"one sample gives {traced.rows} rows of {outputs:,} ({shape}), 1 row of {expected:,} is expected"
    elif constraint.holds(outputs) and traced.output != (expected,):
        why += " without further axes: flatten it"
    return Verdict(
        name=constraint.metric,
        expr=constraint.expr,
        value=outputs,
        ok=traced.rows == 1 and traced.output == (expected,),
        why=why,
        constraint=constraint,
    )


def _with_fixes(verdicts: tuple[Verdict, ...], fixes: Mapping[int, tuple[str, ...]]) -> tuple[Verdict, ...]:
    return tuple(replace(v, fix=fixes.get(i, ())) for i, v in enumerate(verdicts))
