"""The sampler that proposes feasible, new candidates only."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from constraints import check
from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, parse_all
from nas.architecture.model import build
from nas.architecture.spec import Architecture, parse
from nas.search.worker_processes import WorkerContext
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE
from nas.space.feasible import FeasiblePart
from nas.space.feasible_tpe import tpe
from nas.space.sampler import MOST_BROKEN, REPEATED, FeasibleSampler, NothingKeptError, SpaceExhaustedError
from nas.space.space import Space, load
from tests.nas.space.tallied import tally, weights

optuna.logging.set_verbosity(optuna.logging.ERROR)


def proposals(sampler: FeasibleSampler, count: int, study: optuna.Study | None = None) -> list[str]:
    """Ask and tell ``count`` times, with the parameters as the objective."""
    study = study or optuna.create_study(sampler=sampler)
    texts = []
    for _ in range(count):
        trial = study.ask(sampler.feasible.space.distributions)
        judged = sampler.feasible.judge(trial.params)
        trial.set_user_attr(ARCHITECTURE, str(judged.architecture))
        study.tell(trial, judged.metrics.params)
        texts.append(str(judged.architecture))
    return texts


def assignment() -> FeasiblePart:
    return FeasiblePart(load("assignment"), parse_all(ASSIGNMENT))


@pytest.mark.parametrize(
    "base",
    [tpe, lambda seed: RandomSampler(seed=seed), lambda seed: NSGAIISampler(seed=seed, population_size=5)],
)
def test_proposals_are_feasible_and_new_whatever_the_base(base: object) -> None:
    sampler = FeasibleSampler(assignment(), base=base)  # type: ignore[arg-type]  # a list of factories
    texts = proposals(sampler, 25)
    assert len(set(texts)) == 25
    assert all(sum(p.numel() for p in build(parse(t)).parameters()) < 200_000 for t in texts)
    for text in texts[::6]:
        assert check(build(parse(text)), fixes=False).ok, text


def test_every_refused_proposal_is_counted_by_the_constraint_that_refused_it() -> None:
    class Counting(RandomSampler):
        drawn = 0

        def sample_relative(self, *args: object) -> dict[str, object]:
            Counting.drawn += 1
            return {}

    def base(seed: int) -> BaseSampler:
        return Counting(seed=seed)

    sampler = FeasibleSampler(assignment(), base=base, patience=200)
    proposals(sampler, 20)
    assert sum(sampler.rejected.values()) == Counting.drawn - 20
    assert set(sampler.rejected) <= {"params < 200000", "stages == 4", "dilated_convs >= 1", "receptive_field > 44",
                                     "depthwise_separable_convs >= 1", REPEATED}  # fmt: skip


def test_the_base_sampler_learns() -> None:
    texts = proposals(FeasibleSampler(assignment(), seed=1), 60)
    params = [metrics(parse(t)).params for t in texts]
    assert sum(params[-20:]) < sum(params[:20]) * 0.8


def test_the_same_seed_proposes_the_same_candidates() -> None:
    assert proposals(FeasibleSampler(assignment(), seed=5), 15) == proposals(FeasibleSampler(assignment(), seed=5), 15)
    assert proposals(FeasibleSampler(assignment(), seed=5), 3) != proposals(FeasibleSampler(assignment(), seed=6), 3)


def test_a_study_that_was_interrupted_continues_with_the_same_proposals() -> None:
    whole = proposals(FeasibleSampler(assignment(), seed=2), 16)
    study = optuna.create_study(sampler=FeasibleSampler(assignment(), seed=2))
    first = proposals(study.sampler, 8, study)  # type: ignore[arg-type]  # ours, made above
    study.sampler = FeasibleSampler(assignment(), seed=2)
    assert first + proposals(study.sampler, 8, study) == whole


BASES: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": tpe,
    "nsgaii": lambda seed: NSGAIISampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}


@pytest.fixture(scope="module")
def feasible() -> FeasiblePart:
    return FeasiblePart(load("tiny"), parse_all(ASSIGNMENT))


@pytest.mark.parametrize("base", BASES)
class TestConformance(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """Optuna's published tests for samplers, which ask for parameters outside our space."""

    @pytest.fixture
    def sampler(self, base: str, feasible: FeasiblePart) -> Callable[[], BaseSampler]:
        return lambda: FeasibleSampler(feasible, base=BASES[base])


def test_threads_of_one_study_never_repeat_a_candidate() -> None:
    feasible = FeasiblePart(small_space(12), ())
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(storage=storage, study_name="shared")

    def work(seed: int) -> list[str]:
        study = optuna.load_study(storage=storage, study_name="shared", sampler=FeasibleSampler(feasible, seed=seed))
        trials = [study.ask(feasible.space.distributions) for _ in range(3)]
        return [str(feasible.judge(t.params).architecture) for t in trials]

    with ThreadPoolExecutor(4) as pool:
        texts = [text for several in pool.map(work, [0, 0, 0, 0]) for text in several]
    assert len(set(texts)) == len(texts) == 12


_meeting: list[Barrier] = []
"""In each of the processes below: where they wait for each other."""


def _meet_at(ready: Barrier) -> None:
    _meeting.append(ready)


def _propose_in_a_process(url: str) -> list[str]:
    storage: BaseStorage
    if url.startswith("sqlite"):
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
    else:
        storage = JournalStorage(JournalFileBackend(url))
    sampler = FeasibleSampler(FeasiblePart(small_space(12), ()))  # the same seed and space as all others
    study = optuna.load_study(storage=storage, study_name="shared", sampler=sampler)
    _meeting[0].wait()
    texts = []
    for _ in range(6):
        trial = study.ask(sampler.feasible.space.distributions)
        texts.append(str(sampler.feasible.judge(trial.params).architecture))
        study.tell(trial, 0.0)
    return texts


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Two processes that wait for each other before they propose."""
    context = WorkerContext()
    ready = context.Barrier(2)
    with ProcessPoolExecutor(2, mp_context=context, initializer=_meet_at, initargs=(ready,)) as pool:
        yield pool


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_processes_of_one_study_never_repeat_a_candidate(
    kind: str, tmp_path: Path, processes: ProcessPoolExecutor
) -> None:
    url = f"sqlite:///{tmp_path}/study.db" if kind == "sqlite" else str(tmp_path / "journal.log")
    storage = url if kind == "sqlite" else JournalStorage(JournalFileBackend(url))
    optuna.create_study(storage=storage, study_name="shared")
    several = list(processes.map(_propose_in_a_process, [url] * 2))
    texts = [text for one in several for text in one]
    assert len(set(texts)) == len(texts) == 12  # every network of the space, each once


def test_trials_that_were_enqueued_or_added_are_not_proposed_again() -> None:
    feasible = FeasiblePart(small_space(3), ())
    study = optuna.create_study(sampler=FeasibleSampler(feasible))
    study.enqueue_trial({"last.width": 8})
    study.add_trial(
        optuna.create_trial(params={"last.width": 16}, distributions=feasible.space.distributions, value=1.0)
    )
    study.tell(study.ask(feasible.space.distributions), 0.0)  # the one enqueued
    assert study.ask(feasible.space.distributions).params == {"last.width": 24}


def test_a_sampler_distinguishes_studies_of_one_name() -> None:
    sampler = FeasibleSampler(FeasiblePart(small_space(2), ()))
    for _ in range(2):  # each in a storage of its own
        study = optuna.create_study(study_name="same", sampler=sampler)
        assert len(set(proposals(sampler, 2, study))) == 2


def small_space(widths: int) -> Space:
    one = {"low": 8, "high": 8, "step": 8}
    stage = {"depth": [3], "width": one, "body": ["c3"], "down": ["c3"], "residual": [False]}
    table = {
        "forms": ["strided"], "activations": ["relu"], "heads": ["fc"], "stage_dilations": [2, 2, 2, 2],
        "last_width": {"low": 8, "high": 8 * widths, "step": 8}, "stages": [stage] * 4,
    }  # fmt: skip
    return Space.model_validate(table)


def test_a_study_that_has_seen_the_whole_feasible_part_ends() -> None:
    feasible = FeasiblePart(small_space(3), parse_all(["params < 10k"]))
    sampler = FeasibleSampler(feasible, patience=200)
    study = optuna.create_study(sampler=sampler)
    assert len(set(proposals(sampler, 3, study))) == 3
    with pytest.raises(SpaceExhaustedError, match="the study holds 3"):
        study.ask(feasible.space.distributions)
    assert sampler.rejected[REPEATED] >= 1


def test_a_study_ends_with_the_few_feasible_networks_of_a_large_space() -> None:
    feasible = FeasiblePart(load("assignment"), parse_all([*ASSIGNMENT, "params < 5400"]))
    # The narrowest widths with the cheapest words, but for one 5x5 that the field needs; the next cheapest has 5,404.
    layers = [
        ("c3", 3, 8), ("c3g4", 8, 8), ("sep3", 8, 12), ("pw", 12, 12), ("pw", 12, 12), ("sep3", 12, 16),
        ("pw", 16, 16), ("pw", 16, 16), ("sep5", 16, 24), ("pw", 24, 24), ("pw", 24, 24), ("sep3", 24, 32),
    ]  # fmt: skip
    assert sum(weights(*layer) for layer in layers) + 32 * 10 == 5396
    networks = 4 * 2**4  # of four activations, each stage with residuals or without
    assert tally("assignment", below=5400) == {5396: networks}
    sampler = FeasibleSampler(feasible, base=BASES["random"])
    study = optuna.create_study(sampler=sampler)
    assert len(set(proposals(sampler, networks, study))) == networks
    with pytest.raises(SpaceExhaustedError, match="every feasible network is proposed; the study holds 64"):
        study.ask(feasible.space.distributions)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"space": "huge"}, "no such space: 'huge': give assignment, wide, tiny, long, small or a .toml file"),
        ({"space": 3}, r"space is of another type: 3: give str \| Path \| FeasiblePart"),
        ({"constraints": ["params < 3"]}, r"no feasible network in 53,747,712: relax params < 3 \(to let params be \d"),
        ({"constraints": "max_pools > 0"}, r"no feasible network in 53,747,712: relax max_pools > 0"),
        ({"constraints": ["params"]}, "not a constraint: 'params': write METRIC OP VALUE"),
        ({"constraints": [3]}, "not a constraint: 3: write METRIC OP VALUE"),
        ({"constraints": 3}, "constraints is of another type: 3: give"),
        ({"base": 3}, r"base is of another type: 3: give Callable\[\[int\], BaseSampler\]"),
        ({"base": str}, "base makes no sampler: '0': give a function from a seed to one"),
        ({"seed": "x"}, "seed is of another type: 'x': give int"),
    ],
)
def test_what_cannot_be_used_is_refused_on_construction(arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{line}") as caught:
        FeasibleSampler(**{"space": "tiny", **arguments})
    assert "\n" not in str(caught.value)


def test_every_whole_number_is_a_seed() -> None:
    first, second = (proposals(FeasibleSampler("tiny", [], seed=seed), 1) for seed in (-1, 2**40))
    assert first != second


BESIDE = {"recipe.lr": FloatDistribution(1e-3, 1e-1, log=True), "recipe.batch": CategoricalDistribution([64, 128])}


def beside(sampler: FeasibleSampler, study: optuna.Study, count: int) -> list[optuna.trial.Trial]:
    """Trials with a network and the options beside it, an accuracy that rises with the rate."""
    sampler.beside = dict(BESIDE)
    trials = []
    for _ in range(count):
        trial = study.ask({**sampler.feasible.space.distributions, **BESIDE})
        judged = sampler.feasible.judge(trial.params)
        assert not judged.broken
        trial.set_user_attr(ARCHITECTURE, str(judged.architecture))
        study.tell(trial, trial.params["recipe.lr"])
        trials.append(trial)
    return trials


@pytest.mark.parametrize("base", [tpe, lambda seed: RandomSampler(seed=seed)])
def test_what_is_proposed_beside_a_network_is_learnt_and_depends_on_the_number_alone(base: Any) -> None:
    def found(*counts: int) -> list[float]:
        study = optuna.create_study(direction="maximize")
        for count in counts:  # each launch has a sampler of its own
            study.sampler = sampler = FeasibleSampler("tiny", ["params < 7k"], base=base, seed=3)
            beside(sampler, study, count)
        return [trial.params["recipe.lr"] for trial in study.trials]

    rates = found(24)
    assert found(10, 14) == rates
    assert len(set(rates)) == 24
    if base is tpe:  # a log-uniform draw is above 0.01 in one half of all cases
        assert sum(rate > 1e-2 for rate in rates[-10:]) >= 8


def test_networks_and_what_is_beside_them_are_drawn_apart() -> None:
    plain, tuned = (FeasibleSampler("tiny", ["params < 7k"]) for _ in range(2))
    trials = beside(tuned, optuna.create_study(sampler=tuned), 4)
    assert [trial.user_attrs[ARCHITECTURE] for trial in trials] == proposals(plain, 4)


def test_a_network_comes_again_with_other_values_once_the_space_is_exhausted() -> None:
    stage = {"depth": [3], "width": {"low": 8, "high": 8}, "body": ["c3"], "down": ["sep3"], "residual": [False]}
    table = {"forms": ["strided"], "heads": ["fc"], "stages": [stage] * 4, "last_width": {"low": 8, "high": 24}}
    feasible = FeasiblePart(Space.model_validate(load("tiny").model_dump() | table), ())
    sampler = FeasibleSampler(feasible)
    total = 3  # last widths
    study = optuna.create_study(sampler=sampler)
    trials = beside(sampler, study, total + 3)
    texts = [trial.user_attrs[ARCHITECTURE] for trial in trials]
    assert len(set(texts[:total])) == total
    assert set(texts[total:]) <= set(texts[:total])
    assert len({trial.params["recipe.lr"] for trial in trials}) == total + 3


def test_a_trial_that_has_its_network_gets_what_is_beside_it_alone() -> None:
    sampler = FeasibleSampler("tiny", ["params < 7k"])
    sampler.beside = dict(BESIDE)
    study = optuna.create_study(sampler=sampler)
    trial = study.ask()
    trial.set_user_attr(ARCHITECTURE, "BR/c8-c8-c16s2/c16-c16-c8s2/c8-c8-c16s2/c16-c16-c24/fc")
    assert set(sampler.infer_relative_search_space(study, study.trials[0])) == set(BESIDE)
    trial.suggest_float("recipe.lr", 1e-3, 1e-1, log=True)
    assert set(trial.params) == {"recipe.lr"}


def test_what_breaks_a_measured_rule_is_rejected_by_it_and_never_proposed() -> None:
    asked: list[str] = []

    def broken(network: Architecture) -> str | None:
        asked.append(str(network))
        return "own < 3" if len(asked) % 2 else None

    sampler = FeasibleSampler(FeasiblePart(load("tiny"), ()), broken=broken)
    texts = proposals(sampler, 4)
    assert texts == asked[1::2]
    assert sampler.rejected["own < 3"] == len(asked) - len(texts) == 4
    assert len(set(asked)) == len(asked)


def test_a_rule_that_nothing_keeps_ends_the_search_with_a_sentence() -> None:
    sampler = FeasibleSampler(FeasiblePart(load("tiny"), ()), broken=lambda network: "own < 3")
    with pytest.raises(NothingKeptError, match=f"{MOST_BROKEN} networks in a row were rejected by own < 3: relax it"):
        proposals(sampler, 1)
    assert sampler.rejected == {"own < 3": MOST_BROKEN}
