from __future__ import annotations

import subprocess
import sys

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


def test_installed_packages_are_fine() -> None:
    check(["tensorboard", "mlflow:sqlite:///x.db", "wandb"])


def test_a_place_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(UnusableInputError, match=r"^cannot log to tensorboard: .*/dev/null/x.*: give another place"):
        tracker("tensorboard:/dev/null/x")


def test_an_error_shows_no_password() -> None:
    text = "mlflow:nosuch://me:a/b@host/d"
    with pytest.raises(UnusableInputError, match=r"nosuch://me:\*\*\*@host/d$") as error:
        tracker(text)
    assert "a/b" not in str(error.value)
