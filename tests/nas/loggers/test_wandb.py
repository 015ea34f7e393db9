from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CODE = """
from nas.loggers.tracker import TrialRun
from nas.loggers.wandb import WeightsAndBiases
board = WeightsAndBiases("nets")
assert board.place == "in the project nets, offline: wandb sync wandb/offline-run-* sends it", board.place
run = TrialRun(study="s", identity="s 1", number=7, parameters={"architecture": "c8/fc"}, metrics={"params": 12.0})
assert board.begin(run) == 0
for epoch in (1, 2):
    board.epoch(7, epoch, {"loss": 1 / epoch})
board.end(7, "complete", "")
"""


def records(folder: Path) -> list[Any]:
    """Of a file of one block: a header, then records behind their checksum, length and kind (LevelDB's log format)."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    messages: Any = wandb_internal_pb2  # its stub names nothing
    data, place, found = file.read_bytes(), 7, list[Any]()
    assert len(data) < 32 * 1024
    while place < len(data):
        _, length, _ = struct.unpack_from("<IHB", data, place)
        record = messages.Record()
        record.ParseFromString(data[place + 7 : place + 7 + length])
        found.append(record)
        place += 7 + length
    return found


def test_an_offline_run_holds_settings_curve_and_end(tmp_path: Path) -> None:
    """In a process of its own: the package keeps a server process for the one that uses it."""
    offline = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "HOME": str(tmp_path), "WANDB_SILENT": "true"}
    command = [sys.executable, "-c", CODE, "--storage", "postgresql://me:secret@host/studies"]
    subprocess.run(command, env={**os.environ, **offline}, check=True)
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"secret" in content for content in written), "the command line is not stored"
    found = records(tmp_path)
    history = [{(i.key or i.nested_key[0]): json.loads(i.value_json) for i in r.history.item} for r in found]
    assert [(h["_step"], h["loss"]) for h in history if "loss" in h] == [(1, 1.0), (2, 0.5)]
    (start,) = [r.run for r in found if r.run.project]
    assert (start.project, start.run_group, start.display_name) == ("nets", "s", "trial-00007")
    assert "c8/fc" in str(start.config)


@pytest.mark.parametrize("call", ['tracker("wandb")', 'check(["wandb"])'])
def test_without_an_account_it_is_one_line_already_before_data_is_read(tmp_path: Path, call: str) -> None:
    code = f"from nas.loggers.choice import check, tracker\n{call}"
    away = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**away, "HOME": str(tmp_path), "WANDB_SILENT": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr.strip().endswith("no account: wandb: run wandb login first, or set WANDB_MODE=offline")
