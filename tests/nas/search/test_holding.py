from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from constraints.errors import UnusableInputError
from nas.search.holding import hold, one_line_errors


def test_each_job_of_a_study_is_held_once(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.log")
    with hold(journal, "one"), hold(journal, "one", "confirm"), hold(journal, "two") as check:
        check()  # a lock of the file system is not lost meanwhile
        with pytest.raises(UnusableInputError, match=r"study 'one' is held by another process .*: wait for it to end"):
            hold(journal, "one").__enter__()
    with hold(journal, "one"):
        assert sorted(p.name for p in tmp_path.glob("*/*.lock")) == ["confirm.lock", "driver.lock", "driver.lock"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device", "runs/x"),
            "cannot continue: runs/x: No space left on device: fix that",
        ),
        (FileNotFoundError(2, "No such file or directory", "runs"), "cannot continue: runs: No such file"),
        (
            OperationalError("SELECT 1", {}, Exception("server closed, postgresql://u:secret@h/d")),
            "the storage became unavailable: server closed, postgresql://u:***@h/d: fix that",
        ),
    ],
)
def test_what_becomes_unavailable_is_one_line(error: Exception, message: str) -> None:
    with pytest.raises(UnusableInputError) as caught, one_line_errors():
        raise error
    assert str(caught.value).startswith(message)
