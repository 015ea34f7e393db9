"""One stored value of a study changed at a time: every reader refuses it by its name, or shows what it showed."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from torch import nn

from constraints import check
from constraints.errors import UnusableInputError
from constraints.output.console import SafeConsole
from nas.architecture.spec import parse
from nas.results.board import leaderboard
from nas.results.board_table import print_board
from nas.results.card_table import print_card
from nas.results.comparison_table import comparison
from nas.results.exports import of_trial
from nas.results.report.page import render
from nas.results.selection import best
from nas.results.trial_card import card
from nas.results.trial_summary import StudySummary, TrialSummary
from nas.search.confirmation import Confirmation, confirmations
from nas.search.given_proposals import networks
from nas.search.stored_values import check_all
from nas.search.study import (
    CONFIRMED,
    CURVE,
    DATA,
    FILES,
    FINALIST,
    IDENTITY,
    IMAGES,
    LAUNCHES,
    MEASURED,
    PRECISIONS,
    PRIOR,
    REASON,
    REJECTED,
    SOURCE,
    TARGET,
    VALIDATION_IMAGES,
    WHY,
    WON,
)  # fmt: skip
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE, BROKEN, FINISHED, GIVEN, ORIGIN, PROPOSED, SEED
from nas.space.space import load
from nas.space.study_space import as_stored
from nas.training.augmentation import shipped
from nas.training.recipe_table import as_table
from nas.training.recipes import default
from tests.nas.results.known import GATED, PLAIN

RULES = ["receptive_field > 44", "params < 200000", "max_pools == 0"]
ABSENT = object()


@dataclass(kw_only=True)
class ReadStudy:
    """A study as readers see it."""

    study_name: str
    user_attrs: dict[str, Any]
    trials: list[FrozenTrial]

    def get_trials(self, deepcopy: bool = False) -> list[FrozenTrial]:
        return self.trials


def epochs(*accuracies: float) -> list[dict[str, Any]]:
    return [
        {
            "epoch": e, "loss": 2.0 - a, "val_accuracy": a, "learning_rate": 0.1, "seconds": 1.5, "images": 64,
            "val_balanced_accuracy": a / 2,
        }
        for e, a in enumerate(accuracies, start=1)
    ]  # fmt: skip


def trial(number: int, state: TrialState, attrs: Mapping[str, Any], *accuracies: float) -> FrozenTrial:
    found = create_trial(
        state=state,
        value=accuracies[-1] if state == TrialState.COMPLETE else None,
        intermediate_values=dict(enumerate(accuracies, start=1)),
        user_attrs={CURVE: epochs(*accuracies), **attrs},
    )
    found.number = number
    return found


def proposed(one: FrozenTrial) -> FrozenTrial:
    """With what a sampler, and Optuna's queue, store."""
    one.distributions = {
        "recipe:peak_lr": FloatDistribution(0.1, 9.0), "depth": IntDistribution(1, 4),
        "kind": CategoricalDistribution(["c", "dw"]),
    }  # fmt: skip
    one.params = {"recipe:peak_lr": 0.5, "depth": 2, "kind": "dw"}
    one.system_attrs = {PROPOSED: PLAIN, "fixed_params": {"depth": 2}}
    return one


def candidate(text: str, **more: Any) -> dict[str, Any]:
    return {**metrics(parse(text)).as_dict(), ARCHITECTURE: text, WHY: ["1st of 2 at epoch 1: top 1 promoted"], **more}


def given() -> dict[str, Any]:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    report = check(model, input_size=(3, 32, 32), require=RULES).to_dict()
    known = report["metrics"]
    return {
        **{name: known[name] for name in ("params", "macs", "receptive_field")},
        ORIGIN: "net.py:Net", SEED: 1, BROKEN: ["receptive_field > 44"],
        GIVEN: {
            "key": "Net({}) 0b72", "target": {"text": "net.py:Net", "file": "net.py", "module": "", "name": "Net",
            "input": ""}, "arguments": {}, "files": {"/net.py": "0b72"},
            "limits": {"seconds": 300.0, "memory_bytes": 2**32, "is_hard": True}, "is_finished": False,
            "is_architecture": False, "memory": "", "shown": {"report": report, "sizes": None},
        },
    }  # fmt: skip


def as_json(table: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(table))
    return found


def confirmed(number: int, text: str, *accuracies: float) -> dict[str, Any]:
    one = Confirmation(
        trial=number, architecture=text, epochs=3, seeds=tuple(range(len(accuracies))), accuracies=accuracies,
        seconds=9.0, test_images=1000, balanced_accuracies=tuple(a / 2 for a in accuracies),
    )  # fmt: skip
    shorter = Confirmation(
        trial=number, architecture=text, epochs=1, seeds=(0,), accuracies=(0.5,), seconds=3.0, test_images=1000
    )
    return {**as_json(one.as_dict()), "others": [as_json(shorter.as_dict())]}


@pytest.fixture(scope="module")
def study() -> ReadStudy:
    """Complete, won, pruned, failed and given trials, confirmed and not."""
    space = load("tiny", input=(3, 32, 32), classes=10)
    identity = {
        "data": {"name": "shapes", "hash": "5591f53f"}, "space": as_stored("tiny", space), "constraints": RULES,
        "seed": 1, "epochs": 3, "objective": "accuracy,params", "first_rung": 1, "recipe": as_table(default(3)),
        "augmentation": shipped("assignment").as_table(),
    }  # fmt: skip
    attrs = {
        IDENTITY: identity, TARGET: 0.7, REJECTED: {"params < 200000": 7}, VALIDATION_IMAGES: 500, DATA: "shapes",
        SOURCE: "shapes", IMAGES: [[3, 32, 32], 10], WON: [1], FINALIST: {}, PRECISIONS: {"AVX2": "float32"},
        PRIOR: {"params": 0.5}, FILES: {"id": "5b9e", "folder": "s", "place": "/runs"},
        LAUNCHES: [{"command": "search.py launch", "date": "2026-11-30T19:55:16+00:00", "version": "0.2.0"}],
        f"{CONFIRMED}0": confirmed(0, PLAIN, 0.625, 0.75), f"{CONFIRMED}1": confirmed(1, GATED, 0.8),
    }  # fmt: skip
    trials = [
        proposed(trial(0, TrialState.COMPLETE, candidate(PLAIN, **{MEASURED: {"own": 2.5}}), 0.25, 0.5, 0.875)),
        trial(1, TrialState.COMPLETE, candidate(GATED, **{FINISHED: {"epochs": 3, "threads": 2}}), 0.5),
        trial(2, TrialState.PRUNED, candidate(PLAIN.replace("c8-", "c16-", 1), **{REASON: "below"}), 0.25),
        trial(3, TrialState.FAIL, candidate(PLAIN.replace("c8-", "c24-", 1), **{REASON: "diverged"}), math.nan),
        trial(4, TrialState.COMPLETE, given(), 0.25, 0.5),
    ]
    return ReadStudy(study_name="s", user_attrs=json.loads(json.dumps(attrs)), trials=trials)


def summary(study: Any) -> StudySummary:
    """What the command ``leaderboard`` reads of it, written and read back."""
    kept = []
    for one in study.trials:
        short = TrialSummary(number=one.number, study=0)
        short.note(one.user_attrs)
        short.state, short.intermediate_values = type(short.state)(one.state), dict(one.intermediate_values)
        kept.append(TrialSummary.from_list(json.loads(json.dumps(short.as_list()))))
    return StudySummary(study_name=study.study_name, user_attrs=study.user_attrs, trials=kept)


def printed(show: Callable[[SafeConsole], object]) -> str:
    text = io.StringIO()
    show(SafeConsole(file=text, width=100))
    return text.getvalue()


def board_text(study: Any) -> str:
    return printed(lambda console: print_board(leaderboard(summary(study)), "table", console))


def card_of(study: Any, number: int) -> Any:
    return card(study, next(row for row in leaderboard(study).rows if row.trial == number))


def card_text(study: Any, number: int) -> str:
    return printed(lambda console: print_card(card_of(study, number), console))


def exported(study: Any) -> object:
    """What ``export`` writes of the best trial, untrained."""
    subject = of_trial(study, best(study, is_live=False)[0], None, data=None)
    return vars(subject) | {"warnings": ()}


READERS: Mapping[str, Callable[[Any], object]] = {
    "leaderboard": board_text,
    "leaderboard in JSON": lambda study: leaderboard(summary(study)).to_json(),
    "best": lambda study: [row.as_dict() for row in best(study, 9, is_live=False)],
    "show 0": lambda study: json.dumps(card_of(study, 0).as_dict()),
    "show 4": lambda study: json.dumps(card_of(study, 4).as_dict()),
    "print 0": lambda study: card_text(study, 0),
    "print 4": lambda study: card_text(study, 4),
    "compare": lambda study: json.dumps(comparison(card_of(study, 0), card_of(study, 4))),
    "confirm": lambda study: [[one.as_dict() for one in confirmations(study, n)] for n in range(5)],
    "networks": lambda study: networks(study, [0, 4], Path()),
    "report": lambda study: render(study) and None,
    "export": exported,
    "launch": check_all,
}


OTHERS: tuple[Any, ...] = (
    ABSENT, None, "abc", "", 3, -7, 1.5, math.nan, math.inf, 10**400, True, [], ["x"], {}, {"a": 1},
    "[red]\x1b[31mx\n<script>alert(1)</script>",
)  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in nested tables and lists, of lists those of the first and last one."""
    yield place
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, (*place, name))
    elif isinstance(value, list) and value:
        for i in sorted({0, len(value) - 1}):
            yield from places(value[i], (*place, i))


def changed(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    if not place:
        return other
    value = copy.deepcopy(value)
    inner = value
    for part in place[:-1]:
        inner = inner[part]
    if other is ABSENT:
        del inner[place[-1]]
    else:
        inner[place[-1]] = other
    return value


def with_attribute(attrs: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {key: value if key == name else kept for key, kept in attrs.items() if key != name or value is not ABSENT}


def damaged(study: ReadStudy, number: int | None, name: str, place: tuple[Any, ...], other: Any) -> ReadStudy:
    if number is None:
        attrs = with_attribute(study.user_attrs, name, changed(study.user_attrs[name], place, other))
        return ReadStudy(study_name="s", user_attrs=attrs, trials=study.trials)
    one = copy.copy(study.trials[number])
    one.user_attrs = with_attribute(one.user_attrs, name, changed(one.user_attrs[name], place, other))
    trials = [one if kept.number == number else kept for kept in study.trials]
    return ReadStudy(study_name="s", user_attrs=study.user_attrs, trials=trials)


FREE = {
    (GIVEN, "arguments"), (GIVEN, "files"), (GIVEN, "shown", "report", "verified"), (IDENTITY, "space", "table"),
    (IDENTITY, "recipe"),
}  # fmt: skip
"""Tables whose entries are read by what uses them, with errors of their own."""
SINGLE = set(metrics(parse(PLAIN)).as_dict()) - {"params", "macs", "receptive_field"}
"""Metrics that no table shows from the study: they are computed again."""


def line_of(read: Callable[[Any], object], study: ReadStudy) -> str | None:
    """The one line of a refusal; None where there is none."""
    try:
        read(study)
    except UnusableInputError as error:
        return str(error)
    return None


def check_line(line: str, name: str, number: int | None) -> None:
    assert line == " ".join(line.split())
    assert line.startswith("study 's' ")
    assert name in line
    assert number is None or f"trial {number}: " in line
    assert line.endswith((": give another", ": restore its storage from a copy, or give another study"))


def is_other_kind(value: Any, other: Any) -> bool:
    """Whether a value in place of another one is of another kind, and none that says that nothing is known."""
    if other is None or other is ABSENT:
        return False
    if is_number(value) and is_number(other):
        return not math.isfinite(other) if type(other) is float else abs(other) > 10**300
    return type(value) is not type(other)


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def is_number(value: Any) -> bool:
    return type(value) in {int, float}


def attributes(study: ReadStudy) -> Iterator[tuple[int | None, str, Any]]:
    for name, value in study.user_attrs.items():
        yield None, name, value
    for one in study.trials:
        for name, value in one.user_attrs.items():
            if name not in SINGLE:
                yield one.number, name, value


def test_an_untouched_study_is_read(study: ReadStudy) -> None:
    for name, read in READERS.items():
        assert line_of(read, study) is None, name


def test_every_value_of_another_kind_is_named(study: ReadStudy) -> None:
    """A launch reads all of a study; NaN is a number where a training may diverge."""
    tried = 0
    for number, name, value in attributes(study):
        for place in places(value):
            inner = value
            for part in place:
                inner = inner[part]
            if any((name, *place)[: len(free)] == free and len(place) >= len(free) for free in FREE):
                continue
            for other in OTHERS:
                if not is_other_kind(inner, other) or inner is None or (is_number(other) and is_number(inner)):
                    continue
                if place == ("constraints",) and other == "":
                    continue  # an earlier release wrote no constraints so
                if place[-1:] == ("value",) and other is True:
                    continue  # of a constraint on what holds or does not
                line = line_of(check_all, damaged(study, number, name, place, other))
                assert line is not None, (number, name, place, other)
                check_line(line, name, number if name in study.trials[number or 0].user_attrs else None)
                tried += 1
    assert tried > 2_000


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_takes_a_parameter_or_a_system_attribute_of_another_kind(study: ReadStudy, reader: str) -> None:
    read, refused = READERS[reader], 0
    before = read(study)
    for field, name in (
        ("params", "recipe:peak_lr"), ("params", "depth"), ("system_attrs", PROPOSED), ("system_attrs", "fixed_params"),
    ):  # fmt: skip
        right = getattr(study.trials[0], field)[name]
        for other in (None, *OTHERS[2:]):
            if not is_other_kind(right, other) and other is not None:
                continue
            one = copy.copy(study.trials[0])
            setattr(one, f"_{field}" if field == "params" else field, {**getattr(one, field), name: other})
            changed_study = ReadStudy(study_name="s", user_attrs=study.user_attrs, trials=[one, *study.trials[1:]])
            if (line := line_of(read, changed_study)) is None:
                assert read(changed_study) == before, (name, other)
            else:
                check_line(line, name, 0)
                refused += 1
    assert refused > 20 or reader not in {"launch", "networks"}


@pytest.mark.parametrize("values", [["0.875"], [None], [0.75], [math.nan], []])
def test_a_launch_names_objective_values_that_are_not_the_trials(study: ReadStudy, values: list[Any]) -> None:
    one = copy.copy(study.trials[0])
    one._values = values  # as a storage gives them
    changed_study = ReadStudy(study_name="s", user_attrs=study.user_attrs, trials=[one, *study.trials[1:]])
    line = line_of(check_all, changed_study)
    assert line is not None
    check_line(line, "values", 0)


@pytest.mark.parametrize(("name", "value"), [("params", 5), ("macs", 2_989_761), ("receptive_field", 44)])
@pytest.mark.parametrize("reader", [name for name in READERS if name not in {"confirm", "networks"}])
def test_no_reader_shows_a_metric_that_is_not_its_networks(
    study: ReadStudy, reader: str, name: str, value: int
) -> None:
    line = line_of(READERS[reader], damaged(study, 0, name, (), value))
    assert line is not None
    check_line(line, name, 0)
    assert f"trial 0: {name} is {value:,}, where its network has {study.trials[0].user_attrs[name]:,}: " in line


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_shows_a_value_of_another_kind(study: ReadStudy, reader: str) -> None:
    read, refused = READERS[reader], 0
    before = read(study)
    for i, (number, name, value) in enumerate(attributes(study)):
        for other in OTHERS[i % 5 :: 5]:
            if not is_other_kind(value, other):
                continue
            other_study = damaged(study, number, name, (), other)
            if (line := line_of(read, other_study)) is None:
                assert read(other_study) == before, (number, name, other)
            else:
                check_line(line, name, number)
                refused += 1
    assert refused > 3
