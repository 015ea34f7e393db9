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


class Searched(names.Described, Protocol):
    """A study with its trials."""

    def get_trials(self, deepcopy: bool = ...) -> Sequence[SeenTrial]:
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
        if attributes.ARCHITECTURE in trial.user_attrs or attributes.SEED in trial.user_attrs:
            check_row(study, trial, measure)


def check_row(study: names.Described, trial: SeenTrial, measure: str) -> None:
    """The same of what a leaderboard shows of a trial that has a network, and of its confirmations.

    ``measure`` is the accuracy that the study maximises.
    """
    attrs, where = trial.user_attrs, f"trial {trial.number}: "
    _check_each(study, trial, ROW)
    metric = optional(_COUNT) if attributes.SEED in attrs else _COUNT
    for name in _METRICS:
        if name not in attrs:
            raise names.foreign(study, f"{where}{name} is missing, where a number must be")
        _check(study, where, name, attrs[name], _COUNT if name == "params" else metric)
    _check_accuracies(study, trial, MEASURES[measure])
    if f"{names.CONFIRMED}{trial.number}" in study.user_attrs:
        check_confirmation(study, trial.number)


def check_order(study: names.Described, trial: SeenTrial) -> None:
    """Raise UnusableInputError where a launched study has a trial with epochs without curve, or ended without network.

    Both are written after what they need, so lines of the storage have been lost.
    """
    attrs, curve = trial.user_attrs, trial.user_attrs.get(names.CURVE)
    is_short = isinstance(curve, list) and len(curve) < max(trial.intermediate_values, default=0)
    has_network = attributes.ARCHITECTURE in attrs or attributes.SEED in attrs
    if is_short or (trial.state == TrialState.COMPLETE and not (has_network and curve)):
        raise UnusableInputError(
            f"study {study.study_name!r} has lost lines: trial {trial.number} has an end or epochs without what is "
            "written before them: restore the storage from a copy"
        )


def check_trial(study: names.Described, trial: SeenTrial) -> None:
    """The same of everything that a trial stores."""
    _check_each(study, trial, TRIAL)


def check_card(study: names.Described, trial: SeenTrial) -> None:
    """The same of what a trial that is shown in full stores."""
    _check_each(study, trial, CARD)


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
