"""The child's side of the sandbox: do a job with the user's code, answer in JSON lines over a pipe.

``constraints.sandbox.guard`` runs it with the line that ``Job.to_line`` wrote. Each line of the answer is
``{"stage": ...}``, the last one ``{"answer": ...}`` or ``{"error": ...}``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from constraints.augmentation import is_pipeline
from constraints.checker import Question, definition, examined
from constraints.errors import ConstraintError, ModelFailedError, NoModelError, ToolFailedError, UnusableInputError
from constraints.faults import failed, hands_over
from constraints.metrics import LATENCIES
from constraints.report import Report
from constraints.rules import check_metric
from constraints.sandbox.choice import is_module_class, only_model
from constraints.sandbox.constructions import Constructions
from constraints.sandbox.loading import Loader
from constraints.sandbox.loops import Loops
from constraints.sandbox.pipelines import is_torchvision, pipelines_in, remembered
from constraints.sandbox.request import Job, Request, Target
from constraints.sandbox.standins import NotInstalledError
from constraints.suggestions import nearest
from constraints.user_metrics import found_in
from constraints.verdicts import Verdict

_FOREVER_SECONDS = 10**6
Send = Callable[[Mapping[str, Any]], None]


def main(pipe: int, line: bytes) -> None:
    """Do the one job, and leave without running what the user's code may have put at the exit."""
    me = os.getpid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # further jobs are none of its business
    job = Job.begin(line)

    def send(line: Mapping[str, Any]) -> None:
        if os.getpid() != me:  # a copy that the user's code forked came back here: it must not answer too
            time.sleep(_FOREVER_SECONDS)
        _write(pipe, (json.dumps(line) + "\n").encode())

    try:
        if job.limits.is_hard:
            _limit(job.limits.memory_bytes)
        module, _, name = job.function.partition(":")
        send({"answer": getattr(importlib.import_module(module), name)(job.arguments, send)})
    except ConstraintError as error:
        send({"error": type(error).__name__, "message": str(error), "traceback": error.traceback})
    except Exception as error:
        fault = failed("an unknown stage", error)
        send({"error": type(fault).__name__, "message": str(fault), "traceback": fault.traceback})
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _limit(memory_bytes: int) -> None:
    """Let no allocation pass the limit; torch's libraries are mapped already."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    if used > memory_bytes:
        raise UnusableInputError(
            f"memory limit too small: {memory_bytes:,} bytes: torch alone takes {used:,}: raise --memory"
        )
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found, and the model, in the process that runs it."""

    report: Report
    model: nn.Module
    question: Question
    made: Constructions
    """Which calls in the user's files made the parts of the model, where a step wants to know."""
    is_finished: bool
    """Whether the target is a module, and not what makes one."""


def check_target(arguments: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """The job of a ``Request``: its report, ready for JSON, and what its steps come to, each by its name."""
    request = Request.from_dict(arguments)
    with _loaded(request) as loader:
        checked = _checked(request, loader, send)
        found = {step: _continued(step, checked, request, send) for step in request.steps}
    return {"report": checked.report.to_dict(), "steps": found}


def answer(request: Request, send: Send) -> Report:
    """Load what a request names and check it; ``send`` is called at each stage.

    Raises UnusableInputError for what cannot be checked and ModelFailedError for what the user's code raised.
    """
    with _loaded(request) as loader:
        return _checked(request, loader, send).report


@contextmanager
def _loaded(request: Request) -> Iterator[Loader]:
    loops = Loops() if request.steps else None
    with Loader(seconds=request.limits.seconds / 3, source=request.source, loops=loops) as loader:
        try:
            yield loader
        except ConstraintError as error:
            raise _explained(error, loader) from error


def _continued(step: str, checked: Checked, request: Request, send: Send) -> dict[str, Any]:
    """What a step comes to, or why it came to nothing as ``refused``; the report is there all the same."""
    module, _, name = step.partition(":")
    send({"stage": name})
    try:
        found: dict[str, Any] = getattr(importlib.import_module(module), name)(checked, request)
    except (Exception, SystemExit) as error:  # of the model's code, which a step runs again
        reason = str(error) if isinstance(error, ConstraintError) else f"{type(error).__name__}: {error}"
        return {"refused": " ".join(reason.split())}
    return found


def _checked(request: Request, loader: Loader, send: Send) -> Checked:
    with Constructions(is_wanted=bool(request.steps), loops=loader.loops) as made:
        return _judged(request, loader, send, made)


def _judged(request: Request, loader: Loader, send: Send, made: Constructions) -> Checked:
    thing, module, target = _load(request.target, "import", loader, send)
    metrics = found_in(vars(module))
    for constraint in request.require:
        check_metric(constraint, [*LATENCIES, *(m.name for m in metrics)])
    model = _model(target, thing, request.arguments, loader, send)
    question = Question(
        input_size=request.inputs,
        require=request.require,
        metrics=metrics,
        classes=request.classes,
        verify=request.verify,
        threads=request.threads,
        fixes_seconds=request.fixes_seconds,
        target=target.text,
    )
    place = definition(thing if inspect.isclass(thing) or inspect.isfunction(thing) else type(model))
    verdicts = [_augmentation(request.augmentation, request, loader, send)] if request.augmentation else []
    for found in _examined(model, question, loader, send):
        warnings = (*loader.warnings(), *found.warnings)
        report = replace(found, location=place, warnings=warnings).with_verdicts(*verdicts)
        send({"partial": {"report": report.to_dict()}})
    is_finished = thing is model
    return Checked(report=report, model=model, question=question, made=made, is_finished=is_finished)


def _explained(error: ConstraintError, loader: Loader) -> ConstraintError:
    """The error with what was stood in for or left out, which it may come of."""
    if isinstance(error, NotInstalledError):
        return UnusableInputError(str(error))
    reasons = [r for r in (loader.absent.remedies(), *loader.found) if r]
    if not reasons or isinstance(error, (NoModelError, ToolFailedError)):
        return error
    return type(error)(f"{error} ({'; '.join(reasons)})", traceback=error.traceback)


def _examined(model: nn.Module, question: Question, loader: Loader, send: Send) -> Iterator[Report]:
    """The reports of ``examined``; raises ModelFailedError where the model's forward pass raises."""
    loader.absent.is_sealed = True
    with stage("forward", send):
        reports = examined(model, question)
        report = next(reports)
        if report.failed and loader.avoids_accelerator(report.failed):
            reports = examined(model, question)
            report = next(reports)
    if report.failed:
        raise ModelFailedError(report.failed, traceback=report.traceback)
    yield report
    with stage("--verify and the search for fixes" if question.verify else "the search for fixes", send):
        yield from reports


@contextmanager
def stage(name: str, send: Send) -> Iterator[None]:
    """Tell the parent what runs; turn what the user's code raises into a ModelFailedError that says when."""
    send({"stage": name})
    try:
        yield
    except (UnusableInputError, ToolFailedError):
        raise
    except ConstraintError as error:
        raise ModelFailedError(str(error), traceback=error.traceback or traceback.format_exc()) from error
    except BaseException as error:
        raise failed(name, error) from error


def load_model(target: Target, arguments: Mapping[str, Any], loader: Loader, send: Send) -> nn.Module:
    """Import what a target names, and make its model; raises as ``answer`` does."""
    try:
        thing, _, target = _load(target, "import", loader, send)
        model = _model(target, thing, arguments, loader, send)
    except ConstraintError as error:
        raise _explained(error, loader) from error
    loader.absent.is_sealed = True
    return model


def _load(target: Target, name: str, loader: Loader, send: Send) -> tuple[Any, ModuleType, Target]:
    """Import the target's file or module and look its name up; a name that was left out is filled in."""
    with stage(name, send):
        module = loader.load(target)
        if loader.left_out and target.name and not hasattr(module, target.name.split(".")[0]):
            raise loader.left_out[0]
    if not target.name:
        chosen = only_model(module, target.place)
        target = replace(target, name=chosen, text=f"{target.place}:{chosen}")
    value: Any = module
    for part in target.name.split("."):
        if not hasattr(value, part):
            raise UnusableInputError(
                f"no such name in {target.place}: {target.name!r}: {_candidates(part, vars(module))}"
            )
        value = getattr(value, part)
    return value, module, target


def _candidates(name: str, namespace: Mapping[str, Any]) -> str:
    names = [n for n in namespace if not n.startswith("_")]
    own = [n for n in names if isinstance(namespace[n], nn.Module) or is_module_class(namespace[n])]
    return nearest(name, names, f"did you mean {', '.join(own[:8])}?" if own else "it defines no module")


def _model(target: Target, thing: Any, arguments: Mapping[str, Any], loader: Loader, send: Send) -> nn.Module:
    if isinstance(thing, nn.Module):
        if arguments:
            raise UnusableInputError(
                f"{target.name!r} is a finished module: --arg {next(iter(arguments))}: leave it out"
            )
        return thing
    if not callable(thing) or (inspect.isclass(thing) and not issubclass(thing, nn.Module)):
        raise _no_module(target.name, thing)
    with stage("construction", send):
        model = _called(target.name, thing, arguments, loader)
    if not isinstance(model, nn.Module):
        raise _no_module(f"{target.name}()", model)
    return model


def _no_module(name: str, thing: Any) -> UnusableInputError:
    kind = f"the class {thing.__name__}" if inspect.isclass(thing) else type(thing).__name__
    return UnusableInputError(
        f"not an nn.Module: {name!r} is {kind}: name a module, a subclass, or a function that returns one"
    )


def _called(name: str, thing: Any, arguments: Mapping[str, Any], loader: Loader, flag: str = "--arg") -> Any:
    _check_arguments(name, thing, arguments, flag)
    return loader.on_cpu(lambda: _constructed(thing, arguments))


@hands_over
def _constructed(thing: Any, arguments: Mapping[str, Any]) -> Any:
    return thing(**arguments)


def _check_arguments(name: str, thing: Any, arguments: Mapping[str, Any], flag: str) -> None:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return  # written in C: calling it will tell
    named = [p for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
    needed = [p.name for p in named if p.default is p.empty and p.name not in arguments]
    needed += [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if needed:
        hint = " ".join(f"{flag} {n}=..." for n in needed)
        raise UnusableInputError(f"{name!r} needs arguments: {', '.join(needed)}: give {hint}")
    strange = [a for a in arguments if a not in {p.name for p in named}]
    if strange and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = ", ".join(p.name for p in named) or "none"
        raise UnusableInputError(f"{name!r} takes no argument {strange[0]!r}: {flag} {strange[0]}: it takes {known}")


def _augmentation(target: Target, request: Request, loader: Loader, send: Send) -> Verdict:
    """Judge the pipeline that a name leads to; of several the one that keeps the rule best."""
    from constraints.augmentation import judge_augmentation

    with remembered():
        found = named_pipelines(target, lambda thing: request.augmentation_arguments, loader, send)
    judged = [(way, judge_augmentation(p, request.mean, image=request.inputs[0].shape[-2:])) for way, p in found]
    way, best = max(judged, key=lambda pair: (pair[1].ok, -len(pair[1].fix)))
    if len(judged) == 1:
        return best
    return replace(best, why=f"of {len(judged)} pipelines {target.name}{way} is the nearest: {best.why}")


def named_pipelines(
    target: Target, arguments: Callable[[Any], Mapping[str, Any]], loader: Loader, send: Send
) -> list[tuple[str, Any]]:
    """The pipelines that a name leads to, each with the way to it; ``arguments`` says what to call a thing with.

    Raises UnusableInputError where there is none, ModelFailedError where the user's code raises.
    """
    thing, _, _ = _load(target, "import of the augmentation", loader, send)
    found = _pipelines(target.name, thing, arguments(thing), loader, send)
    if not found:
        raise _no_pipeline(target.name, thing)
    return found


def _pipelines(
    name: str, thing: Any, arguments: Mapping[str, Any], loader: Loader, send: Send
) -> list[tuple[str, Any]]:
    """The pipelines that a thing holds, or that what it returns holds."""
    if arguments and is_pipeline(thing):
        option = next(iter(arguments))
        raise UnusableInputError(f"{name!r} is a finished pipeline: --augmentation-arg {option}: leave it out")
    found = [] if arguments else pipelines_in(thing)
    if found or is_torchvision(thing) or not (inspect.isclass(thing) or inspect.isroutine(thing) or arguments):
        return found
    with stage("construction of the augmentation", send):
        made = _called(name, thing, arguments, loader, "--augmentation-arg")
    if is_torchvision(made) and not pipelines_in(made):
        raise _no_pipeline(f"{name}()", made)
    return [(f"(){way}", pipeline) for way, pipeline in pipelines_in(made)]


def _no_pipeline(name: str, thing: Any) -> UnusableInputError:
    if is_torchvision(thing):
        what = f"{name!r} is torchvision's {type(thing).__name__}, the rule speaks of albumentations'"
        return UnusableInputError(f"not an albumentations pipeline: {what}: build it with albumentations.Compose")
    kind = f"the class {thing.__name__}" if inspect.isclass(thing) else type(thing).__name__
    return UnusableInputError(f"not an albumentations pipeline: {name!r} is {kind}: name a Compose")
