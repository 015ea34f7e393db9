"""Which weights of a trial are exported."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.search.retraining import digest
from nas.search.study_folder import StudyFolder
from nas.search.trained_weights import Weights, trained_weights
from nas.training.checkpoint import save_checkpoint

TEXT = "BR/c8-c8s2/c8/fc"


def weights(
    folder: Path,
    *,
    is_marked: bool = True,
    curve: Sequence[float] = (0.25, 0.5),
    confirmed: Mapping[tuple[int, int], float] | None = None,
) -> Weights | None:
    place = StudyFolder(path=folder, is_marked=is_marked)
    return trained_weights(place, 3, TEXT, curve=curve, confirmed=confirmed or {})


def finish(folder: Path, *, test_accuracy: float | None = None) -> Path:
    """Leave what a finished training leaves; an empty file in place of the weights."""
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").touch()
    if test_accuracy is not None:
        (folder / "test.json").write_text(json.dumps({"test_accuracy": test_accuracy}))
    return folder / "weights.safetensors"


def test_there_are_none_before_a_training_is_finished(tmp_path: Path) -> None:
    assert weights(tmp_path) is None
    (tmp_path / "trial-00003").mkdir()
    assert weights(tmp_path) is None


def test_those_of_the_search(tmp_path: Path) -> None:
    file = finish(tmp_path / "trial-00003")
    finish(tmp_path / "trial-00004")
    found = weights(tmp_path)
    assert found is not None
    assert (found.path, found.confirmed, found.test_accuracy) == (file, False, None)


@pytest.mark.parametrize("best_seed", [0, 1])
def test_of_confirmed_ones_the_longest_training_and_the_lowest_seed(tmp_path: Path, best_seed: int) -> None:
    """Whichever seed is the best on the test set: to choose by that would be to train on it."""
    finish(tmp_path / "trial-00003")
    folder = tmp_path / f"confirm-00003-{digest(TEXT)}"
    finish(folder / "epochs-9-seed-0", test_accuracy=1.0)
    files = [finish(folder / f"epochs-10-seed-{s}", test_accuracy=0.5 + (s == best_seed) / 4) for s in (0, 1)]
    finish(folder / "epochs-20-seed-0")  # trained, and not judged yet
    found = weights(tmp_path)
    assert found is not None
    assert (found.path, found.confirmed) == (files[0], True)
    assert found.test_accuracy == (0.75 if best_seed == 0 else 0.5)


def test_a_confirmation_of_another_network_is_left_alone(tmp_path: Path) -> None:
    finish(tmp_path / f"confirm-00003-{digest('BR/c9/fc')}" / "epochs-1-seed-0", test_accuracy=1.0)
    assert weights(tmp_path) is None


def test_how_they_came_to_be_is_read_from_the_checkpoint(tmp_path: Path) -> None:
    finish(tmp_path / "trial-00003")
    found = weights(tmp_path)
    assert found is not None
    assert found.run() == {}
    place = tmp_path / "trial-00003/checkpoint.pt"
    save_checkpoint(place, {"recipe": "Recipe()", "epochs": 8, "seed": 2, "data": "d", "network": "n"}, {})
    assert found.run() == {"recipe": "Recipe()", "epochs": 8, "seed": 2}
    place.write_bytes(b"no checkpoint")
    assert found.run() == {}


@pytest.mark.parametrize("is_marked", [False, True])
@pytest.mark.parametrize(("theirs", "is_right"), [([0.25, 0.5], True), ([0.25, 0.75], False), ([0.25], True)])
def test_weights_whose_curve_is_not_the_trial_s_are_refused(
    tmp_path: Path, theirs: list[float], is_right: bool, is_marked: bool
) -> None:
    file = finish(tmp_path / "trial-00003")
    file.with_name("progress.json").write_text(
        json.dumps([{"epoch": n, "val_accuracy": a} for n, a in enumerate(theirs, start=1)])
    )
    if is_right:
        assert weights(tmp_path, is_marked=is_marked) is not None
    else:
        with pytest.raises(UnusableInputError, match=r"than the study's trial: its accuracy was 0\.5, "):
            weights(tmp_path, is_marked=is_marked)


def test_a_confirmation_that_the_study_knows_otherwise_is_refused(tmp_path: Path) -> None:
    finish(tmp_path / f"confirm-00003-{digest(TEXT)}" / "epochs-9-seed-0", test_accuracy=0.75)
    assert weights(tmp_path, confirmed={(9, 0): 0.75}) is not None
    with pytest.raises(UnusableInputError, match=r"its accuracy was 0\.5, theirs 0\.75: restore"):
        weights(tmp_path, confirmed={(9, 0): 0.5})


def test_in_a_folder_without_a_mark_a_confirmation_unknown_to_the_study_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / f"confirm-00003-{digest(TEXT)}"
    finish(folder / "epochs-9-seed-0", test_accuracy=0.75)
    finish(folder / "epochs-8-seed-1", test_accuracy=0.5)
    assert weights(tmp_path, is_marked=False) is None
    found = weights(tmp_path, is_marked=False, confirmed={(8, 1): 0.5})
    assert found is not None
    assert found.path.parent.name == "epochs-8-seed-1"
