from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import optuna
import pytest

from nas.command_line import running
from nas.config import read_config
from nas.results.report.provenance_section import provenance
from nas.search.provenance import MOST_LAUNCHES, keep_launch, launches
from nas.search.study import LAUNCHES
from nas.version import version


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize")


def test_a_launch_is_kept_with_its_command_moment_version_and_machine(study: optuna.Study, one_core: None) -> None:
    config = read_config(None, {"study": "a b", "seed": 7, "device": "cpu"})
    with running(["search.py", "launch", "--study", "a b"]):
        keep_launch(study, config)
    (kept,) = launches(study)
    assert kept["command"] == "search.py launch --study 'a b'"
    assert "seed = 7\n" in kept["configuration"]
    assert kept["version"] == version()
    assert abs(datetime.fromisoformat(kept["date"]) - datetime.now(UTC)).total_seconds() < 60
    assert ", 1 core, " in kept["machine"]


def test_no_password_is_kept(study: optuna.Study) -> None:
    url = "postgresql://me:secret@host/db"
    teacher = [f"{url}#s:3"]
    with running(["search.py", "launch", "--storage", url, "--teacher", *teacher]):
        keep_launch(study, read_config(None, {"storage": url, "teacher": teacher, "device": "cpu"}))
    assert "secret" not in str(study.user_attrs[LAUNCHES])


@pytest.mark.parametrize("program", ["job.py", "search.py", "ipykernel_launcher.py"])
def test_the_command_line_of_a_program_that_calls_the_library_is_not_kept(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr("sys.argv", [f"/somewhere/{program}", "--api-key", "secret"])
    keep_launch(study, read_config(None, {"device": "cpu"}))
    assert "secret" not in str(study.user_attrs[LAUNCHES])
    assert "command" not in launches(study)[0]
    assert provenance(study, {}).launches[0]["command"] == "not kept"


def test_the_first_launch_and_the_last_ones_are_kept(study: optuna.Study) -> None:
    config = read_config(None, {"device": "cpu"})
    study.set_user_attr(LAUNCHES, [{"command": str(i)} for i in range(MOST_LAUNCHES)])
    keep_launch(study, config)
    kept = launches(study)
    assert [one["command"] for one in kept[:-1]] == ["0", *map(str, range(2, MOST_LAUNCHES))]
    assert len(kept) == MOST_LAUNCHES


@pytest.mark.parametrize("value", [None, 3, "text", {"a": 1}, [1, "x"]])
def test_what_is_no_launch_is_none(study: optuna.Study, value: Any) -> None:
    study.set_user_attr(LAUNCHES, value)
    assert launches(study) == ()
