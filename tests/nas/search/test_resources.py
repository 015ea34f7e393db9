from __future__ import annotations

import pytest

from constraints.errors import UnusableInputError
from nas.config import LaunchConfig
from nas.search import resources
from nas.search.engine import Placement
from nas.search.engines import engine
from nas.search.resources import cores, gpus, most_threads


@pytest.mark.parametrize(("text", "limit"), [("1", 1), ("8", 8), ("0", None), ("", None), ("2,1", None), ("x", None)])
def test_the_environment_limits_the_threads_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, text: str, limit: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert most_threads() == limit


def test_only_the_cores_that_this_process_may_use_count(one_core: None) -> None:
    assert cores() == 1


def test_more_workers_than_are_of_any_use_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "cores", lambda: 3)
    for few in (None, 1, 48):
        resources.check("cpu", few)
    with pytest.raises(UnusableInputError, match=r"too many workers .*: 49: give at most 48"):
        resources.check("cpu", 49)


def test_the_cpu_needs_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert gpus("cpu") == 0
    assert gpus("auto") == 0
    with pytest.raises(UnusableInputError, match=r"no GPU: cuda: .*: take --device cpu"):
        gpus("cuda")


@pytest.mark.parametrize(
    ("workers", "tasks", "expected"),
    [(None, None, [1, 1, 1, 1]), (None, 1, [4]), (None, 2, [2, 2]), (2, None, [2, 2]), (2, 3, [2, 2]), (3, 2, [2, 2])],
)
def test_four_cores_are_shared_by_the_workers(
    monkeypatch: pytest.MonkeyPatch, workers: int | None, tasks: int | None, expected: list[int]
) -> None:
    monkeypatch.setattr(resources, "cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    placed: list[Placement] = []
    monkeypatch.setattr(resources, "LocalEngine", lambda places, **_: placed.extend(places))
    engine(LaunchConfig(device="cpu", workers=workers), tasks)
    assert [place.threads for place in placed] == expected
