"""The growth of work: for n and for 4 n on the worst inputs, counted without a clock (tests/growth.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from constraints.rules import parse_all
from nas.pareto import ranks
from nas.results import board_table
from nas.results.board import leaderboard
from nas.results.report import page
from nas.results.report.records import Figures
from nas.results.search_trials import SearchTrials
from nas.results.summary_cache import read_summary
from nas.results.trial_summary import StudySummary, TrialSummary
from nas.search import stored
from nas.search.halving import Halving
from nas.search.objectives import Objectives
from nas.search.study import CURVE, IDENTITY
from nas.space.attributes import ARCHITECTURE
from nas.space.bulk_metrics import Vector
from nas.space.counting import exact_count
from nas.space.feasible import FeasiblePart
from nas.space.sampler import FeasibleSampler
from nas.space.space import Space, load
from tests.growth import assert_growth, count

Call = Callable[[], object]
Losses = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Accuracies = Callable[[int], float]
COSTS = ("accuracy,params", "accuracy,params,macs")


def front_rows(n: int, objectives: int) -> Losses:
    """All on the front, in no order: the first value rises, the second falls, others are shuffled."""
    shuffled = np.random.default_rng(0)
    rising = np.arange(n, dtype=float)
    columns = [rising, -rising, *(shuffled.permutation(n).astype(float) for _ in range(objectives - 2))]
    return np.stack(columns[:objectives], axis=1)[shuffled.permutation(n)]


def equal_rows(n: int, objectives: int) -> Losses:
    return np.ones((n, objectives))


def one_rank_each(n: int, objectives: int) -> Losses:
    return np.repeat(np.arange(n, dtype=float)[:, None], objectives, axis=1)


def levels(n: int, objectives: int) -> Losses:
    """About as many ranks as rows in each."""
    return np.random.default_rng(0).random((n, objectives))


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("rows", [front_rows, equal_rows, one_rank_each, levels])
def test_ranks(rows: Callable[[int, int], Losses], objectives: int) -> None:
    assert_growth(lambda n: partial(ranks, rows(n, objectives).tolist()), 256)


def rises(number: int) -> float:
    """With parameters and multiply-accumulates, so that every trial is on the front."""
    return 0.5 + number * 1e-5


def is_equal(number: int) -> float:
    return 0.5


def epochs(accuracy: float) -> list[dict[str, float]]:
    return [{"epoch": 1, "val_accuracy": accuracy, "seconds": 1.0, "loss": 1.0, "learning_rate": 0.1}]


def attributes(number: int, accuracy: float) -> dict[str, Any]:
    figures = {"params": 100 + number, "macs": 1_000 + number, "receptive_field": 45}
    return {ARCHITECTURE: f"network {number}", CURVE: epochs(accuracy), **figures}


def summary_of(n: int, accuracy: Accuracies, objective: str) -> StudySummary:
    trials = []
    for number in range(n):
        trial = TrialSummary(number=number, study=0, state=stored.TrialState.COMPLETE)
        trial.note(attributes(number, accuracy(number)))
        trial.intermediate_values[1] = accuracy(number)
        trials.append(trial)
    return StudySummary(study_name="large", user_attrs={IDENTITY: {"objective": objective}}, trials=trials)


@pytest.mark.parametrize("accuracy", [rises, is_equal])
@pytest.mark.parametrize("objective", COSTS)
@pytest.mark.parametrize("view", [{}, {"top": None, "pareto": True}, {"top": None, "sort": "state"}])
def test_leaderboard(accuracy: Accuracies, objective: str, view: dict[str, Any]) -> None:
    assert_growth(lambda n: partial(leaderboard, summary_of(n, accuracy, objective), **view), 50)


@pytest.mark.parametrize("output_format", ["csv", "json", "markdown"])
def test_a_leaderboard_of_all_rows_as_text(output_format: str) -> None:
    def prepare(n: int) -> Call:
        board = leaderboard(summary_of(n, rises, "accuracy"), top=None, pareto=True)
        assert len(board.rows) == n
        return partial(board_table.as_text, board, output_format)

    assert_growth(prepare, 100)


def test_a_leaderboard_of_all_rows_as_a_table() -> None:
    def prepare(n: int) -> Call:
        return partial(board_table.as_table, leaderboard(summary_of(n, rises, "accuracy"), top=None), 120)

    assert_growth(prepare, 100)


def lines_of_trial(number: int) -> Iterator[dict[str, Any]]:
    """The journal's lines of one trial, as Optuna writes them."""
    common = {"worker_id": "w", "trial_id": number}
    yield {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000+00:00"}
    for name, value in attributes(number, rises(number)).items():
        yield {"op_code": 8, **common, "user_attr": {name: value}}
    yield {"op_code": 7, **common, "step": 1, "intermediate_value": rises(number)}
    end = {"datetime_complete": "2026-01-01T00:10:00.000000+00:00"}
    yield {"op_code": 6, **common, "state": 1, "values": [rises(number)], **end}


def journal_of(folder: Path, trials: int, *, repeats: int = 0) -> Path:
    """A journal of so many trials, after them one that has so many more lines."""
    journal = folder / f"{trials}-{repeats}-{len(list(folder.iterdir()))}.log"
    lines = [{"op_code": 0, "worker_id": "w", "study_name": "large", "directions": [2]}]
    lines += [line for number in range(trials) for line in lines_of_trial(number)]
    lines.append({"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000+00:00"})
    last = {"op_code": 7, "worker_id": "w", "trial_id": trials, "step": 1, "intermediate_value": 0.5}
    journal.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *[last] * repeats]))
    return journal


def test_a_journal_read_for_the_first_time(tmp_path: Path) -> None:
    assert_growth(lambda n: partial(read_summary, str(journal_of(tmp_path, n)), None), 100)


def test_a_journal_read_again_costs_its_trials_and_new_lines_whatever_its_length(tmp_path: Path) -> None:
    def prepare(repeats: int, new: int) -> Call:
        journal = journal_of(tmp_path, 10, repeats=repeats)
        read_summary(str(journal), None)
        last = {"op_code": 7, "worker_id": "w", "trial_id": 10, "step": 1, "intermediate_value": 0.5}
        with journal.open("a") as file:
            file.writelines(json.dumps(last) + "\n" for _ in range(new))
        return partial(read_summary, str(journal), None)

    short, long = (count(partial(prepare, repeats, 20)) for repeats in (100, 4_000))
    assert short == long
    assert_growth(lambda new: prepare(100, new), 100)


def test_a_long_study_read_again(tmp_path: Path) -> None:
    def prepare(n: int) -> Call:
        journal = journal_of(tmp_path, n)
        read_summary(str(journal), None)
        with journal.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines_of_trial(n + 1))
        return partial(read_summary, str(journal), None)

    assert_growth(prepare, 100)


@pytest.mark.parametrize("objective", ["accuracy", "accuracy,params", "accuracy,params,macs"])
@pytest.mark.parametrize("accuracy", [rises, is_equal])
def test_halving(objective: Any, accuracy: Accuracies, monkeypatch: pytest.MonkeyPatch) -> None:
    """With constants by which a few hundred candidates are many."""
    monkeypatch.setattr("nas.search.halving.STALE_SHARE", 0.04)
    monkeypatch.setattr("nas.search.halving.MOST_WAITING", 30)
    objectives = Objectives.parse(objective)

    def search(n: int) -> None:
        halving, paused = Halving([2, 4, 8], objectives), dict[int, int]()
        for number in range(n):
            halving.add(number, 2, objectives.values(accuracy(number), {"params": number, "macs": number}))
            paused[number] = 2
            for ended in halving.surplus(paused):
                del paused[ended]
            if (promoted := halving.promoted(paused, is_last=False)) is not None:
                del paused[promoted]

    assert_growth(lambda n: partial(search, n), 60)


def tiny() -> FeasiblePart:
    return FeasiblePart(load("tiny"), tuple(parse_all(["params < 100k"])))


def searched(n: int, sampler: FeasibleSampler) -> optuna.Study:
    """A study of n pruned trials, all equally accurate."""
    study, generator = optuna.create_study(direction="maximize", sampler=sampler), np.random.default_rng(0)
    space = sampler.feasible.space
    for row in sampler.feasible.sample_rows(n, generator):
        choices = space.choices(row)
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED,
                params=choices,
                distributions=space.distributions,
                intermediate_values={2: 0.5},
                user_attrs={ARCHITECTURE: str(space.decode(choices))},
            )
        )
    return study


def test_the_first_proposal_in_a_study() -> None:
    def prepare(n: int) -> Call:
        sampler = FeasibleSampler(tiny())
        return partial(searched(n, sampler).ask, sampler.feasible.space.distributions)

    assert_growth(prepare, 100)


def test_a_further_proposal_reads_new_trials_only() -> None:
    """Of its own: what a base sampler learns from is its affair."""

    def prepare(n: int) -> Call:
        sampler = FeasibleSampler(tiny())
        study = searched(n, sampler)
        last = study.get_trials(deepcopy=False)[-1]
        sampler._refresh(study, last)
        study.add_trial(last)
        return partial(sampler._refresh, study, last)

    first, second = (count(partial(prepare, n)) for n in (100, 400))
    assert first == second
    assert first.lines > 0


def test_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its own, where everything fits into the page."""
    monkeypatch.setattr(page, "MOST_BYTES", 100_000_000)

    def prepare(n: int) -> Call:
        study = optuna.create_study(direction="maximize")
        for number in range(n):
            study.add_trial(
                create_trial(
                    value=rises(number),
                    intermediate_values={1: rises(number)},
                    user_attrs=attributes(number, rises(number)),
                )
            )
        return partial(page.render, study)

    assert_growth(prepare, 15)


@pytest.mark.parametrize("accuracy", [rises, is_equal])
def test_what_a_report_draws_of_the_trials(accuracy: Accuracies) -> None:
    def prepare(n: int) -> Call:
        board = leaderboard(summary_of(n, accuracy, "accuracy"), top=None)
        trials = {row.trial: frozen(row.trial, TrialState.COMPLETE) for row in board.rows}

        def records() -> object:
            figures = Figures.of(board, trials, (), {})
            return [figures.record(row, trials[row.trial]) for row in board.rows]

        return records

    assert_growth(prepare, 40)


def space_of(*, stages: int = 2, depth: int = 3, widths: int = 2) -> Space:
    """One width in all stages but the first."""
    one = {"low": 8, "high": 8, "step": 8}
    stage = {"depth": [depth], "width": one, "body": ["c3", "sep3"], "down": ["c3"]}
    return Space.model_validate(
        {
            "forms": ["strided"], "activations": ["relu"], "heads": ["fc"], "last_width": one,
            "stage_dilations": [2] * stages,
            "stages": [stage | {"width": one | {"high": 8 * widths}}, *[stage] * (stages - 1)],
        }
    )  # fmt: skip


RULES = parse_all(["receptive_field > 20", "depthwise_separable_convs >= 1"])


def counted(space: Space) -> Call:
    vector = Vector(space)
    _ = vector.tables.slots
    return partial(exact_count.count, vector, RULES)


def test_counting_more_widths() -> None:
    assert_growth(lambda n: counted(space_of(widths=n)), 8)


def test_counting_more_layers() -> None:
    assert_growth(lambda n: counted(space_of(depth=n)), 3)


def test_counting_more_stages() -> None:
    assert_growth(lambda n: counted(space_of(stages=n)), 2)


def frozen(number: int, state: TrialState) -> FrozenTrial:
    is_complete = state == TrialState.COMPLETE
    trial = create_trial(
        state=state, value=0.5 if is_complete else None, intermediate_values={1: 0.5} if is_complete else None
    )
    trial.number = number
    return trial


def test_looks_of_the_live_view() -> None:
    """A look after every trial that ends, with one always running."""

    def prepare(n: int) -> Call:
        trials = [frozen(number, TrialState.COMPLETE) for number in range(n)]
        last = frozen(0, TrialState.RUNNING)

        def look() -> None:
            seen, known = SearchTrials(), list[FrozenTrial]()
            for number, trial in enumerate(trials):
                last.number = number + 1
                known[number:] = [trial, last]
                seen.look(known)
            assert (seen.finished, seen.leader) == (n, trials[0])

        return look

    assert_growth(prepare, 100)
