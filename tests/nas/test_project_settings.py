"""What a ``pyproject.toml`` says of a launch."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas import project_settings
from nas.config import read_config
from nas.project_settings import settings
from nas.training import datasets

TABLE = """
[tool.nas]
space = "tiny"
trials = 7
recipe = "ours.toml"
augmentation = "ours.py:train"
data = "digits"
[tool.nas.constraints]
params = "< 50k"
[tool.nas.profiles.wide]
params = "< 99"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below that of a project."""
    (tmp_path / "pyproject.toml").write_text(TABLE)
    for name in ("ours.toml", "ours.py"):
        (tmp_path / name).write_text("")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_flags_win_over_a_file_and_a_file_over_the_project(here: Path) -> None:
    (here / "launch.toml").write_text("trials = 5\nseed = 3\n")
    config = read_config(Path("launch.toml"), {"seed": 4, "data": None}, settings(here))
    assert (config.space, config.trials, config.seed, config.data) == ("tiny", 5, 4, "digits")
    assert config.constraints == ["params < 50000"]


def test_files_of_the_project_are_named_from_its_folder(here: Path) -> None:
    config = read_config(None, {}, settings(here))
    assert (config.recipe, config.augmentation) == ("../ours.toml", "../ours.py:train")


def test_the_fields_are_said(here: Path) -> None:
    found = settings(here)
    assert found is not None
    file = here.parent / "pyproject.toml"
    assert (
        found.sentence == f"settings: space, trials, recipe, augmentation, data, constraints from [tool.nas] of {file}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trails = 3", r"\[tool.nas\] of .*pyproject.toml: trails: 3: unknown key: did you mean trials"),
        ("trials = 0", r"\[tool.nas\] of .*pyproject.toml: trials: 0: give 1 or more"),
        ('require = ["params ~ 3"]', r"\[tool.nas\] of .*pyproject.toml: .*params ~ 3"),
    ],
)
def test_what_is_off_names_the_file_and_the_key(here: Path, text: str, message: str) -> None:
    (here.parent / "pyproject.toml").write_text(f"[tool.nas]\n{text}\n")
    with pytest.raises(UnusableInputError, match=message):
        read_config(None, {}, settings(here))


def test_a_command_reads_its_fields_alone(here: Path) -> None:
    found = settings(here)
    assert found is not None
    assert found.only({"data", "trials", "seed"}).table == {"trials": 7, "data": "digits"}
    config = read_config(None, {}, found, ("data",))
    assert (config.data, config.trials, config.space) == ("digits", 30, "assignment")
    (here.parent / "pyproject.toml").write_text("[tool.nas]\ntrials = 0\n")
    with pytest.raises(UnusableInputError, match="trials: 0: give 1 or more"):  # what is off is off for all
        read_config(None, {}, settings(here), ("data",))


@pytest.mark.parametrize(
    ("storage", "place"),
    [
        ("runs/own.log", "../runs/own.log"),
        ("/far/own.log", "/far/own.log"),
        ("sqlite:///own.db", "sqlite:///../own.db"),
        ("sqlite:////far/own.db", "sqlite:////far/own.db"),
        ("postgresql://host/own", "postgresql://host/own"),
    ],
)
def test_a_storage_is_one_for_all_folders_of_the_project(here: Path, storage: str, place: str) -> None:
    (here.parent / "pyproject.toml").write_text(f'[tool.nas]\nstorage = "{storage}"\n')
    assert read_config(None, {}, settings(here)).storage == place


def test_profiles_alone_set_nothing(here: Path) -> None:
    (here.parent / "pyproject.toml").write_text('[tool.nas.profiles.wide]\nparams = "< 99"\n')
    assert settings(here) is None


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ('data = "digits"', "digits"),  # a name, although a folder has it too
        ('data = "images"', "../images"),
        ('space = "tiny"', "tiny"),
        ('recipe = "sgd"', "sgd"),
        ('start = ["seed", "ours.py:Net"]', ["seed", "../ours.py:Net"]),
        ('log = ["tensorboard:boards", "wandb:mine"]', ["tensorboard:../boards", "wandb:mine"]),
        ('log = ["tensorboard", "mlflow:sqlite:///a.db"]', ["tensorboard", "mlflow:sqlite:///../a.db"]),
        ('log = ["mlflow:http://host:1"]', ["mlflow:http://host:1"]),
    ],
)
def test_a_path_is_that_of_the_project_and_a_name_stays(here: Path, line: str, read: object) -> None:
    for name in ("digits", "images", "tiny", "sgd", "seed"):
        (here.parent / name).mkdir()
    (here.parent / "pyproject.toml").write_text(f"[tool.nas]\n{line}\n")
    found = settings(here)
    assert found is not None
    assert found.table[line.partition(" ")[0]] == read


def test_names_of_data_sets_are_those_of_a_training() -> None:
    assert project_settings._DATA == datasets.NAMES
