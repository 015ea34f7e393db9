"""A command line that cannot be read: one line that names what is wrong, what to do, and the command's own help."""

from __future__ import annotations

from pathlib import Path

import pytest

import search
from tests.nas.cli.refused import refused, refused_line

_NAMES = [str(c.name or getattr(c.callback, "__name__", "")) for c in search.app.registered_commands]
COMMANDS = f"{', '.join(_NAMES)}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lanch", "no such command: 'lanch': did you mean launch?"),
        ("launch --trails 3", "no such option: --trails: did you mean --trials?"),
        ("doctor --colour", "no such option: --colour: leave it out"),
        ("doctor --verbos", "no such option: --verbos: did you mean --verbose?"),
        ("launch --trials abc", "--trials: 'abc': write a whole number"),
        ("launch --study", "--study has no value: write --study NAME"),
        ("show 1 2", "one argument too many: '2': leave it out"),
        ("delete", "STUDY is missing: give the name of the study"),
        ("compare 1", "TRIAL is missing: give another trial, named in the same way"),
        (
            "export best",
            "--to is missing: give a file name that ends with .py, .onnx, .pt2 or .safetensors",
        ),
        ("show --port 3", "no such option: --port: leave it out"),
        ("don't", 'no such command: "don\'t": use one of ' + COMMANDS),
        ("\x1bx", "no such command: '\\x1bx': use one of " + COMMANDS),
        ("--debg", "no such option: --debg: did you mean --debug?"),
        ("confirm --top 0", "--top: 0: give 1 or more"),
        ("train seed --seeds 0", "--seeds: 0: give 1 or more"),
        ("leaderboard --top 0", "--top: 0: give 1 or more"),
        ("calibrate --threads 0", "--threads: 0: give 1 or more"),
        ("train seed --epochs 0", "--epochs: 0: give 1 or more"),
        ("launch --target 85", "--target: '85': an accuracy is a share of 1: write 0.85"),
        ("launch --target 86.5%", "--target: '86.5%': an accuracy is a share of 1: write 0.865"),
        ("launch --target x", "--target: 'x': write a number"),
        ("launch --require parms<3", "--require: 'parms<3': unknown metric: 'parms': did you mean params?"),
        ("launch --study launch --device cpuu", "--device: 'cpuu': give auto, cpu or cuda"),
        ("launch --device cpuu", "--device: 'cpuu': give auto, cpu or cuda"),
        ("launch --space assignmnt", "--space: no such space: 'assignmnt': did you mean assignment?"),
        ("show --format jsn", "--format: unknown format: 'jsn': did you mean json?"),
        ("space assignmnt", "no such space: 'assignmnt': did you mean assignment?"),
        ("space tiny --space wide", "--space: 'wide': SPACE is 'tiny' already: give one of them"),
        ("help", "no such command: 'help': did you mean --help?"),
        ("launch -trials 3", "no such option: -trials: did you mean --trials?"),
        ("launch \N{EM DASH}trials 3", "no such option: '\N{EM DASH}trials': did you mean --trials?"),
        ("launch --guess=yes", "--guess takes no value: leave it out"),
        (
            "launch --recipe default,lr=x",
            "--recipe: not a TOML value: 'lr=x': a text needs its quotes, for example name='\"relu\"'",
        ),
        ("train seed --recipe default,", "--recipe: not key=value: '': write for example width=16"),
        (
            "launch --augmentation assignment,flop=1",
            "--augmentation: augmentation assignment: no such option: 'flop': it has flip, shift_scale_rotate, dropout",
        ),
        (
            "launch --config none.toml",
            "--config: cannot read none.toml: No such file or directory: give the path of a TOML file",
        ),
        (
            "launch --space none.toml --config none.toml",
            "cannot read none.toml: No such file or directory: give the path of a TOML file",
        ),
        (
            "train a.py --memory 4",
            "--memory: memory limit too small: 4 bytes: torch alone takes more than 134,217,728: "
            "raise it, to 4GiB perhaps",
        ),
        (
            "launch --data= --space tiny",
            "--data: no such data: '': give a folder, a tar, or one of auto, cifar10, digits",
        ),
        (
            "launch --augmentation seed,flip=2",
            "--augmentation: augmentation seed: no probability: 'flip=2': give 0 to 1",
        ),
        ("recipes --format toml", "--format: 'toml': it is of one recipe: give its name too"),
        (
            "export seed --untrained --to none/net.py",
            "--to: cannot write none/net.py: No such file or directory: give a writable path",
        ),
        (
            "validate a.py --augmentation-arg a=1",
            "--augmentation-arg: 'a=1': an option of no pipeline: give --augmentation too",
        ),
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
    words = line.split()
    hint = f": see search.py {words[0]} --help" if words[0] in _NAMES else ": see search.py --help"
    assert refused_line(capsys, *words) == message + hint


def test_a_constraint_of_a_file_is_refused_by_the_file_s_name(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rules.toml").write_text('require = ["parms < 200k"]')
    message = refused(capsys, "launch", "--constraints", "rules.toml", "--require", "params < 3")
    assert message == "--constraints: rules.toml: 'parms < 200k': unknown metric: 'parms': did you mean params?"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('data = "nope"', "data: no such data: nope: give a folder, a tar, or one of auto, cifar10, digits"),
        ('recipe = "nope"', "recipe: no such recipe: 'nope': give default, long, sgd, seed or a .toml file"),
        ("recipe = {batch_size = nan}", "[recipe]: batch_size: nan: write a whole number"),
        ('tune = ["lr", "nope"]', "tune: 'nope': no option of a recipe that can be tuned: "),
        ('teacher = ["nope"]', "teacher: no such trial: 'nope': give a trial, STUDY:TRIAL or a file"),
        ('start = ["seed", "nope"]', "start: no such architecture: 'nope': give seed, tiniest"),
    ],
)
def test_a_value_of_a_file_is_refused_by_the_file_s_name_and_its_key(
    capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    Path("own.toml").write_text(line)
    assert refused(capsys, "launch", "--config", "own.toml").startswith(f"own.toml: {message}")
    Path("pyproject.toml").write_text(f"[tool.nas]\n{line}")
    assert refused(capsys, "launch").startswith(f"[tool.nas] of {Path('pyproject.toml').resolve()}: {message}")


def test_a_value_of_another_type_is_refused_by_its_place_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyproject.toml").write_text('[tool.nas]\ntrials = "3"')
    place = f"[tool.nas] of {Path('pyproject.toml').resolve()}: trials: "
    assert refused(capsys, "launch").startswith(f"{place}'3': write a whole number")
