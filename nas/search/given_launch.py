"""A training of a given network: what a person names -> a network, its trials in a study, and a driver for them."""

from __future__ import annotations

import base64
import hashlib
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from constraints.cli.options import read_bytes, read_seconds
from constraints.cli.target import parse_target, read_source
from constraints.errors import ModelFailedError, UnusableInputError
from constraints.inputs import InputSpec
from constraints.metrics import Metrics
from constraints.rules import parse_all
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Limits, Request, Target
from constraints.verdicts import judge
from nas.architecture import named
from nas.architecture.spec import DEFAULT_CLASSES, DEFAULT_INPUT, Architecture
from nas.config import AUGMENTATION_RULE, LaunchConfig
from nas.loggers.trackers import Trackers
from nas.search import teachers
from nas.search.budget import Budget
from nas.search.driver import Driver
from nas.search.given import Given
from nas.search.given_proposals import Network, key_of
from nas.search.given_training import try_given
from nas.search.holding import hold, hold_folder, one_line_errors
from nas.search.launch import Prepared, counted, describe, fitted, measuring, said, search_feed, training_identity
from nas.search.measure import images_of
from nas.search.measures import Measures
from nas.search.precisions import precisions
from nas.search.resources import engine, machine_name, trying_placement
from nas.search.storage import open_storage, opened_if_made
from nas.search.study import IDENTITY, SOURCE, TARGET, VALIDATION_IMAGES, Described, create_or_resume, identity
from nas.search.study_folder import claim
from nas.search.training_way import Taught, Training
from nas.search.trial_store import TrialStore, is_given
from nas.search.worker import Task
from nas.space.analytic import metrics
from nas.space.attributes import ORIGIN, SEED
from nas.training.data_advice import advice
from nas.training.datasets import Dataset
from nas.training.sizing import Sizing

if TYPE_CHECKING:
    from torch import nn

    from nas.space.sampler import FeasibleSampler

STEP = "nas.search.given_child:described"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person asks to be trained, and how their code is held in check."""

    target: str
    """A file or a module with a name in it, an architecture's text, or a known network's name."""
    module: nn.Module | None = None
    """A model in memory, in place of a target, which is then what it is called."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 1
    timeout: str = "5m"
    """The longest that the code may take for a step."""
    memory: str = "4GiB"
    recipe: str | None = None
    """A recipe's name or file; None is that of the study, or the default."""
    augmentation: str | None = None
    teacher: Sequence[str] | None = None
    """Trials and exports whose logits it learns from; None is the study's own teacher, or none."""
    anew: bool = False
    """Whether unfinished trials of the target whose files have changed are ended rather than refused."""

    @property
    def is_architecture(self) -> bool:
        """Whether it names an architecture, and no code."""
        if self.module is not None:
            return False
        place = self.target.rpartition(":")[0] or self.target
        if named.is_name(self.target):
            return True
        return "/" in self.target and not place.endswith((".py", ".ipynb")) and not Path(place).exists()

    def check(self) -> None:
        """Raise UnusableInputError for what is wrong with it whatever its data, before that is decoded."""
        self.limits()
        if self.is_architecture:
            named.architecture(self.target)
            if self.arguments:
                raise UnusableInputError(
                    f"an architecture takes no arguments: --arg {next(iter(self.arguments))}: leave it out"
                )
        elif self.module is None:
            read_source(parse_target(self.target))

    def limits(self) -> Limits:
        """Of the code; UnusableInputError for what is no duration or no size."""
        return Limits(seconds=read_seconds(self.timeout), memory_bytes=read_bytes(self.memory))


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """A training of a network that is ready to run."""

    network: Network
    prepared: Prepared
    notes: tuple[str, ...]
    """What a person should know of the network, a line each."""

    def trials(self) -> list[FrozenTrial]:
        """Its trials in the study, by seed; of trials of one seed the last."""
        trials = self.prepared.study.get_trials(deepcopy=False)
        mine = {t.user_attrs[SEED]: t for t in trials if is_given(t) and key_of(t.user_attrs) == self.network.key}
        return [mine[seed] for seed in sorted(mine)]


def settled(config: LaunchConfig, given: Mapping[str, Any]) -> LaunchConfig:
    """The configuration with what an existing study was made with, where a flag of ``given`` says nothing else."""
    study = _existing(config)
    known = identity(study) if study else {}
    if "metrics" in known and given.get("metrics") is None:
        raise UnusableInputError(
            f"study {config.study!r} measures networks by {known['metrics']['name']}: give that file: --metrics"
        )
    usual = {name: known[name] for name in ("epochs", "constraints", "seed", "objective") if name in known}
    if study and given.get("data") is None:
        usual["data"] = study.user_attrs.get(SOURCE, config.data)
    return config.model_copy(update={name: value for name, value in usual.items() if given.get(name) is None})


def _existing(config: LaunchConfig) -> Described | None:
    """What is known of the study; None where it is not made yet."""
    with opened_if_made(config.storage) as storage:
        summaries = optuna.get_all_study_summaries(storage=storage) if storage is not None else []
        found = [summary for summary in summaries if summary.study_name == config.study]
    return found[0] if found and IDENTITY in found[0].user_attrs else None


def _way(
    config: LaunchConfig, wanted: Wanted, dataset: Dataset, teacher: Taught | None
) -> tuple[LaunchConfig, Training, Sizing | None, Training]:
    """How the network trains: as the study does, which refuses another way, or as is asked for, sized by the data.

    Last, how it would train in a new study.
    """
    study = _existing(config)
    config = config.model_copy(update={} if wanted.recipe is None else {"recipe": wanted.recipe})
    asked = Training.asked(wanted.recipe, wanted.augmentation, config.epochs, dataset=dataset, teacher=teacher)
    if study is None:
        asked.check_teacher()
        config, asked, sized = fitted(config, asked, dataset, None)
        return config, asked, sized, asked
    way = Training.of(study, config.epochs)
    way.refuse_other(study, asked, {name: getattr(wanted, name) for name in ("recipe", "augmentation", "teacher")})
    unasked = LaunchConfig(**config.model_dump(exclude={"epochs"}))  # where the flag was not given, the data decides
    _, fitting, _ = fitted(unasked, asked, dataset, config.epochs)
    return config, way, None, fitting if way.recipe == fitting.recipe else asked


def prepare(config: LaunchConfig, wanted: Wanted, dataset: Dataset, observe: Callable[[Driver], None]) -> Trainings:
    """Judge the network, try a step of its training, and open everything that its trainings need.

    Raises UnusableInputError for a network that cannot be trained, one of which an unfinished training was begun with
    other files, and as ``nas.search.launch.prepare``; ModelFailedError where the person's code raised.
    """
    wanted.check()
    dataset.split()
    teacher = teachers.read(wanted.teacher, storage=config.storage, study=config.study, dataset=dataset)
    config, way, sized, usual = _way(config, wanted, dataset, teachers.taught(teacher))
    if AUGMENTATION_RULE in config.constraints:
        way.check_rule(dataset)
    with ExitStack() as tools:
        measures, objectives = measuring(config, tools)
        rules = [rule.expr for rule in counted(config, measures)]
        network, notes = _network(config, rules, wanted, dataset, way)
        network = _measured(network, measures, dataset)
    objectives.check({**network.metrics.as_dict(), **network.measured})
    with ExitStack() as held, one_line_errors():
        workers = engine(config, tasks=wanted.seeds)
        held.callback(workers.shutdown)
        storage = open_storage(config.storage, write=True)
        check = held.enter_context(hold(config.storage, config.study, storage=storage))
        lines = [*notes]
        trackers = Trackers(config.log, lines) if config.log else None
        made_with = training_identity(config, dataset, way, objective=str(objectives), latency=measures.latency)
        study = create_or_resume(storage, config.study, made_with, RandomSampler(), objectives.directions)
        folder = claim(config.storage, study)
        held.enter_context(hold_folder(folder, config.storage, config.study))
        way = Training.of(study, config.epochs)
        teacher = teachers.kept(folder, way.teacher, teacher)
        lines.extend([*teachers.notes(teacher), *way.notes(config.epochs, replace(usual, idle=()))])
        feed = search_feed(dataset, config.seed, way, teacher)
        describe(study, config, dataset)
        target = study.user_attrs[TARGET]
        doubts = advice(
            dataset,
            batch_size=way.recipe.batch_size,
            epochs=config.epochs,
            target=target,
            mirroring=way.mirroring,
        )
        study.set_user_attr(VALIDATION_IMAGES, images_of(objectives.measure, feed.evaluation[1]))
        seeds = _missing(study, network, config, wanted, folder)
        lock = held.pop_all()
    trials = len(study.get_trials(deepcopy=False)) + len(seeds)
    driver = Driver(
        study=study,
        sampler=cast("FeasibleSampler", study.sampler),  # which given networks ask for nothing
        engine=workers,
        feed=feed,
        budget=Budget(trials=trials, seconds=float("inf"), epochs=config.epochs, target=target),
        folder=folder,
        seed=config.seed,
        recipe=way.recipe,
        notes=lines,
        trackers=trackers,
        objectives=objectives,
        precisions=partial(precisions, study, workers, check),
        machine=machine_name(config),
        observe=observe,
        hold=check,
        network=network,
        seeds=seeds,
    )
    return Trainings(
        network=network,
        prepared=Prepared(
            study=study,
            driver=driver,
            dataset=dataset,
            training=way,
            lock=lock,
            advice=doubts,
            sizing=said(feed, way, config.epochs, sized),
        ),
        notes=notes,
    )


def _missing(study: optuna.Study, network: Network, config: LaunchConfig, wanted: Wanted, folder: Path) -> list[int]:
    """The seeds without a trial that is complete or can be resumed; ends or refuses trials of files that changed."""
    trials = [t for t in study.get_trials(deepcopy=False) if is_given(t)]
    mine = [t for t in trials if key_of(t.user_attrs) == network.key and t.state != TrialState.FAIL]
    for trial in trials:
        if trial.state.is_finished() or trial.user_attrs[ORIGIN] != network.origin or trial in mine:
            continue
        if not wanted.anew:
            raise UnusableInputError(
                f"{network.origin} is not what trial {trial.number} was begun with ({_progress(trial, config)}): its "
                f"files or arguments have changed: restore them (copies: {folder / f'trial-{trial.number:05d}'}), or "
                "give --anew to end that trial and train what is there now"
            )
        store = TrialStore(study)
        store.fail(store.reopen(trial.number), f"given anew after {len(trial.intermediate_values)} epochs")
    known = {t.user_attrs[SEED] for t in mine}
    return [seed for seed in range(config.seed, config.seed + wanted.seeds) if seed not in known]


def _progress(trial: FrozenTrial, config: LaunchConfig) -> str:
    return f"{len(trial.intermediate_values)} of {config.epochs} epochs are trained"


def _network(
    config: LaunchConfig, rules: Sequence[str], wanted: Wanted, dataset: Dataset, way: Training
) -> tuple[Network, tuple[str, ...]]:
    if wanted.is_architecture:
        return of_architecture(wanted.target, rules, dataset), ()
    with Sandbox(sees_gpus=config.device != "cpu") as sandbox:
        judged = partial(_of_code, sandbox=sandbox) if wanted.module is None else partial(_of_module, wanted.module)
        network = judged(rules=rules, wanted=wanted, dataset=dataset)
        task = Task(
            architecture="", given=network.given, feed=search_feed(dataset, config.seed, way), epochs=config.epochs,
            until=config.epochs, seed=config.seed, folder=Path(), recipe=way.recipe,
        )  # fmt: skip
        return network, try_given(trying_placement(config), task, sandbox)


def _measured(network: Network, measures: Measures, dataset: Dataset) -> Network:
    """The network with what is measured of it, as of a candidate, and the rules on that which it breaks.

    Raises UnusableInputError where a person's own metrics would have to measure a module in memory.
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
    broken = [verdict.expr for verdict in measures.verdicts(values) if not verdict.ok]
    return replace(network, measured=values, broken=(*network.broken, *broken))


def of_architecture(text: str, constraints: Sequence[str], dataset: Dataset) -> Network:
    """The network of an architecture's text or name, for the images and classes of the data.

    Raises ArchitectureError for what is none, and UnusableInputError for one that is written for other data.
    """
    architecture = named.architecture(text)
    shape, classes = dataset.image_shape, len(dataset.classes)
    if (architecture.input, architecture.classes) == (DEFAULT_INPUT, DEFAULT_CLASSES):
        architecture = replace(architecture, input=shape, classes=classes)
    if (architecture.input, architecture.classes) != (shape, classes):
        raise UnusableInputError(
            f"the architecture is for other data: {_data(architecture)}, not {_data_of(shape, classes)}: "
            "give the text without its input and classes"
        )
    rules = parse_all(constraints)
    found = metrics(architecture, rules)
    broken = tuple(v.expr for v in judge(rules, found.as_dict()) if not v.ok)
    origin = text.strip() if named.is_name(text) else "text"
    return Network(origin=origin, architecture=architecture, given=None, metrics=found, broken=broken)


def _data(architecture: Architecture) -> str:
    return _data_of(architecture.input, architecture.classes)


def _data_of(shape: Sequence[int], classes: int) -> str:
    return f"{'x'.join(map(str, shape))} and {classes} classes"


def _of_code(*, rules: Sequence[str], wanted: Wanted, dataset: Dataset, sandbox: Sandbox) -> Network:
    """The network that a person's code makes, judged as ``validate`` judges it."""
    target = parse_target(wanted.target)
    request = Request(
        target=target,
        inputs=(InputSpec(shape=dataset.image_shape),),
        arguments=wanted.arguments,
        require=parse_all(rules),
        classes=len(dataset.classes),
        fixes_seconds=0.0,
        limits=replace(wanted.limits(), seconds=max(wanted.limits().seconds, Limits().seconds)),  # of several steps
        steps=(STEP,),
    )
    found = sandbox.check(request)
    report = found.report
    if STEP not in found.steps:  # the time ended, or the process
        raise ModelFailedError(report.warnings[-1])
    more = found.steps[STEP]
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
    return Network(
        origin=name,
        architecture=None if text is None else named.architecture(text),
        given=given,
        metrics=_metrics(report.metrics),
        broken=tuple(v.expr for v in report.constraints if not v.ok),
        shown={} if text is not None else {"report": report.to_dict(), "sizes": more["sizes"]},
    )


def _of_module(module: nn.Module, *, rules: Sequence[str], wanted: Wanted, dataset: Dataset) -> Network:
    """The network of a model in memory: judged here, since its code has run here already, and sent where it trains."""
    from constraints import check
    from nas.architecture.from_module import from_module

    try:
        content = pickle.dumps(module)
    except Exception as error:
        raise _unsendable(module, f"{type(error).__name__}: {error}") from error
    if type(module).__module__ == "__main__":
        raise _unsendable(module, "its class is defined in the program itself")
    report = check(module, dataset.image_shape, rules, classes=len(dataset.classes), target=wanted.target)
    try:
        architecture = from_module(module, dataset.image_shape)
    except UnusableInputError:
        architecture = None
    given = Given(
        target=Target(text=wanted.target, file=None, module="", name=wanted.target),
        limits=wanted.limits(),
        is_finished=True,
        is_architecture=architecture is not None,
        memory=hashlib.sha256(content).hexdigest(),
        pickled=base64.b64encode(content).decode(),
        paths=tuple(sys.path),
    )
    return Network(
        origin=wanted.target,
        architecture=architecture,
        given=given,
        metrics=_metrics(report.metrics),
        broken=tuple(v.expr for v in report.constraints if not v.ok),
        shown={} if architecture else {"report": report.to_dict(), "sizes": None},
    )


def _unsendable(module: nn.Module, why: str) -> UnusableInputError:
    return UnusableInputError(
        f"the module cannot be sent to the process that trains it: {type(module).__name__}: {why}: give its file: "
        "nas.train('file.py:NAME')"
    )


def _metrics(values: Mapping[str, Any]) -> Metrics:
    """A report's metrics as those of a candidate."""
    return Metrics(**{f.name: _tupled(values.get(f.name)) for f in fields(Metrics)})


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value
