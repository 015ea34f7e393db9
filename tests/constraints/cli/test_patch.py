"""Unified diffs that ``patch`` takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from constraints.cli.patch import diff, names


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("a\nb\n", "a\nc\n", [" a\n", "-b\n", "+c\n"]),
        ("a\nb", "a\nc", [" a\n", "-b\n\\ No newline at end of file\n", "+c\n\\ No newline at end of file\n"]),
        ("a\r\n", "b\r\n", ["-a\r\n", "+b\r\n"]),
        ("a\x0cb\n", "a\x0cc\n", ["-a\x0cb\n", "+a\x0cc\n"]),  # a form feed ends no line
    ],
)
def test_lines_and_their_ends(old: str, new: str, lines: list[str]) -> None:
    first, second, _, *found = diff(old, new, "net.py", "b/net.py")
    assert (first, second) == ("--- net.py\n", "+++ b/net.py\n")
    assert found == lines


@pytest.mark.skipif(not (shutil.which("patch") and shutil.which("git")), reason="needs the programs patch and git")
@pytest.mark.parametrize("command", ["patch -p0 -i", "patch -p1 -i", "git apply"])
@pytest.mark.parametrize("name", ["net.py", "my net.py", "models/net.py", "models/my net.py", "a/b/net.py"])
def test_every_program_that_applies_diffs_finds_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("a\nb\n", "utf-8")
    before, after, how = names(name, Path("out.diff"))
    Path("out.diff").write_text("".join(diff("a\nb\n", "a\nc\n", before, after)), "utf-8")
    subprocess.run([*command.split(), "out.diff"], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert (Path(name).read_text("utf-8"), how) == ("a\nc\n", "patch -p0 < out.diff")


def test_a_file_of_the_same_name_above_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").touch()
    assert names("models/net.py", Path("x.diff")) == ("a/models/net.py", "b/models/net.py", "patch -p1 < x.diff")


def test_the_command_quotes_a_path_with_spaces() -> None:
    assert names("net.py", Path("my fixes.diff"))[2] == "patch -p0 < 'my fixes.diff'"
