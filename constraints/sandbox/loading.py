"""Import a user's file or module, tolerating errors in statements that its model does not need.

A file runs statement by statement, as Python would run it. A statement that fails and is not an import is left out
with a warning: a data set that cannot be downloaded, missing command line arguments, a training that takes too long.
A file of the user's that it imports runs in the same way once a statement of it has failed. What depends on what was
left out then fails where it is needed, and the first failure is the reason that is reported.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import copy
import importlib
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeVar

from constraints.errors import UnusableInputError, shortened
from constraints.faults import any_hint, calls_user_code, is_out_of_memory
from constraints.sandbox.by_statement import ByStatement
from constraints.sandbox.loops import NAME as LOOPS
from constraints.sandbox.loops import Loops
from constraints.sandbox.no_arguments import nothing_required, with_defaults_of_absl
from constraints.sandbox.no_compile import uncompiled
from constraints.sandbox.no_debugger import undebugged
from constraints.sandbox.notebooks import starts
from constraints.sandbox.packages import package_of
from constraints.sandbox.remedies import Remedies
from constraints.sandbox.request import Target
from constraints.sandbox.slicing import free_names, needed
from constraints.sandbox.source import AWAITING, Source, SourcePart, read
from constraints.sandbox.time_limit import TooLongError, at_most
from constraints.sandbox.written_files import WrittenFiles

T = TypeVar("T")
_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_STATEMENT_SECONDS = 20.0
_LEAST_SHARE = 0.1
"""Part of a file's time that a statement has even if those before it took all of that."""
_LONGEST = 200


class Loader:
    """Everything that one check imports of the user's code; undone at the end."""

    def __init__(
        self, seconds: float = _STATEMENT_SECONDS, source: str | None = None, loops: Loops | None = None
    ) -> None:
        """``seconds`` limits the total time of a file's statements that are neither imports nor definitions.

        Once it is used up, each further statement has a tenth of it: one that hangs does not cost those after it.
        ``source`` is text that is run in place of the file's; ``loops`` count the iterations of the file's loops.
        """
        self.loops = loops
        self.seconds, self.source = seconds, source
        self.remedies = Remedies(self._tell)
        self.found: list[str] = []
        """Warnings so far."""
        self.left_out: list[BaseException] = []
        """Why statements were left out."""
        self.unread: tuple[str, ...] = ()
        """The warnings about cells that are not Python."""
        self.written: dict[str, str] = {}
        """Path -> text of the Python files that a notebook's cells write."""
        self.unbound: dict[str, BaseException] = {}
        """Name -> why the statement that binds it was left out."""
        self.classes: list[str] = []
        """Those of them that name classes."""
        self.cells: dict[str, tuple[str, int]] = {}
        """Name of a notebook's cell -> the notebook, and how many lines of the joined text precede the cell."""
        self._by_statement = ByStatement(lambda module, source: self._run(module, source, ""))
        self._undo = ExitStack()

    def __enter__(self) -> Loader:
        arguments, path = sys.argv, sys.path[:]
        self._undo.callback(setattr, sys, "argv", arguments)
        self._undo.callback(sys.path.__setitem__, slice(None), path)
        self._undo.enter_context(nothing_required(self._tell))
        self._undo.enter_context(uncompiled())
        self._undo.enter_context(undebugged(self._tell))
        self._undo.enter_context(self.remedies)
        self._find_first(self._by_statement)
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def warnings(self) -> tuple[str, ...]:
        """What was left out, replaced by a stand-in, or run on another device than the code says."""
        return (*self.found, *self.remedies.warnings())

    def _tell(self, warning: str) -> None:
        if warning not in self.found:
            self.found.append(warning)

    def load(self, target: Target) -> ModuleType:
        """Import the file or module of a target."""
        sys.argv = [target.place]
        if target.file:
            return self._file(target.file, target.name)
        sys.path.insert(0, str(Path.cwd()))
        return self._imported(lambda: _from_module(target.module), Path.cwd() / "x")

    def _file(self, file: Path, name: str) -> ModuleType:
        source = read(file, self.source)
        self.remedies.file = file.resolve()
        self.found += source.warnings
        self.unread = source.unread
        self.written = dict(source.written)
        if source.written:
            self._find_first(WrittenFiles(source.written))
        package = package_of(file.resolve(), source.tree)
        home = file.resolve().parents[package.count(".")]
        if self.remedies.home is None:
            self.remedies.home, self.remedies.package = home, package.partition(".")[0]
        sys.path[:0] = list(dict.fromkeys([str(home), str(Path.cwd())]))
        sys.path.append(str(file.resolve().parent))  # last, since modules in a package may have names of Python's own
        if package:
            self._parents(package.rpartition(".")[0], file)
        is_read = self.source is None and package in sys.modules
        if is_read and Path(getattr(sys.modules[package], "__file__", "") or "") == file.resolve():
            return sys.modules[package]  # its package has imported it
        module = _new_module(package or file.stem, file)
        if self.loops:
            vars(module)[LOOPS] = self.loops.counted
            for path, of in source.files(file):
                self.cells |= {name: (str(path), start) for name, start in starts(of).items()}
        self._run(module, source, name)
        return module

    def _find_first(self, finder: MetaPathFinder) -> None:
        sys.meta_path.insert(0, finder)
        self._undo.callback(sys.meta_path.remove, finder)

    def _imported(self, call: Callable[[], T], file: Path) -> T:
        """What ``call`` returns; a file that it imports and that fails runs by its statements, as ``file`` does."""
        while True:
            try:
                return self.remedies.applied(call, file)
            except (Exception, SystemExit) as error:
                if is_out_of_memory(error) or not self._by_statement.takes(error):
                    raise

    def _parents(self, package: str, file: Path) -> None:
        """Import the packages around a file; one that fails is left out."""
        try:
            self._imported(lambda: _import(package), file)
        except (Exception, SystemExit) as error:
            self._leave_out(f"the package {package}", error)
            bare = ModuleType(package)
            bare.__path__ = [str(file.resolve().parent)]
            sys.modules[package] = bare

    def _run(self, module: ModuleType, source: Source, name: str) -> None:
        """Run the statements of a file; in a notebook, only those that the model needs."""
        chosen = iter(needed(source.tree.body, name)) if source.is_notebook else None
        flags, idle, left = AWAITING * source.is_notebook, 0, self.seconds
        free = free_names(source.tree)
        for part in source.parts:
            if text := part.text or self.source:
                linecache.cache[part.name] = (len(text), None, text.splitlines(keepends=True), part.name)
            for statement in part.statements:
                flags |= _future(statement)
                if chosen is not None and not next(chosen):
                    idle += not isinstance(statement, ast.Pass)  # a line of shell was replaced by it
                    continue
                is_star = isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"
                self.remedies.absent.starred = free - vars(module).keys() if is_star else frozenset()
                allowed = max(left, _LEAST_SHARE * self.seconds)
                left -= self._statement(module, part, statement, flags, allowed)
                if undo := with_defaults_of_absl(vars(module), self._tell):  # which the next statement may read
                    self._undo.callback(undo)
        if idle:
            what = "training, data, plots"
            self.found.append(f"{module.__file__}: statements not run, since the model needs none ({what}): {idle}")

    def _statement(
        self, module: ModuleType, part: SourcePart, statement: ast.stmt, flags: int, seconds: float
    ) -> float:
        """Run one statement, or leave it out; returns the seconds that count towards the limit."""
        tree = ast.Module(body=[statement], type_ignores=[])
        if self.loops and LOOPS in vars(module):
            _, self.loops.start = self.cells.get(part.name, ("", 0))
            tree = self.loops.visit(copy.deepcopy(tree))
        code: CodeType = compile(tree, part.name, "exec", flags=flags, dont_inherit=True)
        counts = not isinstance(statement, (*_IMPORTS, *_DEFINITIONS))
        with at_most(seconds if counts else None) as watch:
            try:
                file = Path(part.name.partition(", cell ")[0]).resolve()
                self.remedies.in_its_folder(lambda: self._imported(lambda: _run(code, module), file), file)
            except (Exception, SystemExit, TooLongError) as error:
                if isinstance(statement, _IMPORTS) or is_out_of_memory(error):
                    raise
                self._leave_out(f"{part.name}:{statement.lineno}", error)
                self.unbound |= dict.fromkeys(_bound(statement), error)
                self.classes += [statement.name] if isinstance(statement, ast.ClassDef) else []
        return watch() if counts else 0.0

    def _leave_out(self, place: str, error: BaseException) -> None:
        reason = shortened(f"{type(error).__name__}: {error}", _LONGEST)
        self.left_out.append(error)
        hint = any_hint(error)
        self.found.append(f"{place}: left out, because it failed: {reason}" + (f": {hint}" if hint else ""))


@calls_user_code
def _run(code: CodeType, module: ModuleType) -> None:
    result = eval(code, vars(module))
    if inspect.iscoroutine(result):  # of a notebook's cell that awaits something
        asyncio.run(result)


@calls_user_code
def _import(name: str) -> ModuleType:
    return importlib.import_module(name)


@calls_user_code
def _from_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise UnusableInputError(
                f"no such module: {error.name!r}: give file.py:NAME or correct the name"
            ) from error
        raise
    except SyntaxError as error:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin != error.filename:
            raise
        raise UnusableInputError(
            f"syntax error: {error.filename}:{error.lineno}: {error.msg}: fix that line"
        ) from error


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, except in nested scopes."""
    if isinstance(statement, _DEFINITIONS):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _future(statement: ast.stmt) -> int:
    """The compiler flags of a ``from __future__ import``, which hold for the statements after it."""
    if not isinstance(statement, ast.ImportFrom) or statement.module != "__future__":
        return 0
    features = [getattr(__future__, alias.name, None) for alias in statement.names]
    return sum(f.compiler_flag for f in features if f is not None)


def _new_module(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file) or importlib.util.spec_from_loader(name, None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec) if spec.loader else ModuleType(name)
    module.__file__ = str(file)
    sys.modules.setdefault(name, module)  # dataclasses and pickling in the file look it up there
    return module
