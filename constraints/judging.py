"""Judge a traced model by its rules: its metrics, and the verdicts with what a user needs to understand them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import nn

from constraints.last_pool import last_pool
from constraints.latency import LatencyTiming, words
from constraints.metrics import LATENCIES, Layer
from constraints.question import Question
from constraints.rules import Constraint
from constraints.stages import STRUCTURE, StageSplit, split
from constraints.tracer import Trace
from constraints.user_metrics import CustomMetric
from constraints.verdicts import Verdict, judge


def metrics_of(
    model: nn.Module, traced: Trace, custom: Iterable[CustomMetric], stages: StageSplit | None
) -> dict[str, Any]:
    """Every metric by its name, those of a user included; None where it is unknown."""
    metrics = traced.metrics.as_dict() | {m.name: m(model, traced) for m in custom}
    if stages is not None:
        metrics |= {"stages": len(stages.convs_per_stage), "convs_per_stage": list(stages.convs_per_stage)}
    metrics["receptive_field_with_pool"] = min(traced.with_pool, default=None)
    if pool := last_pool(traced.layers):
        metrics["before_last_pool"] = min(pool.field)
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in metrics.items()}


def verdicts_of(
    model: nn.Module,
    traced: Trace,
    constraints: tuple[Constraint, ...],
    question: Question,
    times: LatencyTiming,
) -> tuple[Verdict, ...]:
    """A verdict for each constraint, and one for the number of outputs if the question has it."""
    stages = stages_of(traced, constraints)
    metrics = {**metrics_of(model, traced, question.metrics, stages), **times.values}
    responsible = traced.responsible if stages is None else {**traced.responsible, "stages": tuple(stages.reasons())}
    verdicts = judge(constraints, metrics, unknown={**traced.unknown, **times.unknown}, responsible=responsible)
    if stages is not None:
        verdicts = tuple(_with_ends(v, stages, traced.layers, constraints) for v in verdicts)
    verdicts = tuple(_with_way(_with_pool(v, traced), question.threads) for v in verdicts)
    return verdicts if question.classes is None else (*verdicts, _classes(traced, question.classes))


def stages_of(traced: Trace, constraints: Iterable[Constraint]) -> StageSplit | None:
    """The stages by which the constraints are judged; None where they are unknown."""
    return None if traced.metrics.stages is None else split(traced.path, constraints)


def _with_ends(
    verdict: Verdict, stages: StageSplit, layers: tuple[Layer, ...], rules: tuple[Constraint, ...]
) -> Verdict:
    """The verdict on stages, with their spans if it fails or if dilated convolutions end stages."""
    if verdict.name not in STRUCTURE or (verdict.ok and not stages.stand_ins):
        return verdict
    why = f"{verdict.why}; convolutions of the stages: {stages.words(rules)}"
    if verdict.ok:
        return replace(verdict, why=why)
    if verdict.name == "stages" and verdict.constraint and verdict.constraint.change(int(verdict.value or 0)) > 0:
        why += "; one more needs a stride or a dilated convolution as its end"
        why += f", or spatial convolutions after {stages.path[-1].name}" if stages.path and not stages.has_tail else ""
    if (most := stages.by_dilation_too).stand_ins:
        why += f"; with every dilated one as an end: {most.words(rules)}"
    pools = [s.name for s in layers if "avg_pool" in s.op and s.stride and max(s.stride) > 1 and max(s.output[1:]) > 1]
    if pools:
        why += f"; average pools end no stage: {', '.join(pools)}"
    return replace(verdict, why=why)


def _with_pool(verdict: Verdict, traced: Trace) -> Verdict:
    """A failing verdict with a note on the last pool: its field, which does not count, or what it leaves out."""
    why, pool = verdict.why, last_pool(traced.layers)
    if verdict.ok or verdict.value is None:
        return verdict
    if verdict.name == "receptive_field" and traced.with_pool:
        why += f"; {min(traced.with_pool):,} with the global pool, which does not count"
    if verdict.name in {"receptive_field", "global_average_pools"} and pool and not traced.metrics.global_average_pools:
        why += f"; {pool.words()} (before it the receptive field is {min(pool.field):,})"
    return replace(verdict, why=why)


def _with_way(verdict: Verdict, threads: int) -> Verdict:
    """The verdict on a latency with how it was measured."""
    if verdict.name not in LATENCIES or verdict.value is None:
        return verdict
    return replace(verdict, why=f"{verdict.why}; {words(verdict.name, threads)}")


def _classes(traced: Trace, expected: int) -> Verdict:
    """Judge whether one sample gives one row of ``expected`` logits."""
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
