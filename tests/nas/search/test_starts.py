"""What a search begins with, in the smallest space: given networks, their nearest ones, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from constraints.errors import UnusableInputError
from constraints.rules import parse_all
from nas.architecture.spec import parse
from nas.search.queue import Waiting, queued
from nas.search.starts import GivenStart, begin, given, is_target, plan
from nas.space.encoding import choices_of
from nas.space.feasible import FeasiblePart
from nas.space.neighbourhood import neighbours
from nas.space.proxy import FITTED, LinearProxy
from nas.space.sampler import FeasibleSampler
from nas.space.space import load
from tests.forked_guard import EXPORT, fork_guards

SPACE = load("tiny")
PLAIN = "BR/c8-c8-c8s2/c8-c8-c8s2/c8-c8-c8s2/c8-c8-c16/fc"
HEAVY = "BR/c8-c8-c16s2/c16-c16-c16s2/c16-c16-c16s2/c16-c16-c32/fc"
FOREIGN = "BR/c8-c8-c8s2/c8-c8-c8s2/c8-c8-c8s2/c8-c8k5-c16/fc"
MODEL = """
from torch import nn
layers = []
for inputs, out, stride in [(3, 8, 1), (8, 8, 2), (8, 16, 1)]:
    layers += [nn.Conv2d(inputs, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
Net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
Tall = nn.Sequential(nn.Conv2d(3, 10, (3, 1)), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture(scope="module", autouse=True)
def forked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        fork_guards(patch, EXPORT)
        yield


@pytest.fixture(scope="module")
def feasible() -> FeasiblePart:
    return FeasiblePart(SPACE, parse_all(["params < 9k"]))


def starts(*texts: str) -> list[GivenStart]:
    return [GivenStart(origin=f"net{i}.py", architecture=parse(text)) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("seed", False), (PLAIN, False), ("BR/c8:B-c8/fc", False), ("model.py", True), ("a/b.py:Net", True),
        ("book.ipynb:N", True), ("package.module:Net", True), ("nonsense", False),
    ],
)  # fmt: skip
def test_which_texts_are_models(text: str, is_one: bool) -> None:
    assert is_target(text) is is_one


def test_a_file_of_texts_with_comments(tmp_path: Path) -> None:
    file = tmp_path / "starts.txt"
    file.write_text(f"# mine\n{PLAIN}  # the plain one\n\nseed\n")
    assert [one.origin for one in given([str(file)], SPACE)] == [PLAIN, "seed"]
    file.write_text("# nothing\n")
    with pytest.raises(UnusableInputError, match=r"no network in .*starts\.txt: write one a line"):
        given([str(file)], SPACE)
    with pytest.raises(UnusableInputError, match="cannot read the networks of"):
        given([str(tmp_path / "none.txt")], SPACE)
    file.write_text(f"# mine\n{PLAIN}\nBR/c8/nohead\n")
    with pytest.raises(UnusableInputError, match=rf"^{file}:3: BR/c8/nohead: unknown head: 'nohead'"):
        given([str(file)], SPACE)
    with pytest.raises(UnusableInputError, match=r"^BR/c8/nohead: unknown head: 'nohead'"):
        given(["BR/c8/nohead"], SPACE)


def test_a_model_is_written_as_an_architecture_and_one_that_cannot_be_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(MODEL)
    (one,) = given([f"{file}:Net"], SPACE)
    assert str(one.architecture) == "BR/c8-c8s2/c16/fc"
    assert one.origin == f"{file}:Net"
    with pytest.raises(UnusableInputError, match=r"no search can start from .*:Tall: .*search\.py train .*:Tall"):
        given([f"{file}:Tall"], SPACE)


def test_one_that_keeps_the_rules_is_tried_as_it_is(feasible: FeasiblePart) -> None:
    found = plan(starts(PLAIN, PLAIN), feasible)
    assert found.waiting == (Waiting(architecture=PLAIN, origin="net0.py", is_start=True),)
    assert found.lines[0] == "start: net0.py: it keeps every rule and is tried first"


def test_one_that_breaks_a_rule_gives_way_to_its_nearest(feasible: FeasiblePart) -> None:
    found = plan(starts(HEAVY), feasible)
    assert HEAVY not in [one.architecture for one in found.waiting]
    assert all(one.origin is None and one.is_start for one in found.waiting)
    assert all(not feasible.judged(parse(one.architecture)).broken for one in found.waiting)
    assert found.lines[0].startswith("start: net0.py: it breaks params < 9000; ")


def test_one_that_the_space_does_not_hold_is_tried_before_its_nearest(feasible: FeasiblePart) -> None:
    first, *rest = plan(starts(FOREIGN), feasible).waiting
    assert first == Waiting(architecture=FOREIGN, origin="net0.py")
    assert "BR/c8-c8-c8s2/c8-c8-c8s2/c8-c8-c8s2/c8-c8-c16/fc" in [one.architecture for one in rest]
    assert all(choices_of(SPACE, one.architecture) is not None for one in rest)


def test_begun_twice_a_study_holds_it_once_and_the_sampler_tries_neighbours(feasible: FeasiblePart) -> None:
    sampler = FeasibleSampler(feasible, seed=1)
    study = optuna.create_study(sampler=sampler)
    found = plan(starts(PLAIN), feasible)
    assert begin(study, found, sampler, trials=5) == []
    assert begin(study, found, sampler, trials=0) == [
        "1 network to try, 0 trials left: launch with more --trials for the others"
    ]
    assert len(queued(study.user_attrs)) == 1
    choices = choices_of(SPACE, PLAIN)
    assert choices is not None
    near = {str(SPACE.decode(one)) for one in neighbours(feasible, choices)}
    assert asked(study) in near


@pytest.mark.parametrize("proxy", [None, FITTED])
def test_from_a_start_every_second_trial_gets_what_a_search_without_it_would_propose(
    proxy: LinearProxy | None, feasible: FeasiblePart
) -> None:
    choices = choices_of(SPACE, PLAIN)
    assert choices is not None
    near = {str(SPACE.decode(one)) for one in neighbours(feasible, choices)}
    proposals = []
    for centres in ([choices], []):
        sampler = FeasibleSampler(feasible, seed=1, proxy=proxy)
        sampler.begin_around(centres)
        study = optuna.create_study(sampler=sampler)
        study.add_trial(optuna.trial.create_trial(params=choices, distributions=SPACE.distributions, value=0.5))
        proposals.append([asked(study) for _ in range(6)])
    begun, without = proposals  # from trial 1 on
    assert begun[0] == without[0]
    assert [one in near for one in begun[1::2]] == [True] * 3
    assert not near.issuperset(begun[::2])


def asked(study: optuna.Study) -> str:
    """The network that a study's sampler proposes for a new trial."""
    trial = study.ask()
    return str(SPACE.decode({name: trial._suggest(name, d) for name, d in SPACE.distributions.items()}))
