import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from optuna.artifacts import get_all_artifact_meta

import search
from nas.results import dashboard
from nas.results.board import leaderboard
from nas.results.dashboard import attach
from tests.nas.results.known import network_study

SEARCH = Path(__file__).parents[3] / "search.py"
PATIENCE = 540.0
"""Seconds within which something happens on any machine."""
WINNERS = {f"trial-{n}-epoch-3.{kind}" for n in (0, 1) for kind in ("py", "svg")}


def test_code_and_card_of_each_row_are_attached_once(tmp_path: Path) -> None:
    study = network_study(tmp_path / "journal.log")
    rows = leaderboard(study, states=["complete"]).rows
    for _ in range(2):
        attach(study, rows, tmp_path / "artifacts")
        assert sorted(meta.filename for meta in get_all_artifact_meta(study)) == sorted(WINNERS)
    files = {m.filename: tmp_path / "artifacts" / m.artifact_id for m in get_all_artifact_meta(study)}
    compile(files["trial-0-epoch-3.py"].read_text(), "trial-0.py", "exec")
    picture = files["trial-0-epoch-3.svg"].read_text()
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert "url(http" not in picture
    assert "87.50%" in picture.replace("&#160;", " ")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    assert search.run(["dashboard"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: optuna-dashboard is not installed: it is an extra: uv run --extra"
    )


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    pytest.importorskip("optuna_dashboard")
    network_study(tmp_path / "journal.log")
    arguments = ["dashboard", "--storage", str(tmp_path / "journal.log"), "--port", str(port)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore Ctrl-C
    process = subprocess.Popen([sys.executable, str(SEARCH), *arguments], stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    yield process
    process.kill()
    process.wait()


def fetched(port: int, path: str) -> bytes:
    for _ in range(1500):  # five minutes
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
                return bytes(answer.read())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise TimeoutError(path)


def test_the_study_is_served_on_loopback_alone(served: subprocess.Popen[str], port: int) -> None:
    studies: list[dict[str, Any]] = json.loads(fetched(port, "/api/studies"))["study_summaries"]
    assert [s["study_name"] for s in studies] == ["networks"]
    number = studies[0]["study_id"]
    details = json.loads(fetched(port, f"/api/studies/{number}?after=0"))
    assert {a["filename"] for a in details["artifacts"]} == WINNERS
    code = next(a["artifact_id"] for a in details["artifacts"] if a["filename"] == "trial-0-epoch-3.py")
    assert b"class Net(nn.Module)" in fetched(port, f"/artifacts/{number}/{code}")
    listening = {line.split()[1] for line in Path(f"/proc/{served.pid}/net/tcp").read_text().splitlines()[1:]}
    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening
    os.kill(served.pid, signal.SIGINT)
    assert served.wait(PATIENCE) == 130
    assert served.stderr is not None
    assert "error: interrupted: the study is as it was" in served.stderr.read()


def test_a_port_that_is_taken_is_said_so(tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    network_study(tmp_path / "journal.log")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        code = search.run(["dashboard", "--storage", str(tmp_path / "journal.log"), "--port", str(port), "--top", "0"])
    assert code == 2
    assert f"error: cannot listen on 127.0.0.1:{port}: Address already in use: give" in capsys.readouterr().err
