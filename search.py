#!/usr/bin/env python3
"""The command line: parse flags, call, exit code; nothing else."""

from __future__ import annotations

import gc
import signal
import sys

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until main: Ctrl-C while modules load would print a traceback

import errno
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn

if __name__ == "__main__":
    from constraints.output.pipe import open_closed
    from constraints.sandbox.early import begin

    open_closed()
    begin(sys.argv[1:])

import typer

from constraints.errors import ConstraintError, ExitCode
from constraints.output.pipe import discard, let_go
from constraints.output.plain import fall_back, say, sentence
from nas.cli import completion, flags
from nas.cli.flags import (
    BUDGET,
    DATA,
    FIXES,
    MODEL,
    OUTPUT,
    PLACE,
    ROWS,
    RULES,
    WHAT,
    WHICH,
    Arguments,
    AugmentationOptions,
    BoardFormat,
    Constraints,
    Data,
    DataNow,
    Device,
    Engine,
    Memory,
    Require,
    Storage,
    Study,
    TableOrJson,
    Teachers,
    Trackers,
    duration,
    file,
    flag,
    formats,
    formats_of,
    least,
)
from nas.cli.listed_names import listed
from nas.cli.program import (
    CHECK,
    DEBUG,
    MACHINE,
    QUIET,
    SEARCH,
    STUDIES,
    TAKE,
    VERBOSE,
    command,
    general,
    program,
)
from nas.cli.verbosity import verbosity
from nas.command_line import running
from nas.defaults import STORAGE

_OF_THE_MACHINE = {
    errno.EACCES, errno.EDQUOT, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS,
}  # fmt: skip
"""Errors of the operating system about a path or a disk, which the user can correct."""

app = program(
    help="Check any PyTorch network against hard rules, and search for small networks that keep them.",
    epilog="search.py COMMAND --help lists every option of a command; docs/which-command.md says which one you need.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from nas.version import version

        print(version())
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """Read the flags that belong to no command."""


@command(app, CHECK, 'validate model.py:Net --require "params < 150k" --verify')
def validate(  # noqa: PLR0917 (one parameter for each flag)
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET", help="file.py:NAME, book.ipynb:NAME, package.module:NAME, a folder, a network"
        ),
    ],
    input_: Annotated[
        list[str] | None,
        flag(
            "--input",
            help="shape without batch, or name=int64:16; repeat it for each input",
            value="SHAPE",
            default="3,32,32",
            group=MODEL,
        ),
    ] = None,
    arg: Arguments = None,
    classes: Annotated[
        int | None, flag(help="expected number of outputs", value="N", check=least(1), group=MODEL)
    ] = None,
    require: Require = None,
    constraints: Constraints = None,
    profile: Annotated[
        str | None,
        flag(
            help="a named profile of the --constraints file",
            value="NAME",
            group=RULES,
            complete=completion.profiles,
        ),
    ] = None,
    verify: Annotated[bool, flag("--verify", help="confirm the receptive field by gradients", group=RULES)] = False,
    augmentation: Annotated[
        str | None, flag(help="also check an albumentations pipeline", value="FILE.py:NAME", group=RULES)
    ] = None,
    augmentation_arg: Annotated[
        list[str] | None,
        flag(help="an argument of the function that makes the pipeline; repeatable", value="KEY=VALUE", group=RULES),
    ] = None,
    mean: Annotated[
        str, flag(help="mean of the data, with which dropout should fill holes", value="R,G,B", group=RULES)
    ] = "0.4914,0.4822,0.4465",
    fix: Annotated[Path | None, file(help="write the fixed network", value="OUT.py", group=FIXES)] = None,
    patch: Annotated[Path | None, file(help="write the edited source lines", value="OUT.diff", group=FIXES)] = None,
    fixes_timeout: Annotated[
        str, duration("--fixes-timeout", help="limit of the search for fixes; 0 is none", group=FIXES, may_be_0=True)
    ] = "10s",
    timeout: Annotated[str, duration("--timeout", help="limit of the model's code: 60s, 5m")] = "60s",
    memory: Memory = "4GiB",
    format_: Annotated[str, formats_of("constraints.output.formats:NAMES")] = "table",
) -> int:
    """Check PyTorch models, each in a child process with limits."""
    from constraints.cli.validate import Options, validate_targets
    from nas.cli.common import check_augmentation
    from nas.cli.fixing import writers
    from nas.cli.targets import as_targets

    check_augmentation(augmentation, augmentation_arg)
    return validate_targets(
        Options(
            targets=as_targets(targets),
            inputs=input_ or [],
            arguments=arg or [],
            require=require or [],
            constraints=constraints,
            profile=profile,
            augmentation=augmentation,
            augmentation_arguments=augmentation_arg or [],
            mean=mean,
            classes=classes,
            verify=verify,
            fixes_timeout=fixes_timeout,
            timeout=timeout,
            memory=memory,
            format=format_,
            writers=writers(fix, patch),
        )
    )


@command(app, SEARCH, "launch --timeout 45m --target 0.85 --stop-at-target")
def launch(  # noqa: PLR0917 (one parameter for each flag)
    space: Annotated[
        str | None,
        flag(
            help="assignment, wide, long, small, tiny or FILE.toml",
            value="SPACE",
            default="assignment",
            group=WHAT,
            complete=completion.spaces,
        ),
    ] = None,
    constraints: Constraints = None,
    require: Require = None,
    metrics: Annotated[Path | None, file(help="your own metrics", value="FILE.py", group=RULES)] = None,
    objective: Annotated[
        str | None,
        flag(
            help="accuracy or balanced_accuracy; ,params or any other metric for a Pareto front",
            value="OBJECTIVE",
            default="accuracy",
            group=WHAT,
            complete=completion.objectives,
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        flag(
            help="a network to start from; repeatable",
            value="TARGET|ARCH|FILE.txt",
            group=WHAT,
            complete=completion.networks,
        ),
    ] = None,
    from_study: Annotated[
        str | None,
        flag(
            help="start from the results of this study; STORAGE#NAME for another storage",
            value="NAME",
            group=WHAT,
            complete=completion.studies,
        ),
    ] = None,
    guess: Annotated[
        bool | None,
        flag(
            "--guess/--no-guess", help="choose the first candidates by a zero-cost proxy", default="guess", group=WHAT
        ),
    ] = None,
    seed: Annotated[
        int | None, flag(help="seed of proposals, weights and augmentation", value="N", default="0", group=WHAT)
    ] = None,
    trials: Annotated[
        int | None,
        flag(
            help="total trials of the study",
            value="N",
            default="30, or fewer for small data",
            group=BUDGET,
        ),
    ] = None,
    timeout: Annotated[
        str | None, duration("--timeout", help="time limit of this launch: 90s, 45m, 8h", default="1h")
    ] = None,
    epochs: Annotated[
        int | None,
        flag(
            help="epochs of a candidate's full training",
            value="N",
            default="20, or more for small data",
            group=BUDGET,
        ),
    ] = None,
    target: Annotated[
        str | None, flag(help="validation accuracy to exceed, a share: 0.85", value="SHARE", group=BUDGET)
    ] = None,
    stop_at_target: Annotated[
        bool | None, flag("--stop-at-target", help="end when the best candidate is expected over it", group=BUDGET)
    ] = None,
    confirm: Annotated[
        int | None, flag(help="confirm the best K at the end", value="K", default="0", group=BUDGET)
    ] = None,
    data: Data = None,
    recipe: Annotated[str | None, flags.recipe()] = None,
    tune: Annotated[
        str | None,
        flag(
            help="recipe options that the search proposes too: lr,weight_decay",
            value="FIELD,...",
            group=DATA,
            complete=completion.tunable,
        ),
    ] = None,
    augmentation: Annotated[str | None, flags.augmentation()] = None,
    augmentation_arg: AugmentationOptions = None,
    teacher: Teachers = None,
    study: Annotated[str | None, flags.study("name of the study, resumed if it exists", "search")] = None,
    storage: Annotated[str | None, flags.storage(STORAGE)] = None,
    workers: Annotated[int | None, flags.workers()] = None,
    device: Device = None,
    engine: Engine = None,
    config: Annotated[Path | None, file(help="all of these in one file", value="FILE.toml", group=OUTPUT)] = None,
    write_config: Annotated[
        Path | None, file(help="write the configuration of this launch", value="FILE.toml", group=OUTPUT)
    ] = None,
    log: Trackers = None,
    format_: BoardFormat = "table",
) -> int:
    """Run or resume a search over the space, and print its leaderboard."""
    from nas.cli import search
    from nas.cli.common import expressions, with_options

    given = {
        "space": space, "data": data, "study": study, "storage": storage, "trials": trials, "timeout": timeout,
        "target": target, "stop_at_target": stop_at_target, "confirm": confirm, "epochs": epochs,
        "start": start, "from_study": from_study,
        "guess": guess, "constraints": expressions(require, constraints), "workers": workers, "device": device,
        "engine": engine, "objective": objective, "recipe": recipe, "tune": tune, "seed": seed, "log": log,
        "augmentation": with_options(augmentation, augmentation_arg), "teacher": teacher,
        "metrics": None if metrics is None else str(metrics),
    }  # fmt: skip
    return search.launch(config, given, write_config, format_)


@command(app, SEARCH, "train net.py:Net --data digits --study mine")
def train(  # noqa: PLR0917
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET|ARCH",
            help="file.py:NAME, book.ipynb:NAME, package.module:NAME, an architecture's text, or seed",
            autocompletion=completion.networks,
        ),
    ],
    arg: Arguments = None,
    constraints: Constraints = None,
    require: Require = None,
    metrics: Annotated[
        Path | None, file(help="your own metrics, those of the study", value="FILE.py", group=RULES)
    ] = None,
    seeds: Annotated[
        int, flag(help="number of trainings, one trial each", value="N", check=least(1), group=BUDGET)
    ] = 1,
    epochs: Annotated[
        int | None, flag(help="epochs of each training", value="N", default="the study's, or 20", group=BUDGET)
    ] = None,
    target_accuracy: Annotated[
        str | None, flag("--target", help="validation accuracy to exceed, a share: 0.85", value="SHARE", group=BUDGET)
    ] = None,
    timeout: Annotated[str, duration("--timeout", help="limit of one step of the model's code: 60s, 5m")] = "5m",
    memory: Memory = "4GiB",
    data: Data = None,
    recipe: Annotated[str | None, flags.recipe("the study's, or default; long from 30 epochs on")] = None,
    augmentation: Annotated[str | None, flags.augmentation("the study's, or assignment")] = None,
    augmentation_arg: AugmentationOptions = None,
    teacher: Teachers = None,
    study: Annotated[str | None, flags.study("name of the study, created if it does not exist", "search")] = None,
    storage: Annotated[str | None, flags.storage(STORAGE)] = None,
    workers: Annotated[int | None, flags.workers()] = None,
    device: Device = None,
    anew: Annotated[
        bool, flag("--anew", help="end unfinished trials of earlier versions of the files", group=PLACE)
    ] = False,
    log: Trackers = None,
    format_: TableOrJson = "table",
) -> int:
    """Train your own network in the same way as candidates, as a trial of a study."""
    from nas.cli import training
    from nas.cli.common import expressions, with_options

    given = {
        "epochs": epochs, "data": data, "study": study, "storage": storage, "target": target_accuracy,
        "constraints": expressions(require, constraints), "workers": workers, "device": device, "log": log,
        "metrics": None if metrics is None else str(metrics),
    }  # fmt: skip
    code = {
        "seeds": seeds, "timeout": timeout, "memory": memory, "anew": anew, "recipe": recipe,
        "augmentation": with_options(augmentation, augmentation_arg), "teacher": teacher,
    }  # fmt: skip
    return training.train(target, arg or [], given, code, format_)


@command(app, SEARCH, "enqueue BR/c16-c16-c32s2/c32-c32-c64s2/c64-c64-c64/fc")
def enqueue(
    architectures: Annotated[
        list[str],
        typer.Argument(
            metavar="ARCH",
            help="texts of architectures, or names such as seed",
            autocompletion=completion.architectures,
        ),
    ],
    study: Study = None,
    storage: Storage = STORAGE,
    format_: TableOrJson = "table",
) -> int:
    """Add candidates to a study, for the launch that is running or for the next one."""
    from nas.cli import queue

    return queue.enqueue(architectures, study, storage, format_)


@command(app, STUDIES, 'leaderboard --where "params < 100k" --pareto')
def leaderboard(  # noqa: PLR0917
    top: Annotated[int, flag(help="number of rows", value="N", check=least(1), group=ROWS)] = 20,
    sort: Annotated[
        str | None,
        flag(
            help="column to rank by",
            value="COLUMN",
            default="the accuracy that the study maximises",
            group=ROWS,
            complete=completion.sort_keys,
        ),
    ] = None,
    state: Annotated[
        str,
        flag(
            help="only trials in these states: complete,pruned,running,unfinished,failed",
            value="STATE,...",
            default="all",
            group=ROWS,
            complete=completion.states,
        ),
    ] = "",
    where: Annotated[
        list[str] | None,
        flag(
            help='only rows that satisfy this, such as "params < 100k"; repeatable',
            value="EXPR",
            group=ROWS,
            complete=completion.metrics,
        ),
    ] = None,
    pareto: Annotated[
        bool, flag("--pareto", help="only complete trials that no other one dominates", group=ROWS)
    ] = False,
    columns: Annotated[
        str | None,
        flag(
            help="only these columns: trial,val_accuracy,params,curve,...",
            value="NAME,...",
            default="all",
            group=ROWS,
            complete=completion.columns,
        ),
    ] = None,
    study: Study = None,
    storage: Storage = STORAGE,
    watch: Annotated[bool, flag("--watch", help="refresh it every two seconds", group=OUTPUT)] = False,
    format_: BoardFormat = "table",
) -> int:
    """Show the trials of a study, best first."""
    from nas.cli import views

    states = [s.strip() for s in state.split(",") if s.strip()]
    view = views.BoardView(top=top, sort=sort, states=states, where=where or (), pareto=pareto)
    return views.leaderboard(study, storage, format_, view, watch=watch, columns=columns)


@command(app, STUDIES, "show best")
def show(
    trial: Annotated[str, flags.trial()] = "best",
    study: Study = None,
    storage: Storage = STORAGE,
    watch: Annotated[bool, flag("--watch", help="follow a running trial until it has ended", group=OUTPUT)] = False,
    format_: TableOrJson = "table",
) -> int:
    """Show one trial in full: stages, layers, sizes, learning curve, constraints."""
    from nas.cli import views

    return views.show(trial, study, storage, format_, watch=watch)


@command(app, STUDIES, "compare best 3")
def compare(
    left: Annotated[str, flags.trial()],
    right: Annotated[str, flags.trial("another trial, named in the same way")],
    study: Study = None,
    storage: Storage = STORAGE,
    format_: TableOrJson = "table",
) -> int:
    """Show two networks side by side, trials or texts: metrics, stages, layers, learning curves."""
    from nas.cli import views

    return views.compare(left, right, study, storage, format_)


@command(app, STUDIES, "report --to report.html")
def report(
    to: Annotated[Path, file(help="file of the page", value="FILE.html", group=OUTPUT)] = Path("report.html"),
    study: Study = None,
    storage: Storage = STORAGE,
) -> int:
    """Write a study as one self-contained HTML page: leaderboard, charts, every trial's diagram."""
    from nas.cli import views

    return views.report(study, storage, to)


@command(app, SEARCH, "confirm best --seeds 3")
def confirm(  # noqa: PLR0917
    trial: Annotated[str | None, flags.trial(default="best")] = None,
    top: Annotated[int | None, flag(help="confirm the best N instead", value="N", check=least(1), group=WHICH)] = None,
    seeds: Annotated[int, flag(help="number of trainings of each", value="N", check=least(1), group=BUDGET)] = 1,
    epochs: Annotated[
        int | None,
        flag(help="epochs of each training", value="N", default="the search's budget", check=least(1), group=BUDGET),
    ] = None,
    data: DataNow = None,
    study: Study = None,
    storage: Storage = STORAGE,
    workers: Annotated[int | None, flags.workers()] = None,
    device: Device = None,
    engine: Engine = None,
    format_: TableOrJson = "table",
) -> int:
    """Retrain winners on the whole training set and open the test set once."""
    from nas.cli import search

    given = {"data": data, "workers": workers, "device": device, "engine": engine, "storage": storage}
    return search.confirm(trial, top, study, seeds=seeds, epochs=epochs, flags=given, output_format=format_)


@command(app, SEARCH, "recipes default --format toml > mine.toml")
def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE.toml", help="show this one with every option", autocompletion=completion.recipes
        ),
    ] = None,
    epochs: Annotated[int, flag(help="length of the training", value="N", check=least(1), group=BUDGET)] = 20,
    format_: Annotated[str, formats("table", "json", "toml")] = "table",
) -> int:
    """List the shipped recipes, or show one as a file to start from."""
    from nas.cli import recipes as recipes_

    return recipes_.recipes(name, epochs, format_)


@command(app, STUDIES, "champions")
def champions(format_: TableOrJson = "table") -> int:
    """List the networks that were found and confirmed; every command accepts their names."""
    from nas.cli import champions as champions_

    return champions_.list_champions(format_)


@command(app, STUDIES, "studies")
def studies(storage: Storage = STORAGE, format_: TableOrJson = "table") -> int:
    """List the studies of a storage."""
    from nas.cli import studies as studies_

    return studies_.studies(storage, format_)


@command(app, STUDIES, "delete search")
def delete(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="the name of the study", autocompletion=completion.studies)
    ],
    storage: Storage = STORAGE,
    yes: Annotated[bool, flag("--yes", help="do not ask")] = False,
    format_: TableOrJson = "table",
) -> int:
    """Delete a study with its files, after asking."""
    from nas.cli import studies

    return studies.delete(study, storage, format_, yes=yes)


@command(app, TAKE, "export best --to net.py")
def export(  # noqa: PLR0917
    trial: Annotated[str, flags.trial()],
    to: Annotated[
        Path,
        file(
            help=f"a file name that ends with {listed('nas.architecture.formats:FORMATS')}", value="FILE", group=OUTPUT
        ),
    ],
    untrained: Annotated[
        bool, flag("--untrained", help="without weights; TRIAL may be any network's text", group=OUTPUT)
    ] = False,
    force: Annotated[bool, flag("--force", help="overwrite an existing file", group=OUTPUT)] = False,
    data: DataNow = None,
    study: Study = None,
    storage: Storage = STORAGE,
) -> int:
    """Write a trial's network with its trained weights to a self-contained file."""
    from nas.cli import winners

    return winners.export(trial, to, study, storage, data=data, untrained=untrained, force=force)


@command(app, CHECK, 'space wide --require "macs <= 10M"')
def space(  # noqa: PLR0917
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SPACE",
            help="assignment, wide, long, small, tiny or FILE.toml  [default: assignment]",
            autocompletion=completion.spaces,
        ),
    ] = None,
    space_: Annotated[
        str | None,
        flag("--space", help="the same as SPACE", value="SPACE", group=WHAT, complete=completion.spaces),
    ] = None,
    neighbours: Annotated[
        str | None,
        flag(
            help="show only the feasible networks one edit away from this one",
            value="ARCH",
            group=WHAT,
            complete=completion.architectures,
        ),
    ] = None,
    constraints: Constraints = None,
    require: Require = None,
    metrics: Annotated[
        Path | None, file(help="your own metrics; counts are then estimates", value="FILE.py", group=RULES)
    ] = None,
    timeout: Annotated[str, duration("--timeout", help="limit of your own metrics, per network: 60s, 5m")] = "60s",
    memory: Memory = "4GiB",
    format_: TableOrJson = "table",
) -> int:
    """Describe a space: its size, its feasible part, and which constraints bind."""
    from constraints.cli.options import read_limits
    from nas.cli.common import one_of
    from nas.cli.space import space as show_space

    limits, place = read_limits(timeout, memory), one_of("SPACE", source, "--space", space_)
    return show_space(
        place or "assignment", require, constraints, format_, metrics=metrics, limits=limits, neighbours=neighbours
    )


@command(app, STUDIES, "dashboard --port 8081")
def dashboard(
    study: Study = None,
    storage: Storage = STORAGE,
    top: Annotated[
        int, flag(help="attach code and card of the best N complete trials", value="N", check=least(0), group=OUTPUT)
    ] = 3,
    port: Annotated[
        int, flag(help="port, open to this machine only", value="PORT", check=least(1, most=65535), group=OUTPUT)
    ] = 8080,
) -> int:
    """Serve Optuna's dashboard on this machine, with the code and cards of the winners."""
    from nas.cli import views

    views.dashboard(study, storage, top=top, port=port)


@command(app, MACHINE, "doctor --storage runs/journal.log")
def doctor(
    storage: Annotated[
        str | None,
        flag(help="also open this storage: a journal file, or a database's URL", value="PATH|URL", check=flags.stored),
    ] = None,
    clean: Annotated[bool, flag("--clean", help="remove the caches, after asking")] = False,
    yes: Annotated[bool, flag("--yes", help="remove them without asking")] = False,
    format_: TableOrJson = "table",
) -> int:
    """Show what this machine has and what is missing; remove caches."""
    from nas.cli import machine

    return machine.doctor(storage, format_, remove=clean, is_sure=yes)


@command(app, MACHINE, "calibrate --threads 1")
def calibrate(
    threads: Annotated[
        int, flag(help="threads with which torch runs a network", value="N", check=least(1), group=PLACE)
    ] = 1,
    format_: TableOrJson = "table",
) -> int:
    """Time layers on this machine, to predict latency_ms of any network."""
    from nas.cli import calibrate as calibrating

    return calibrating.calibrate(threads, format_)


@cache
def _commands() -> Any:
    """The commands as typer runs them, created once per process, since that takes longer than some commands."""
    return typer.main.get_command(app)


def run(argv: Sequence[str], name: str = "search.py") -> int:
    """Run one command line and return its exit code; every error is one line on stderr.

    ``name`` is the name by which the program was called; shell completion uses it.
    """
    given, asked = general(argv)
    fall_back(sys.stdout, sys.stderr)
    with verbosity(quiet=QUIET in asked, verbose=VERBOSE in asked), running([name, *argv]):
        try:
            code = _run(given, name, debug=DEBUG in asked)
            sys.stdout.flush()
        except BrokenPipeError:
            if not let_go(sys.stdout, sys.stderr):
                raise
            code = ExitCode.UNREAD
        except OSError as error:  # of the output, such as a full disk
            code = _failed(error, given, name, debug=DEBUG in asked)
            discard(sys.stdout)
    return code


def _run(argv: Sequence[str], name: str, *, debug: bool) -> int:
    try:
        Path.cwd()
    except OSError as error:  # torch and others fail without a working folder
        return _complain(f"no working folder: {error.strerror}: cd to one that is there", ExitCode.UNUSABLE)
    try:
        code = _commands()(args=[*argv], prog_name=name, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        return _unread(end.__context__, argv, name, debug=debug)
    except Exception as error:
        return _failed(error, argv, name, debug=debug)
    if code == ExitCode.INTERRUPTED:  # typer's code for Ctrl-C
        return _complain("interrupted", ExitCode.INTERRUPTED)
    return code if isinstance(code, int) else ExitCode.DONE


def _unread(error: BrokenPipeError, argv: Sequence[str], name: str, *, debug: bool) -> int:
    """End silently if the reader of the output has ended; typer treats every closed pipe as such."""
    return ExitCode.UNREAD if let_go(sys.stdout, sys.stderr) else _failed(error, argv, name, debug=debug)


def _failed(error: Exception, argv: Sequence[str], name: str, *, debug: bool) -> int:
    """Print in one line what went wrong, and whose fault it is; with ``debug``, the traceback before it."""
    details = traceback.format_exc() if debug else ""
    if isinstance(error, ConstraintError) and not str(error):  # an error without a message is not printed
        return error.exit_code
    from nas.cli import usage

    line = usage.Line(words=argv, name=name, program=_commands())
    if isinstance(error, ConstraintError):
        message = line.with_flag(str(error)) if error.exit_code == ExitCode.UNUSABLE else str(error)
        return _complain(message, error.exit_code, (error.traceback or details) if debug else "")
    if usage.is_usage_error(error):
        return _complain(line.sentence(error), ExitCode.UNUSABLE, details)
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        what = f"{error.filename or 'a file'}: {error.strerror}: give another path, or make room"
        return _complain(f"cannot read or write {what}", ExitCode.UNUSABLE, details)
    if _was_interrupted(error):
        return _complain("interrupted", ExitCode.INTERRUPTED, details)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
    advice = "report it with the lines above" if debug else "run it again with --debug, and report what that prints"
    return _complain(f"a fault of this tool: {place}: {advice}", ExitCode.TOOL_FAILED, details)


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether a library, such as torch's export, made an error of its own of Ctrl-C or SIGTERM."""
    waiting: list[BaseException | None] = [error]
    seen = set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, KeyboardInterrupt):
            return True
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
            waiting += [one.__cause__, one.__context__, *inner]
    return False


def _complain(message: str, code: int, details: str = "") -> int:
    if details:
        say(details.rstrip(), sys.stderr)
    say(f"error: {sentence(message)}", sys.stderr)
    return code


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """The entry point of ``search.py`` and ``nas``."""
    signal.signal(signal.SIGTERM, _terminated)  # the parent ends its children
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run(sys.argv[1:], Path(sys.argv[0]).name)
    if "triton" not in sys.modules:  # which writes lines on leaks unless its objects are collected at exit
        gc.freeze()  # otherwise Python searches all loaded objects for cycles at exit, which takes a tenth of a second
    sys.exit(code)


if __name__ == "__main__":
    main()
