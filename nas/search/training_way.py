"""How the candidates of a study train: recipe and augmentation, stored in the study when it is made.

A later release may have other defaults; a study keeps its own, so that its trials stay comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from constraints.errors import UnusableInputError
from nas.search.study import MALFORMED, Described, foreign, shared
from nas.search.study_augmentation import MIRRORING, asked_augmentation, facts_of, kept_augmentation, usual_augmentation
from nas.search.taught import Taught, kept_teacher
from nas.training import augmentation, recipe_files, recipes, tuning
from nas.training.augmentation import Augmentation
from nas.training.named_recipes import RECIPES
from nas.training.recipe_table import as_table, from_table
from nas.training.recipes import Recipe
from nas.training.serialised import names
from nas.training.tuning import PREFIX, Range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from nas.training.decoded import Dataset

_FEW = 3
"""How many differences an error lists."""


_KEPT = ("batch_size", "whitening_spread", "halved_norm", "distillation", "temperature")
"""Options in which a shipped recipe may differ and still follow the number of epochs: those that depend on the data or
the teacher, and those that an earlier release's recipe did not have."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Recipe and augmentation of all candidates, and the recipe options that are proposed for each of them."""

    recipe: Recipe
    augmentation: Augmentation
    tune: Mapping[str, Range] = field(default_factory=dict)
    """Recipe option -> the range from which each trial's value is proposed."""
    teacher: Taught | None = None
    idle: tuple[str, ...] = field(default=(), compare=False)
    """Options with a range in the recipe's file that ``--tune`` did not ask for."""

    @classmethod
    def default(cls, epochs: int) -> Self:
        """This release's default for an epoch budget of ``epochs``."""
        recipe = recipes.usual(epochs)
        return cls(recipe=recipe, augmentation=usual_augmentation(recipe))

    @classmethod
    def asked(
        cls,
        recipe: str | Mapping[str, Any] | None,
        augmentation: str | None,
        epochs: int,
        *,
        tune: Sequence[str] | None = None,
        dataset: Dataset | None = None,
        teacher: Taught | None = None,
    ) -> Self:
        """The training that ``--recipe``, ``--augmentation`` and ``--tune`` ask for; None means the default.

        With a ``teacher``, its share of the loss is ``recipes.TAUGHT`` unless the recipe sets it.

        A user's pipeline is loaded and tried in the limited child process, on images like those of the ``dataset``.
        Raises UnusableInputError for what cannot be used, in one line with its remedy, and ModelFailedError where the
        user's code raises.
        """
        source = recipe_files.load(recipe, epochs)
        ranges = tuning.ranges(tune or (), source.tune, source.recipe, source.place)
        if dataset is not None:
            _check_crop(source.recipe, ranges, min(dataset.image_shape[1:]))
        idle = () if tune else tuple(tuning.written(source.tune))
        chosen = source.recipe
        if teacher is not None and not chosen.distillation:
            chosen = replace(chosen, distillation=recipes.TAUGHT)
        kept = usual_augmentation(chosen) if augmentation is None else asked_augmentation(augmentation, dataset)
        return cls(recipe=chosen, augmentation=kept, tune=ranges, teacher=teacher, idle=idle)

    @classmethod
    def of(cls, study: Described, epochs: int) -> Self:
        """The training of a study; for one by an earlier release, which stored none, that release's default.

        Raises UnusableInputError for a study with content that this tool did not write.
        """
        made_with = shared(study)
        recipe, kept = made_with.get("recipe"), augmentation.shipped(augmentation.DEFAULT)
        part = "augmentation"
        try:
            if (table := made_with.get(part)) is not None:
                kept = kept_augmentation(table)
            part = "teacher"
            taught = None if (of := made_with.get(part)) is None else kept_teacher(of)
            part = "tune"
            ranges = tuning.from_study(made_with.get(part, {}))
        except UnusableInputError as error:
            raise UnusableInputError(f"study {study.study_name!r}: its {part}: {error}") from None
        except MALFORMED:
            raise foreign(study, f"its {part} is of another kind") from None
        found = from_table(recipe, f"study {study.study_name!r}: its recipe") if isinstance(recipe, dict) else None
        return cls(recipe=found or recipes.of_first_release(epochs), augmentation=kept, tune=ranges, teacher=taught)

    def as_table(self) -> dict[str, Any]:
        """The training as a study's identity stores it."""
        table = {"recipe": as_table(self.recipe), "augmentation": self.augmentation.as_table()}
        tune = {name: one.as_table() for name, one in self.tune.items()}
        more = {"tune": tune, "teacher": None if self.teacher is None else dict(vars(self.teacher))}
        return {**table, **{name: value for name, value in more.items() if value}}

    def check_teacher(self) -> None:
        """Raise UnusableInputError for a recipe with distillation but no teacher."""
        if self.teacher is None and (self.recipe.distillation or "distillation" in self.tune):
            raise UnusableInputError(
                f"recipe {self.recipe.name}: distillation: there is no teacher: give --teacher, or leave it at 0"
            )

    def refuse_other(self, study: Described, asked: Training, given: Mapping[str, object]) -> None:
        """Raise UnusableInputError where a ``given`` flag asks for another training than the study's.

        ``given`` maps ``recipe``, ``augmentation``, ``tune`` and ``teacher`` to the flags' values, None where not
        given.
        """
        asked = asked.with_share_of(self)
        for flag in self._differs(asked):
            if flag == "tune" and given.get("recipe") is None and set(asked.tune) == set(self.tune):
                continue  # the recipe is the study's own, so its ranges are too
            if given.get(flag) is not None:
                before, now = self._words(flag, asked), asked._words(flag, self)
                raise UnusableInputError(
                    f"study {study.study_name!r} was made with other {flag}: {before}, not {now}: "
                    f"leave --{flag} out to keep its own, or use another --study"
                )

    def with_share_of(self, study: Training) -> Training:
        """A copy with the teacher's share from ``study`` where this asks for neither a teacher nor a share."""
        if self.teacher is not None or self.recipe.distillation or study.teacher is None:
            return self
        return replace(self, recipe=replace(self.recipe, distillation=study.recipe.distillation))

    def _differs(self, other: Training) -> list[str]:
        """The flags in which two trainings differ."""
        same = {
            "recipe": recipe_files.nameless(other.recipe) == recipe_files.nameless(self.recipe),
            "augmentation": other.augmentation.is_same(self.augmentation),
            "tune": dict(other.tune) == dict(self.tune),
            "teacher": (other.teacher and other.teacher.hash) == (self.teacher and self.teacher.hash),
        }
        return [flag for flag, is_same in same.items() if not is_same]

    def _words(self, flag: str, other: Training) -> str:
        """The value of a flag as the user knows it, with what differs in the ``other``."""
        if flag == "tune":
            return ", ".join(f"{name} {one}" for name, one in self.tune.items()) or "nothing"
        if flag == "teacher":
            return f"{self.teacher.name} ({self.teacher.hash[:8]})" if self.teacher else "none"
        name = self.recipe.name if flag == "recipe" else self.augmentation.name
        mine, theirs = (dict(_flat(one.as_table()[flag])) for one in (self, other))
        own = [f"{key} {mine[key]}" for key in mine if key != "name" and theirs.get(key) != mine[key]]
        listed = ", ".join([*own[:_FEW], *(["..."] if len(own) > _FEW else [])])
        return f"{name} ({listed})" if listed else name

    @property
    def mirroring(self) -> str:
        """Advice on how to stop mirroring images; empty where none are mirrored left to right."""
        kept = self.augmentation
        for option in ("flip", "alternating_flip"):
            if getattr(self.recipe, option):
                return f"train by a recipe with {option} = false (--recipe FILE.toml), in a new --study"
        if kept.transform is not None:
            mirroring = sorted(set(names(kept.transform)) & MIRRORING)
            return f"take {', '.join(mirroring)} out of the augmentation, in a new --study" if mirroring else ""
        if kept.probabilities.get("flip", 0) > 0:
            return f"give --augmentation {kept.name},flip=0, in a new --study"
        return ""

    def of_feed(self) -> dict[str, Any]:
        """The augmentation fields of a feed."""
        kept = self.augmentation
        return {"augmentation": kept.name, "probabilities": dict(kept.probabilities), "transform": kept.transform}

    def for_epochs(self, epochs: int) -> Recipe:
        """The recipe for another number of epochs; the default and ``long`` recipes are adapted to it.

        So are both with options behind their names, ``long,mixup=0.1``: what was not given follows the length.

        A default recipe is replaced by the default of the same release, so that a study's confirmations are comparable.
        Batch size (which may depend on the data), the teacher's share and what earlier releases did not have are kept.
        """
        for make in (recipes.default, recipes.long, *self._with_options()):
            if self._follows(make):
                return replace(make(epochs), **self._kept)
        return self.recipe

    @property
    def _kept(self) -> dict[str, Any]:
        return {name: getattr(self.recipe, name) for name in _KEPT}

    def _follows(self, make: Callable[[int], Recipe]) -> bool:
        """Whether the recipe is what ``make`` returns for some number of epochs, except for options that are kept."""
        return self.recipe in [replace(one, **self._kept) for one in _by_length(make)]

    def _with_options(self) -> Iterator[Callable[[int], Recipe]]:
        """The function that makes the recipe of a shipped name and options, where its name is of that kind."""
        name = self.recipe.name
        shipped, *options = name.split(",")
        if options and shipped in RECIPES:
            with suppress(UnusableInputError):  # the name comes from the study, and its options may be unknown here
                recipe_files.load(name, recipes.LONG)
                yield lambda epochs: recipe_files.load(name, epochs).recipe

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions of the tuned recipe options, by parameter name."""
        from nas.search.tuned_parameters import distribution

        return {f"{PREFIX}{name}": distribution(name, one) for name, one in self.tune.items()}

    def check_rule(self, dataset: Dataset) -> None:
        """Raise UnusableInputError where the augmentation breaks rule 6 of the assignment on these images."""
        from nas.user_augmentation import check_rule

        shape, mean = facts_of(dataset)
        check_rule(self.augmentation, shape, mean)

    def notes(self, epochs: int, asked: Training | None = None) -> Iterator[str]:
        """Messages for the user, such as differences from what a new study would be ``asked`` for."""
        usual = (asked or self.default(epochs)).with_share_of(self)
        if changed := self._differs(usual):
            *names, last = ("tuning" if flag == "tune" else flag for flag in changed)
            what = f"{', '.join(names)} and {last}" if names else last
            yield f"the study was made with another {what} than a new one would be: it keeps its own"
        if self.recipe.alternating_flip and 0 < self.augmentation.probabilities.get("flip", 0) < 1:
            name = self.augmentation.name
            yield (
                f"alternating_flip has no effect where the augmentation mirrors at random: give --augmentation "
                f"{name},flip=1, in a new --study"
            )
        if usual.idle:
            yield f"nothing is proposed from the ranges in the recipe's [tune]: to do so: --tune {','.join(usual.idle)}"

    def description(self) -> str:
        """Recipe, tuned options and teacher, in one line; empty for the unchanged default."""
        tuned = "".join(f"; {name} from {one}" for name, one in self.tune.items())
        if self.teacher is not None:
            share, temperature = self.recipe.distillation, self.recipe.temperature
            tuned += f"; teacher {self.teacher.name}: {share:g} of the loss, at temperature {temperature:g}"
        return "" if not tuned and self.recipe in _by_length(recipes.default) else f"recipe: {self.recipe.name}{tuned}"


def _check_crop(recipe: Recipe, ranges: Mapping[str, Range], side: int) -> None:
    """Raise UnusableInputError where a crop could shift images by their whole side or more."""
    tuned = ranges.get("crop")
    proposed = (tuned.choices or (tuned.high or 0,)) if tuned else ()
    if (most := max(recipe.crop, *map(int, proposed), 0)) >= side:
        raise UnusableInputError(f"recipe {recipe.name}: crop: {most}: the images' shorter side is {side}: give less")


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of nested tables and lists with its dotted name; list indices start at 1."""
    parts = value.items() if isinstance(value, Mapping) else enumerate(value, 1) if isinstance(value, list) else None
    if parts is None:
        yield name.removeprefix("."), value
        return
    for key, part in parts:
        yield from _flat(part, f"{name}.{key}")


def _by_length(make: Callable[[int], Recipe]) -> list[Recipe]:
    """The variants for short and for long trainings of a recipe that depends on the number of epochs."""
    return [make(epochs) for epochs in (recipes.LONG - 1, recipes.LONG)]
