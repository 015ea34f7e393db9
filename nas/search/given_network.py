"""Turns what the user names into a network: checked, measured, and tried for one training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from constraints.cli.target import parse_target
from constraints.errors import ModelFailedError, UnusableInputError
from constraints.inputs import InputSpec
from constraints.metrics import LATENCIES, LATENCY, Metrics
from constraints.rules import parse_all
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Limits, Request, Target
from constraints.verdicts import judge
from nas.architecture import named
from nas.architecture.adapting import for_data
from nas.config import LaunchConfig
from nas.latency.predictor import Predictor
from nas.search.feeds import search_feed
from nas.search.given import Given, shown_images_of
from nas.search.given_module import carrying, packed
from nas.search.given_proposals import NetworkToTrain
from nas.search.given_training import try_given
from nas.search.measures import Measures
from nas.search.resources import trying_placement
from nas.search.training_way import Training
from nas.search.wanted import Wanted
from nas.search.worker import Task
from nas.space.analytic import metrics
from nas.training.decoded import Dataset

if TYPE_CHECKING:
    from torch import nn

Found = TypeVar("Found")
_ANY_LATENCY = f"{LATENCY} >= 0"
FOLLOW_UP = "nas.search.given_child:described"


def judged_network(
    config: LaunchConfig,
    rules: Sequence[str],
    wanted: Wanted,
    dataset: Dataset,
    way: Training,
    *,
    latency: Predictor | None = None,
) -> tuple[NetworkToTrain, tuple[str, ...]]:
    """The wanted network, after one training step was tried, and messages about it.

    Where the study uses ``latency``, a network that is not an architecture is timed, since latency can only be
    predicted from an architecture.

    Raises UnusableInputError for one that cannot be trained, ModelFailedError where the user's code raised.
    """
    if wanted.is_architecture:
        return of_architecture(wanted.target, rules, dataset), ()
    with Sandbox(sees_gpus=config.device != "cpu") as sandbox:
        judged = partial(_of_code, sandbox=sandbox) if wanted.module is None else partial(_of_module, wanted.module)
        network = judged(rules=[*rules, *_timed(latency)], wanted=wanted, dataset=dataset, threads=_threads(latency))
        task = Task(
            architecture="", given=network.given, feed=search_feed(dataset, config.seed, way), epochs=config.epochs,
            until=config.epochs, seed=config.seed, folder=Path(), recipe=way.recipe,
        )  # fmt: skip
        return network, (*try_given(trying_placement(config), task, sandbox), *_latency_notes(network, latency))


def _timed(latency: Predictor | None) -> list[str]:
    """The constraint that makes a check measure the latency, where the study uses it."""
    return [] if latency is None else [_ANY_LATENCY]


def _threads(latency: Predictor | None) -> int:
    return 1 if latency is None else latency.threads


def _latency_notes(network: NetworkToTrain, latency: Predictor | None) -> Iterator[str]:
    if latency is not None and network.architecture is None:
        yield (
            f"{LATENCY} {network.measured.get(LATENCY, inf):g} of {network.origin} is measured (median, torch, "
            f"threads: {latency.threads}); that of candidates is predicted, with an error of {latency.median_error:.0%}"
        )


def with_measures(network: NetworkToTrain, measures: Measures, dataset: Dataset) -> NetworkToTrain:
    """The network with its measured metrics, as of a candidate, and the constraints on these that it breaks.

    Raises UnusableInputError where the user's metrics would have to measure a module in memory.
    """
    given = network.given
    if network.architecture is not None:
        values = measures.of(network.architecture)
    else:
        assert given is not None
        if measures.own is not None and given.memory:
            raise UnusableInputError(
                f"{measures.own.path.name} cannot measure a module in memory: {network.origin}: give its file: "
                "nas.train('file.py:NAME')"
            )
        values = measures.of_code(given.target, given.arguments, dataset.image_shape, network.metrics)
        values = {**values, **network.measured}
    broken = [verdict.expr for verdict in measures.verdicts(values) if not verdict.ok]
    return replace(network, measured=values, broken=(*network.broken, *broken))


def of_architecture(text: str, constraints: Sequence[str], dataset: Dataset) -> NetworkToTrain:
    """The network of an architecture's text or name, for the images and classes of the data.

    Raises ArchitectureError for invalid text, and UnusableInputError for an architecture written for other data.
    """
    architecture = for_data(named.architecture(text), dataset.image_shape, len(dataset.classes))
    rules = parse_all(constraints)
    found = metrics(architecture, rules)
    broken = tuple(v.expr for v in judge(rules, found.as_dict()) if not v.ok)
    origin = text.strip() if named.is_name(text) else "text"
    return NetworkToTrain(origin=origin, architecture=architecture, given=None, metrics=found, broken=broken)


def _of_code(
    *, rules: Sequence[str], wanted: Wanted, dataset: Dataset, threads: int, sandbox: Sandbox
) -> NetworkToTrain:
    """The network that user code builds, checked as ``validate`` does."""
    target = parse_target(wanted.target)
    request = Request(
        target=target,
        inputs=(InputSpec(shape=dataset.image_shape),),
        arguments=wanted.arguments,
        require=parse_all(rules, LATENCIES),
        classes=len(dataset.classes),
        threads=threads,
        fixes_seconds=0.0,
        limits=replace(wanted.limits(), seconds=max(wanted.limits().seconds, Limits().seconds)),  # for several steps
        follow_ups=(FOLLOW_UP,),
    )
    found = _images_alone(wanted, dataset, lambda: sandbox.check(request))
    report = found.report
    if FOLLOW_UP not in found.follow_ups:  # it timed out, or its process died
        raise ModelFailedError(report.warnings[-1])
    more = found.follow_ups[FOLLOW_UP]
    if "refused" in more:
        raise UnusableInputError(f"{wanted.target} cannot be trained: {more['refused']}")
    text, name = more["architecture"], report.target
    given = Given(
        target=parse_target(name),
        arguments=wanted.arguments,
        files=more["files"],
        limits=wanted.limits(),
        is_finished=more["is_finished"],
        is_architecture=text is not None,
    )
    return NetworkToTrain(
        origin=name,
        architecture=None if text is None else named.architecture(text),
        given=given,
        metrics=_metrics(report.metrics),
        broken=tuple(v.expr for v in report.constraints if not v.ok and v.expr != _ANY_LATENCY),
        measured=_measured(report.metrics),
        shown={} if text is not None else {"report": report.to_dict(), "sizes": more["sizes"]},
    )


def _of_module(
    module: nn.Module, *, rules: Sequence[str], wanted: Wanted, dataset: Dataset, threads: int
) -> NetworkToTrain:
    """The network of a model in memory: checked in this process, where its code has run anyway, and sent to train."""
    from constraints import check
    from nas.architecture.module_import import from_module

    content = packed(module)
    classes = len(dataset.classes)
    report = _images_alone(
        wanted,
        dataset,
        lambda: check(module, dataset.image_shape, rules, classes=classes, threads=threads, target=wanted.target),
    )
    try:
        architecture = from_module(module, dataset.image_shape)
    except UnusableInputError:
        architecture = None
    given = Given(
        target=Target(text=wanted.target, file=None, module="", name=wanted.target),
        limits=wanted.limits(),
        is_finished=True,
        is_architecture=architecture is not None,
    )
    return NetworkToTrain(
        origin=wanted.target,
        architecture=architecture,
        given=carrying(given, content),
        metrics=_metrics(report.metrics),
        broken=tuple(v.expr for v in report.constraints if not v.ok and v.expr != _ANY_LATENCY),
        measured=_measured(report.metrics),
        shown={} if architecture else {"report": report.to_dict(), "sizes": None},
    )


def _images_alone(wanted: Wanted, dataset: Dataset, judged: Callable[[], Found]) -> Found:
    """The result of a check; an error about other or more inputs is rewritten with the advice for trainings."""
    try:
        with shown_images_of(dataset.image_shape[0]):
            return judged()
    except UnusableInputError as error:
        text, wants_more, _ = str(error).partition(": give --input ")
        if not wants_more:
            raise
        raise UnusableInputError(
            f"{wanted.target} cannot be trained: {text}, and training gives images alone: give each a default"
        ) from error


def _metrics(values: Mapping[str, Any]) -> Metrics:
    """A report's metrics in the form of a candidate's."""
    return Metrics(**{f.name: _tupled(values.get(f.name)) for f in fields(Metrics)})


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _measured(values: Mapping[str, Any]) -> dict[str, float]:
    """The latencies of a report."""
    return {name: values[name] for name in LATENCIES if values.get(name) is not None}
