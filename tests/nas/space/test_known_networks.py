"""The networks that a study's trials have, will have, or claim, as a sampler that proposes each once sees them."""

from __future__ import annotations

import random

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import Trial, TrialState, create_trial

from nas.space.attributes import ARCHITECTURE
from nas.space.known_networks import Either, KnownNetworks
from nas.space.space import Space, load

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


@pytest.fixture(scope="module")
def space() -> Space:
    return load("tiny", input=(3, 32, 32), classes=10)


def others(known: KnownNetworks, study: optuna.Study, excluded: int = -1) -> set[str]:
    return set(known.of_others(study.get_trials(deepcopy=False), excluded))


def asked(study: optuna.Study, text: str = "") -> Trial:
    trial = study.ask()
    if text:
        trial.set_user_attr(ARCHITECTURE, text)
    return trial


def test_a_study_without_trials_has_none(study: optuna.Study, space: Space) -> None:
    assert others(KnownNetworks(space, study), study) == set()


def test_the_network_that_a_trial_is_asked_for_is_not_its_own_obstacle(study: optuna.Study, space: Space) -> None:
    known = KnownNetworks(space, study)
    asked(study, "a")
    asked(study, "b")
    assert others(known, study, excluded=1) == {"a"}
    assert others(known, study, excluded=2) == {"a", "b"}


def test_two_trials_of_one_network_hide_it_from_neither(study: optuna.Study, space: Space) -> None:
    known = KnownNetworks(space, study)
    asked(study, "a")
    asked(study, "a")
    assert others(known, study, excluded=0) == others(known, study, excluded=1) == {"a"}


def test_a_claim_holds_until_it_is_withdrawn_or_its_trial_ends_without_a_network(
    study: optuna.Study, space: Space
) -> None:
    known = KnownNetworks(space, study)
    trial = asked(study)
    assert others(known, study) == set()
    known.claim(trial.number, "a")
    assert others(known, study) == {"a"}
    assert others(known, study, excluded=trial.number) == set()
    known.claim(trial.number, "b")
    assert others(known, study) == {"b"}
    known.claim(trial.number, "")
    assert others(known, study) == set()


def test_what_a_trial_became_replaces_its_claim(study: optuna.Study, space: Space) -> None:
    known = KnownNetworks(space, study)
    trial = asked(study)
    known.claim(trial.number, "a")
    assert others(known, study) == {"a"}
    trial.set_user_attr(ARCHITECTURE, "b")
    assert others(known, study) == {"b"}
    study.tell(trial, 1.0)
    assert others(known, study) == {"b"}


def test_a_claim_of_one_worker_is_seen_by_another(study: optuna.Study, space: Space) -> None:
    one, other = KnownNetworks(space, study), KnownNetworks(space, study)
    one.claim(asked(study).number, "a")
    assert others(other, study) == {"a"}


def test_parameters_of_the_space_are_a_network_and_others_are_none(study: optuna.Study, space: Space) -> None:
    """A trial of an objective of one's own has no network's text."""
    choices = space.random(random.Random(0))
    distributions = space.distributions
    missing = next(iter(distributions))
    for left_out in ("", missing):
        names = [name for name in distributions if name != left_out]
        study.add_trial(
            create_trial(
                value=1.0,
                params={name: choices[name] for name in names},
                distributions={name: distributions[name] for name in names},
            )
        )
    assert others(KnownNetworks(space, study), study) == {str(space.decode(choices))}


def test_trials_are_read_once_their_network_is_final(study: optuna.Study, space: Space) -> None:
    known = KnownNetworks(space, study)
    asked(study, "a")
    study.add_trial(create_trial(state=TrialState.FAIL))
    open_one = asked(study)
    assert others(known, study) == {"a"}
    final = study.get_trials(deepcopy=False)
    final[0].user_attrs[ARCHITECTURE] = "changed behind its back"
    assert set(known.of_others(final, -1)) == {"a"}
    open_one.set_user_attr(ARCHITECTURE, "c")
    assert others(known, study) == {"a", "c"}


STEPS = st.lists(st.tuples(st.sampled_from(["ask", "claim", "name", "end"]), st.integers(0, 5), st.sampled_from("abc")))


@given(STEPS, st.integers(0, 6))
def test_a_reader_that_looked_after_each_step_knows_what_one_that_looks_once_does(
    steps: list[tuple[str, int, str]], excluded: int
) -> None:
    space, study = load("tiny", input=(3, 32, 32), classes=10), optuna.create_study()
    known, trials = KnownNetworks(space, study), list[Trial]()
    for step, which, text in steps:
        trial = trials[which % len(trials)] if trials else None
        if step == "ask" or trial is None:
            trials.append(study.ask())
        elif not study.trials[trial.number].state.is_finished() and ARCHITECTURE not in trial.user_attrs:
            if step == "claim":
                known.claim(trial.number, text)
            elif step == "name":
                trial.set_user_attr(ARCHITECTURE, text)
            else:
                study.tell(trial, state=TrialState.FAIL)
        found = others(known, study, excluded)
        assert found == others(KnownNetworks(space, study), study, excluded)


@given(st.sets(st.text(max_size=2)), st.sets(st.text(max_size=2)), st.text(max_size=2))
def test_two_sets_are_one(large: set[str], small: set[str], text: str) -> None:
    both = Either(large, small)
    assert set(both) == large | small
    assert len(both) == len(large | small) == len(list(both))
    assert (text in both) == (text in large | small)
