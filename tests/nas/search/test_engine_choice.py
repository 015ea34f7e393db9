from __future__ import annotations

import sys
from concurrent.futures import Future
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.config import read_config
from nas.search import engine_choice
from nas.search.early_check import check_means
from nas.search.engine_choice import KINDS, EngineKind, forms, is_here, split, starter
from nas.search.engines import engine, machine_name


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("local", ("local", None)),
        ("ray", ("ray", None)),
        ("ray:head:6379", ("ray", "head:6379")),
        ("ray:[::1]:6379", ("ray", "[::1]:6379")),
    ],
)
def test_a_name_and_what_follows_its_colon(text: str, parts: tuple[str, str | None]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize("text", ["", "slurm", "local:", "local:4", "ray:", "ray:head", "ray:head:123456", "Ray"])
def test_what_is_no_engine_is_refused_with_all_that_there_are(text: str) -> None:
    with pytest.raises(ValueError, match=r"^give local, ray or ray:HOST:PORT$"):
        split(text)


def test_the_workers_of_this_machine_alone_are_here() -> None:
    assert [name for name in KINDS if is_here(name)] == ["local"]


@pytest.mark.parametrize("name", KINDS)
def test_every_engine_has_what_starts_it(name: str) -> None:
    found = starter(name)
    assert all(callable(getattr(found, part)) for part in ("check", "start", "machine"))


class Loop:
    """An engine of the program's own thread."""

    slots = 1

    def threads(self, count: int) -> int:
        return 1

    def submit(self, function: Any, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(None, *args))
        return future

    def wait(self, futures: Any, seconds: float) -> None:
        """Everything is done."""

    def shutdown(self) -> None:
        """Nothing runs."""


def test_a_further_engine_is_a_module_and_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("loop_engine")
    asked: list[Any] = []

    def check(device: str, workers: int | None) -> None:
        if device == "cuda":
            raise UnusableInputError("no GPU in a loop: cuda: take --device cpu")

    def start(place: str | None, **options: Any) -> Loop:
        asked.append((place, options["workers"], options["tasks"]))
        return Loop()

    module.check, module.start, module.machine = check, start, lambda device: f"a loop on {device}"
    monkeypatch.setitem(sys.modules, "loop_engine", module)
    kinds = {**KINDS, "loop": EngineKind(module="loop_engine", place="NUMBER", pattern=r"\d+", is_here=True)}
    monkeypatch.setattr(engine_choice, "KINDS", MappingProxyType(kinds))
    assert forms() == "local, ray, ray:HOST:PORT, loop or loop:NUMBER"
    config = read_config(None, {"engine": "loop:3", "workers": 2, "device": "cpu"})
    check_means(config)
    assert engine(config, tasks=5).submit(lambda placement, x: x + 1, 1).result() == 2
    assert asked == [("3", 2, 5)]
    assert machine_name(config) == "a loop on cpu"
    with pytest.raises(UnusableInputError, match="no GPU in a loop"):
        check_means(config.model_copy(update={"device": "cuda"}))
    with pytest.raises(UnusableInputError, match=r"--engine: 'loop:x': give local, ray, ray:HOST:PORT, loop or loop:N"):
        read_config(None, {"engine": "loop:x"})
