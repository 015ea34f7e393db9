"""The parent's reading of a job: lines of the child, lines that the user's code forged, limits and ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from constraints.errors import KilledError, ModelFailedError, NoModelError, UnusableInputError
from constraints.sandbox.guarded import Guarded
from constraints.sandbox.request import Job, Limits
from constraints.sandbox.running import RunningJob

JOB = Job(function="module:name", arguments={}, limits=Limits(seconds=7.0))


class Guard:
    """The ends of a guard that has already ended: what the child answered, printed, and left running."""

    def __init__(self, answers: bytes, printed: bytes = b"", *, left: set[int] | None = None) -> None:
        results, write = os.pipe()
        os.write(write, answers)
        os.close(write)
        output, write = os.pipe()
        os.write(write, printed)
        os.close(write)
        self.results, self.jobs = os.fdopen(results, "rb", buffering=0), 1
        self.process = SimpleNamespace(stdout=os.fdopen(output, "rb", buffering=0), poll=lambda: None, pid=1)
        self.family = SimpleNamespace(living=lambda: {1}, left_behind=lambda: left or set(), end_others=lambda: None)

    def close(self) -> None:
        self.results.close()
        self.process.stdout.close()


def running(*lines: object, ended: int | None = 0, printed: bytes = b"", left: set[int] | None = None) -> RunningJob:
    """A job whose child wrote these lines, texts as they are, and ended with an exit code."""
    end = [] if ended is None else [{"ended": ended, "job": 1}]
    texts = [line if isinstance(line, str) else json.dumps(line) for line in (*lines, *end)]
    guard = Guard("".join(f"{text}\n" for text in texts).encode(), printed, left=left)
    return RunningJob(JOB, cast(Guarded, guard))


@pytest.fixture
def closing() -> Iterator[list[RunningJob]]:
    """Jobs whose pipes are closed after a test."""
    jobs: list[RunningJob] = []
    yield jobs
    for job in jobs:
        cast(Guard, job.guard).close()


def test_the_answer_is_returned_with_what_was_printed(closing: list[RunningJob]) -> None:
    closing.append(job := running({"stage": "import"}, {"answer": [1, None]}, printed=b"hello \xff"))

    assert job.result() == [1, None]
    assert (job.printed(), job.clean, job.stage) == ("hello \N{REPLACEMENT CHARACTER}", True, "import")


@pytest.mark.parametrize(
    "line",
    [
        '{"ended": "x", "job": 1}',
        '{"ended": 0, "job": 2}',
        '{"stage": 5}',
        '{"stage": "a", "seconds": "x"}',
        '{"stage": null}',
        '{"partial": [1]}',
        '{"partial": null}',
        '{"error": {}, "message": []}',
        '{"other": 1}',
        "[1]",
        "null",
        "7",
        '"text"',
        "\N{BLACK SMALL SQUARE}",
        "",
        '{"answer": ',
        "[" * 5_000,
        '{"a":' * 5_000,
    ],
    ids=lambda line: line[:20],
)
def test_no_line_of_another_shape_is_read(line: str, closing: list[RunningJob]) -> None:
    closing.append(job := running({"stage": "forward"}, line, {"answer": 3}, line))

    assert job.result() == 3
    assert (job.stage, job.partial, job.code) == ("forward", None, 0)


def test_no_line_that_is_not_text_is_read(closing: list[RunningJob]) -> None:
    closing.append(job := RunningJob(JOB, cast(Guarded, Guard(b'\xff\xfe\n{"answer": 1}\n{"ended": 0, "job": 1}\n'))))

    assert job.result() == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("UnusableInputError", UnusableInputError),
        ("NoModelError", NoModelError),
        ("ModelFailedError", ModelFailedError),
        ("SystemExit", ModelFailedError),
    ],
)
def test_an_error_of_the_child_is_raised_as_its_kind(
    name: str, kind: type[Exception], closing: list[RunningJob]
) -> None:
    closing.append(job := running({"error": name, "message": "no such file: a.py: name another", "traceback": "here"}))

    with pytest.raises(kind, match=r"^no such file: a\.py: name another$") as raised:
        job.result()
    assert type(raised.value) is kind
    assert cast(Any, raised.value).traceback == "here"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (-signal.SIGSEGV, "crashed at forward: SIGSEGV (segmentation fault): run it alone"),
        (-signal.SIGKILL, "crashed at forward: SIGKILL (out of memory?): run it alone"),
        (-signal.SIGFPE, "crashed at forward: SIGFPE: run it alone"),
        (-40, "crashed at forward: signal 40: run it alone"),
        (-1000, "crashed at forward: signal 1000: run it alone"),
        (0, "ended the process at forward: exit status 0: it printed nothing"),
        (3, "ended the process at forward: exit status 3: it printed nothing"),
    ],
)
def test_an_end_without_an_answer_is_explained(code: int, what: str, closing: list[RunningJob]) -> None:
    closing.append(job := running({"stage": "forward"}, ended=code))

    with pytest.raises(ModelFailedError) as raised:
        job.result()
    assert str(raised.value).startswith(f"the model's code {what}")
    assert isinstance(raised.value, KilledError) == (code == -signal.SIGKILL)


@pytest.mark.parametrize("number", [n for n in range(1, 65) if n not in {32, 33}])
def test_every_signal_that_ends_a_process_is_explained(number: int, closing: list[RunningJob]) -> None:
    closing.append(job := running({"stage": "import"}, ended=-number))

    with pytest.raises(ModelFailedError, match=r"^the model's code crashed at import: (SIG\w+|signal \d+)"):
        job.result()


def test_the_last_printed_line_says_why_a_process_ended(closing: list[RunningJob]) -> None:
    printed = b"first\n" + b"word " * 100 + b"\n\n"
    closing.append(job := running(ended=1, printed=printed))

    with pytest.raises(ModelFailedError) as raised:
        job.result()
    words = " ".join(["word"] * 39)  # 39 words of 5 characters, less one, leave room for the mark of what is cut
    assert str(raised.value) == f"the checker could not start: exit status 1: {words} …"


def test_a_warning_is_not_why_a_process_ended(closing: list[RunningJob]) -> None:
    warning = b"/a/net.py:3: UserWarning: old\n  warnings.warn(\n"
    for printed, why in ((warning, "it printed nothing"), (b"bye\n" + warning, "bye"), (warning + b"  bye", "bye")):
        closing.append(job := running({"stage": "forward"}, ended=1, printed=printed))
        with pytest.raises(ModelFailedError, match=f"exit status 1: {why}$"):
            job.result()


def test_what_is_known_is_returned_where_a_child_is_cut_short(closing: list[RunningJob]) -> None:
    closing.append(job := running({"stage": "search"}, {"partial": {"report": 1}}, {"partial": {"report": 2}}, ended=1))

    why = "the model's code ended the process at search: exit status 1: it printed nothing"
    assert job.result() == {"report": 2, "cut": f"search was cut short: {why}"}


def test_no_input_error_is_hidden_by_what_is_known(closing: list[RunningJob]) -> None:
    lines = {"stage": "search"}, {"partial": {"report": 1}}, {"error": "UnusableInputError", "message": "no: 1: do 2"}
    closing.append(job := running(*lines))

    with pytest.raises(UnusableInputError, match=r"^no: 1: do 2$"):
        job.result()


def test_processes_that_are_left_running_are_an_error(closing: list[RunningJob]) -> None:
    closing.append(job := running({"answer": 1}, left={7, 8}))

    with pytest.raises(ModelFailedError, match=r"left processes running: 2: end them before it returns$"):
        job.result()


def test_what_follows_the_end_is_read_before_the_next_job(closing: list[RunningJob]) -> None:
    lines = '{"answer": 1}\n{"ended": 0, "job": 1}\n{"answer": 2'
    closing.append(job := RunningJob(JOB, cast(Guarded, Guard(lines.encode()))))

    assert job.result() == 1
    assert not job.clean


@pytest.mark.parametrize(("each_stage", "stage_seconds", "wanted"), [(False, None, 7.0), (True, 3, 3), (True, None, 7)])
def test_a_stage_may_set_its_own_time(
    each_stage: bool, stage_seconds: float | None, wanted: float, closing: list[RunningJob]
) -> None:
    own = {} if stage_seconds is None else {"seconds": stage_seconds}
    closing.append(job := running({"stage": "import"}, {"stage": "training", **own}, {"answer": 1}))
    job.job = replace(JOB, each_stage=each_stage)

    assert job.result() == 1
    assert job.allowed == wanted


def test_recovery_finds_the_end_behind_an_unfinished_line(closing: list[RunningJob]) -> None:
    closing.append(job := RunningJob(JOB, cast(Guarded, Guard(b'{"answer": [1, 2{"ended": -9, "job": 1}\n'))))

    assert job.recover()
    assert job.code == -signal.SIGKILL
