"""Every command of search.py that README.md and docs/ show is run as written, only with smaller budgets."""

from __future__ import annotations

import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image

import constraints
import nas
import search
from constraints import latency
from constraints.rules import ASSIGNMENT, parse
from nas.latency import calibration
from nas.search import resources
from nas.search.local_engine import LocalEngine
from nas.search.storage import open_storage
from nas.search.study import DATA, IDENTITY, TARGET
from nas.space import description
from tests.engines import few_digits, one_sandbox, search_in_this_process
from tests.forked_guard import EXPORT, fork_guards

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
BUDGETS = {
    "launch": ("--trials", "1", "--epochs", "1"),
    "confirm": ("--epochs", "1", "--seeds", "1"),
    "train": ("--epochs", "1", "--seeds", "1"),
    "export": ("--force",),
}
"""What is added to a command; the last flag of a name counts. It makes a search short, and changes nothing else."""
OF_A_STUDY = {"launch", "confirm", "leaderboard", "show", "compare", "export", "report"}
ENDLESS = "dashboard"
"""Ends by Ctrl-C alone: tests/nas/results/test_dashboard.py starts and ends it."""
IN_WORKERS = {"launch", "launch --engine ray"}
"""Launches whose candidates train in processes of their own, as all do outside this file."""
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

class Captions(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.words = make_net(), nn.Embedding(100, 10)

    def forward(self, image, tokens):
        return self.image(image) + self.words(tokens).mean(1)
"""
METRIC = """
from constraints import metric

@metric
def norm_layers(model, trace):
    \"\"\"Batch normalisations.\"\"\"
    return sum(layer.op == "batch_norm" for layer in trace.layers)
"""


def commands() -> list[str]:
    """The commands of the pages, without what precedes ``search.py`` and without comments."""
    shown = re.compile(
        r"^(?: {4}|\$ )?(?:pip install -q uv && )?(?:uv run )?(?:--extra \w+ )?(?:python )?search\.py (.+)$", re.M
    )
    found = [m.group(1).split("   #")[0].strip() for page in PAGES for m in shown.finditer(page.read_text())]
    return sorted(dict.fromkeys(found))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder, made the current one, with what the pages speak of and a short search of four trials that is done."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
    (folder / "package").mkdir()
    for name in ("model.py", "package/module.py"):
        (folder / name).write_text(MODEL)
    (folder / "mine.toml").write_text('base = "tiny"\n')
    network = "BR/c16-c16-c24s2/c24-c24-c32s2/c32-dwd2-pw48-c48s2/c48-c48-c64/fc"
    (folder / "starts.txt").write_text(f"# a network a line\n{network}\n")
    (folder / "mine.py").write_text(METRIC)
    archive = folder / "cifar10-jpeg.tar.xz"
    write_images(archive)
    beside = folder.parent / "shared" / "data"
    beside.mkdir(parents=True)
    shutil.copy(archive, beside)
    environment = {
        "XDG_CACHE_HOME": str(folder / "cache"), "NAS_DATA": str(archive), "OMP_NUM_THREADS": "1", "COLUMNS": "80"
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, one_sandbox(patch):
        patch.chdir(folder)
        for name, value in environment.items():
            patch.setenv(name, value)
        search_in_this_process(patch)
        few_digits(patch)
        fork_guards(patch, EXPORT)
        patch.setattr(description, "OWN_DRAWS", 40)
        for budget, smaller in (("LAYER_SECONDS", 0), ("ROUNDS", 2), ("NETWORKS", 3)):
            patch.setattr(calibration, budget, smaller)
        for repeats in ("WARM_UP", "REPEATS"):
            patch.setattr(latency, repeats, 1)
        first = ["launch", "--space", "tiny", "--trials", "4", "--epochs", "1", "--require", "params < 200k"]
        assert search.run([*first, "--write-config", "search.toml"]) == 0
        old = optuna.create_study(storage=open_storage("runs/journal.log", write=True), study_name="old")
        old.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": "d"}})
        yield folder


def write_images(archive: Path) -> None:
    """An archive in the form of CIFAR-10's JPEG copy, of 20 training and 4 test images of each of ten classes."""
    draw = np.random.default_rng(0)
    with tarfile.open(archive, "w:xz") as tar:
        for label, (part, count) in product(range(10), (("train", 20), ("test", 4))):
            for number in range(count):
                pixels = draw.integers(0, 128, (32, 32, 3), dtype=np.uint8) + np.uint8(12 * label)
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "JPEG")
                entry = tarfile.TarInfo(f"{part}/class{label}/{number:04d}.jpg")
                entry.size = file.tell()
                file.seek(0)
                tar.addfile(entry, file)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", [c for c in commands() if not c.startswith(ENDLESS)])
def test_a_command_of_the_pages_does_what_it_says(
    command: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if command in IN_WORKERS:
        monkeypatch.setattr(resources, "LocalEngine", LocalEngine)
    name, *arguments = shlex.split(command)
    study = f"study-{commands().index(command)}" if name == "launch" else "search"
    added = [*BUDGETS.get(name, ()), *(("--study", study) if name in OF_A_STUDY else ())]
    added += ["--top", "1"] if name == "confirm" and "--top" in arguments else []
    code = search.run([name, *arguments, *added])
    captured = capfd.readouterr()
    assert code in {0, 1}, captured.err
    assert captured.out or "--to" in arguments
    if name == "launch":
        took_effect(arguments, study)


def took_effect(arguments: list[str], study: str) -> None:
    """Check that a study was made with what the flags of its launch say."""
    made = optuna.load_study(study_name=study, storage=open_storage("runs/journal.log")).user_attrs
    given = dict(pairwise([*arguments, ""]))
    identity = made[IDENTITY]
    is_usual = {"--require", "--start", "--from-study"} & set(arguments)  # else the images are few, and so small
    space = given.get("--space", "assignment" if is_usual else "tiny")
    assert identity["space"]["name"] == space
    assert identity["objective"] == given.get("--objective", "accuracy")
    assert identity["seed"] == int(given.get("--seed", "0"))
    assert made[DATA] == Path(given.get("--data", "cifar10-jpeg.tar.xz")).name
    assert made[TARGET] == float(given.get("--target", "0.85"))
    required = [value for flag, value in pairwise(arguments) if flag == "--require"]
    narrowed = ["params < 200000"] if "--config" in given else [parse(text).expr for text in required]
    assert identity["constraints"] == (narrowed or [parse(text).expr for text in ASSIGNMENT])


def test_the_example_of_library_use_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(here / "docs" / "examples" / "library.py"), run_name="__main__")
    assert "% of the validation images" in capsys.readouterr().out


BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


@pytest.mark.usefixtures("here")
def test_the_blocks_of_the_api_page_run_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch, confirm = nas.launch, nas.confirm
    monkeypatch.setattr(nas, "launch", lambda **fields: launch(**fields | {"trials": 2, "epochs": 1, "workers": 1}))
    monkeypatch.setattr(nas, "confirm", lambda trial, seeds: confirm(trial, seeds=seeds, epochs=1, workers=1))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.findall((ROOT / "docs" / "api.md").read_text()):
        exec(block.replace("n_trials=20", "n_trials=2"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("every trial of the budget is done False ")
    assert "\n2 trials\n" in printed
    assert printed.endswith("unknown metric: 'parms': did you mean params?\n")


def test_the_api_page_has_every_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    assert {name for name in (*nas.__all__, *constraints.__all__) if not re.search(rf"\b{name}\b", page)} == set()


def test_the_pages_show_every_command() -> None:
    listed = subprocess.run(
        [sys.executable, str(ROOT / "search.py"), "--help"], text=True, capture_output=True, check=True
    ).stdout
    names = set(re.findall(r"^  (\w+)  +\S", listed, re.M))
    assert names == {command.split()[0] for command in commands()}


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
