"""Checkpoints are whole, plain and of the right training."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from constraints.errors import UnusableInputError
from nas.training import recipes
from nas.training.checkpoint import FORMAT, load_checkpoint, save_checkpoint
from nas.training.errors import OtherTrainingError

CPU = torch.device("cpu")


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "c.pt"
    save_checkpoint(path, {"seed": 1}, {"weights": torch.arange(3), "curve": [{"loss": 0.5}]})
    state = load_checkpoint(path, {"seed": 1}, CPU)
    assert state["weights"].tolist() == [0, 1, 2]
    assert state["curve"] == [{"loss": 0.5}]


def test_a_crash_while_writing_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {}, {"epoch": 1})

    def crash(_: int) -> None:
        raise OSError("no more space")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="no more space"):
        save_checkpoint(path, {}, {"epoch": 2})
    assert load_checkpoint(path, {}, CPU) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/harm",)

    path = tmp_path / "c.pt"
    torch.save({"format": 1, "run": {}, "state": Evil()}, path)
    with pytest.raises(UnusableInputError, match="the checkpoint cannot be read"):
        load_checkpoint(path, {}, CPU)
    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(UnusableInputError, match="the checkpoint cannot be read"):
        load_checkpoint(path, {}, CPU)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [[1], {"format": 1}, {"format": 1, "run": 3, "state": {}}])
def test_other_content_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(UnusableInputError, match="the checkpoint cannot be read"):
        load_checkpoint(tmp_path / "c.pt", {}, CPU)


def test_another_format_and_another_training_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"format": 99, "run": {}, "state": {}}, path)
    with pytest.raises(UnusableInputError, match=f"format was 99, is {FORMAT}"):
        load_checkpoint(path, {}, CPU)
    save_checkpoint(path, {"seed": 1}, {})
    with pytest.raises(UnusableInputError, match="seed was 1, is 2"):
        load_checkpoint(path, {"seed": 2}, CPU)
    save_checkpoint(path, {"network": "w " * 1000}, {})
    with pytest.raises(UnusableInputError, match=r"\(network was w w.*w\.\.\., is b\): ") as caught:
        load_checkpoint(path, {"network": "b"}, CPU)
    assert len(str(caught.value)) < 200 + len(str(path))


def test_a_recipe_of_an_earlier_release_is_the_same_where_its_options_are(tmp_path: Path) -> None:
    path, now = tmp_path / "c.pt", repr(recipes.default(8))
    earlier = now.replace(", mixup=0.0", "").replace("momentum=0.9, ", "")
    assert earlier != now
    save_checkpoint(path, {"recipe": earlier}, {"epoch": 1})
    assert load_checkpoint(path, {"recipe": now}, CPU) == {"epoch": 1}
    with pytest.raises(OtherTrainingError, match="is of another training"):
        load_checkpoint(path, {"recipe": repr(recipes.default(40))}, CPU)


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        load_checkpoint(tmp_path, {}, CPU)
