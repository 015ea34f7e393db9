"""What each attribute of a study and of its trials must be, and the error for one that is of another kind.

A storage may have been damaged, or edited by hand or by another program: what is read of it is checked first, so that
no wrong value is shown. A key that an earlier release did not write may be missing, and a later one may write more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isnan
from statistics import fmean
from typing import Any, Protocol

from constraints.errors import UnusableInputError
from constraints.rules import parse_all
from nas.objective_text import ACCURACY, MEASURES, read
from nas.search import study as names
from nas.search.given_values import GIVEN_NETWORK, anything
from nas.search.stored import SeenTrial, TrialState
from nas.search.stored_kinds import Kind, Misfit, either, items, mapping, number, optional, row, table, text, whole
from nas.space import attributes

_MOST = 1e15
"""Most parameters, operations and pixels; more cannot be trained."""
_ROUNDING = 1e-9
"""Of a stored mean."""


class WholeTrial(SeenTrial, Protocol):
    """A trial with what Optuna stores of it."""

    @property
    def values(self) -> Any:
        """Its objectives' values, of a trial that is complete."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameter -> value, of the sampler."""

    @property
    def distributions(self) -> Mapping[str, Any]:
        """Parameter -> its range or choices."""

    @property
    def system_attrs(self) -> Mapping[str, Any]:
        """Attributes that Optuna, its samplers and the space write."""


class Searched(names.Described, Protocol):
    """A study with its trials."""

    def get_trials(self, deepcopy: bool = ...) -> Sequence[WholeTrial]:
        """All its trials."""


def _read_by(reader: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether a reader takes a text."""

    def is_read(value: str) -> bool:
        try:
            reader(value)
        except UnusableInputError:
            return False
        return True

    return is_read


_parses = _read_by(lambda expression: parse_all([expression], None))

_SHARE = number(0, 1)
_SECONDS = number(0, is_finite=True)
_COUNT = whole(0, _MOST)
_HASHED = table({"hash": text()}, {"name": text(), "table": mapping(anything)})
_RULE = text(_parses, "a constraint")
_RULES = text(lambda rules: all(map(_parses, rules.split(", "))) if rules else True)
"""Of an earlier release."""

_OF_EPOCH = {"val_accuracy": optional(_SHARE), "seconds": _SECONDS}
_LEARNING = {"epoch": whole(1), "loss": number(), "learning_rate": number(0, is_finite=True)}
_MORE = {"images": whole(), "val_balanced_accuracy": optional(_SHARE)}
_EPOCH = table(_OF_EPOCH, _LEARNING | _MORE)


def _seen_epoch(epoch: Any) -> Misfit | None:
    """Of the curve of a leaderboard's summary, with tens of thousands of epochs: the usual one is accepted at once."""
    if type(epoch) is dict and len(epoch) == len(_OF_EPOCH):
        accuracy, seconds = epoch.get("val_accuracy"), epoch.get("seconds")
        if type(accuracy) is type(seconds) is float and 0 <= accuracy <= 1 and 0 <= seconds < inf:
            return None
    return _EPOCH(epoch)


_ONE_CONFIRMATION = {
    "trial": whole(), "architecture": text(), "epochs": whole(1), "seconds": _SECONDS, "test_images": whole(),
    "seeds": items(whole(-_MOST, _MOST)), "accuracies": items(_SHARE), "balanced_accuracies": items(_SHARE),
    "measure": text(lambda name: name in MEASURES, f"one of {', '.join(MEASURES)}"), "mean": _SHARE,
    "std": number(0, 1),
}  # fmt: skip
_MEAN = {"mean": _SHARE}
_CONFIRMATION = table(_MEAN, {**_ONE_CONFIRMATION, "others": items(table(_MEAN, _ONE_CONFIRMATION))})
_WHOLE = table({name: _ONE_CONFIRMATION[name] for name in ("seeds", "accuracies", "std")})

_IDENTITY = table(
    {},
    {
        "data": _HASHED, "space": _HASHED, "metrics": _HASHED, "latency": _HASHED, "seed": whole(-_MOST, _MOST),
        "epochs": whole(1), "first_rung": whole(1), "objective": text(_read_by(read), "an objective"),
        "constraints": either(_RULES, items(_RULE), wanted="a list of constraints"),
        "recipe": table({"name": text()}), "teacher": table({"name": text(), "hash": text()}),
        "augmentation": table({"name": text(), "probabilities": mapping(_SHARE)}), "tune": mapping(table({})),
    },
)  # fmt: skip

STUDY: Mapping[str, Kind] = {
    names.IDENTITY: _IDENTITY,
    names.TARGET: optional(number(is_finite=True)),
    names.REJECTED: mapping(whole()),
    names.VALIDATION_IMAGES: whole(0, 1e12),
    names.DATA: text(),
    names.SOURCE: text(),
    names.IMAGES: row(row(whole(1), whole(1), whole(1)), whole(1)),
    names.WON: items(whole()),
    names.FINALIST: table({}, {"trial": whole(), "epochs": whole(1), "threads": optional(whole(1))}),
    names.PRECISIONS: mapping(text()),
    names.PRIOR: mapping(number(is_finite=True)),
    names.FILES: table({"id": text(), "folder": text()}, {"place": text()}),
    names.LAUNCHES: items(mapping(text())),
}
"""Study attribute -> what it must be."""

ROW: Mapping[str, Kind] = {
    attributes.ARCHITECTURE: text(),
    attributes.ORIGIN: optional(text()),
    attributes.SEED: whole(-_MOST, _MOST),
    attributes.BROKEN: items(text()),
    attributes.FINISHED: table({"epochs": whole(1)}, {"threads": optional(whole(1))}),
    names.REASON: text(),
    names.MEASURED: mapping(optional(number())),
    names.CURVE: items(_seen_epoch),
}
"""Trial attribute -> what it must be, of those that a leaderboard shows."""
_METRICS = ("params", "macs", "receptive_field")

TRIAL: Mapping[str, Kind] = {
    **ROW,
    names.WHY: items(text()),
    attributes.GIVEN: GIVEN_NETWORK,
}  # fmt: skip
"""The same of all that this tool reads."""
SYSTEM: Mapping[str, Kind] = {attributes.PROPOSED: text(), names.FIXED: mapping(anything)}
"""System attribute of a trial -> what it must be."""
CARD: Mapping[str, Kind] = {**TRIAL, names.CURVE: items(table(_OF_EPOCH | _LEARNING, _MORE))}
"""The same of a trial that is shown in full."""


def check_study(study: names.Described) -> None:
    """Raise UnusableInputError, naming key and value, where an attribute of a study is of another kind."""
    for name, kind in STUDY.items():
        if name in study.user_attrs:
            _check(study, "", name, study.user_attrs[name], kind)
    known = study.user_attrs.get(names.IDENTITY, {})
    if ("recipe" in known) is not ("augmentation" in known):
        missing = "augmentation" if "recipe" in known else "recipe"
        raise names.foreign(study, f"{names.IDENTITY}.{missing} is missing, where a value must be")


def check_all(study: Searched) -> None:
    """The same of a study and all its trials, which a launch continues."""
    check_study(study)
    objective = study.user_attrs.get(names.IDENTITY, {}).get("objective", ACCURACY)
    measure, _ = read(objective or ACCURACY)
    for trial in study.get_trials(deepcopy=False):
        check_trial(study, trial)
        check_order(study, trial)
        _check_values(study, trial)
        if has_network(trial):
            check_row(study, trial, measure)
        if f"{names.CONFIRMED}{trial.number}" in study.user_attrs:
            check_confirmation(study, trial.number)


def has_network(trial: SeenTrial) -> bool:
    """Whether a trial has a network, and so a row in a leaderboard."""
    return attributes.ARCHITECTURE in trial.user_attrs or attributes.SEED in trial.user_attrs


def check_row(study: names.Described, trial: SeenTrial, measure: str) -> None:
    """The same of what a leaderboard shows of a trial that has a network; its metrics are those of its network.

    ``measure`` is the accuracy that the study maximises. Confirmations are checked by ``check_confirmation``.
    """
    attrs, where = trial.user_attrs, f"trial {trial.number}: "
    _check_each(study, trial, ROW)
    metric = optional(_COUNT) if attributes.SEED in attrs else _COUNT
    for name in _METRICS:
        if name not in attrs:
            raise names.foreign(study, f"{where}it has a network without {name}, which this tool stores before it")
        _check(study, where, name, attrs[name], _COUNT if name == "params" else metric)
    _check_metrics(study, trial)
    _check_accuracies(study, trial, MEASURES[measure])


def check_order(study: names.Described, trial: SeenTrial) -> None:
    """Raise UnusableInputError where a launched study has a trial with epochs without curve, or ended without network.

    Both are written after what they need, so lines of the storage have been lost.
    """
    curve = trial.user_attrs.get(names.CURVE)
    is_short = isinstance(curve, list) and len(curve) < max(trial.intermediate_values, default=0)
    if is_short or (trial.state == TrialState.COMPLETE and not (has_network(trial) and curve)):
        raise UnusableInputError(
            f"study {study.study_name!r} has lost lines: trial {trial.number} has an end or epochs without what is "
            "written before them: restore the storage from a copy"
        )


def check_trial(study: names.Described, trial: WholeTrial) -> None:
    """The same of everything that a trial stores, but for its objectives' values."""
    _check_each(study, trial, TRIAL)
    check_parameters(study, trial)
    for name, kind in SYSTEM.items():
        if name in trial.system_attrs:
            _check(study, f"trial {trial.number}: ", name, trial.system_attrs[name], kind)


def check_card(study: names.Described, trial: WholeTrial) -> None:
    """The same of what a trial that is shown in full stores."""
    _check_each(study, trial, CARD)
    check_parameters(study, trial)


def check_confirmation(study: names.Described, trial: int) -> None:
    """The same of the confirmations that a study has of a trial; their mean is that of their accuracies."""
    key = f"{names.CONFIRMED}{trial}"
    if (kept := study.user_attrs[key]) == {}:
        return
    _check(study, "", key, kept, _CONFIRMATION)
    if kept.get("trial", trial) != trial:
        raise names.foreign(study, f"{key}.trial is {kept['trial']}, where {trial} must be")
    several = [kept[name] for name in ("accuracies", "balanced_accuracies") if kept.get(name)]
    if several:
        _check(study, "", key, kept, _WHOLE)
    if several and all(abs(fmean(accuracies) - kept["mean"]) > _ROUNDING for accuracies in several):
        raise names.foreign(study, f"{key}.mean is {kept['mean']}, where the mean of {several[0]} must be")


def _check_each(study: names.Described, trial: SeenTrial, kinds: Mapping[str, Kind]) -> None:
    for name, value in trial.user_attrs.items():
        if (kind := kinds.get(name)) and (found := kind(value)):
            raise names.foreign(study, f"trial {trial.number}: {name}{found}")


def _check(study: names.Described, where: str, name: str, value: Any, kind: Kind) -> None:
    if found := kind(value):
        raise names.foreign(study, f"{where}{name}{found}")


def check_parameters(study: names.Described, trial: WholeTrial) -> None:
    """The same of the values that a sampler proposed for a trial."""
    for name, value in trial.params.items():
        if hasattr(trial.distributions[name], "low"):
            _check(study, f"trial {trial.number}: ", f"parameter {name}", value, number(is_finite=True))


def _check_values(study: names.Described, trial: WholeTrial) -> None:
    """Raise UnusableInputError where a complete trial's values are no numbers, or the first is not its accuracy."""
    if trial.state != TrialState.COMPLETE:
        return
    where, known = f"trial {trial.number}: ", names.accuracy(trial)
    _check(study, where, "values", trial.values, items(number(), least=1))
    if known is not None and not isnan(known) and trial.values[0] != known:
        raise names.foreign(study, f"{where}values[0] is {trial.values[0]}, where its last accuracy is {known}")


def _check_metrics(study: names.Described, trial: SeenTrial) -> None:
    """Raise UnusableInputError where a stored metric is another one than its network's text gives.

    A text that is no network is left to what reads it, except in a study of a launch, which stores none. Of a model
    that a user gave, the metrics are those of its code, which may have parameters that it never uses.
    """
    from nas.architecture.spec import ArchitectureError, parse  # which load longer than a summary is read
    from nas.space.analytic import board_metrics

    attrs, where = trial.user_attrs, f"trial {trial.number}: "
    is_code = attributes.SEED in attrs and attrs.get(attributes.ORIGIN) != "text"
    if (written := attrs.get(attributes.ARCHITECTURE)) is None or is_code:
        return
    try:
        known = board_metrics(parse(written))
    except ArchitectureError as error:
        if "data" not in study.user_attrs.get(names.IDENTITY, {}):
            return
        raise names.foreign(study, f"{where}{attributes.ARCHITECTURE} is no network: {error}") from None
    for name, value in known.items():
        if attrs[name] is not None and attrs[name] != value:
            raise names.foreign(study, f"{where}{name} is {attrs[name]:,}, where its network has {value:,}")


def _check_accuracies(study: names.Described, trial: SeenTrial, field: str) -> None:
    """Raise UnusableInputError where a value that Optuna stores is no share, or its epoch has another in the curve."""
    curve = trial.user_attrs.get(names.CURVE, ())
    for epoch, value in trial.intermediate_values.items():
        known = curve[epoch - 1].get(field) if 0 < epoch <= len(curve) else None  # the balanced one may not be kept
        if known == value:  # and the curve's is a share
            continue
        where = f"trial {trial.number}: "
        if found := _SHARE(value):
            raise names.foreign(study, f"{where}intermediate value {epoch}{found}")
        if known is not None and not (isnan(value) and isnan(known)):
            raise names.foreign(
                study,
                f"{where}{names.CURVE}[{epoch - 1}].{field} is {known}, where its intermediate value {epoch} "
                f"is {value}",
            )
