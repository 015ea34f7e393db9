"""What can be computed about a network without training it: its report, its sizes, and its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from constraints.metrics import Layer
from constraints.report import Report
from constraints.rules import Constraint
from constraints.user_metrics import CustomMetric
from nas.architecture.spec import Architecture
from nas.results.text_report import report_of, sizes_of

_MEGA = 1e6


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Megabytes (10^6 bytes) in float32 by torchinfo's definitions, of a batch of one."""

    input: float
    forward_backward: float
    """Outputs of all layers, counted twice: forward and backward."""
    params: float

    @property
    def total(self) -> float:
        """The sum of the three."""
        return self.input + self.forward_backward + self.params


@dataclass(frozen=True, kw_only=True)
class DrawnStage:
    """One stage of a network in the drawing."""

    name: str
    blocks: tuple[str, ...]
    """Its words in the architecture's text."""
    output: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    params: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class DescribedNetwork:
    """What can be computed about an architecture without training it."""

    report: Report
    sizes: Sizes
    stages: tuple[DrawnStage, ...]


def described(
    architecture: Architecture,
    rules: Sequence[Constraint],
    target: str,
    measured: Mapping[str, float] = MappingProxyType({}),
) -> DescribedNetwork:
    """Check a network, by arithmetic where its text is enough, otherwise by tracing; its report names it ``target``.

    ``measured`` are metrics that were measured of it before, by name.
    """
    report, sizes = _known(architecture, rules, target, measured) or _built(architecture, rules, target, measured)
    return DescribedNetwork(report=report, sizes=sizes, stages=_stages(architecture, report.layers))


def _known(
    architecture: Architecture, rules: Sequence[Constraint], target: str, measured: Mapping[str, float]
) -> tuple[Report, Sizes] | None:
    """What arithmetic finds, without torch, which loads for seconds; None where the network has to be built."""
    report = report_of(architecture, rules, measured, target)
    if report is None:
        return None
    read, written, params = sizes_of(report)
    return report, Sizes(input=read / _MEGA, forward_backward=written / _MEGA, params=params / _MEGA)


def _built(
    architecture: Architecture, rules: Sequence[Constraint], target: str, measured: Mapping[str, float]
) -> tuple[Report, Sizes]:
    """What a trace of the built network finds, with the fixes of what fails."""
    import torchinfo

    from constraints import check
    from nas.architecture.model import build

    def own(name: str, value: float) -> CustomMetric:
        return CustomMetric(name=name, definition="", compute=lambda model, trace: value)

    model = build(architecture)
    metrics = [own(name, value) for name, value in measured.items()]
    report = check(model, architecture.input, rules, metrics=metrics, target=target)
    counted = torchinfo.summary(model, (1, *architecture.input), verbose=0)
    read, _, params = sizes_of(report)
    sizes = Sizes(input=read / _MEGA, forward_backward=counted.total_output_bytes / _MEGA, params=params / _MEGA)
    return replace(report, location=None), sizes


def _stages(architecture: Architecture, layers: Sequence[Layer]) -> tuple[DrawnStage, ...]:
    texts = str(architecture).split("/")[1:-1]
    outputs = {placed.stage: placed.output for placed in architecture.placed}  # that of a layer norm has channels last
    return tuple(
        _stage(f"C{i + 1}", text.split("-"), outputs[i], [s for s in layers if s.name.startswith(f"stages.c{i + 1}.")])
        for i, text in enumerate(texts)
    )


def _stage(name: str, blocks: Sequence[str], output: tuple[int, ...], layers: Sequence[Layer]) -> DrawnStage:
    return DrawnStage(
        name=name,
        blocks=tuple(blocks),
        output=output,
        receptive_field=layers[-1].receptive_field,
        params=sum(layer.params for layer in layers),
        macs=sum(layer.macs for layer in layers),
    )
