"""The starting networks of a search: given as texts, files of texts or models, checked by the study's constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constraints.cli.target import SUFFIXES, parse_target, read_source, split
from constraints.errors import UnusableInputError
from constraints.inputs import InputSpec
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Request
from nas.architecture import named
from nas.architecture.adapting import adapted
from nas.architecture.spec import Architecture, parse
from nas.architecture.text_files import lines
from nas.search.given import shown_images_of
from nas.search.queue import Waiting, add_new, queued
from nas.search.trial_store import proposed
from nas.space.attributes import ARCHITECTURE
from nas.space.edit_alignment import edits
from nas.space.encoding import choices_of
from nas.space.feasible import FeasiblePart
from nas.space.nearest_networks import SearchTooLargeError, nearest
from nas.space.sampler import FeasibleSampler
from nas.space.space import Space
from nas.words import counted

if TYPE_CHECKING:
    import optuna

FOLLOW_UP = "nas.start_child:written"
"""The follow-up that the child runs on a model."""
MOST_NEAR = 3
"""How many nearest networks of the space replace a starting network that breaks a constraint."""


@dataclass(frozen=True, kw_only=True)
class GivenStart:
    """A network, and where it came from."""

    origin: str
    architecture: Architecture


def given(texts: Iterable[str], space: Space) -> list[GivenStart]:
    """The networks of ``--start``: a network's text or name, a target as for ``validate``, or a .txt file of these.

    Models are loaded in a limited child process. A network for other images or classes is adapted to the space's.
    Raises UnusableInputError for what does not exist and for a model that cannot be written as an architecture, naming
    the text and, in a file, its line; errors of the model's code are passed on.
    """
    found = []
    with Sandbox() as sandbox:
        for text, place in lines(texts):
            try:
                with shown_images_of(space.input[0]):
                    network = adapted(_network(text, space, sandbox), space.input, space.classes)
            except UnusableInputError as error:
                name = "" if text in str(error) else f"{text}: "
                raise UnusableInputError(f"{place}{name}{error}", traceback=error.traceback) from error
            found.append(GivenStart(origin=text, architecture=network))
    return found


def check(texts: Iterable[str]) -> None:
    """Raise UnusableInputError for texts for which ``given`` would find no network, without loading models."""
    for text, place in lines(texts):
        try:
            if is_target(text):
                read_source(parse_target(text))
            else:
                named.architecture(text)
        except UnusableInputError as error:
            raise UnusableInputError(f"{place}{error}") from error


def is_target(text: str) -> bool:
    """Whether a text names a model in a file, notebook or module, rather than a network's text or name."""
    return split(text)[0].endswith(SUFFIXES) or not (named.is_network(text) or ":" not in text)


def _network(text: str, space: Space, sandbox: Sandbox) -> Architecture:
    if not is_target(text):
        return named.architecture(text)
    request = Request(
        target=parse_target(text),
        inputs=(InputSpec(shape=space.input),),
        require=(),
        fixes_seconds=0.0,
        follow_ups=(FOLLOW_UP,),
    )
    found = sandbox.check(request).follow_ups.get(FOLLOW_UP, {"refused": "it was cut short"})
    if "refused" in found:
        raise UnusableInputError(
            f"no search can start from {text}: {found['refused']}; or train it as it is: search.py train {text}"
        )
    return named.architecture(found["architecture"])


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """The starting networks of a launch, after checks."""

    waiting: tuple[Waiting, ...]
    lines: tuple[str, ...]
    """Messages for the user: what happens to each network."""


def plan(
    several: Sequence[GivenStart],
    feasible: FeasiblePart,
    broken: Callable[[Architecture], str | None] = lambda network: None,
) -> StartPlan:
    """The networks to try first: feasible ones as they are, for others the nearest feasible ones of the space.

    ``broken`` returns the constraint on a measured metric that a network breaks, if any. A feasible network outside the
    space is tried, and the search continues around its nearest ones in the space.
    """
    waiting: dict[str, Waiting] = {}
    lines = []
    for one in several:
        text = str(one.architecture)
        judged = feasible.judged(one.architecture)
        is_known = choices_of(feasible.space, one.architecture) is not None
        measured = None if judged.broken else broken(one.architecture)
        rules = (measured,) if measured else judged.broken
        if not rules:
            waiting.setdefault(text, Waiting(architecture=text, origin=one.origin, is_start=is_known))
        if is_known and not rules:
            lines.append(f"start: {one.origin}: it keeps every rule and is tried first")
            continue
        near, found = near_ones(one.architecture, feasible)
        for network in (text for text in near if not broken(parse(text))):
            waiting.setdefault(network, Waiting(architecture=network, is_start=True))
        why = _broken(rules) or "it is tried first, though the space does not hold it"
        lines += [f"start: {one.origin}: {why}; {found[0]}", *found[1:]]
    return StartPlan(waiting=tuple(waiting.values()), lines=tuple(lines))


def begin(study: optuna.Study, plan: StartPlan, sampler: FeasibleSampler, trials: int) -> list[str]:
    """Queue a plan's networks in a study, and make the sampler start around every starting network it ever had.

    ``trials`` is the launch's budget. The lines say which networks the study already has, and which exceed the budget.
    """
    held = {
        text: trial.number for trial in study.get_trials(deepcopy=False) if (text := trial.user_attrs.get(ARCHITECTURE))
    }
    add_new(study, plan.waiting)
    everything = queued(study.user_attrs)
    feasible = sampler.feasible
    around = [choices_of(feasible.space, parse(one.architecture)) for one in everything if one.is_start]
    sampler.begin_around([choices for choices in around if choices is not None])
    lines = [
        f"start: {one.architecture}: trial {held[one.architecture]} of the study has it already"
        for one in plan.waiting
        if one.architecture in held
    ]
    left = [one for one in everything if one.architecture not in held]
    if len(left) > (room := max(0, trials - proposed(study.get_trials(deepcopy=False)))):
        more, room_left = counted(len(left), "network"), counted(room, "trial")
        lines.append(f"{more} to try, {room_left} left: launch with more --trials for the others")
    return lines


def near_ones(network: Architecture, feasible: FeasiblePart) -> tuple[list[str], list[str]]:
    """The nearest feasible networks of the space, and lines that list them with their differences."""
    try:
        found = nearest(feasible, network, MOST_NEAR)
    except SearchTooLargeError:
        return [], ["the nearest networks of the space were not found: too many are equally far"]
    networks = [feasible.space.decode(choices) for choices in found.choices]
    count = (
        f"{len(networks)} nearest networks of the space" if len(networks) > 1 else "the nearest network of the space"
    )
    lines = [f"{count}, {found.edits} edit{'s' * (found.edits != 1)} away:"]
    lines += [f"  {other}: {', '.join(map(str, edits(network, other)))}" for other in networks]
    return [str(other) for other in networks], lines


def _broken(broken: Sequence[str]) -> str:
    return f"it breaks {', '.join(broken)}" if broken else ""
