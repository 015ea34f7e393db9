"""A command line that cannot be read: one line that names what is wrong, what to do, and the command's own help."""

from __future__ import annotations

import pytest

import search
from tests.nas.cli.refused import refused

_NAMES = [str(c.name or getattr(c.callback, "__name__", "")) for c in search.app.registered_commands]
COMMANDS = f"{', '.join(_NAMES)}: see search.py --help"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lanch", "no such command: 'lanch': did you mean launch?: see search.py --help"),
        ("launch --trails 3", "no such option: --trails: did you mean --trials?: see search.py launch --help"),
        ("doctor --colour", "no such option: --colour: leave it out: see search.py doctor --help"),
        ("doctor --verbos", "no such option: --verbos: did you mean --verbose?: see search.py doctor --help"),
        ("launch --trials abc", "--trials: 'abc': write a whole number: see search.py launch --help"),
        ("launch --study", "option '--study' requires an argument: see search.py launch --help"),
        ("show 1 2", "got unexpected extra argument(s) (2): see search.py show --help"),
        ("delete", "STUDY is missing: give the name of the study: see search.py delete --help"),
        ("compare 1", "TRIAL is missing: give another trial, named in the same way: see search.py compare --help"),
        (
            "export best",
            "--to is missing: give a file name that ends with .py, .onnx, ...; any other ending names all: "
            "see search.py export --help",
        ),
        ("show --port 3", "no such option: --port: leave it out: see search.py show --help"),
        ("don't", 'no such command: "don\'t": use one of ' + COMMANDS),
        ("\x1bx", "no such command: '\\x1bx': use one of " + COMMANDS),
        ("--debg", "no such option: --debg: did you mean --debug?: see search.py --help"),
        ("confirm --top 0", "--top: 0: give 1 or more"),
        ("train seed --seeds 0", "--seeds: 0: give 1 or more"),
        ("leaderboard --top 0", "--top: 0: give 1 or more"),
        ("calibrate --threads 0", "--threads: 0: give 1 or more"),
        ("train seed --epochs 0", "--epochs: 0: give 1 or more"),
        ("launch --target 85", "--target: '85': an accuracy is a share of 1: write 0.85"),
        ("launch --target 86.5%", "--target: '86.5%': an accuracy is a share of 1: write 0.865"),
        ("launch --target x", "--target: 'x': write a number"),
        ("launch --require parms<3", "--require: 'parms<3': unknown metric: 'parms': did you mean params?"),
        ("launch --device cpuu", "--device: 'cpuu': give auto, cpu or cuda"),
        ("launch --space assignmnt", "no such space: 'assignmnt': did you mean assignment?"),
        ("show --format jsn", "unknown format: 'jsn': did you mean json?"),
        ("validate a.py --classes 0", "--classes: 0: give 1 or more"),
        ("dashboard --port 70000", "--port: 70000: give 1 to 65535"),
        (
            "validate a.py --fixes-timeout x",
            "--fixes-timeout: not a duration: 'x': write 0 or a number with s, m or h, for example 90s",
        ),
        (
            "validate a.py --memory x",
            "--memory: not a size: 'x': write a number above 0 with MiB or GiB, for example 4GiB",
        ),
    ],
)
def test_the_line_names_flag_value_and_what_to_do(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *line.split()) == message


def test_a_constraint_of_a_file_is_refused_by_the_file_s_name(capsys: pytest.CaptureFixture[str]) -> None:
    from pathlib import Path

    Path("rules.toml").write_text('require = ["parms < 200k"]')
    message = refused(capsys, "launch", "--constraints", "rules.toml", "--require", "params < 3")
    assert message == "rules.toml: 'parms < 200k': unknown metric: 'parms': did you mean params?"
