"""Weights with a check sum: any byte of a tensor that changes is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from constraints.errors import UnusableInputError
from nas.search.weights_file import check, save

WEIGHTS = {"a": torch.arange(12.0).reshape(3, 4), "b": torch.tensor(3), "c": torch.zeros(0)}


def test_what_was_written_is_whole(tmp_path: Path) -> None:
    save(WEIGHTS, tmp_path / "w")
    check(tmp_path / "w")
    assert {name: tensor.tolist() for name, tensor in load_file(tmp_path / "w").items()} == {
        name: tensor.tolist() for name, tensor in WEIGHTS.items()
    }


def test_a_file_of_an_earlier_release_has_no_sum(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "w")
    check(tmp_path / "w")


def test_any_damage_is_refused_by_name(tmp_path: Path) -> None:
    save(WEIGHTS, tmp_path / "w")
    content = (tmp_path / "w").read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    for place in [*range(data, len(content), 5), len(content) - 1]:
        damaged = bytearray(content)
        damaged[place] ^= 16
        (tmp_path / "w").write_bytes(damaged)
        with pytest.raises(UnusableInputError, match=r"unusable weights: .*w: they are damaged: confirm the trial"):
            check(tmp_path / "w")
    for damaged_file in (content[:-1], content[:20], b"", content + b"x"):
        (tmp_path / "w").write_bytes(damaged_file)
        with pytest.raises(UnusableInputError, match="they are damaged"):
            check(tmp_path / "w")


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"they cannot be read \(No such file or directory\): fix that"):
        check(tmp_path / "w")
