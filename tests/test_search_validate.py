"""``search.py validate`` end to end: metrics of the example models, formats, exit codes, one-line errors."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import search
from tests.engines import one_sandbox

Run = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(search.__file__).parent
MODELS = '''
"""Example models."""
import torch.nn as nn
import torch
from constraints import metric

print("a word from the model")

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.c = nn.Conv2d(3, width, 3)
    def forward(self, x):
        return self.c(x).mean((2, 3))

class Needs(nn.Module):
    def __init__(self, width, *, depth):
        super().__init__()

class Raises(Net):
    def forward(self, x):
        raise ValueError("wrong\\nin two lines")

built = Net()
number = 3

def make(width: int = 4, name: str = "x"):
    return Net(width + len(name))

def wrong():
    return [1]

@metric
def kernels(model, trace):
    """Layers with a kernel."""
    return sum(bool(layer.kernel) for layer in trace.layers)
'''


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("models") / "models.py"
    file.write_text(MODELS)
    return file


def started(*argv: str) -> "subprocess.CompletedProcess[str]":
    """The command as a shell runs it."""
    command = [sys.executable, str(ROOT / "search.py"), "validate", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, one_sandbox(patch):
        yield


@pytest.fixture
def run(sandbox: None, capfd: pytest.CaptureFixture[str]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """The same in this process, with the sandbox of the file."""

    def validate(*argv: str) -> "subprocess.CompletedProcess[str]":
        code = search.run(["validate", *argv])
        return subprocess.CompletedProcess(argv, code, *capfd.readouterr())

    return validate


def complaint(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line on stderr of a command line that is refused before the child starts."""
    assert search.run(["validate", *argv]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    return shown.err


def test_json_is_alone_on_stdout(models: Path) -> None:
    done = started(
        f"{models}:Net", "--format", "json", "--require", "params < 1k", "--arg", "width=4", "--classes", "4"
    )
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["target"] == f"{models}:Net"
    assert document["metrics"]["params"] == 27 * 4 + 4
    assert document["output"] == [4]
    assert document["location"] == {"file": str(models), "line": 9}
    assert "a word from the model" in done.stderr


def test_a_module_target_a_metric_of_its_own_and_a_failure(
    models: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(models.parent)
    done = run("models:make", "--require", "kernels >= 2", "--arg", 'name="ab"')
    assert done.returncode == 1
    assert "FAIL  kernels >= 2" in done.stdout
    assert "1 is 1 below 2, must be >= 2" in done.stdout
    assert f"params {27 * 6 + 6}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("name", "extra", "code", "message"),
    [
        ("Nett", (), 2, "no such name in {file}: 'Nett': did you mean Net?"),
        ("Net", ("--input", "4,8,8"), 3, "the model's code raised at forward: RuntimeError: "),
    ],
)
def test_one_line_for_an_error_of_the_model(
    models: Path, run: Run, *, name: str, extra: tuple[str, ...], code: int, message: str
) -> None:
    done = run(f"{models}:{name}", *extra)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("error: " + message.format(file=models))
    assert done.stderr.count("\n") == 1


def test_debug_adds_the_traceback(models: Path, run: Run) -> None:
    done = run(f"{models}:Raises", "--debug")
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: the model's code raised at forward")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("nofile.py:Net",), "cannot read the file: 'nofile.py': No such file or directory"),
        (("{file}:",), "no NAME in target: '"),
        (("{file}:Net", "--require", "parms < 3"), "unknown metric: 'parms': did you mean params"),
        (("{file}:Net", "--require", "params less 3"), "not a constraint: 'params less 3'"),
        (("{file}:Net", "--input", "3,x"), "not an input shape: '3,x'"),
        (("{file}:Net", "--input", "0,3"), "not an input shape: '0,3'"),
        (("{file}:Net", "--timeout", "soon"), "not a duration: 'soon'"),
        (("{file}:Net", "--timeout", "0"), "not a duration: '0'"),
        (("{file}:Net", "--memory", "lots"), "not a size: 'lots'"),
        (("{file}:Net", "--format", "yaml"), "unknown format: 'yaml': use table, json"),
        (("{file}:Net", "--arg", "width"), "not key=value: 'width'"),
        (("{file}:Net", "--arg", "width=abc"), "not a TOML value: 'width=abc'"),
        (("{file}:Net", "--constraints", "none.toml"), "cannot read constraints: 'none.toml'"),
        (("{file}:Net", "--profile", "x"), "no file for profile 'x'"),
        (("{file}:Net", "--mean", "1,2"), "not 3 numbers: '1,2'"),
        (("{file}:Net", "--classes", "0"), "--classes: 0: give 1 or more"),
        (("{file}:Net", "--augmentation", "nofile.py:a"), "cannot read the file: 'nofile.py'"),
        (("{file}:Net", "--nonsense"), "no such option: --nonsense"),
        ((), "TARGET is missing"),
    ],
)
def test_one_line_for_each_unusable_option(
    models: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], message: str
) -> None:
    error = complaint(capsys, *(a.format(file=models) for a in argv))
    assert message in error


def test_a_syntax_error_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ndef f(:\n")
    assert f"syntax error: {file}:2: " in complaint(capsys, f"{file}:f")
    file.write_bytes(b"\xff\xfe\x00")
    complaint(capsys, f"{file}:f")


def test_constraints_from_a_table_and_its_profiles(tmp_path: Path) -> None:
    from constraints.cli.profiles import chosen

    file = tmp_path / "rules.toml"
    file.write_text(
        'require = ["params < 200k"]\n[constraints]\nstages = 4\nconvs = [">= 3", "<= 20"]\n'
        '[profiles.small]\nparams = "< 50k"\nglobal_context = true\n'
    )
    assert chosen([], file, None) == ("params < 200k", "stages == 4", "convs >= 3", "convs <= 20")
    assert chosen(["macs < 1M"], file, "small") == ("params < 50k", "global_context == true", "macs < 1M")
    assert chosen([], None, None)[0] == "receptive_field > 44"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("params = ", "not TOML"),
        ("", "no constraints in"),
        ('[profiles.a]\nparams = "< 3"', "choose one with --profile: a"),
        ("params = {a = 1}", "not a constraint in"),
        ("constraints = [3]", "not a constraint in"),
    ],
)
def test_a_table_that_cannot_be_used(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(content)
    assert message in complaint(capsys, f"{models}:Net", "--constraints", str(file))


def test_an_augmentation_is_judged_too(models: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "augment.py"
    file.write_text("import albumentations as A\ndef train():\n    return A.Compose([A.HorizontalFlip()])\n")
    done = run(f"{models}:Net", "--require", "params < 1k", "--augmentation", f"{file}:train", "--format", "json")
    assert done.returncode == 1
    names = {v["name"]: v for v in json.loads(done.stdout)["constraints"]}
    assert names["params"]["ok"] is True
    assert names["augmentation"]["value"] is False
    assert names["augmentation"]["why"] == "no shift-scale-rotate; no coarse dropout"


def _runs(pid: str) -> bool:
    """Whether the process lives; one that has ended may wait for its parent to ask how."""
    status = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False).stdout
    return bool(status) and not status.startswith("Z")


def test_an_interrupt_is_130_and_ends_the_child(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "slow.py"
    begun = tmp_path / "begun"
    file.write_text(
        "import os, time\nfrom pathlib import Path\n"
        f"Path({str(begun)!r}).write_text(f'{{os.getppid()}} {{os.getpid()}} ')\ntime.sleep(1000)\nNet = None\n"
    )
    command = [sys.executable, str(ROOT / "search.py"), "validate", f"{file}:Net"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (begun.exists() and begun.read_text().endswith(" ")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "error: interrupted\n")
    guard_and_child = begun.read_text().split()
    assert len(guard_and_child) == 2
    assert not [pid for pid in guard_and_child if _runs(pid)]


def test_help_loads_no_torch() -> None:
    code = "import sys, search; search.run(['--help']); print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "False\n"
    assert "validate" in done.stdout
