"""Every command of search.py that README.md and docs/ show is run, on the digits where it trains."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import search

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SHORT = ("--data", "digits", "--space", "tiny", "--trials", "1", "--epochs", "1", "--workers", "1", "--device", "cpu")
"""What makes a launch short; the last flag of a name counts."""
ADDED = {
    "launch": SHORT,
    "confirm": ("--epochs", "1", "--seeds", "1", "--top", "1"),
    "export": ("--force",),
}
OF_A_STUDY = {"launch", "confirm", "leaderboard", "show", "compare", "export", "report"}
ENDLESS = "dashboard"
"""Ends by Ctrl-C alone: tests/nas/results/test_dashboard.py starts and ends it."""
STAND_INS = {"cifar10-jpeg.tar.xz": "digits", "3": "1"}
MODEL = """
from torch import nn

def make_net(width=8, act="relu"):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = make_net()

    def forward(self, x):
        return self.body(x)
"""
METRIC = """
from constraints import metric

@metric
def norm_layers(model, trace):
    \"\"\"Batch normalisations.\"\"\"
    return sum(layer.op == "batch_norm" for layer in trace.layers)
"""


def commands() -> list[str]:
    """The commands of the pages, without what stands before ``search.py`` and without comments."""
    shown = re.compile(
        r"^(?: {4}|\$ )?(?:pip install -q uv && )?(?:uv run )?(?:--extra \w+ )?(?:python )?search\.py (.+)$", re.M
    )
    found = [m.group(1).split("   #")[0].strip() for page in PAGES for m in shown.finditer(page.read_text())]
    return sorted(dict.fromkeys(found))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder, made the current one, with what the pages speak of and a short search that is done."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    (folder / "package").mkdir()
    for name in ("model.py", "package/module.py"):
        (folder / name).write_text(MODEL)
    (folder / "mine.toml").write_text('base = "tiny"\n')
    (folder / "mine.py").write_text(METRIC)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in {"XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}.items():
            patch.setenv(name, value)
        assert (
            search.run(
                ["launch", *SHORT, "--trials", "2", "--require", "params < 200k", "--write-config", "search.toml"]
            )
            == 0
        )
        yield folder


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", [c for c in commands() if not c.startswith(ENDLESS)])
def test_a_command_of_the_pages_does_what_it_says(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    name, *arguments = [STAND_INS.get(word, word) for word in shlex.split(command)]
    study = f"study-{commands().index(command)}" if name == "launch" else "search"
    if name in OF_A_STUDY:
        arguments += [*ADDED.get(name, ()), "--study", study]
    code = search.run([name, *arguments])
    captured = capfd.readouterr()
    assert code in {0, 1}, captured.err
    assert captured.out or "--to" in arguments


def test_the_example_of_library_use_runs(here: Path) -> None:
    example = here / "docs" / "examples" / "library.py"
    command = [sys.executable, str(example)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "% of the validation images" in done.stdout


def test_the_pages_show_every_command() -> None:
    listed = subprocess.run(
        [sys.executable, str(ROOT / "search.py"), "--help"], text=True, capture_output=True, check=True
    ).stdout
    names = set(re.findall(r"^  (\w+)  +\S", listed.split("Commands:")[1], re.M))
    assert names == {command.split()[0] for command in commands()}


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
