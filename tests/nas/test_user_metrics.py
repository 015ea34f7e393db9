"""A user's own metrics, of candidates."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import search
from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Limits
from nas.architecture.spec import parse
from nas.user_metrics import UserMetrics, read_metrics
from tests.forked_guard import fork_guards

METRIC = """
from constraints import metric

@metric
def norms(model, trace):
    "batch norms"
    return sum(type(m).__name__ == "BatchNorm2d" for m in model.modules())

@metric
def doubled(model, trace):
    return 2 * trace.metrics.params
"""


@pytest.fixture(scope="module", autouse=True)
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, Sandbox() as sandbox:
        fork_guards(patch)
        yield sandbox


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(METRIC)
    return path


def test_metrics_are_of_the_built_and_traced_network(file: Path, sandbox: Sandbox) -> None:
    (found,) = read_metrics(file, sandbox).measure([parse("BR/c8-c8s2/dw-pw16:N/fc")])
    params = (3 * 8 * 9 + 16) + (8 * 8 * 9 + 16) + (8 * 9 + 16) + 8 * 16 + 170
    assert dict(found) == {"norms": 3, "doubled": 2 * params}


MADE = "from constraints import metric\n@metric\n"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            f"{MADE}def params(m, t):\n    return 1",
            ModelFailedError,
            "^a built-in metric has this name: 'params'",
        ),
        ("from constraints import metric\nf = metric(3)", ModelFailedError, "^a metric has the name of its"),
        ("x = 1", UnusableInputError, "no metric in .*: decorate a function"),
        (
            f"{MADE}def a(m, t):\n    return 1\nb = a\n@metric\ndef a(m, t):\n    return 2",
            ModelFailedError,
            "^two metrics have one name: 'a': rename",
        ),
        ("def f(:", UnusableInputError, r"syntax error: .*own\.py:1"),
        ("1 / 0", ModelFailedError, r"raised at import: ZeroDivisionError: division by zero .*own\.py:1"),
    ],
)
def test_a_file_that_gives_no_metric(
    file: Path, sandbox: Sandbox, text: str, error: type[Exception], message: str
) -> None:
    file.write_text(text)
    with pytest.raises(error, match=message):
        read_metrics(file, sandbox)


def test_code_that_hangs_or_raises_on_a_network_ends_there(file: Path, sandbox: Sandbox) -> None:
    network = parse("BR/c8-c8s2/dw-pw16:N/fc")
    file.write_text(
        "import time\nfrom constraints import metric\n@metric\ndef slow(model, trace):\n    time.sleep(99)\n"
    )
    with pytest.raises(
        ModelFailedError, match=rf"took too long at metric 'slow' of network {network}: 1 s: raise --timeout"
    ):
        UserMetrics(path=file, names=("slow",), sandbox=sandbox, limits=Limits(seconds=1.0)).measure([network])
    file.write_text("from constraints import metric\n@metric\ndef odd(model, trace):\n    return 1 // 0\n")
    with pytest.raises(ModelFailedError, match=r"metric 'odd' raised ZeroDivisionError"):
        UserMetrics(path=file, names=("odd",), sandbox=sandbox).measure([network])


def test_the_time_is_for_each_network(file: Path, sandbox: Sandbox) -> None:
    file.write_text(
        "import time\nfrom constraints import metric\n@metric\n"
        "def slow(model, trace):\n    time.sleep(2.2)\n    return 1\n"
    )
    network = parse("BR/c8-c8s2/dw-pw16:N/fc")
    slow = UserMetrics(path=file, names=("slow",), sandbox=sandbox, limits=Limits(seconds=8.0))
    assert slow.measure([network] * 4) == [{"slow": 1}] * 4


def test_a_file_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(UnusableInputError, match=r"cannot read metrics: 'nowhere\.py': No such file"):
        read_metrics(Path("nowhere.py"), sandbox)


def test_the_command_refuses_what_it_cannot_judge(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["space", "tiny", "--metrics", str(file)]
    assert search.run([*command, "--require", "nroms > 1"]) == 2
    assert "unknown metric: 'nroms': did you mean norms" in capsys.readouterr().err
    network = "BR/c8-c8-c16s2/c16-c16-c8s2/c8-c8-c16s2/c16-c16-c24/fc"
    assert search.run([*command, "--require", "norms > 1", "--neighbours", network]) == 2
    assert "neighbours are judged by arithmetic: 'norms > 1'" in capsys.readouterr().err
    assert search.run([*command, "--format", "xml"]) == 2
    assert "unknown format: 'xml'" in capsys.readouterr().err


def test_the_command_takes_limits_that_its_errors_name(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(
        "import time\nfrom constraints import metric\n@metric\ndef slow(model, trace):\n    time.sleep(99)\n"
    )
    command = ["space", "tiny", "--metrics", str(file), "--require", "slow > 1"]
    assert search.run([*command, "--timeout", "1s"]) == 3
    assert "1 s: raise --timeout" in capsys.readouterr().err
    assert search.run([*command, "--memory", "1MB"]) == 2
    assert "memory limit too small: 1,000,000 bytes" in capsys.readouterr().err


RANDOM = """
import random
import numpy
import torch
from constraints import metric

@metric
def drawn(model, trace):
    weight = next(model.parameters()).flatten()[0].item()
    return weight + torch.rand(()).item() + numpy.random.rand() + random.random()
"""


def test_a_metric_of_untrained_weights_is_the_same_whenever_it_is_measured(file: Path, sandbox: Sandbox) -> None:
    file.write_text(RANDOM)
    metrics, one, other = read_metrics(file, sandbox), parse("BR/c8-c8s2/fc"), parse("BR/c8-c16s2/fc")
    first, _, again = metrics.measure([one, other, one])
    assert first == again
    assert metrics.measure([one]) == [first]
