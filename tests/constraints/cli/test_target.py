"""What a command line points at, read without running it."""

from __future__ import annotations

import ast
import os
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from constraints.cli.target import folder_of, line_of, parse_target, possible_metrics, read_source
from constraints.errors import UnusableInputError
from constraints.metrics import LATENCIES, Metrics


def test_a_file_and_a_module_are_distinguished() -> None:
    file = parse_target("models/net.py:Net")
    assert (file.file, file.module, file.name, file.place) == (Path("models/net.py"), "", "Net", "models/net.py")
    module = parse_target("package.module:Outer.Net")
    assert (module.file, module.module, module.name) == (None, "package.module", "Outer.Net")
    assert module.place == "package.module"
    assert parse_target("folder/net:Net").file == Path("folder/net")
    assert parse_target("C:\\models\\net.py:Net").file == Path("C:\\models\\net.py")


@pytest.mark.parametrize("text", ["net.py:", ":Net", "net.py:3", "net.py:Net.", "net.py:a b", ""])
def test_a_target_needs_a_name(text: str) -> None:
    with pytest.raises(UnusableInputError, match=r"no NAME in target: .*: write file\.py:NAME or package\.module:NAME"):
        parse_target(text)


@pytest.mark.parametrize("text", ["net.py", "book.ipynb", "package.module", "C:\\models\\net.py"])
def test_the_name_may_be_left_out_where_the_file_has_one_model(text: str) -> None:
    target = parse_target(text)
    assert (target.place, target.name) == (text, "")
    with pytest.raises(UnusableInputError, match="no NAME in target: "):
        parse_target(text, needs_name=True)


@pytest.mark.parametrize("place", ["a..b", "1a", "a b", "a-b", "net.txt.", "."])
def test_a_place_is_a_file_or_a_module(place: str) -> None:
    with pytest.raises(UnusableInputError, match=r"neither a \.py file nor a module: "):
        parse_target(f"{place}:Net")


def test_a_module_is_not_read_and_a_file_is_parsed(tmp_path: Path) -> None:
    assert read_source(parse_target("os.path:join")) is None
    (tmp_path / "net.py").write_text("raise SystemExit\nNet = 3\n")
    tree = read_source(parse_target(f"{tmp_path}/net.py:Net"))
    assert tree is not None
    assert [type(node) for node in tree.body] == [ast.Raise, ast.Assign]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = 1\nclass Net(:\n", r"syntax error: .*net\.py:2: invalid syntax: fix that line$"),
        (b"class Net[T = 1](:\n", r"net\.py:1: .*: fix that line, or run a later Python: uv run --python 3\.14"),
        (b"x = '\xff'\n", r"cannot decode .*net\.py:1: byte 0xff is no UTF-8: save it as UTF-8, or"),
    ],
)
def test_what_is_no_python_is_named_with_its_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_bytes(content)
    with pytest.raises(UnusableInputError, match=message) as error:
        read_source(parse_target(f"{tmp_path}/net.py:Net"))
    assert "\n" not in str(error.value)


def test_a_module_is_looked_for_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("no_such_module:Net", "no_such_module.inner:Net"):
        with pytest.raises(UnusableInputError, match=r"^no such module: 'no_such_module': give file\.py:NAME or "):
            read_source(parse_target(place))
    (tmp_path / "own_module.py").write_text("raise SystemExit\nNet = 3")
    before = list(sys.path)
    assert read_source(parse_target("own_module:Net")) is None
    assert ("own_module" in sys.modules, sys.path) == (False, before)


PACKAGE = {
    "net.py": "class Net: ...",
    "part/__init__.py": "",
    "part/inner.py": "class Net: ...",
    "part/given.py": "",
    "giver/__init__.py": "from . import inner\ninner.Given = 3",
    "giver/inner.py": "",
    "plain/inner.py": "class Net: ...",
    "plain/deeper/inner.py": "class Net: ...",
    "hooked/__init__.py": "import sys\nsys.modules['hooked.there'] = sys",
}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("net:Net", ""),
        ("net", ""),
        ("net:nope", "no such name in net: 'nope': did you mean Net?"),
        ("net.nope", "no such module: 'net.nope': give file.py:NAME"),
        ("net.sub:Net", "no such module: 'net.sub': give file.py:NAME"),
        ("part.inner:Net", ""),
        ("part:inner.Net", ""),
        ("part.inner:Nett", "no such name in part.inner: 'Nett': did you mean Net?"),
        ("part.nope.inner:Net", "no such module: 'part.nope': give file.py:NAME"),
        ("part:Net", "no such name in part: 'Net': it defines no class and no function"),
        ("giver.inner:Given", ""),
        ("plain.inner:Net", ""),
        ("plain.inner:Nett", "no such name in plain.inner: 'Nett': did you mean Net?"),
        ("plain.nope:Net", "no such module: 'plain.nope': give file.py:NAME"),
        ("plain.deeper.inner:Net", ""),
        ("hooked.there:Net", ""),
        ("os.path:join", ""),
        ("math:nope", ""),
        ("torch.nn.functional:relu", ""),
    ],
)
def test_modules_inside_packages_and_their_names_are_found_without_an_import(
    target: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    packages = {"net", "part", "giver", "plain", "hooked"}
    for name in packages:
        monkeypatch.delitem(sys.modules, name, raising=False)  # of another test in this process
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    if message:
        with pytest.raises(UnusableInputError, match=f"^{re.escape(message)}"):
            read_source(parse_target(target))
    else:
        assert read_source(parse_target(target)) is None
    assert not packages & sys.modules.keys()


def test_a_module_of_the_working_folder_is_found_though_another_of_its_name_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_module.py").write_text("def (")
    loaded = ModuleType("own_module")
    loaded.__spec__ = ModuleSpec("own_module", None, origin="elsewhere.py")
    monkeypatch.setitem(sys.modules, "own_module", loaded)
    with pytest.raises(UnusableInputError, match=r"own_module\.py"):
        read_source(parse_target("own_module:Net"))


def test_a_syntax_error_of_a_module_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken_module.py").write_text("x = 1\nclass Net(:")
    with pytest.raises(UnusableInputError, match=r"syntax error: .*broken_module\.py:2: "):
        read_source(parse_target("broken_module:Net"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for place in (tmp_path / "gone.py", tmp_path):
        with pytest.raises(
            UnusableInputError, match=r"cannot read the file: .*: (No such file|Is a directory).*: give"
        ):
            read_source(parse_target(f"{place}/:Net" if place is tmp_path else f"{place}:Net"))


SOURCE = """
from other import first, second as renamed
def make(): pass
class Net: pass
made = make()
typed: int = 3
other.made = 4
async def later(): pass
def make():
    def inside(): pass
    from elsewhere import third
"""


@pytest.mark.parametrize(
    ("name", "line"), [("make", 9), ("Net", 4), ("made", 5), ("typed", 6), ("inside", None), ("gone", None)]
)
def test_the_last_definition_of_a_name_counts(name: str, line: int | None) -> None:
    assert line_of(ast.parse(SOURCE), name) == line


def test_metrics_may_be_built_in_defined_or_imported() -> None:
    names = possible_metrics(ast.parse(SOURCE))
    assert names == {*Metrics.definitions(), *LATENCIES, "make", "inside", "first", "second", "third"}


def test_of_a_star_import_or_a_module_nothing_is_known() -> None:
    assert possible_metrics(ast.parse("from other import *")) is None
    assert possible_metrics(None) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Net: ...", "did you mean Net?"),
        ("def make(): ...\nclass Other: ...", "did you mean make, Other?"),
        ("x = 1", "it defines no class and no function"),
        ("rate = 0.1\ntrain_t = Compose([])\ntest_t = Compose([])", "did you mean train_t, test_t?"),
        ("class Net: ...\nNett = Net", ""),
        ("from somewhere import *", ""),
        ("for name in ('Nett',): globals()[name] = 1", ""),
        ("def __getattr__(name): ...", ""),
        ("exec('Ne' + 'tt = 1')", ""),
        ("registry.install(__name__)", ""),
        ("def make(): ...\nif __name__ == '__main__': make()", "did you mean make?"),
        ("import other as Nett", ""),
        ("text = " + " + ".join(["'a'"] * 1500), "it defines no class and no function"),
    ],
)
def test_a_name_that_no_word_of_a_file_is_is_refused_before_it_runs(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(text)
    target = parse_target(f"{file}:Nett.part")
    if message:
        with pytest.raises(
            UnusableInputError, match=rf"^no such name in .*net\.py: 'Nett\.part': {re.escape(message)}$"
        ):
            read_source(target)
    else:
        assert read_source(target) is not None


def test_a_file_of_another_kind_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_target("net.log").module == "net.log"
    (tmp_path / "net.log").touch()
    with pytest.raises(UnusableInputError, match=r"^neither a \.py file nor a module: 'net\.log': write file\.py:NAME"):
        parse_target("net.log")


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("far/net.py:Net", "far"),
        ("net.py", "."),
        ("apps.vision.net:Net", "apps/vision"),
        ("apps.vision:Net", "apps/vision"),
        ("os.path:Net", "."),
        ("torch.nn:Linear", "."),
        ("no_such_module:Net", "."),
    ],
)
def test_a_project_is_looked_for_from_the_file_of_a_target(
    text: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apps" / "vision").mkdir(parents=True)
    for file in ("apps/__init__.py", "apps/vision/__init__.py", "apps/vision/net.py"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    assert folder_of(parse_target(text)).resolve() == (tmp_path / folder).resolve()


@pytest.mark.parametrize("stream", ["/dev/stdin", "/dev/fd/63", "/proc/self/fd/0"])
def test_a_stream_is_no_file_of_both_processes(stream: str) -> None:
    with pytest.raises(UnusableInputError, match=f"a stream, not a file: '{stream}': save its text as a .py file"):
        read_source(parse_target(f"{stream}:Net"))


def test_a_pipe_with_a_file_s_name_is_a_stream_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.py")
    with pytest.raises(UnusableInputError, match=r"a stream, not a file: .*net\.py': save its text"):
        read_source(parse_target(f"{tmp_path / 'net.py'}:Net"))


@pytest.mark.parametrize("file", ["/dev/shm/no_such_folder/net.py", "C:\\dev\\net.py", "/proceedings/net.py"])
def test_a_file_in_a_folder_of_a_like_name_is_no_stream(file: str) -> None:
    with pytest.raises(UnusableInputError, match=r"No such file"):
        read_source(parse_target(f"{file}:Net"))
