"""What ``validate`` takes as a target: paths, champions, and networks by text, name or in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import search
from constraints.errors import UnusableInputError
from constraints.sandbox.request import Target
from nas.architecture.written_names import text_of
from nas.champions.registry import find
from nas.cli.targets import as_targets
from tests.engines import validate_in_this_process

TEXT = "bR.1x28x28.10/c8d2p1/fc"


@pytest.mark.parametrize(
    "text",
    [
        "net.py",
        "net.py:Net",
        "models/net.py",
        "models/",
        "*.ipynb",
        "sub/*.py",
        "gone*",
        "gone/*",
        "[a-z]?",
        "package.module:make",
        "package",
        "a/b.ipynb:N",
    ],
)
def test_paths_patterns_and_modules_stay_as_they_are(text: str) -> None:
    assert as_targets([text]) == [text]


def test_a_champion_is_the_module_of_its_name() -> None:
    module = f"nas.champions.networks:{find('champion-200k').name.replace('-', '_')}"
    assert as_targets(["net.py", "champion-200k", "champion-0.2M"]) == ["net.py", module, module]
    assert as_targets(["champion-net.py", "champion-net.onnx"]) == ["champion-net.py", "champion-net.onnx"]


def test_a_network_is_named_as_it_was_written_and_brings_its_input() -> None:
    (found,) = as_targets([TEXT])
    assert isinstance(found, Target)
    assert (found.text, text_of(found.name), found.input) == (TEXT, TEXT, "1,28,28")


def test_a_name_means_its_network_whatever_is_there_and_a_path_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("seed", "models/seed"):
        Path(folder).mkdir(parents=True)
    (network,) = as_targets(["seed"])
    assert isinstance(network, Target)
    assert network.input == "3,32,32"
    for folder in ("./seed", "seed/", "models/seed"):
        assert as_targets([folder]) == [folder]


def test_a_file_has_a_network_or_a_target_a_line(tmp_path: Path) -> None:
    file = tmp_path / "nets.txt"
    file.write_text(f"# mine\n{TEXT}  # small\nnet.py:Net\n", "utf-8")
    network, target = as_targets([str(file)])
    assert isinstance(network, Target)
    assert (network.text, target) == (TEXT, "net.py:Net")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("models/net:Net", "neither a file nor a network: 'models/net:Net': not an architecture"),
        ("BR/c16-zz3/fc", "neither a file nor a network: 'BR/c16-zz3/fc': .*zz3"),
        ("BR/c16/pool", "neither a file nor a network: 'BR/c16/pool': unknown head: 'pool'"),
        (
            "BR/c16*/fc",
            r"neither .*: not an architecture: 'BR/c16\*/fc': '\*' at character 7 belongs to no word: take it",
        ),
        ("BR/c16[d2/c3?", r"neither .*: not an architecture: .*: '\[' at character 7 belongs to no word: take it out"),
    ],
)
def test_a_text_that_cannot_be_read_is_said_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{reason}"):
        as_targets([text])
    file = tmp_path / "nets.txt"
    file.write_text(f"\n{text}\n", "utf-8")
    with pytest.raises(UnusableInputError, match=rf"nets\.txt:2: {reason}"):
        as_targets([str(file)])


def test_a_pattern_that_matches_is_a_pattern_though_it_may_be_read_as_a_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("BR/c16s").mkdir(parents=True)
    Path("BR/c16s/fc").touch()
    assert as_targets(["BR/c16?/fc", "nets/*"]) == ["BR/c16?/fc", "nets/*"]


def test_a_list_names_no_other_list(tmp_path: Path) -> None:
    file = tmp_path / "nets.txt"
    file.write_text(f"{TEXT}\nmore.txt\n", "utf-8")
    with pytest.raises(
        UnusableInputError, match=r"nets\.txt:2: a list within a list: 'more\.txt': write its lines here"
    ):
        as_targets([str(file)])


def test_a_network_is_checked_by_its_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A 3x3 convolution from one channel to 8 has 72 weights and 8 biases, the linear layer 8 x 10 and 10."""
    validate_in_this_process(monkeypatch)
    assert search.run(["validate", TEXT, "--require", "params == 170", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["target"], found["input"], found["metrics"]["params"]) == (TEXT, [1, 28, 28], 170)
