"""Networks that wait in a study: in their order, once each, and none lost where two add at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest

from nas.search.queue import QUEUE, Waiting, add, add_new, queued
from nas.search.storage import open_storage


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def test_in_the_order_of_their_adding_and_once(study: optuna.Study) -> None:
    add(study, [Waiting(architecture="b", origin="file.py:B"), Waiting(architecture="a")])
    add(study, [Waiting(architecture="a", origin="later"), Waiting(architecture="c")])
    assert [one.architecture for one in queued(study.user_attrs)] == ["b", "a", "c"]
    assert [one.origin for one in queued(study.user_attrs)] == ["file.py:B", None, None]


def test_what_is_added_again_adds_nothing_but_that_it_is_a_start(study: optuna.Study) -> None:
    add_new(study, [Waiting(architecture="a", origin="x")])
    add_new(study, [Waiting(architecture="a", origin="y")])
    assert len(study.user_attrs) == 1
    add_new(study, [Waiting(architecture="a", is_start=True)])
    assert queued(study.user_attrs) == [Waiting(architecture="a", origin="x", is_start=True)]
    add_new(study, [Waiting(architecture="a", is_start=True)])
    assert len(study.user_attrs) == 2


def test_two_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    optuna.create_study(storage=open_storage(place, write=True), study_name="s")

    def add_one(name: str) -> None:
        add(optuna.load_study(storage=open_storage(place, write=True), study_name="s"), [Waiting(architecture=name)])

    names = [f"network {i}" for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_one, names))
    found = optuna.load_study(storage=open_storage(place), study_name="s").user_attrs
    assert {one.architecture for one in queued(found)} == set(names)


@pytest.mark.parametrize("tables", [None, 3, [{"origin": "x"}], ["text"], {"a": 1}])
def test_what_another_program_wrote_there_is_passed_over(study: optuna.Study, tables: object) -> None:
    study.set_user_attr(f"{QUEUE}0", tables)
    add(study, [Waiting(architecture="a")])
    assert [one.architecture for one in queued(study.user_attrs)] == ["a"]
