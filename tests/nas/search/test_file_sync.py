from __future__ import annotations

from pathlib import Path

import pytest

from nas.search.file_sync import FILES, Keeper, Mirror, SupersededError
from nas.search.worker import CHECKPOINT, PROGRESS


def test_an_attempt_gets_what_the_last_one_kept(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    attempt, files = keeper.begin("trial-00000", 1)
    assert files == {}
    keeper.keep("trial-00000", attempt, {CHECKPOINT: b"one", PROGRESS: b"[1]"})
    assert (tmp_path / "trial-00000" / CHECKPOINT).read_bytes() == b"one"
    assert keeper.begin("trial-00000", 1)[1] == {CHECKPOINT: b"one", PROGRESS: b"[1]"}
    assert keeper.begin("trial-00001", 2)[1] == {}


def test_a_task_that_was_cut_off_writes_over_nothing_that_its_successor_kept(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    cut_off, _ = keeper.begin("trial", 1)
    keeper.keep("trial", cut_off, {PROGRESS: b"[1]"})
    successor, _ = keeper.begin("trial", 1)
    keeper.keep("trial", successor, {PROGRESS: b"[1, 2]"})
    with pytest.raises(SupersededError, match="trial was begun again elsewhere"):
        keeper.keep("trial", cut_off, {PROGRESS: b"[1]"})
    keeper.begin("trial", 2)
    with pytest.raises(SupersededError):
        keeper.begin("trial", 1)
    assert (tmp_path / "trial" / PROGRESS).read_bytes() == b"[1, 2]"


def test_a_keeper_that_began_anew_takes_what_the_present_attempt_sends(tmp_path: Path) -> None:
    attempt, _ = Keeper(tmp_path).begin("trial", 1)
    Keeper(tmp_path).keep("trial", attempt, {PROGRESS: b"[1]"})
    assert (tmp_path / "trial" / PROGRESS).read_bytes() == b"[1]"


def test_nothing_is_written_outside_the_run_folder_nor_under_another_name(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "run")
    for folder in ("../elsewhere", "/etc", "a/../../elsewhere"):
        with pytest.raises(ValueError, match="not below the run folder"):
            keeper.begin(folder, 1)
        with pytest.raises(ValueError, match="not below the run folder"):
            keeper.keep(folder, (1, 0), {PROGRESS: b""})
    keeper.keep("trial", (1, 0), {"../../up": b"", "other.py": b"", PROGRESS: b"[]"})
    assert [p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()] == [Path("run/trial") / PROGRESS]


def test_progress_is_written_after_the_checkpoint_it_speaks_of(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    (tmp_path / "trial" / CHECKPOINT).mkdir(parents=True)  # so that the checkpoint cannot be written
    with pytest.raises(IsADirectoryError):
        keeper.keep("trial", (1, 0), {PROGRESS: b"[1]", CHECKPOINT: b"one"})
    assert not (tmp_path / "trial" / PROGRESS).exists()
    assert FILES[-1] == PROGRESS


def test_what_changed_is_sent_and_nothing_twice(tmp_path: Path) -> None:
    sent: list[dict[str, bytes]] = []
    mirror = Mirror(tmp_path, {CHECKPOINT: b"one"}, sent.append)
    assert (tmp_path / CHECKPOINT).read_bytes() == b"one"
    mirror.push()
    assert sent == []
    for content in (b"two", b"six"):
        (tmp_path / "draft").write_bytes(content)
        (tmp_path / "draft").replace(tmp_path / CHECKPOINT)
        mirror.push()
        mirror.push()
    (tmp_path / "other.tmp").write_bytes(b"")
    (tmp_path / PROGRESS).write_bytes(b"[1]")
    mirror.push()
    assert sent == [{CHECKPOINT: b"two"}, {CHECKPOINT: b"six"}, {PROGRESS: b"[1]"}]
