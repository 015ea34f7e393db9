"""Importing a user's file: what its model does not need does not stop it, and is named."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from constraints.sandbox.loading import Loader
from constraints.sandbox.request import Target
from constraints.sandbox.standins import NotInstalledError
from tests.constraints.sandbox.test_source import notebook


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loader]:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = set(sys.modules)
    with Loader(seconds=60.0) as entered:
        yield entered
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(loader: Loader, file: Path, code: str | None = None, name: str = "") -> ModuleType:
    if code is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(code))
    return loader.load(Target(text=str(file), file=file, module="", name=name))


def write(folder: Path, **files: str) -> None:
    for name, code in files.items():
        place = folder / (name.replace("__", "/", 1) + ".py")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(code)


def test_a_file_runs_as_python_runs_it(loader: Loader, tmp_path: Path) -> None:
    code = """
    from __future__ import annotations
    import sys
    from dataclasses import dataclass
    @dataclass
    class Config:
        widths: list[NoSuchType]
        alone: int = 3
    if __name__ == "__main__":
        raise SystemExit
    arguments = sys.argv
    """
    module = load(loader, tmp_path / "plain_net.py", code)
    assert module.Config([1]).alone == 3
    assert module.arguments == [str(tmp_path / "plain_net.py")]
    assert module.__file__ == str(tmp_path / "plain_net.py")
    assert (loader.warnings(), loader.left_out) == ((), [])


def test_arguments_are_read_as_if_there_were_none(loader: Loader, tmp_path: Path) -> None:
    code = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--rate', default=3)\nargs = p.parse_args()\n"
    )
    assert load(loader, tmp_path / "with_arguments.py", code).args.rate == 3


def test_arguments_that_are_required_are_none(loader: Loader, tmp_path: Path) -> None:
    code = """
    import argparse
    p = argparse.ArgumentParser()
    p.add_argument('name'); p.add_argument('files', nargs='+'); p.add_argument('--data', required=True)
    g = p.add_mutually_exclusive_group(required=True); g.add_argument('--a'); g.add_argument('--b')
    p.add_subparsers(dest='command', required=True).add_parser('train')
    p.add_argument('--rate', default=3)
    args = p.parse_args()
    is_required = [a.required for a in p._actions if a.dest == 'data']
    """
    module = load(loader, tmp_path / "with_required.py", code)
    assert (module.args.rate, module.args.files) == (3, [])
    assert (module.args.data, module.args.name, module.args.command) == (None, None, None)
    assert module.is_required == [True]
    names = "name, files, data, command, a or b"
    assert loader.warnings() == (
        f"no command line arguments are given: those that are required are None or empty: {names}: "
        "give a default to one that the model needs",
    )  # fmt: skip


def test_flags_of_absl_have_their_defaults(loader: Loader, tmp_path: Path) -> None:
    code = """
    from absl import flags
    FLAGS = flags.FLAGS
    flags.DEFINE_integer('width_of_test', 16, '')
    WIDTH = FLAGS.width_of_test
    flags.DEFINE_string('data_of_test', None, '', required=True)
    def width(): return WIDTH, FLAGS.width_of_test, FLAGS.data_of_test
    """
    pytest.importorskip("absl.flags")
    assert load(loader, tmp_path / "with_flags.py", code).width() == (16, 16, None)
    assert loader.warnings() == (
        "no command line arguments are given: flags of absl have their defaults, None without one",
    )  # fmt: skip


def test_a_file_without_flags_is_told_of_none(loader: Loader, tmp_path: Path) -> None:
    flags = pytest.importorskip("absl.flags")
    assert not flags.FLAGS.is_parsed()
    load(loader, tmp_path / "without_flags.py", "import torch\nx = torch.ones(1)\n")
    assert loader.warnings() == ()
    assert not flags.FLAGS.is_parsed()


def test_flags_of_a_file_that_is_imported_have_their_defaults(loader: Loader, tmp_path: Path) -> None:
    flags = pytest.importorskip("absl.flags")
    code = "from absl import flags\nflags.DEFINE_integer('beside', 8, '')\ndef width(): return flags.FLAGS.beside\n"
    (tmp_path / "flags_beside.py").write_text(code)
    assert load(loader, tmp_path / "uses.py", "from flags_beside import width\n").width() == 8
    loader.__exit__(None, None, None)
    assert not flags.FLAGS.is_parsed()


def test_a_file_imports_from_its_package_its_folder_and_the_working_folder(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "work_parts.py").write_text("here = 1\n")
    write(tmp_path / "a", pkg_a____init__="", pkg_a__parts="x = 4\n", beside_a="y = 5\n")
    (tmp_path / "a/pkg_a/__init__.py").write_text("")
    code = "from .parts import x\nfrom pkg_a.parts import x as again\nimport beside_a, work_parts\n"
    module = load(loader, tmp_path / "a/pkg_a/net.py", code)
    assert (module.__name__, module.x, module.again) == ("pkg_a.net", 4, 4)
    write(tmp_path / "b", sub_b__parts="x = 6\n")  # a package without __init__.py
    assert load(loader, tmp_path / "b/sub_b/net.py", "from .parts import x\n").x == 6


def test_a_package_that_imports_the_file_itself_does_not_load_it_twice(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, pkg_c__parts="x = 4\n")
    (tmp_path / "pkg_c/__init__.py").write_text("from .net import Net\n")
    module = load(loader, tmp_path / "pkg_c/net.py", "from .parts import x\nclass Net: pass\n")
    assert module is sys.modules["pkg_c.net"]
    assert sys.modules["pkg_c"].Net is module.Net


def test_a_package_that_fails_by_itself_is_left_out(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, pkg_d__parts="x = 4\n")
    (tmp_path / "pkg_d/__init__.py").write_text("from sys import absent\n")
    assert load(loader, tmp_path / "pkg_d/net.py", "from .parts import x\n").x == 4
    said = (
        "the package pkg_d: left out, because it failed: ImportError: cannot import name 'absent' from 'sys' (unknown"
    )
    assert [warning.partition(" location")[0] for warning in loader.warnings()] == [said]


def test_a_statement_of_a_package_that_fails_is_left_out(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, pkg_ff__parts="x = 4\n")
    (tmp_path / "pkg_ff/__init__.py").write_text("1 / 0\nfrom .parts import x\n")
    assert load(loader, tmp_path / "pkg_ff/net.py", "from . import x\n").x == 4
    said = f"{tmp_path / 'pkg_ff/__init__.py'}:1: left out, because it failed: ZeroDivisionError: division by zero"
    assert loader.warnings() == (said,)


def test_a_module_of_the_project_is_found_above_the_file(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path / "repo", helpers_e__parts="x = 7\n")
    (tmp_path / "repo/pyproject.toml").write_text("")
    assert load(loader, tmp_path / "repo/src/models/net.py", "from helpers_e.parts import x\n").x == 7
    assert loader.remedies.absent.packages == {}


def test_a_package_that_is_not_installed_is_stood_in_for(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, lacking_f="import no_such_plots\nx = 3\n")
    code = "import no_such_summary as s\nfrom lacking_f import x\ns.summary(x)\n"
    assert load(loader, tmp_path / "net_f.py", code).x == 3
    assert [w.split(" ")[0] for w in loader.warnings()] == ["no_such_summary", "no_such_plots"]


def test_a_part_of_a_package_that_distributions_share_is_stood_in_for(
    loader: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of ``google.colab``, where another distribution has filled ``google``."""
    site = tmp_path / "site-packages"
    write(site, shared_s__other="")
    write(site, whole_s____init__="")
    monkeypatch.syspath_prepend(str(site))
    module = load(loader, tmp_path / "colab_net.py", "from shared_s.colab import drive\ndrive.mount('/x')\n")
    assert module.drive is not None
    (warning,) = loader.warnings()
    assert warning.startswith("shared_s.colab is not installed: it was replaced by a stand-in")
    with pytest.raises(ModuleNotFoundError, match=r"whole_s\.colab"):
        load(loader, tmp_path / "whole_net.py", "import whole_s.colab\n")


def test_files_that_cells_write_are_imported(loader: Loader, tmp_path: Path) -> None:
    book = tmp_path / "writing.ipynb"
    cells = ["%%writefile written_w.py\nx = 3", "%%writefile -a ./written_w.py\ny = x"]
    cells += [
        "%%file pkg_w/inner.py\nz = 5\n",
        "import written_w\nfrom pkg_w.inner import z\nfrom written_w import y\n",
    ]
    book.write_text(notebook(*cells))
    module = load(loader, book)
    assert (module.y, module.z) == (3, 5)
    assert loader.warnings()[0].endswith("imported from the cells that write them: written_w.py, pkg_w/inner.py")
    assert not (tmp_path / "written_w.py").exists()


def test_a_guarded_import_goes_its_own_way(loader: Loader, tmp_path: Path) -> None:
    code = "try:\n    import no_such_speed as fast\nexcept ImportError:\n    fast = None\n"
    assert load(loader, tmp_path / "net_g.py", code).fast is None
    assert loader.warnings() == ()


def test_an_import_that_fails_otherwise_is_an_error(loader: Loader, tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="cannot import name 'no_such_name'"):
        load(loader, tmp_path / "net_h.py", "from json import no_such_name\n")
    with pytest.raises(ModuleNotFoundError, match=r"json\.no_such_part"):
        load(loader, tmp_path / "net_i.py", "import json.no_such_part\n")


def test_a_statement_that_fails_or_lasts_is_left_out(loader: Loader, tmp_path: Path) -> None:
    loader.seconds = 3.0  # and 0.3 for each statement after the loop, which a busy machine may take for one
    code = "data = open('/no/such/file')\nwhile True: import time; time.sleep(0.01)\nn = len(data)\nx = 3\n"
    file = tmp_path / "net_j.py"
    assert load(loader, file, code).x == 3
    assert [w.partition(": left out")[0] for w in loader.warnings()] == [f"{file}:{line}" for line in (1, 2, 3)]
    assert [type(e).__name__ for e in loader.left_out] == ["FileNotFoundError", "TooLongError", "NameError"]


def test_why_a_name_is_not_there(loader: Loader, tmp_path: Path) -> None:
    code = "first = 1 / 0\nwith open('/none') as file:\n    net, more = file\n@nothing\ndef make(): inner = 1\n"
    load(loader, tmp_path / "unbound_net.py", code)
    kinds = {name: type(error) for name, error in loader.unbound.items()}
    of_file = dict.fromkeys(("file", "net", "more"), FileNotFoundError)
    assert kinds == {"first": ZeroDivisionError, **of_file, "make": NameError}


def test_want_of_memory_is_no_reason_to_go_on(loader: Loader, tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        load(loader, tmp_path / "net_k.py", "raise MemoryError\n")


def test_only_what_the_model_needs_of_a_notebook_runs(loader: Loader, tmp_path: Path) -> None:
    cells = ("!pip install x", "import torch\nWIDTH = 3\nopen('ran', 'w')", "class Net:\n    width = WIDTH\n", "1 / 0")
    (tmp_path / "book.ipynb").write_text(notebook(*cells))
    module = load(loader, tmp_path / "book.ipynb", name="Net")
    assert module.Net.width == 3
    assert not Path("ran").exists()
    assert loader.warnings() == (
        f"{tmp_path}/book.ipynb: 1 line of shell or magic left out",
        f"{tmp_path}/book.ipynb: statements not run, since the model needs none (training, data, plots): 2",
    )


def test_an_error_in_a_cell_names_the_cell(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "book.ipynb").write_text(notebook("x = 1", "class Net:\n    1 / 0\n"))
    load(loader, tmp_path / "book.ipynb", name="Net")
    assert f"{tmp_path}/book.ipynb, cell 2:1: left out" in loader.warnings()[0]


def test_everything_is_undone(tmp_path: Path) -> None:
    before = sys.argv, sys.path[:], sys.meta_path[:]
    with Loader() as loader:
        load(loader, tmp_path / "net_l.py", "import no_such_plots_l\n")
    assert (sys.argv, sys.path, sys.meta_path) == before
    assert "no_such_plots_l" not in sys.modules
    del sys.modules["net_l"]


def test_a_missing_module_of_its_own_package_is_stood_in_for_and_named_with_its_folder(
    loader: Loader, tmp_path: Path
) -> None:
    code = """
    from .helpers import train
    from ..data.loaders import cifar
    def use():
        return train + 1
    """
    module = load(loader, tmp_path / "proj" / "models" / "net.py", code)
    replaced = "it was replaced by a stand-in, since the forward pass does not use it"
    assert loader.warnings() == (
        f"helpers is not in {tmp_path}/proj/models: {replaced}",
        f"data is not in {tmp_path}/proj: {replaced}",
    )
    with pytest.raises(NotInstalledError, match=r"a module that is not there: .*: put helpers\.py into .*proj/models$"):
        module.use()


def test_a_missing_module_that_a_package_should_contain_is_stood_in_for(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, pkg_m____init__="", pkg_m__layers="")
    code = """
    from . import tools, layers
    from .tools.misc import seed
    def use():
        return tools.width + 1
    """
    module = load(loader, tmp_path / "pkg_m/net.py", code)
    assert [w.partition(": ")[0] for w in loader.warnings()] == [f"tools is not in {tmp_path}/pkg_m"]
    with pytest.raises(NotInstalledError, match=r"'pkg_m\.tools\.width': put tools\.py into .*/pkg_m$"):
        module.use()
    with pytest.raises(ImportError, match="cannot import name 'Missing' from 'pkg_m'"):
        load(loader, tmp_path / "pkg_m/other.py", "from . import Missing\n")
    with pytest.raises(ImportError, match=r"cannot import name 'missing' from 'pkg_m\.layers'"):
        load(loader, tmp_path / "pkg_m/third.py", "from .layers import missing\n")


def test_a_module_of_a_projects_own_kind_is_named_with_the_files_folder(loader: Loader, tmp_path: Path) -> None:
    module = load(loader, tmp_path / "net_n.py", "from my_utils.blocks import Block\ndef use(): return Block + 1\n")
    assert loader.warnings()[0].startswith(f"my_utils is not in {tmp_path}: it was replaced by a stand-in")
    with pytest.raises(NotInstalledError, match=r"put my_utils/blocks\.py into .*"):
        module.use()


def test_an_error_in_a_file_that_a_cell_writes_names_that_file(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "wrong.ipynb").write_text(notebook("%%writefile wrong_w.py\nx = 3\ny = (\n", "import wrong_w\n"))
    with pytest.raises(SyntaxError, match=r"never closed \(wrong_w\.py, line 2\)"):
        load(loader, tmp_path / "wrong.ipynb")


def test_a_missing_module_of_another_package_of_the_users_is_stood_in_for(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, nets_q____init__="from .small import WIDTH\nfrom .large import Net\n", nets_q__small="WIDTH = 8")
    module = load(loader, tmp_path / "train_q.py", "from nets_q import WIDTH, Net\ndef use(): return Net + 1\n")
    assert module.WIDTH == 8
    assert [w.partition(": ")[0] for w in loader.warnings()] == [f"large is not in {tmp_path}/nets_q"]
    with pytest.raises(NotInstalledError, match=r"'nets_q\.large\.Net': put large\.py into .*/nets_q$"):
        module.use()


def test_a_cell_may_await(loader: Loader, tmp_path: Path) -> None:
    cells = (
        "import asyncio\nawait asyncio.sleep(0)\nWIDTH = await asyncio.sleep(0, 3)",
        "class Net:\n    width = WIDTH\n",
    )
    (tmp_path / "awaiting.ipynb").write_text(notebook(*cells))
    assert load(loader, tmp_path / "awaiting.ipynb", name="Net").Net.width == 3


def test_a_relative_path_is_that_of_the_files_own_folder_or_of_one_above_it(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "project" / "data").mkdir(parents=True)
    (tmp_path / "project" / "data" / "classes.txt").write_text("a b c")
    (tmp_path / "project" / "pyproject.toml").write_text("")
    (tmp_path / "above.txt").write_text("beyond the project")
    code = "names = open('data/classes.txt').read().split()\nother = open('above.txt').read()\n"
    module = load(loader, tmp_path / "project" / "src" / "relative_net.py", code)
    assert module.names == ["a", "b", "c"]
    assert not hasattr(module, "other")
    elsewhere = tmp_path / "elsewhere"
    read, left_out = loader.warnings()
    assert read == f"data/classes.txt is read from {tmp_path / 'project'}, since it is not in {elsewhere}"
    assert left_out.endswith(f"No such file or directory: 'above.txt': put it into {elsewhere}")
    assert Path.cwd() == elsewhere


def test_a_star_of_a_missing_package_gives_the_names_that_are_bound_nowhere(loader: Loader, tmp_path: Path) -> None:
    code = """
    from torch.nn import *
    from fastai_x.all import *
    own = 3
    layer = Linear(own, 4)
    path = untar_data(URLS.CIFAR)
    class Sep(Module):
        pass
    """
    module = load(loader, tmp_path / "starred_net.py", code)
    assert isinstance(module.layer, sys.modules["torch"].nn.Linear)
    assert issubclass(module.Sep, sys.modules["torch"].nn.Module)
    assert repr(module.path) == "<fastai_x.all.untar_data(), which is not installed>"


def test_what_is_imported_from_a_folder_without_it_can_be_called(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "data_x").mkdir()
    module = load(loader, tmp_path / "calls_net.py", "from data_x import get_loaders\ntrain = get_loaders(3)\n")
    assert repr(module.train) == "<data_x.get_loaders(), which is not installed>"
    assert len(loader.warnings()) == 1


def test_what_a_cell_runs_is_run(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "common.ipynb").write_text(notebook("import math\nDROP = 0.5", "%run parts\nprint('no')"))
    (tmp_path / "parts.py").write_text("def block(width):\n    return math.sqrt(width) * DROP\n")
    file = tmp_path / "runs.ipynb"
    file.write_text(notebook("%run -i './common.ipynb'\n%run gone.py", "class Net:\n    out = block(16)\n"))
    assert load(loader, file).Net.out == 4 * 0.5
    assert loader.warnings() == (
        f"{file}, cell 1: run here, as %run asks: {tmp_path / 'common.ipynb'}",
        f"{tmp_path / 'common.ipynb'}, cell 2: run here, as %run asks: {tmp_path / 'parts.py'}",
        f"{file}, cell 1: %run gone.py left out: there is no such file: put it beside the notebook",
        f"{file}: statements not run, since the model needs none (training, data, plots): 1",
    )


def test_a_notebook_that_runs_itself_ends(loader: Loader, tmp_path: Path) -> None:
    file = tmp_path / "circle.ipynb"
    file.write_text(notebook("%run circle.ipynb", "class Net:\n    out = 3\n"))
    assert load(loader, file).Net.out == 3
    what = "that notebook is running already, so it would never end: take that line out"
    assert loader.warnings() == (f"{file}, cell 1: %run circle.ipynb left out: {what}",)


@pytest.mark.parametrize(
    ("cell", "width"),
    [
        ("width = 8\n%run -i cfg.py", 16),
        ("%run -i cfg.py\nwidth = 8", 8),
        ("width = 8\n%run cfg.py\nwidth = width + 1\n%run cfg\nwidth = 2 * width", 2 * 16),
    ],
)
def test_a_file_is_run_at_its_line_of_the_cell(loader: Loader, tmp_path: Path, cell: str, width: int) -> None:
    (tmp_path / "cfg.py").write_text("width = 16\n")
    file = tmp_path / "order.ipynb"
    file.write_text(notebook(cell, "class Net:\n    out = width\n"))
    assert load(loader, file).Net.out == width


def test_what_a_cell_writes_is_run_as_its_file_would_be(loader: Loader, tmp_path: Path) -> None:
    file = tmp_path / "writes.ipynb"
    file.write_text(notebook("%%writefile part.py\nwidth = 3\n", "%run part\n", "class Net:\n    out = 2 * width\n"))
    assert load(loader, file).Net.out == 2 * 3
    assert loader.warnings() == (f"{file}: imported from the cells that write them: part.py",)


def test_what_the_code_itself_does_without_is_noted(loader: Loader, tmp_path: Path) -> None:
    code = """
    import json
    try:
        import gone_x
    except ImportError:
        gone_x = None
    try:
        from scipy.gone_y import thing
    except ImportError:
        pass
    """
    load(loader, tmp_path / "without_net.py", code)
    said = loader.remedies.absent.unfound_remedies()
    assert said.startswith(f"gone_x is neither in {tmp_path} nor installed: put gone_x.py into {tmp_path} or, if it")
    assert "json" not in said
    assert loader.warnings() == ()


def test_a_file_that_is_imported_runs_by_statements_once_one_has_failed(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, bars_aa="_, width = ''.split()\nWIDTHS = [8]\nfrom sizes_aa import SIZE\ndef bar(): ...\n")
    write(tmp_path, sizes_aa="SIZE = 3\nDATA = open('/absent/file').read()\nLAST = len(DATA)\n")
    module = load(loader, tmp_path / "main_aa.py", "from bars_aa import WIDTHS, SIZE, bar\nwidths = [*WIDTHS, SIZE]\n")
    assert module.widths == [8, 3]
    files = [str(tmp_path / name) for name in ("bars_aa.py:1", "sizes_aa.py:2", "sizes_aa.py:3")]
    assert [w.partition(": left out")[0] for w in loader.warnings()] == files


def test_a_package_is_imported_by_statements_too(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, nets_bb____init__="from .core import *\n", nets_bb__core="import sys\nsys.exit(3)\nNAME = 'x'\n")
    module = load(loader, tmp_path / "main_bb.py", "from nets_bb import NAME\n")
    assert module.NAME == "x"
    assert len(loader.warnings()) == 1


def test_a_name_that_failed_in_an_imported_file_is_named(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, made_cc="NET = int('x')\n")
    with pytest.raises(ImportError, match="cannot import name 'NET'"):
        load(loader, tmp_path / "main_cc.py", "from made_cc import NET\n")
    assert "ValueError: invalid literal for int()" in loader.warnings()[0]


def test_an_error_within_an_imported_files_import_stays(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path, bad_dd="import worse_dd\n", worse_dd="import sys\nfrom sys import no_such_name\n")
    with pytest.raises(ImportError, match="no_such_name"):
        load(loader, tmp_path / "main_dd.py", "import bad_dd\n")


def test_a_folder_of_sys_path_is_meant_from_the_files_own(loader: Loader, tmp_path: Path) -> None:
    write(tmp_path / "all" / "other", widths_ee="FIRST = 24\n")
    code = "import sys\nsys.path.append('../other')\nfrom widths_ee import FIRST\n"
    assert load(loader, tmp_path / "all" / "here" / "main_ee.py", code).FIRST == 24
    said = f"widths_ee is imported from {tmp_path / 'all' / 'other'}, which sys.path names from the file's folder"
    assert loader.warnings() == (said,)
