"""A trial in full: its network's report, sizes, learning curve and decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import nan
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.output.plain import one_line
from constraints.report import Report
from constraints.rules import Constraint, parse_all
from nas.architecture.spec import Architecture, parse
from nas.latency.predictor import load
from nas.results.network_description import DescribedNetwork, DrawnStage, Sizes, described
from nas.results.rows import Row
from nas.search.stored_values import check_card
from nas.search.study import CURVE, MALFORMED, VALIDATION_IMAGES, WHY, foreign, identity
from nas.space.attributes import GIVEN
from nas.words import counted

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Latency of one image in milliseconds, measured now on this machine."""

    milliseconds: float
    """Median of several runs after a warm-up, by torch in float32."""
    threads: int


@dataclass(frozen=True, kw_only=True)
class Card:
    """One trial in full."""

    study: str
    row: Row
    report: Report
    sizes: Sizes | None
    """None where the user's own model could not be summarised."""
    stages: tuple[DrawnStage, ...]
    head: str
    curve: tuple[Mapping[str, Any], ...]
    """The epochs, each a nas.training.training_run.Epoch as a table."""
    recipe: str = ""
    """The name of the recipe of the study's candidates; empty where it is not known."""
    augmentation: str = ""
    """Their augmentation as ``--augmentation`` takes it; empty where it is not known."""
    tuned: Mapping[str, Any] = field(default_factory=dict)
    """Option of the recipe -> the value that was proposed for this trial."""
    why: tuple[str, ...] = ()
    """Why it was promoted or pruned, one sentence per decision."""
    images: int = 0
    """Number of images of each validation accuracy; 0 where unknown."""
    latency: Latency | None = None
    """Its latency on this machine; None in a study that does not use latency."""
    champion: str = ""
    """The name of a champion; empty for a trial."""
    label: str = ""
    """The name of a network that is neither a trial nor a champion; empty for these."""

    @property
    def name(self) -> str:
        """Its name in a comparison."""
        return self.champion or self.label or f"trial {self.row.trial}"

    @property
    def title(self) -> str:
        """What it is, and how far it was trained."""
        if self.label:
            return f"{self.label}: no study holds it"
        trained = counted(self.row.epochs, "epoch")
        where = self.champion or f"study {self.study}, trial {self.row.trial}: {self.row.state}"
        return f"{where}: {trained}" if self.champion else f"{where}, {trained}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of ``show --format json``."""
        return {
            "study": self.study,
            **self.row.as_dict(),
            **({"study": None, "trial": None, "rank": None} if self.champion or self.label else {}),
            **({"champion": self.champion} if self.champion else {"state": None} if self.label else {}),
            "curve": [dict(epoch) for epoch in self.curve],
            "recipe": self.recipe or None,
            "augmentation": self.augmentation or None,
            "tuned": dict(self.tuned),
            "why": list(self.why),
            "sizes_mb": {**asdict(self.sizes), "total": self.sizes.total} if self.sizes else None,
            "stages": [asdict(stage) for stage in self.stages],
            "head": self.head,
            **({} if self.latency is None else {"latency": asdict(self.latency)}),
            "report": self.report.to_dict(),
        }


def card(study: optuna.Study, row: Row) -> Card:
    """The card of a row, with the study's constraints; the network is built only where its text is not enough."""
    from nas.training.tuning import values

    trial = next(t for t in study.get_trials(deepcopy=False) if t.number == row.trial)
    check_card(study, trial)
    made_with = identity(study)
    rules = parse_all(made_with.get("constraints", ()), None)
    if row.architecture is None:
        return replace(_of_code(study, row, trial, rules), **_way(study, made_with))
    architecture = parse(row.architecture)
    found = described(architecture, rules, f"trial {row.trial}", _measured(row, rules))
    return replace(
        of_network(architecture, found, row, study.study_name),
        curve=tuple(trial.user_attrs.get(CURVE, ())),
        recipe=_name(made_with.get("recipe")),
        augmentation=_augmentation(made_with.get("augmentation")),
        tuned=values(trial.params),
        why=tuple(trial.user_attrs.get(WHY, ())),
        images=int(study.user_attrs.get(VALIDATION_IMAGES, 0)),
        latency=_latency(architecture) if "latency" in made_with else None,
    )


def of_network(network: Architecture, found: DescribedNetwork, row: Row, study: str) -> Card:
    """The card of a described network, without anything of its training."""
    return Card(
        study=study, row=row, report=found.report, sizes=found.sizes, stages=found.stages, head=network.head, curve=()
    )


def _of_code(study: optuna.Study, row: Row, trial: FrozenTrial, rules: Sequence[Constraint]) -> Card:
    """The card of a network of user code, with the report stored when it was trained; the code is not run."""
    try:
        shown = trial.user_attrs[GIVEN]["shown"]
        report = Report.from_dict(shown["report"], rules)
        sizes = Sizes(**shown["sizes"]) if shown["sizes"] else None
    except MALFORMED as error:
        raise foreign(study, f"trial {row.trial}: {GIVEN}.shown is no report: {one_line(str(error))}") from None
    curve = tuple(trial.user_attrs.get(CURVE, ()))
    return Card(study=study.study_name, row=row, report=report, sizes=sizes, stages=(), head="", curve=curve)


def _way(study: optuna.Study, made_with: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of how every network of a study trained, by the fields of a card."""
    return {
        "recipe": _name(made_with.get("recipe")),
        "augmentation": _augmentation(made_with.get("augmentation")),
        "images": int(study.user_attrs.get(VALIDATION_IMAGES, 0)),
    }


def _name(table: Any) -> str:
    """The name in a table of a study's identity; empty where there is none."""
    return str(table.get("name", "")) if isinstance(table, Mapping) else ""


def _augmentation(table: Any) -> str:
    from nas.training.augmentation import Augmentation

    often = table.get("probabilities") if isinstance(table, Mapping) else None
    kept = {name: p for name, p in often.items() if isinstance(p, int | float)} if isinstance(often, Mapping) else {}
    return Augmentation(name=name, probabilities=kept).text if (name := _name(table)) else ""


def _latency(architecture: Architecture) -> Latency:
    """Measured with as many threads as this machine was calibrated with, or one."""
    from constraints.latency import milliseconds
    from nas.architecture.model import build

    try:
        threads = load().threads
    except UnusableInputError:
        threads = 1
    return Latency(milliseconds=milliseconds(build(architecture), architecture.input, threads=threads), threads=threads)


def _measured(row: Row, rules: Sequence[Constraint]) -> dict[str, float]:
    """The metrics of the row that were measured before its training; an unknown one satisfies no rule."""
    built_in = Metrics.definitions()
    names = dict.fromkeys([*row.measured, *(rule.metric for rule in rules)])
    return {name: row.measured.get(name, nan) for name in names if name not in built_in}
