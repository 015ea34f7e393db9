"""Commands whose output is kept byte for byte in ``tests/outputs/``, so that a change of the code's shape changes none.

``python -m tests.outputs`` writes the files again; the difference to what git holds is then what a change did to the
program's behaviour. What a machine or a moment decides (accuracies, seconds, folders, versions) is masked.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import search
from tests.engines import search_in_this_process, validate_in_this_process
from tests.nas.results.known import known_study, network_study

KEPT = Path(__file__).parent / "outputs"
ROOT = Path(search.__file__).resolve().parent
EXAMPLES = ROOT / "docs" / "examples"
PLAIN = "BR/c8-c8-c16s2/c16-c16-c16s2/c16-c16-c24s2/c24d2-dw-pw24-c32/fc"
PROPOSED = "BR/c8-c8-c16s2/c16-c16-c8s2/c8-c8-c16s2/c16-c16-c24/fc"
OTHER = "BG/c8-c8-c16s2/+c16-+dw.pw16-c16s2/c16-c16-c24s2/c24d2-dw-pw24-c32/conv"
LAUNCH = (
    "launch",
    "--data",
    "digits",
    "--space",
    "tiny",
    "--trials",
    "3",
    "--epochs",
    "1",
    "--workers",
    "1",
    "--no-guess",
)
SAME_EVERYWHERE = ("trial", "state", "params", "macs", "receptive_field", "epochs", "architecture")
"""Columns of a search's leaderboard that no processor's rounding decides."""


def commands() -> Mapping[str, Sequence[str]]:
    """Name of the kept file -> the command, in the order in which they run."""
    found: dict[str, Sequence[str]] = {}
    for name in ("handmade", "fixed"):
        for form in ("table", "json", "markdown", "junit", "sarif"):
            found[f"validate-{name}.{form}"] = ("validate", f"{name}.py:Net", "--format", form)
    found["validate-refused"] = ("validate", "handmade.py:Nett")
    for form in ("table", "json"):
        found[f"space-tiny.{form}"] = ("space", "tiny", "--format", form)
    found["space-assignment.json"] = ("space", "assignment", "--format", "json")
    found["space-neighbours"] = ("space", "tiny", "--neighbours", PROPOSED)
    found["launch"] = (*LAUNCH, "--write-config", "used.toml", "--format", "csv")
    known = ("--storage", "known.log")
    for form in ("table", "json", "csv", "markdown"):
        found[f"leaderboard.{form}"] = ("leaderboard", *known, "--format", form)
    found["leaderboard-pareto"] = ("leaderboard", *known, "--pareto", "--where", "params > 80k")
    found["leaderboard-refused"] = ("leaderboard", *known, "--sort", "speed")
    networks = ("--storage", "networks.log")
    for form in ("table", "json"):
        found[f"show.{form}"] = ("show", "best", *networks, "--format", form)
        found[f"compare.{form}"] = ("compare", "0", "1", *networks, "--format", form)
    found["report"] = ("report", *networks, "--to", "report.html")
    for number, text in enumerate((PLAIN, OTHER)):
        found[f"export-{number}"] = ("export", text, "--to", f"net{number}.py", "--untrained", *networks)
    return found


WRITTEN = {"launch": "used.toml", "export-0": "net0.py", "export-1": "net1.py", "report": "report.html"}
"""Commands of which a file is kept too; of a large one its digest."""
SMALL_BYTES = 50_000


@contextmanager
def prepared() -> Iterator[Path]:
    """A folder, made the current one, with two models, two known studies and an empty cache."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        folder = Path(place)
        for name in ("handmade.py", "fixed.py"):
            (folder / name).write_text((EXAMPLES / name).read_text())
        known_study(folder / "known.log")
        network_study(folder / "networks.log")
        patch.chdir(folder)
        for name, value in {"XDG_CACHE_HOME": "cache", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}.items():
            patch.setenv(name, value)
        patch.delenv("NAS_DATA", raising=False)
        search_in_this_process(patch)
        validate_in_this_process(patch)
        yield folder


def output(name: str, command: Sequence[str], folder: Path) -> str:
    """What a command prints on both streams, its exit code, and what it writes."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = search.run(list(command))
    printed, said = out.getvalue(), err.getvalue()
    if name == "launch":
        printed, said = proposals(printed), re.sub(r"(?m)^an epoch takes .*\n", "", re.sub(r"[\d.]+%", "~%", said))
        said = re.sub(r"(?m)^\d+ of \d+ trials started, .*\n", "", said)  # once a minute
        said = re.sub(r"the launch took [\d.]+ times", "the launch took ~ times", said)
    parts = [f"$ search.py {' '.join(command)}", f"exit {code}", "--- stdout", printed, "--- stderr", said]
    if file := WRITTEN.get(name):
        text = (folder / file).read_text()
        parts += [f"--- {file}", text if len(text) < SMALL_BYTES else hashlib.sha256(text.encode()).hexdigest()]
    return "\n".join(parts).replace(str(folder.resolve()), "FOLDER").replace(f"{ROOT}/", "").rstrip() + "\n"


def proposals(table: str) -> str:
    """What a leaderboard as CSV says of each trial apart from its training, in the order of the trials."""
    rows = sorted(csv.DictReader(io.StringIO(table)), key=lambda row: int(row["trial"]))
    return "\n".join(", ".join(row[name] for name in SAME_EVERYWHERE) for row in rows)


def write() -> None:
    """Write all kept files again."""
    KEPT.mkdir(exist_ok=True)
    for old in KEPT.iterdir():
        old.unlink()
    with prepared() as folder:
        for name, command in commands().items():
            (KEPT / f"{name}.txt").write_text(output(name, command, folder))


if __name__ == "__main__":
    write()
