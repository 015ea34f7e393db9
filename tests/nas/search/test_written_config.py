"""What ``--write-config`` writes for a launch of an existing study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.config import LaunchConfig, read_config
from nas.search.kept_settings import KnownStudy, settled
from nas.search.study import IDENTITY, IMAGES
from nas.search.training_way import Training
from nas.search.written_config import written
from nas.space.space import load
from nas.space.study_space import as_stored

KEEPS = "left out, as study search keeps its own; a new study has those of its data, or the defaults"
DECIDES = "left out, so that the size of the data decides, here and where this is read"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text('base = "tiny"\nactivations = ["relu"]\n')
    return path


def study_of(space: Path | str, recipe: str | None = None, **others: Any) -> KnownStudy:
    """A study of digits with 7 epochs."""
    made_with = {
        "space": as_stored(str(space), load(str(space), input=(1, 8, 8), classes=10)),
        "constraints": read_config(None, {}).rules,
        "seed": 3,
        "epochs": 7,
        **Training.asked(recipe, None, 7).as_table(),
        **others,
    }
    return KnownStudy(study_name="search", user_attrs={IDENTITY: made_with, IMAGES: [[1, 8, 8], 10]})


def read_back(folder: Path, study: KnownStudy | None, **flags: Any) -> tuple[list[str], LaunchConfig]:
    """The comments of the file that is written, and what it holds."""
    text = written(settled(read_config(None, flags), study), study)
    (folder / "used.toml").write_text(text)
    return [line for line in text.splitlines() if line.startswith("#")], read_config(folder / "used.toml", {})


def test_space_and_epochs_of_the_study_are_written(file: Path, tmp_path: Path) -> None:
    comments, found = read_back(tmp_path, study_of(file))
    assert comments == [f"# trials: {DECIDES}"]
    assert (found.space, found.epochs, found.seed) == (str(file), 7, 3)


def test_a_space_that_has_changed_since_is_named_as_the_study_s(file: Path, tmp_path: Path) -> None:
    study = study_of(file)
    for change in (lambda: file.write_text('base = "tiny"\nactivations = ["gelu"]\n'), file.unlink):
        change()
        comments, found = read_back(tmp_path, study)
        assert comments == [f"# trials: {DECIDES}", f"# space: {KEEPS}"]
        assert "space" not in found.model_fields_set


def test_a_training_that_no_new_study_would_have_is_named_as_the_study_s(tmp_path: Path) -> None:
    comments, found = read_back(tmp_path, study_of("tiny", recipe="sgd"))
    assert comments == [f"# trials: {DECIDES}", f"# epochs, recipe: {KEEPS}"]
    assert (found.space, "epochs" in found.model_fields_set) == ("tiny", False)
    comments, found = read_back(tmp_path, study_of("tiny", recipe="sgd"), recipe="sgd")
    assert comments == [f"# trials: {DECIDES}"]
    assert (found.epochs, found.recipe) == (7, "sgd")


def test_a_new_study_leaves_all_three_to_the_data(tmp_path: Path) -> None:
    assert read_back(tmp_path, None)[0] == [f"# space, trials, epochs: {DECIDES}"]
