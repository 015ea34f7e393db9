"""The child's side of the sandbox: do a job with the user's code and answer in JSON lines over a pipe.

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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from constraints.checker import definition, examined
from constraints.errors import ConstraintError, ModelFailedError, UnusableInputError, with_type
from constraints.faults import failed
from constraints.metrics import LATENCIES
from constraints.question import Question
from constraints.report import Report
from constraints.rules import check_metric
from constraints.sandbox.absent_parts import absent_parts
from constraints.sandbox.choice import tree_of_module
from constraints.sandbox.constructions import Constructions
from constraints.sandbox.loading import Loader
from constraints.sandbox.loops import Loops
from constraints.sandbox.named import Send, explained, made_model, named_thing, stage
from constraints.sandbox.named_pipelines import named_pipelines
from constraints.sandbox.other_arguments import made_if_run, made_otherwise
from constraints.sandbox.pipelines import remembered
from constraints.sandbox.request import Job, Request, Target
from constraints.tracer import shaped
from constraints.user_metrics import found_in
from constraints.verdicts import Verdict

_FOREVER_SECONDS = 10**6


def main(pipe: int, line: bytes) -> None:
    """Do the one job, and exit without running the ``atexit`` handlers of the user's code."""
    me = os.getpid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # so that the user's code cannot read the jobs that follow
    job = Job.begin(line)

    def send(line: Mapping[str, Any]) -> None:
        if os.getpid() != me:  # a process that the user's code forked returned here: it must not answer too
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
        with suppress(Exception):  # the user's code may have closed or replaced it
            stream.flush()
    os._exit(0)


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _limit(memory_bytes: int) -> None:
    """Make allocations beyond the limit fail; torch's libraries are already mapped and counted."""
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
    """The findings and the model of a check, in the process that runs it."""

    report: Report
    model: nn.Module
    question: Question
    made: Constructions
    """Which calls in the user's files constructed the model's modules; recorded only where a follow-up needs it."""
    is_finished: bool
    """Whether the target is an nn.Module instance, and not a class or function that makes one."""


def check_target(arguments: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Do the job of a ``Request``: return its report, ready for JSON, and the result of each follow-up by its name."""
    request, folder = Request.from_dict(arguments), Path.cwd()
    for follow_up in request.follow_ups:  # before the user's folder is on the path, which may have a nas.py of its own
        importlib.import_module(follow_up.partition(":")[0])
    with _loaded(request) as loader:
        checked = _checked(request, loader, send)
        os.chdir(folder)  # the user's code may have left it, and the request has paths from there
        found = {name: _followed_up(name, checked, request, send) for name in request.follow_ups}
    return {"report": checked.report.to_dict(), "follow_ups": found}


def answer(request: Request, send: Send) -> Report:
    """Load the target of a request and check it; ``send`` is called at the start of each stage.

    Raises UnusableInputError for what cannot be checked and ModelFailedError for what the user's code raised.
    """
    with _loaded(request) as loader:
        return _checked(request, loader, send).report


@contextmanager
def _loaded(request: Request) -> Iterator[Loader]:
    loops = Loops() if request.follow_ups else None
    with Loader(seconds=request.limits.seconds / 3, source=request.source, loops=loops) as loader:
        try:
            yield loader
        except ConstraintError as error:
            raise explained(error, loader) from error


def _followed_up(follow_up: str, checked: Checked, request: Request, send: Send) -> dict[str, Any]:
    """The result of a follow-up, or as ``refused`` why it failed; the report is returned in both cases."""
    module, _, name = follow_up.partition(":")
    send({"stage": name})
    try:
        found: dict[str, Any] = getattr(importlib.import_module(module), name)(checked, request)
    except (Exception, SystemExit) as error:  # raised by the model's code, which a follow-up runs again
        reason = str(error) if isinstance(error, ConstraintError) else with_type(error)
        return {"refused": " ".join(reason.split())}
    return found


def _checked(request: Request, loader: Loader, send: Send) -> Checked:
    with Constructions(is_wanted=bool(request.follow_ups), loops=loader.loops, cells=loader.cells) as made:
        return _judged(request, loader, send, made)


def _judged(request: Request, loader: Loader, send: Send, made: Constructions) -> Checked:
    thing, module, target = named_thing(request.target, "import", loader, send, is_given=bool(request.arguments))
    metrics = found_in(vars(module))
    for constraint in request.require:
        check_metric(constraint, [*LATENCIES, *(m.name for m in metrics)])
    model = made_model(target, thing, request.arguments, loader, send)
    is_chosen = inspect.isclass(thing) and not request.target.name and not request.arguments
    if is_chosen:
        tree = tree_of_module(module)
        other = made_otherwise(tree, target.name, vars(module), model) or made_if_run(tree, target.name, thing, model)
        loader.found += [other] if other else []
    loader.found += absent_parts(model)
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


def _examined(model: nn.Module, question: Question, loader: Loader, send: Send) -> Iterator[Report]:
    """The reports of ``examined``; raises ModelFailedError where the model's forward pass raises."""
    loader.remedies.absent.is_sealed = True
    with stage("forward", send):
        with suppress(Exception):  # the check reports it
            shaped(model, question.input_size)
        reports = examined(model, question)
        report = next(reports)
        if report.failed and loader.remedies.avoids_accelerator(report.failed):
            reports = examined(model, question)
            report = next(reports)
    if report.failed:
        raise ModelFailedError(report.failed, traceback=report.traceback)
    yield report
    with stage("--verify and the search for fixes" if question.verify else "the search for fixes", send):
        yield from reports


def _augmentation(target: Target, request: Request, loader: Loader, send: Send) -> Verdict:
    """Judge the pipeline that a name refers to; where there are several, the one nearest to satisfying the rule."""
    from constraints.augmentation import judge_augmentation

    with remembered():
        found = named_pipelines(target, lambda thing: request.augmentation_arguments, loader, send)
    judged = [(way, judge_augmentation(p, request.mean, image=request.inputs[0].shape[-2:])) for way, p in found]
    way, best = max(judged, key=lambda pair: (pair[1].ok, -len(pair[1].fix)))
    if len(judged) == 1:
        return best
    return replace(best, why=f"of {len(judged)} pipelines {target.name}{way} is the nearest: {best.why}")
