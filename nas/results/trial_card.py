"""Everything that is known of one trial: its network traced, its sizes, its learning curve, what it was judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from constraints.metrics import Layer
from constraints.report import Report
from constraints.rules import parse_all
from nas.architecture.spec import Architecture, parse
from nas.results.rows import Row
from nas.search.study import CURVE, MALFORMED, foreign, identity
from nas.space.attributes import GIVEN

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_MEGA = 1e6


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Megabytes (10^6 bytes) in float32 by torchinfo's definitions, of a batch of one."""

    input: float
    forward_backward: float
    """Outputs of all layers, twice: once forward, once backward."""
    params: float

    @property
    def total(self) -> float:
        """All three."""
        return self.input + self.forward_backward + self.params


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a network as it is drawn."""

    name: str
    blocks: tuple[str, ...]
    """In the words of the architecture's text."""
    output: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    params: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class Card:
    """One trial in full."""

    study: str
    row: Row
    report: Report
    sizes: Sizes | None
    """None where a person's own model could not be summarised."""
    stages: tuple[Stage, ...]
    head: str
    curve: tuple[Mapping[str, Any], ...]
    """The epochs, each a nas.training.train.Epoch as a table."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of ``show --format json``."""
        return {
            "study": self.study,
            **self.row.as_dict(),
            "curve": [dict(epoch) for epoch in self.curve],
            "sizes_mb": {**asdict(self.sizes), "total": self.sizes.total} if self.sizes else None,
            "stages": [asdict(stage) for stage in self.stages],
            "head": self.head,
            "report": self.report.to_dict(),
        }


def card(study: optuna.Study, row: Row) -> Card:
    """Build the network of a row, trace it, and judge it by the study's own constraints."""
    import torchinfo

    from constraints import check
    from nas.architecture.model import build

    trial = next(t for t in study.get_trials(deepcopy=False) if t.number == row.trial)
    rules = identity(study).get("constraints", ())
    if row.architecture is None:
        return _of_code(study, row, trial, rules)
    architecture = parse(row.architecture)
    model = build(architecture)
    report = check(model, architecture.input, rules, target=f"trial {row.trial}")
    counted = torchinfo.summary(model, (1, *architecture.input), verbose=0)
    return Card(
        study=study.study_name,
        row=row,
        report=report,
        sizes=Sizes(
            input=counted.total_input / _MEGA,
            forward_backward=counted.total_output_bytes / _MEGA,
            params=counted.total_param_bytes / _MEGA,
        ),
        stages=_stages(architecture, report.layers),
        head=architecture.head,
        curve=tuple(trial.user_attrs.get(CURVE, ())),
    )


def _of_code(study: optuna.Study, row: Row, trial: FrozenTrial, rules: Sequence[str]) -> Card:
    """The card of a person's own network: its report is as it was when it was trained, and no code of theirs runs."""
    try:
        shown = trial.user_attrs[GIVEN]["shown"]
        report = Report.from_dict(shown["report"], parse_all(rules))
        sizes = Sizes(**shown["sizes"]) if shown["sizes"] else None
    except MALFORMED:
        raise foreign(study, f"trial {row.trial} does not hold what a given network's does") from None
    curve = tuple(trial.user_attrs.get(CURVE, ()))
    return Card(study=study.study_name, row=row, report=report, sizes=sizes, stages=(), head="", curve=curve)


def _stages(architecture: Architecture, layers: Sequence[Layer]) -> tuple[Stage, ...]:
    texts = str(architecture).split("/")[1:-1]
    outputs = {placed.stage: placed.output for placed in architecture.placed}  # a layer norm's own is channels last
    return tuple(
        _stage(f"C{i + 1}", text.split("-"), outputs[i], [s for s in layers if s.name.startswith(f"stages.c{i + 1}.")])
        for i, text in enumerate(texts)
    )


def _stage(name: str, blocks: Sequence[str], output: tuple[int, ...], layers: Sequence[Layer]) -> Stage:
    return Stage(
        name=name,
        blocks=tuple(blocks),
        output=output,
        receptive_field=layers[-1].receptive_field,
        params=sum(layer.params for layer in layers),
        macs=sum(layer.macs for layer in layers),
    )
