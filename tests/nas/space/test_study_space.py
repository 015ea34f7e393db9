"""A study's space comes back from what the study stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.space.space import PRESETS, load
from nas.space.study_space import as_stored, stored_space


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_back_without_its_file(name: str) -> None:
    space = load(name, input=(3, 96, 96), classes=4)
    known = {**as_stored("gone.toml", space), "hash": "0"}
    found = stored_space(known, input=(3, 96, 96), classes=4)
    assert found == space
    assert found.fingerprint == space.fingerprint


def test_a_file_that_changes_changes_no_study(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "tiny"\nactivations = ["relu"]\n')
    known = as_stored(str(file), load(str(file), input=(1, 28, 28), classes=7))
    file.write_text('base = "tiny"\nactivations = ["gelu"]\n')
    assert stored_space(known, input=(1, 28, 28), classes=7).activations == ["relu"]
    older = {name: known[name] for name in ("name", "hash")}
    assert stored_space(older, input=(1, 28, 28), classes=7).activations == ["gelu"], "an earlier release: by name"


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(UnusableInputError, match=r"^the study's space x: forms: "):
        stored_space({"name": "x", "hash": "0", "table": {}}, input=(3, 32, 32), classes=10)


def test_a_study_keeps_a_space_that_no_file_may_ask_for_now(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "tiny"\n')
    known = as_stored("mine.toml", load(str(tmp_path / "mine.toml")))
    known["table"]["stages"][1]["stem"] = ["c5"]
    known["table"]["stages"][1]["width"] = {"low": 8, "high": 8 * 600, "step": 8}
    assert len(stored_space(known, input=(3, 32, 32), classes=10).stages[1].width.values()) == 600
