"""Which files ``--fix`` and ``--patch`` ask for, and that none is written over."""

from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.cli.fixing import FixWriter, writers


def test_a_writer_for_each_flag(tmp_path: Path) -> None:
    found = writers(tmp_path / "a.py", tmp_path / "a.diff")
    assert [(w.flag, w.path.name) for w in found] == [("--fix", "a.py"), ("--patch", "a.diff")]
    assert writers(None, None) == ()


@pytest.mark.parametrize(("existing", "asked"), [("a.py", "a.py"), ("a.safetensors", "a.py"), ("", "a.txt")])
def test_what_cannot_be_written_is_refused_first(existing: str, asked: str, tmp_path: Path) -> None:
    if existing:
        (tmp_path / existing).touch()
    with pytest.raises(UnusableInputError, match="the file exists" if existing else r"end --fix with \.py"):
        FixWriter(tmp_path / asked)


@pytest.mark.parametrize("patch", ["a.py", "a.safetensors", "link/a.py", "link/a.safetensors"])
def test_two_outputs_are_never_one_file(tmp_path: Path, patch: str) -> None:
    (tmp_path / "link").symlink_to(".")
    with pytest.raises(UnusableInputError, match="and --patch are one file"):
        writers(tmp_path / "a.py", tmp_path / patch)
