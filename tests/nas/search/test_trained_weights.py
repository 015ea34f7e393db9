"""Which weights of a trial are the ones to take away."""

import json
from pathlib import Path

import pytest

from nas.search.confirm import digest
from nas.search.trained_weights import trained_weights
from nas.training.checkpoint import save_checkpoint

TEXT = "BR/c8-c8s2/c8/fc"


def finish(folder: Path, *, test_accuracy: float | None = None) -> Path:
    """Leave what a finished training leaves; an empty file in place of the weights."""
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").touch()
    if test_accuracy is not None:
        (folder / "test.json").write_text(json.dumps({"test_accuracy": test_accuracy}))
    return folder / "weights.safetensors"


def test_there_are_none_before_a_training_is_finished(tmp_path: Path) -> None:
    assert trained_weights(tmp_path, 3, TEXT) is None
    (tmp_path / "trial-00003").mkdir()
    assert trained_weights(tmp_path, 3, TEXT) is None


def test_those_of_the_search(tmp_path: Path) -> None:
    file = finish(tmp_path / "trial-00003")
    finish(tmp_path / "trial-00004")
    found = trained_weights(tmp_path, 3, TEXT)
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
    found = trained_weights(tmp_path, 3, TEXT)
    assert found is not None
    assert (found.path, found.confirmed) == (files[0], True)
    assert found.test_accuracy == (0.75 if best_seed == 0 else 0.5)


def test_a_confirmation_of_another_network_is_left_alone(tmp_path: Path) -> None:
    finish(tmp_path / f"confirm-00003-{digest('BR/c9/fc')}" / "epochs-1-seed-0", test_accuracy=1.0)
    assert trained_weights(tmp_path, 3, TEXT) is None


def test_how_they_came_to_be_is_read_from_the_checkpoint(tmp_path: Path) -> None:
    finish(tmp_path / "trial-00003")
    found = trained_weights(tmp_path, 3, TEXT)
    assert found is not None
    assert found.run() == {}
    place = tmp_path / "trial-00003/checkpoint.pt"
    save_checkpoint(place, {"recipe": "Recipe()", "epochs": 8, "seed": 2, "data": "d", "network": "n"}, {})
    assert found.run() == {"recipe": "Recipe()", "epochs": 8, "seed": 2}
    place.write_bytes(b"no checkpoint")
    assert found.run() == {}
