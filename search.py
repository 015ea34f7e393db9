"""The command line: parse flags, call, exit code; nothing else."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from constraints.errors import ConstraintError, ExitCode
from constraints.output.plain import fall_back
from nas.defaults import STORAGE

app = typer.Typer(
    help="Check any PyTorch network against hard rules, and search for small ones that keep them.",
    epilog="--debug after any command adds the traceback to an error.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
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
    """Take the flags that are no command's."""


@app.command(epilog='Example: uv run search.py validate model.py:Net --require "params < 150k" --verify')
def validate(  # noqa: PLR0917 (one parameter for each flag)
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET...", help="file.py:NAME, book.ipynb:NAME, package.module:NAME, a folder"),
    ],
    input_: Annotated[
        list[str] | None,
        typer.Option("--input", help="input shape without batch (3,32,32), or name=int64:16; once an input"),
    ] = None,
    arg: Annotated[list[str] | None, typer.Option(help="key=value for a class or function, read as TOML")] = None,
    require: Annotated[list[str] | None, typer.Option(help='one constraint, such as "params < 200k"')] = None,
    constraints: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="a table of constraints")] = None,
    profile: Annotated[str | None, typer.Option(help="a named profile of the --constraints file")] = None,
    augmentation: Annotated[str | None, typer.Option(help="FILE.py:NAME, an albumentations pipeline")] = None,
    augmentation_arg: Annotated[list[str] | None, typer.Option(help="key=value for a function that makes it")] = None,
    mean: Annotated[str, typer.Option(help="the data set's mean, for its fill")] = "0.4914,0.4822,0.4465",
    classes: Annotated[int | None, typer.Option(min=1, help="expected number of outputs")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="confirm the receptive field by gradients")] = False,
    fix: Annotated[Path | None, typer.Option(metavar="OUT.py", help="write the fixed network")] = None,
    patch: Annotated[Path | None, typer.Option(metavar="OUT.diff", help="write the edited source lines")] = None,
    fixes_timeout: Annotated[str, typer.Option(help="for the search for fixes; 0 is none")] = "10s",
    timeout: Annotated[str, typer.Option(help="for the model's code: 60s, 5m")] = "60s",
    memory: Annotated[str, typer.Option(help="for the model's code: 4GiB, 500MB")] = "4GiB",
    format_: Annotated[
        str, typer.Option("--format", help="table, json, jsonl, markdown, junit, sarif or html")
    ] = "table",
) -> int:
    """Check PyTorch models, each in a child process with limits."""
    from constraints.cli.validate import Options, validate_targets
    from nas.cli.champions import as_targets
    from nas.cli.mending import writers

    return validate_targets(
        Options(
            targets=as_targets(targets),
            inputs=input_ or ["3,32,32"],
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


@app.command(epilog="Example: uv run search.py launch --timeout 45m --target 0.85 --stop-at-target")
def launch(  # noqa: PLR0917 (one parameter for each flag)
    space: Annotated[str | None, typer.Option(help="assignment (default), wide, long, tiny or FILE.toml")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="all of these in one file")] = None,
    write_config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="write what this launch runs with")
    ] = None,
    data: Annotated[str | None, typer.Option(help="auto (default), cifar10, digits, a folder, a tar or a zip")] = None,
    study: Annotated[str | None, typer.Option(help="name of the study, resumed where it exists")] = None,
    storage: Annotated[str | None, typer.Option(help="journal file, or a database's URL")] = None,
    trials: Annotated[int | None, typer.Option(help="the study's trials in all (30)")] = None,
    timeout: Annotated[str | None, typer.Option(help="90s, 45m, 8h (1h)")] = None,
    target: Annotated[float | None, typer.Option(help="validation accuracy to exceed")] = None,
    stop_at_target: Annotated[bool | None, typer.Option("--stop-at-target", help="end there")] = None,
    confirm: Annotated[int | None, typer.Option(metavar="K", help="confirm the best K at the end")] = None,
    epochs: Annotated[int | None, typer.Option(help="full budget of one candidate")] = None,
    start: Annotated[
        list[str] | None, typer.Option(metavar="TARGET|ARCH|FILE.txt", help="a network to begin with, repeatable")
    ] = None,
    from_study: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="begin with what this study found; STORAGE#NAME of another storage"),
    ] = None,
    guess: Annotated[bool | None, typer.Option(help="choose the first candidates by a zero-cost proxy (yes)")] = None,
    constraints: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="a table of constraints")] = None,
    require: Annotated[list[str] | None, typer.Option(help='one constraint, such as "params < 200k"')] = None,
    workers: Annotated[int | None, typer.Option(help="processes that train (one a core, or a GPU)")] = None,
    device: Annotated[str | None, typer.Option(help="auto (default), cpu or cuda")] = None,
    engine: Annotated[str | None, typer.Option(help="local (default), ray or ray:HOST:PORT")] = None,
    objective: Annotated[
        str | None, typer.Option(help="accuracy or balanced_accuracy; ,params or any other metric for a Pareto front")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="default, long, sgd, seed or FILE.toml: search.py recipes")] = None,
    tune: Annotated[
        str | None,
        typer.Option(metavar="FIELD,...", help="options of the recipe that are proposed too: lr,weight_decay"),
    ] = None,
    augmentation: Annotated[
        str | None, typer.Option(help="assignment (default), seed, none, FILE.py:NAME; with options: assignment,flip=0")
    ] = None,
    augmentation_arg: Annotated[list[str] | None, typer.Option(help="key=value, an option of it")] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRIAL|STUDY:TRIAL|FILE", help="a trained network to distil from; repeatable: an ensemble"
        ),
    ] = None,
    metrics: Annotated[Path | None, typer.Option(metavar="FILE.py", help="metrics of your own")] = None,
    seed: Annotated[int | None, typer.Option(help="of proposals, weights and augmentation (0)")] = None,
    log: Annotated[
        list[str] | None, typer.Option(help="write curves to tensorboard[:DIR], mlflow[:URI] or wandb[:PROJECT] too")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="table, json, csv or markdown")] = "table",
) -> int:
    """Run or resume a search over the space, and print its leaderboard."""
    from nas.cli import search
    from nas.cli.common import expressions, with_options

    flags = {
        "space": space, "data": data, "study": study, "storage": storage, "trials": trials, "timeout": timeout,
        "target": target, "stop_at_target": stop_at_target, "confirm": confirm, "epochs": epochs,
        "start": start, "from_study": from_study,
        "guess": guess, "constraints": expressions(require, constraints), "workers": workers, "device": device,
        "engine": engine, "objective": objective, "recipe": recipe, "tune": tune, "seed": seed, "log": log,
        "augmentation": with_options(augmentation, augmentation_arg), "teacher": teacher,
        "metrics": None if metrics is None else str(metrics),
    }  # fmt: skip
    return search.launch(config, flags, write_config, format_)


@app.command(epilog="Example: uv run search.py train net.py:Net --data digits --study mine")
def train(  # noqa: PLR0917
    target: Annotated[
        str, typer.Argument(help="file.py:NAME, book.ipynb:NAME, package.module:NAME, an architecture's text, or seed")
    ],
    arg: Annotated[list[str] | None, typer.Option(help="key=value for a class or function, read as TOML")] = None,
    seeds: Annotated[int, typer.Option(help="trainings, each a trial of its own")] = 1,
    epochs: Annotated[int | None, typer.Option(help="of each training (the study's, or 20)")] = None,
    data: Annotated[str | None, typer.Option(help="auto (default), cifar10, digits, a folder, a tar or a zip")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="NAME|FILE.toml", help="how it trains")] = None,
    augmentation: Annotated[str | None, typer.Option(help="NAME, FILE.py:NAME or none")] = None,
    augmentation_arg: Annotated[list[str] | None, typer.Option(help="key=value, an option of it")] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRIAL|STUDY:TRIAL|FILE", help="a trained network to distil from; repeatable: an ensemble"
        ),
    ] = None,
    study: Annotated[str | None, typer.Option(help="name of the study, made where it is new")] = None,
    storage: Annotated[str | None, typer.Option(help="journal file, or a database's URL")] = None,
    target_accuracy: Annotated[float | None, typer.Option("--target", help="validation accuracy to exceed")] = None,
    constraints: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="a table of constraints")] = None,
    require: Annotated[list[str] | None, typer.Option(help='one constraint, such as "params < 200k"')] = None,
    workers: Annotated[int | None, typer.Option(help="processes that train")] = None,
    device: Annotated[str | None, typer.Option(help="auto (default), cpu or cuda")] = None,
    timeout: Annotated[str, typer.Option(help="for a step of the model's code: 60s, 5m")] = "5m",
    memory: Annotated[str, typer.Option(help="for the model's code: 4GiB, 500MB")] = "4GiB",
    anew: Annotated[bool, typer.Option("--anew", help="end unfinished trials of the target's earlier files")] = False,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Train a network of your own as candidates are trained, as a trial of a study."""
    from nas.cli import training
    from nas.cli.common import expressions, with_options

    flags = {
        "epochs": epochs, "data": data, "study": study, "storage": storage, "target": target_accuracy,
        "constraints": expressions(require, constraints), "workers": workers, "device": device,
    }  # fmt: skip
    code = {
        "seeds": seeds, "timeout": timeout, "memory": memory, "anew": anew, "recipe": recipe,
        "augmentation": with_options(augmentation, augmentation_arg), "teacher": teacher,
    }  # fmt: skip
    return training.train(target, arg or [], flags, code, format_)


@app.command(epilog="Example: uv run search.py enqueue BR/c16-c16-c32s2/c32-c32-c64s2/c64-c64-c64/fc")
def enqueue(
    architectures: Annotated[
        list[str], typer.Argument(metavar="ARCH...", help="texts of architectures, or names such as seed")
    ],
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Add candidates to a study, whether a launch runs or the next one is waited for."""
    from nas.cli import queue

    return queue.enqueue(architectures, study, storage, format_)


@app.command(epilog='Example: uv run search.py leaderboard --where "params < 100k" --pareto')
def leaderboard(  # noqa: PLR0917
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    top: Annotated[int, typer.Option(help="how many rows")] = 20,
    sort: Annotated[str | None, typer.Option(help="column to rank by (the accuracy that the study judges by)")] = None,
    state: Annotated[str, typer.Option(help="of complete,pruned,running,unfinished,failed")] = "",
    where: Annotated[list[str] | None, typer.Option(help='only rows of which "params < 100k" holds, say')] = None,
    pareto: Annotated[bool, typer.Option("--pareto", help="only what no other beats in the objectives")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="show it anew every two seconds")] = False,
    format_: Annotated[str, typer.Option("--format", help="table, json, csv or markdown")] = "table",
) -> int:
    """Show the trials of a study, best first."""
    from nas.cli import views

    states = [s.strip() for s in state.split(",") if s.strip()]
    view = views.View(top=top, sort=sort, states=states, where=where or (), pareto=pareto)
    return views.leaderboard(study, storage, format_, view, watch=watch)


@app.command(epilog="Example: uv run search.py show best")
def show(
    trial: Annotated[str, typer.Argument(help="a number, best, an architecture's text, or seed")] = "best",
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Show one trial in full: stages, layers, sizes, learning curve, constraints."""
    from nas.cli import views

    return views.show(trial, study, storage, format_)


@app.command(epilog="Example: uv run search.py compare best 3")
def compare(
    left: Annotated[str, typer.Argument(help="a number, best, an architecture's text, or seed")],
    right: Annotated[str, typer.Argument(help="another")],
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Show two trials side by side: figures, stages, layers, learning curves."""
    from nas.cli import views

    return views.compare(left, right, study, storage, format_)


@app.command(epilog="Example: uv run search.py report --to report.html")
def report(
    to: Annotated[Path, typer.Option(metavar="FILE.html", help="where to write the page")] = Path("report.html"),
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
) -> int:
    """Write a study as one self-contained page: leaderboard, figures, every trial's diagram."""
    from nas.cli import views

    return views.report(study, storage, to)


@app.command(epilog="Example: uv run search.py confirm best --seeds 3")
def confirm(  # noqa: PLR0917
    trial: Annotated[str | None, typer.Argument(help="a number, best, an architecture's text, or seed")] = None,
    top: Annotated[int | None, typer.Option(help="confirm the best N instead")] = None,
    seeds: Annotated[int, typer.Option(help="trainings of each")] = 1,
    epochs: Annotated[int | None, typer.Option(help="of each training (the search's budget)")] = None,
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    data: Annotated[str | None, typer.Option(help="where the study's data is now")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that train")] = None,
    device: Annotated[str | None, typer.Option(help="auto (default), cpu or cuda")] = None,
    engine: Annotated[str | None, typer.Option(help="local (default), ray or ray:HOST:PORT")] = None,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Retrain winners on the whole training set and open the test set once."""
    from nas.cli import search

    flags = {"data": data, "workers": workers, "device": device, "engine": engine, "storage": storage}
    return search.confirm(trial, top, study, seeds=seeds, epochs=epochs, flags=flags, output_format=format_)


@app.command(epilog="Example: uv run search.py recipes default --format toml > mine.toml")
def recipes(
    name: Annotated[str | None, typer.Argument(metavar="NAME|FILE.toml", help="one of them, with every option")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="of the training that it is for")] = 20,
    format_: Annotated[str, typer.Option("--format", help="table or json; of one also toml")] = "table",
) -> int:
    """List the recipes that ship, or show one as a file to start from."""
    from nas.cli import recipes as recipes_

    return recipes_.recipes(name, epochs, format_)


@app.command(epilog="Example: uv run search.py champions")
def champions(format_: Annotated[str, typer.Option("--format", help="table or json")] = "table") -> int:
    """List networks that were found and confirmed; every command takes them by name: show champion-200k."""
    from nas.cli import champions as champions_

    return champions_.list_champions(format_)


@app.command(epilog="Example: uv run search.py studies")
def studies(
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """List the studies of a storage."""
    from nas.cli import studies as studies_

    return studies_.studies(storage, format_)


@app.command(epilog="Example: uv run search.py delete search")
def delete(
    study: Annotated[str, typer.Argument(help="name of the study")],
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> int:
    """Delete a study with its files, after asking."""
    from nas.cli import studies

    return studies.delete(study, storage, yes=yes)


@app.command(epilog="Example: uv run search.py export best --to net.py")
def export(  # noqa: PLR0917
    trial: Annotated[str, typer.Argument(help="a number, best, an architecture's text, or seed")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="ends with .py, .onnx, ...; any other ending names all")],
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    data: Annotated[str | None, typer.Option(help="where the study's data is now")] = None,
    untrained: Annotated[bool, typer.Option("--untrained", help="without weights; any architecture's text")] = False,
    force: Annotated[bool, typer.Option("--force", help="write over a file that exists")] = False,
) -> int:
    """Write a trial's network with its trained weights to a self-contained file."""
    from nas.cli import winners

    return winners.export(trial, to, study, storage, data=data, untrained=untrained, force=force)


@app.command(epilog='Example: uv run search.py space wide --require "macs <= 10M"')
def space(  # noqa: PLR0917
    source: Annotated[
        str, typer.Argument(metavar="SPACE", help="assignment, wide, long, tiny or FILE.toml")
    ] = "assignment",
    space_: Annotated[str | None, typer.Option("--space", help="the same, as launch takes it")] = None,
    constraints: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="a table of constraints")] = None,
    require: Annotated[list[str] | None, typer.Option(help='one constraint, such as "params < 200k"')] = None,
    metrics: Annotated[Path | None, typer.Option(metavar="FILE.py", help="metrics of your own, estimated")] = None,
    neighbours: Annotated[
        str | None, typer.Option(metavar="ARCHITECTURE", help="instead, the feasible networks one edit away from it")
    ] = None,
    timeout: Annotated[str, typer.Option(help="for a metric of your own, on each network: 60s, 5m")] = "60s",
    memory: Annotated[str, typer.Option(help="for metrics of your own: 4GiB, 500MB")] = "4GiB",
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Show what a space holds: its size, its feasible part, which constraints bind."""
    from constraints.cli.options import read_limits
    from nas.cli.space import space as show_space

    limits, place = read_limits(timeout, memory), space_ or source
    return show_space(place, require, constraints, format_, metrics=metrics, limits=limits, neighbours=neighbours)


@app.command(epilog="Example: uv run --extra dashboard search.py dashboard --port 8081")
def dashboard(
    study: Annotated[str | None, typer.Option(help="name of the study")] = None,
    storage: Annotated[str, typer.Option(help="journal file, or a database's URL")] = STORAGE,
    top: Annotated[int, typer.Option(min=0, help="complete trials to attach code and card of")] = 3,
    port: Annotated[int, typer.Option(min=1, max=65535, help="of this machine alone")] = 8080,
) -> int:
    """Serve Optuna's dashboard on this machine, the winners' code and cards attached."""
    from nas.cli import views

    views.dashboard(study, storage, top=top, port=port)


@app.command(epilog="Example: uv run search.py doctor --storage runs/journal.log")
def doctor(
    storage: Annotated[str | None, typer.Option(help="journal file, or a database's URL, to be opened")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="remove the caches, after asking")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="remove them without asking")] = False,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Show what this machine has and what is missing; remove caches."""
    from nas.cli import machine

    return machine.doctor(storage, format_, remove=clean, is_sure=yes)


@app.command(epilog="Example: uv run search.py calibrate --threads 1")
def calibrate(
    threads: Annotated[int, typer.Option(help="of torch, that a network runs with")] = 1,
    format_: Annotated[str, typer.Option("--format", help="table or json")] = "table",
) -> int:
    """Time layers on this machine, so that latency_ms of any network can be predicted."""
    from nas.cli import calibrate as calibrating

    return calibrating.calibrate(threads, format_)


def run(argv: Sequence[str], name: str = "search.py") -> int:
    """Run one command line and return its exit code; every error is one line on stderr.

    ``name`` is what the program was called by, which shell completion goes by.
    """
    debug = "--debug" in argv
    fall_back(sys.stdout, sys.stderr)
    try:
        code = app(args=[a for a in argv if a != "--debug"], prog_name=name, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except Exception as error:
        return _failed(error, debug=debug)
    if code == ExitCode.INTERRUPTED:  # what typer makes of Ctrl-C
        return _complain("interrupted", ExitCode.INTERRUPTED)
    return code if isinstance(code, int) else ExitCode.DONE


def _failed(error: Exception, *, debug: bool) -> int:
    """Say in one line what went wrong, and whose fault it is; with ``debug`` after the traceback."""
    details = traceback.format_exc() if debug else ""
    if isinstance(error, ConstraintError):
        return _complain(str(error), error.exit_code, (error.traceback or details) if debug else "")
    if hasattr(error, "format_message"):  # how typer's usage errors, of any version, are recognised
        return _complain(f"{_lower(error.format_message())}: see search.py --help", ExitCode.UNUSABLE, details)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
    advice = "report it with the lines above" if debug else "run it again with --debug, and report what that prints"
    return _complain(f"a fault of this tool: {place}: {advice}", ExitCode.TOOL_FAILED, details)


def _complain(message: str, code: int, details: str = "") -> int:
    if details:
        print(details.rstrip(), file=sys.stderr)
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _lower(message: str) -> str:
    text = message.strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """The entry point of ``search.py`` and ``nas``."""
    signal.signal(signal.SIGTERM, _terminated)  # so that children are ended with the parent
    sys.exit(run(sys.argv[1:], Path(sys.argv[0]).name))


if __name__ == "__main__":
    main()
