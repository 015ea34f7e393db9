from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.loggers.choice import check, split, tracker


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("tensorboard", ("tensorboard", "")),
        ("tensorboard:/tmp/a:b", ("tensorboard", "/tmp/a:b")),
        ("mlflow:http://127.0.0.1:5000", ("mlflow", "http://127.0.0.1:5000")),
        ("wandb:nets", ("wandb", "nets")),
    ],
)
def test_what_follows_the_first_colon_is_the_place(text: str, parts: tuple[str, str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize("text", ["", "tensorbord", "mlflow:", "tensorboard: ", "TensorBoard", "wandb:\0"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^give tensorboard\[:FOLDER\], mlflow\[:URI\] or wandb\[:PROJECT\]$"):
        split(text)


def test_a_package_that_is_missing_is_named() -> None:
    code = "import sys; sys.modules['mlflow'] = None\nfrom nas.loggers.choice import check; check(['mlflow'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "mlflow is not installed: --log mlflow needs it: uv run --extra mlflow search.py" in ended.stderr


def test_installed_packages_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    check(["tensorboard", "mlflow:sqlite:///x.db", "mlflow"])
    assert list(tmp_path.iterdir()) == [], "nothing is created before a launch writes"


@pytest.mark.parametrize("is_by_variable", [False, True])
def test_a_server_that_does_not_answer_is_found_at_once(
    monkeypatch: pytest.MonkeyPatch, *, is_by_variable: bool
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{free.getsockname()[1]}"  # bound, and nothing listens
        if is_by_variable:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
        with pytest.raises(UnusableInputError, match=r"^cannot log to mlflow: .*: give another place, or leave out"):
            check(["mlflow" if is_by_variable else f"mlflow:{place}"])


def test_a_place_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(UnusableInputError, match=r"^cannot log to tensorboard: .*/dev/null/x.*: give another place"):
        tracker("tensorboard:/dev/null/x")


def test_an_error_shows_no_password() -> None:
    text = "mlflow:nosuch://me:a/b@host/d"
    with pytest.raises(UnusableInputError, match=r"nosuch://me:\*\*\*@host/d$") as error:
        tracker(text)
    assert "a/b" not in str(error.value)
