"""A launch: configuration -> data, space, study, workers and driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from constraints.rules import Constraint
from constraints.sandbox.parent import Sandbox
from nas.config import AUGMENTATION_RULE, DEFAULT_TARGET, LaunchConfig
from nas.latency.predictor import Predictor, load
from nas.loggers import choice
from nas.loggers.trackers import Trackers
from nas.search import teachers
from nas.search.budget import Budget, Summary
from nas.search.driver import Driver
from nas.search.early_check import check_beginning, check_feasible, check_study, known_study
from nas.search.finish import Goal
from nas.search.halving import EARLIER_FIRST_RUNG, first_rung
from nas.search.holding import hold, hold_folder, one_line_errors
from nas.search.measure import images_of
from nas.search.measures import Measures, check_file, fingerprint, needs_latency, split_rules
from nas.search.objectives import Objectives
from nas.search.postgres_lease import LAPSE_SECONDS
from nas.search.precisions import precisions
from nas.search.prior import Prior, proxy_of, read_prior
from nas.search.provenance import keep_launch
from nas.search.resources import engine, gpus, machine_name
from nas.search.scope import changed, scoped
from nas.search.starts import begin, given, plan
from nas.search.storage import open_storage
from nas.search.study import (
    DATA,
    IMAGES,
    PRIOR,
    SOURCE,
    TARGET,
    VALIDATION_IMAGES,
    create_or_resume,
    shared,
)
from nas.search.study_folder import claim
from nas.search.training_way import Training, usual_augmentation
from nas.search.trial_store import counts
from nas.space import space as spaces
from nas.space.feasible import FeasiblePart
from nas.space.proxy import FITTED
from nas.space.sampler import FeasibleSampler
from nas.training import named_recipes, recipes
from nas.training.data_advice import advice
from nas.training.datasets import Dataset
from nas.training.feed import Feed
from nas.training.recipes import Recipe
from nas.training.sizing import Sizing, sentence, sizing
from nas.training.tuning import tuned
from nas.user_augmentation import check_source, is_file
from nas.user_cache import user_cache
from nas.user_metrics import read_metrics

if TYPE_CHECKING:
    from nas.search.confirmation import Confirmation
    from nas.training.teacher import Teacher


FLAGS = ("recipe", "augmentation", "tune", "teacher")
"""Fields of the configuration that say how candidates train: a study keeps its own, and refuses others."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A launch that is ready to run."""

    study: optuna.Study
    driver: Driver
    dataset: Dataset
    training: Training
    """How its candidates train."""
    lock: ExitStack
    """Keeps other launches off the study until it is closed."""
    advice: tuple[str, ...]
    """What a person should know of the data before anything trains, a line each."""
    sizing: str = ""
    """What the number of images decided; empty where it decided nothing."""
    beginning: tuple[str, ...] = ()
    """What becomes of the networks that the search begins with, a line each."""


def check(config: LaunchConfig) -> None:
    """Raise UnusableInputError for what is wrong with a configuration whatever its data, before that is decoded."""
    spaces.load(config.space)
    check_means(config)
    check_study(config)
    check_feasible(config)
    check_beginning(config)


def check_means(config: LaunchConfig) -> None:
    """The same of how networks are trained and measured, by what, and where that is written."""
    shipped = config.augmentation
    if config.augmentation is not None and is_file(config.augmentation):
        check_source(config.augmentation)
        shipped = None  # its code runs once there is an image to try it on
    Training.asked(config.recipe, shipped, config.epochs, tune=config.tune)
    if config.metrics is not None:
        check_file(config.metrics, config.rules, config.objective)
    if needs_latency(config.rules, config.objective):
        load()
    choice.check(config.log)
    if config.engine == "local":
        gpus(config.device)
    else:
        from nas.search.ray_engine import check_installed

        check_installed()


def prepare(
    config: LaunchConfig, dataset: Dataset, observe: Callable[[Driver], None], *, lapse: float = LAPSE_SECONDS
) -> Prepared:
    """Open everything that a search needs; every error comes before a worker starts.

    ``lapse`` is of the lease, in seconds.

    Raises UnusableInputError for a space in which nothing is feasible, a storage that cannot be opened, a study made
    with other data, space or constraints, one that another launch holds, a GPU that is not there.
    """
    dataset.split()  # where that leaves nothing to select by, no study is made
    teacher = teachers.read(config.teacher, storage=config.storage, study=config.study, dataset=dataset)
    asked = Training.asked(
        config.recipe,
        config.augmentation,
        config.epochs,
        tune=config.tune,
        dataset=dataset,
        teacher=teachers.taught(teacher),
    )  # before a study is made with it
    has_rule = AUGMENTATION_RULE in config.constraints
    if has_rule and config.augmentation is not None:
        asked.check_rule(dataset)
    known = known_study(config)
    config, before = scoped(config, dataset, known), config
    space = spaces.load(config.space, input=dataset.image_shape, classes=len(dataset.classes))
    proxy = FITTED if config.guess else None
    with ExitStack() as held, one_line_errors():
        measures, objectives = measuring(config, held)
        feasible = FeasiblePart(space, counted(config, measures))
        broken = measures.broken if measures.rules else None
        sampler = FeasibleSampler(feasible, seed=config.seed, proxy=proxy, values=objectives.so_far, broken=broken)
        workers = engine(config)
        held.callback(workers.shutdown)
        storage = open_storage(config.storage, write=True)
        check = held.enter_context(hold(config.storage, config.study, storage=storage, lapse=lapse))
        notes = list[str]()
        trackers = Trackers(config.log, notes) if config.log else None
        if not known:
            asked.check_teacher()
        config, asked, sized = fitted(config, asked, dataset, known.get("epochs"))
        identity = _identity(config, dataset, space, asked, objective=str(objectives), latency=measures.latency)
        other = config.from_study
        prior = read_prior(other, config.storage, config.study, identity, space) if other else None
        begun = plan([*given(config.start, space), *(prior.starts if prior else ())], feasible, sampler.broken_measured)
        study = create_or_resume(storage, config.study, identity, sampler, objectives.directions)
        folder = claim(config.storage, study)
        held.enter_context(hold_folder(folder, config.storage, config.study))
        way = Training.of(study, config.epochs)
        way.refuse_other(study, asked, {name: getattr(config, name) for name in FLAGS})
        if has_rule:
            way.check_rule(dataset)
        sampler.beside = way.distributions
        taught = teachers.kept(folder, way.teacher, teacher)
        feed = search_feed(dataset, config.seed, way, taught)
        notes.extend(
            [*teachers.notes(taught), *way.notes(config.epochs, asked), *_latency_notes(config, measures.latency)]
        )
        target = config.target or study.user_attrs.get(TARGET)
        doubts = advice(
            dataset,
            batch_size=way.recipe.batch_size,
            epochs=config.epochs,
            target=target,
            mirroring=way.mirroring,
        )
        describe(study, config, dataset)
        study.set_user_attr(IMAGES, [list(space.input), space.classes])
        beginning = [*(prior.lines if prior else ()), *begun.lines, *begin(study, begun, sampler, config.trials)]
        _learn(study, sampler, prior)
        study.set_user_attr(VALIDATION_IMAGES, images_of(objectives.measure, feed.evaluation[1]))
        goal = _goal(config, confirm_feed(dataset, way, taught), way, folder, held)
        lock = held.pop_all()
    driver = Driver(
        study=study,
        sampler=sampler,
        engine=workers,
        feed=feed,
        budget=_budget(config, study),
        folder=folder,
        seed=config.seed,
        recipe=way.recipe,
        notes=notes,
        objectives=objectives,
        measure=measures.of,
        trackers=trackers,
        precisions=partial(precisions, study, workers, check),
        machine=machine_name(config),
        observe=observe,
        hold=check,
        goal=goal,
    )
    return Prepared(
        study=study,
        driver=driver,
        dataset=dataset,
        training=way,
        lock=lock,
        advice=doubts,
        beginning=tuple(beginning),
        sizing=said(feed, way, config.epochs, sized, changed(before, config)),
    )


def said(feed: Feed, way: Training, epochs: int, sized: Sizing | None, others: Mapping[str, str] | None = None) -> str:
    """What the number of images decided; of batch size and epochs nothing where the study has others."""
    is_sized = sized == Sizing(batch_size=way.recipe.batch_size, epochs=epochs)
    return sentence(len(feed.labels), sized if is_sized else None, others)


def fitted(
    config: LaunchConfig, asked: Training, dataset: Dataset, known: int | None
) -> tuple[LaunchConfig, Training, Sizing | None]:
    """Epochs and batch size as the data wants them, where neither epochs nor a recipe were asked for; what it chose.

    None where nothing was chosen. A study that has its epochs already (``known``) keeps them.
    """
    if "epochs" in config.model_fields_set or config.recipe not in (None, named_recipes.DEFAULT):
        return config, asked, None
    usual = Sizing(batch_size=asked.recipe.batch_size, epochs=config.epochs)
    sized = sizing(len(dataset.split().train), usual)
    epochs = known or sized.epochs
    kept = {name: getattr(asked.recipe, name) for name in ("distillation", "temperature")}
    # Few images want many epochs, which are no more steps than a short training has.
    make = recipes.default if config.recipe or epochs == sized.epochs else recipes.usual
    recipe = replace(make(epochs), batch_size=sized.batch_size, **kept)
    is_usual = asked.augmentation == usual_augmentation(asked.recipe)
    augmentation = usual_augmentation(recipe) if is_usual else asked.augmentation
    return (
        config.model_copy(update={"epochs": epochs}),
        replace(asked, recipe=recipe, augmentation=augmentation),
        None if sized == usual else sized,
    )


def measuring(config: LaunchConfig, held: ExitStack) -> tuple[Measures, Objectives]:
    """What measures the candidates of a launch until ``held`` is closed, and what it looks for."""
    own = None
    if config.metrics is not None:
        own = read_metrics(Path(config.metrics), held.enter_context(Sandbox()))
    names = {} if own is None else {name: name in own.maximised for name in own.names}
    objectives = Objectives.parse(config.objective, names)
    _, rules = split_rules(config.rules, tuple(names))
    latency = load() if needs_latency(config.rules, config.objective) else None
    return Measures(own=own, latency=latency, objectives=objectives.costs, rules=rules), objectives


def _latency_notes(config: LaunchConfig, latency: Predictor | None) -> Iterator[str]:
    if latency is not None and config.engine != "local":
        yield f"latency_ms is that of {latency.machine}, which launches, and not of the machines that train"


def counted(config: LaunchConfig, measures: Measures) -> tuple[Constraint, ...]:
    """The constraints that arithmetic judges."""
    rules, _ = split_rules(config.rules, measures.own.names if measures.own else ())
    return rules


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


def ends_confirmed(config: LaunchConfig) -> bool:
    """Whether a launch ends at confirmed networks, instead of confirming the best ones after its end."""
    return config.stop_at_target and config.confirm > 0


def to_confirm(config: LaunchConfig, prepared: Prepared) -> int:
    """How many of the best trials are to be confirmed after the search.

    Of one that ends at confirmed networks none, unless it ended before it confirmed, or began to confirm, any.
    """
    finish = prepared.driver.finish
    return 0 if finish and (finish.tried or finish.failed or finish.is_under_way) else config.confirm


def is_any_complete(prepared: Prepared) -> bool:
    """Whether there is a trial to confirm, be it one that was confirmed before."""
    return any(counts(trial) for trial in prepared.driver.store.trials())


def is_reached(prepared: Prepared, summary: Summary, confirmed: Sequence[Confirmation]) -> bool:
    """Whether some candidate met the target, be it by what was ``confirmed`` after a search for confirmed networks.

    The study then keeps which, as it does where the search itself ended there.
    """
    if (finish := prepared.driver.finish) is None or summary.reached:
        return summary.reached
    over = [one.trial for one in confirmed if one.mean > finish.target]
    if over:
        prepared.driver.store.set_won(over)
    return bool(over)


def _goal(config: LaunchConfig, feed: Feed, way: Training, folder: Path, held: ExitStack) -> Goal | None:
    """The confirmed networks that a launch ends at, if it does; until ``held`` is closed no other process confirms."""

    def recipe(epochs: int, params: Mapping[str, Any]) -> Recipe:
        return tuned(way.for_epochs(epochs), params)

    if not ends_confirmed(config):
        return None
    held.enter_context(hold(config.storage, config.study, "confirm"))
    held.enter_context(hold_folder(folder, config.storage, config.study, "confirm"))
    return Goal(count=config.confirm, feed=feed, recipe=recipe)


def _learn(study: optuna.Study, sampler: FeasibleSampler, prior: Prior | None) -> None:
    """Rank the first candidates by what another study taught, in this launch or an earlier one."""
    if prior is not None and prior.weights is not None:
        study.set_user_attr(PRIOR, dict(prior.weights))
    if sampler.proxy is not None and (weights := study.user_attrs.get(PRIOR)):
        sampler.proxy = proxy_of(weights)


def describe(study: optuna.Study, config: LaunchConfig, dataset: Dataset) -> None:
    """Keep in the study what its leaderboard and its report show; a target that an earlier launch asked for stays."""
    study.set_user_attr(TARGET, config.target or study.user_attrs.get(TARGET) or DEFAULT_TARGET)
    study.set_user_attr(SOURCE, _absolute(config.data))
    study.set_user_attr(DATA, dataset.name)
    keep_launch(study, config)


def run(prepared: Prepared) -> Summary:
    """Search until a budget is spent; UnusableInputError where the disk or the database became unavailable.

    What was stored until then is kept, and the next launch resumes from it.
    """
    with prepared.lock, one_line_errors():
        return prepared.driver.run()


def search_feed(dataset: Dataset, seed: int, way: Training, teacher: Teacher | None = None) -> Feed:
    """What candidates train on: the training part of the split, evaluated on the validation part."""
    folder, split = user_cache() / "epochs", dataset.split()
    return Feed(dataset=dataset, split=split, folder=folder, seed=seed, teacher=teacher, **way.of_feed())


def confirm_feed(dataset: Dataset, way: Training, teacher: Teacher | None = None) -> Feed:
    """The whole training set, evaluated on the test set."""
    return Feed(dataset=dataset, split=None, folder=user_cache() / "epochs", teacher=teacher, **way.of_feed())


def _identity(
    config: LaunchConfig,
    dataset: Dataset,
    space: spaces.Space,
    asked: Training,
    *,
    objective: str,
    latency: Predictor | None,
) -> dict[str, object]:
    found = training_identity(config, dataset, asked, objective=objective, latency=latency)
    return {"data": found.pop("data"), "space": {"name": config.space, "hash": space.fingerprint}, **found}


def training_identity(
    config: LaunchConfig, dataset: Dataset, asked: Training, *, objective: str, latency: Predictor | None = None
) -> dict[str, object]:
    """What a study is made with whose networks are given: no space, which its first search adds."""
    return {
        "data": {"name": dataset.name, "hash": dataset.content_hash},
        "constraints": config.rules,
        "seed": config.seed,
        "epochs": config.epochs,
        "objective": objective,
        "first_rung": first_rung(config.epochs),
        **({} if config.metrics is None else {"metrics": fingerprint(config.metrics)}),
        **({} if latency is None else {"latency": latency.identity}),
        **asked.as_table(),
    }


def _absolute(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source
