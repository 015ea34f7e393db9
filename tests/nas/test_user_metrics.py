"""A user's own metrics, of candidates."""

from pathlib import Path

import pytest

import search
from constraints.errors import ModelFailedError, UnusableInputError
from nas.architecture.spec import parse
from nas.user_metrics import figures, read_metrics

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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(METRIC)
    return path


def test_figures_are_of_the_built_and_traced_network(file: Path) -> None:
    found = figures(read_metrics(file), parse("BR/c8-c8s2/dw-pw16:N/fc"))
    params = (3 * 8 * 9 + 16) + (8 * 8 * 9 + 16) + (8 * 9 + 16) + 8 * 16 + 170
    assert dict(found) == {"norms": 3, "doubled": 2 * params}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x = 1", UnusableInputError, "no metric in .*: decorate a function"),
        ("def f(:", UnusableInputError, r"syntax error: .*own\.py:1"),
        ("1 / 0", ModelFailedError, "raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_gives_no_metric(file: Path, text: str, error: type[Exception], message: str) -> None:
    file.write_text(text)
    with pytest.raises(error, match=message):
        read_metrics(file)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UnusableInputError, match=r"cannot read metrics: 'nowhere\.py': No such file"):
        read_metrics(Path("nowhere.py"))


def test_the_command_refuses_what_it_cannot_judge(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["space", "tiny", "--metrics", str(file)]
    assert search.run([*command, "--require", "nroms > 1"]) == 2
    assert "unknown metric: 'nroms': did you mean norms" in capsys.readouterr().err
    network = "BR/c8-c8-c16s2/c16-c16-c8s2/c8-c8-c16s2/c16-c16-c24/fc"
    assert search.run([*command, "--require", "norms > 1", "--neighbours", network]) == 2
    assert "neighbours are judged by arithmetic: 'norms > 1'" in capsys.readouterr().err
    assert search.run([*command, "--format", "xml"]) == 2
    assert "unknown format: 'xml'" in capsys.readouterr().err
