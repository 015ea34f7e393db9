"""A request means the same on both sides of the pipe."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from constraints.inputs import InputSpec
from constraints.rules import parse_all
from constraints.sandbox.request import Job, Limits, Request, Target

TARGET = Target(text="net.py:Net", file=Path("net.py"), module="", name="Net")


def test_a_request_of_defaults_reads_back() -> None:
    request = Request(target=TARGET, require=parse_all(["params < 3"]))
    assert Request.from_dict(Job.begin(request.job().to_line(os.environ)).arguments) == request


def test_a_request_with_every_option_reads_back() -> None:
    request = Request(
        target=Target(text="a.b:c", file=None, module="a.b", name="c"),
        inputs=(InputSpec(shape=(1, 8)), InputSpec(shape=(16,), dtype="int64", name="tokens")),
        arguments={"width": 3, "names": ["x"]},
        require=parse_all(["params < 3", "relus > 0.25"], None),
        classes=10,
        verify=True,
        fixes_seconds=2.5,
        augmentation=TARGET,
        mean=(0.5, 0.25, 0.125),
        limits=Limits(seconds=1.5, memory_bytes=10**9),
    )
    assert Request.from_dict(Job.begin(request.job().to_line(os.environ)).arguments) == request


def test_a_job_runs_where_and_with_what_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = Request(target=TARGET, require=()).job().to_line({**os.environ, "OF_THE_JOB": "1"})
    monkeypatch.chdir("/")
    monkeypatch.setenv("OF_THE_PLACE", "1")
    before = dict(os.environ)
    try:
        Job.begin(line)
        assert Path.cwd() == tmp_path
        assert os.environ["OF_THE_JOB"] == "1"
        assert "OF_THE_PLACE" not in os.environ
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_a_working_folder_that_was_deleted_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    Job.begin(Request(target=TARGET, require=()).job().to_line(os.environ))
