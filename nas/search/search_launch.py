"""A launch: configuration -> data, space, study, workers and driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import optuna

from nas.config import AUGMENTATION_RULE, LaunchConfig
from nas.latency.predictor import Predictor
from nas.search import teachers
from nas.search.budget import Budget, LaunchSummary
from nas.search.confirmed_end import goal
from nas.search.driver import Driver
from nas.search.early_check import check_beginning, check_feasible, check_means, check_study, known_study
from nas.search.engine_choice import is_here
from nas.search.feeds import confirm_feed, search_feed
from nas.search.fitting import as_sized, doubts_of, fitted, said
from nas.search.halving import EARLIER_FIRST_RUNG
from nas.search.holding import one_line_errors
from nas.search.launch_measures import measuring
from nas.search.measure import images_of
from nas.search.postgres_lease import LAPSE_SECONDS
from nas.search.prior import Prior, proxy_of, read_prior
from nas.search.scope import changed, may_leave_out, scoped, space_of
from nas.search.starts import begin, given, plan
from nas.search.study import IMAGES, PRIOR, TARGET, VALIDATION_IMAGES, create_or_resume, shared
from nas.search.study_identity import describe, search_identity
from nas.search.training_way import Training
from nas.search.workplace import Workplace
from nas.space import space as spaces
from nas.space.feasible import FeasiblePart
from nas.space.proxy import FITTED
from nas.space.sampler import FeasibleSampler
from nas.training import datasets
from nas.training.decoded import Dataset

FLAGS = ("recipe", "augmentation", "tune", "teacher")
"""Configuration fields that change how candidates train: a study keeps its own values and refuses others."""


@dataclass(frozen=True, kw_only=True)
class PreparedLaunch:
    """A launch that is ready to run."""

    study: optuna.Study
    driver: Driver
    dataset: Dataset
    training: Training
    """How its candidates train."""
    lock: ExitStack
    """Holds the study, so that no other launch works on it, until closed."""
    advice: tuple[str, ...]
    """Warnings about the data before anything trains, a line each."""
    sizing: str = ""
    """What was chosen by the number of images; empty where nothing was."""
    beginning: tuple[str, ...] = ()
    """What happens to the starting networks, a line each."""


def check(config: LaunchConfig) -> None:
    """Raise UnusableInputError for what can be found to be wrong with a configuration before any data is decoded."""
    spaces.load(config.space)
    datasets.check(config.data)
    check_means(config)
    known = check_study(config)
    check_feasible(config, known)
    check_beginning(config)


def prepare(
    config: LaunchConfig, dataset: Dataset, observe: Callable[[Driver], None], *, lapse: float = LAPSE_SECONDS
) -> PreparedLaunch:
    """Open everything that a search needs; every error is raised before a worker starts.

    ``lapse`` is the lease's, in seconds.

    Raises UnusableInputError for a space with no feasible network, a storage that cannot be opened, a study made with
    other data, space or constraints, a study that another launch holds, or a missing GPU.
    """
    dataset.split()  # raises where it leaves no validation images, before a study is made
    teacher = teachers.read(config.teacher, storage=config.storage, study=config.study, dataset=dataset)
    asked = Training.asked(
        config.recipe,
        config.augmentation,
        config.epochs,
        tune=config.tune,
        dataset=dataset,
        teacher=teachers.taught(teacher),
    )  # raises before a study is made
    has_rule = AUGMENTATION_RULE in config.constraints
    if has_rule and config.augmentation is not None:
        asked.check_rule(dataset)
    known = known_study(config)
    config, before = scoped(config, dataset, known), config
    space = space_of(before, known, config.space, input=dataset.image_shape, classes=len(dataset.classes))
    proxy = FITTED if config.guess else None
    with ExitStack() as held, one_line_errors():
        measures, objectives = measuring(config, held)
        feasible = FeasiblePart(space, measures.counted)
        broken = measures.broken if measures.rules else None
        sampler = FeasibleSampler(feasible, seed=config.seed, proxy=proxy, values=objectives.so_far, broken=broken)
        place = Workplace.opened(config, held, lapse=lapse)
        if not known:
            asked.check_teacher()
        config, asked, sized = fitted(config, asked, dataset, known.get("epochs"))
        identity = search_identity(config, dataset, space, asked, objective=str(objectives), latency=measures.latency)
        other = config.from_study
        prior = read_prior(other, config.storage, config.study, identity, space) if other else None
        begun = plan([*given(config.start, space), *(prior.starts if prior else ())], feasible, sampler.broken_measured)
        study = create_or_resume(
            place.storage,
            config.study,
            identity,
            sampler,
            objectives.directions,
            asked=may_leave_out(before, known, space),
        )
        folder = place.folder(study, held)
        way = Training.of(study, config.epochs)
        asked = as_sized(config, asked, way, dataset)
        way.refuse_other(study, asked, {name: getattr(config, name) for name in FLAGS})
        if has_rule:
            way.check_rule(dataset)
        sampler.beside = way.distributions
        taught = teachers.kept(folder, way.teacher, teacher)
        feed = search_feed(dataset, config.seed, way, taught)
        place.notes.extend(
            [*teachers.notes(taught), *way.notes(config.epochs, asked), *_latency_notes(config, measures.latency)]
        )
        target = config.target or study.user_attrs.get(TARGET)
        doubts = doubts_of(dataset, way, config.epochs, target, objectives.measure)
        describe(study, config, dataset)
        study.set_user_attr(IMAGES, [list(space.input), space.classes])
        beginning = [*(prior.lines if prior else ()), *begun.lines, *begin(study, begun, sampler, config.trials)]
        _learn(study, sampler, prior)
        study.set_user_attr(VALIDATION_IMAGES, images_of(objectives.measure, feed.evaluation[1]))
        aim = goal(config, confirm_feed(dataset, way, taught), way, folder, held)
        lock = held.pop_all()
    driver = place.driver(
        study,
        folder,
        observe,
        sampler=sampler,
        feed=feed,
        budget=_budget(config, study),
        recipe=way.recipe,
        objectives=objectives,
        measure=measures.of,
        goal=aim,
    )
    return PreparedLaunch(
        study=study,
        driver=driver,
        dataset=dataset,
        training=way,
        lock=lock,
        advice=doubts,
        beginning=tuple(beginning),
        sizing=said(feed, way, config.epochs, sized, changed(before, config, known)),
    )


def _latency_notes(config: LaunchConfig, latency: Predictor | None) -> Iterator[str]:
    if latency is not None and not is_here(config.engine):
        yield f"latency_ms is that of {latency.machine}, which launches, and not of the machines that train"


def _budget(config: LaunchConfig, study: optuna.Study) -> Budget:
    """The launch's limits; target and first rung are the study's."""
    target = study.user_attrs[TARGET]
    return Budget(
        trials=config.trials,
        seconds=config.timeout,
        epochs=config.epochs,
        target=target if config.target or config.stop_at_target else None,
        stop_at_target=config.stop_at_target,
        first_rung=shared(study).get("first_rung", EARLIER_FIRST_RUNG),
    )


def _learn(study: optuna.Study, sampler: FeasibleSampler, prior: Prior | None) -> None:
    """Rank the first candidates by another study's results, read in this launch or an earlier one."""
    if prior is not None and prior.weights is not None:
        study.set_user_attr(PRIOR, dict(prior.weights))
    if sampler.proxy is not None and (weights := study.user_attrs.get(PRIOR)):
        sampler.proxy = proxy_of(weights)


def run(prepared: PreparedLaunch) -> LaunchSummary:
    """Search until a budget is spent; UnusableInputError where the disk or the database became unavailable.

    Everything stored before that is kept, and the next launch resumes from it.
    """
    with prepared.lock, one_line_errors():
        return prepared.driver.run()
