"""Adds networks to a study's queue from outside a launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError
from constraints.rules import Constraint
from constraints.verdicts import judge
from nas.architecture import named
from nas.architecture.adapting import for_data
from nas.architecture.spec import Architecture, Shape, parse
from nas.arguments import checked
from nas.defaults import STORAGE
from nas.search.holding import one_line_errors
from nas.search.measures import counted
from nas.search.queue import Waiting, add, queued
from nas.search.starts import near_ones
from nas.search.storage import close_storage, open_storage
from nas.search.study import IMAGES, identity
from nas.search.study_opening import load, open_study, quiet
from nas.search.writable import check_writable
from nas.space.analytic import metrics
from nas.space.attributes import ARCHITECTURE
from nas.space.feasible import FeasiblePart
from nas.space.study_space import stored_space

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, kw_only=True)
class Enqueued:
    """The outcome of enqueueing one network."""

    architecture: str
    state: str
    """``waits`` (added by this call), ``waited`` (was already queued) or ``tried`` (a trial already has it)."""
    trial: int | None = None


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The result of a call of ``enqueue``."""

    study: str
    networks: tuple[Enqueued, ...]
    waiting: int
    """Number of networks that wait in the study now."""

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of ``enqueue --format json``."""
        return {"study": self.study, "enqueued": [asdict(one) for one in self.networks], "waiting": self.waiting}


@checked
def enqueue(
    networks: str | Architecture | Sequence[str | Architecture],
    *,
    study: str | None = None,
    storage: str | Path = STORAGE,
) -> Queue:
    """Add networks, by text, name or value, to a study's queue: the running launch, or the next one, trains them.

    A text that does not say for which images and classes it is gets those of the study.

    Raises UnusableInputError, and adds none, where one is for other images or breaks a constraint of the study; the
    error names the constraint and the nearest feasible networks.
    """
    place = str(storage)
    several = [networks] if isinstance(networks, (str, Architecture)) else networks
    with quiet():
        with open_study(place, study) as found:
            check_writable(place)
            name = found.study_name
            read = [one if isinstance(one, Architecture) else named.architecture(one) for one in several]
            judged = _judge(found, read)
        with one_line_errors():
            opened = open_storage(place, write=True)
            try:
                return _added(load(opened, name), judged)
            finally:
                close_storage(opened)


def _added(study: optuna.Study, texts: Sequence[str]) -> Queue:
    held = _held(study)
    before = {one.architecture for one in queued(study.user_attrs)}
    done = [
        Enqueued(architecture=text, state="tried", trial=held[text])
        if text in held
        else Enqueued(architecture=text, state="waited" if text in before else "waits")
        for text in texts
    ]
    add(
        study, (Waiting(architecture=one.architecture, origin=one.architecture) for one in done if one.state == "waits")
    )
    waiting = sum(one.architecture not in held for one in queued(study.user_attrs))
    return Queue(study=study.study_name, networks=tuple(done), waiting=waiting)


def _held(study: optuna.Study) -> dict[str, int]:
    """Each network of a study, with the number of its first trial."""
    found: dict[str, int] = {}
    for trial in study.get_trials(deepcopy=False):
        if (text := trial.user_attrs.get(ARCHITECTURE)) is not None:
            found.setdefault(str(text), trial.number)
    return found


def _judge(study: optuna.Study, networks: Sequence[Architecture]) -> list[str]:
    """The texts of the networks; raises for one that must not be tried in the study."""
    known = identity(study, "constraints")
    constraints = counted(known["constraints"])  # the launch measures the others before it trains
    if not networks:
        return []
    shape, classes = _images(study) or (networks[0].input, networks[0].classes)
    fitting = []
    for one in networks:
        try:
            network = for_data(one, shape, classes)
        except UnusableInputError as error:
            raise UnusableInputError(f"{error}; nothing was enqueued") from None
        fitting.append(network)
        verdicts = judge(constraints, metrics(network, constraints).as_dict())
        if broken := [f"{v.expr} ({v.why})" if v.why else v.expr for v in verdicts if not v.ok]:
            near = _nearest(network, known.get("space"), constraints)
            raise UnusableInputError(f"{network} breaks {', '.join(broken)}: {near}; nothing was enqueued")
    return list(dict.fromkeys(map(str, fitting)))


def _nearest(network: Architecture, known: Mapping[str, str] | None, constraints: tuple[Constraint, ...]) -> str:
    """In words, the nearest feasible networks; generic advice where they cannot be found."""
    if known is None:
        return "take one that keeps it"
    try:
        space = stored_space(known, input=network.input, classes=network.classes)
    except UnusableInputError:
        return "take one that keeps it"
    if space.fingerprint != known["hash"]:
        return "take one that keeps it"
    _, lines = near_ones(network, FeasiblePart(space, constraints))
    return " ".join(line.strip() + ";" * (i > 0) for i, line in enumerate(lines)).rstrip(";")


def _images(study: optuna.Study) -> tuple[Shape, int] | None:
    """A study's image shape and number of classes; None where neither the study nor a trial stores them."""
    if IMAGES in study.user_attrs:
        (channels, height, width), classes = study.user_attrs[IMAGES]
        return (int(channels), int(height), int(width)), int(classes)
    for text in _held(study):
        network = parse(text)
        return network.input, network.classes
    return None
