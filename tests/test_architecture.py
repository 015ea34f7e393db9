"""Imports go only along the arrows of docs/architecture.md."""

import ast
import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("constraints", "nas", "search")
FILES = [*ROOT.glob("constraints/**/*.py"), *ROOT.glob("nas/**/*.py"), ROOT / "search.py"]


def arrows() -> dict[str, list[str]]:
    """Part -> what it may import, from the table."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.split("## Which part may import which\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("|")]
    return {
        part.strip().strip("`"): [name.strip().strip("`") for name in allowed.split(",") if "`" in name]
        for part, _, allowed in rows
        if part.strip().startswith("`")
    }


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import in a file, anywhere in the file."""
    return _named(ast.walk(ast.parse(file.read_text())), file)


def imports_at_load(file: Path) -> Iterator[tuple[int, str]]:
    """Line and module of the imports that run when a file loads: those outside functions and ``TYPE_CHECKING``."""
    return _named(_at_load(ast.parse(file.read_text()).body), file)


def _at_load(statements: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    for node in statements:
        is_for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_for_types:
            yield node
            yield from _at_load(part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt))


def _named(nodes: Iterable[ast.AST], file: Path) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write imports in full"
            # ``from nas.space import space`` imports a module of the package, ``from nas.config import X`` a name.
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (ROOT / Path(*full.split("."))).with_suffix(".py").exists()
                yield node.lineno, full if is_module else str(node.module)


def within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_of(name: str, table: dict[str, list[str]]) -> str | None:
    return max((part for part in table if within(name, part)), key=len, default=None)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_every_import_is_an_arrow_of_the_table(file: Path) -> None:
    table = arrows()
    module = module_of(file)
    if module == "nas":  # its names load on first use: tests/nas/test_exports.py
        return
    part = part_of(module, table)
    assert part is not None, f"{module} has no row in docs/architecture.md"
    for line, name in imports(file):
        if name.split(".")[0] in OURS and not within(name, part):
            assert any(within(name, allowed) for allowed in table[part]), (
                f"{file}:{line}: {part} must not import {name}"
            )


def test_the_map_of_files_names_each_file_that_exists_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    tables = re.findall(r"### Files of `(.+?)/`\n(.+?)(?=\n##)", page, flags=re.DOTALL)
    assert {folder for folder, _ in tables} >= {"constraints", "constraints/tracing", "constraints/sandbox"}
    for folder, table in tables:
        files = {file.stem for file in (ROOT / folder).glob("*.py")} - {"__init__"}
        assert set(re.findall(r"`(\w+)`", table)) == files, f"other files than {folder} has"


def test_every_folder_is_in_the_map() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.split("## Folders\n")[1].split("\n#")[0]
    for file in FILES:
        folder = file.relative_to(ROOT).parent
        assert folder == Path() or f"`{folder}/`" in table or f"`{folder.name}/`: " in table, folder


def test_a_class_has_its_name_alone() -> None:
    """A word is one class: ``Call`` is the tracer's, ``UserCall`` the sandbox's."""
    classes: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes.setdefault(node.name, []).append(module_of(file))
    assert {name: homes for name, homes in classes.items() if len(homes) > 1} == {}


def test_no_imports_go_round_in_a_circle_when_modules_load() -> None:
    graph = {module_of(file): {name for _, name in imports_at_load(file)} for file in FILES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert order.index("nas.training.recipes") < order.index("nas.training.optimisers") < order.index("search")


def test_the_table_is_read() -> None:
    table = arrows()
    assert table["constraints"] == []
    assert "nas.architecture" in table["nas.space"]


@pytest.mark.parametrize("package", ["nas/space", "nas/results", "nas/cli", "nas/config.py", "nas/toml.py"])
def test_what_must_start_fast_never_imports_torch(package: str) -> None:
    place = ROOT / package
    for file in place.glob("**/*.py") if place.is_dir() else [place]:
        assert not any(within(name, "torch") for _, name in imports(file)), file
