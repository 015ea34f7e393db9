"""How the candidates of a study train: recipe and augmentation, kept with the study when it is made.

A later release may have other defaults: a study goes on with its own, so that its trials stay comparable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from nas.search.study import MALFORMED, Described, foreign, shared
from nas.training import augmentation, recipes
from nas.training.recipe_table import as_table, from_table
from nas.training.recipes import Recipe

PIPELINE = "assignment"


@dataclass(frozen=True, kw_only=True)
class Training:
    """The recipe of all candidates, the pipeline by its name, and how often each of its transforms runs."""

    recipe: Recipe
    pipeline: str
    probabilities: dict[str, float]

    @classmethod
    def default(cls, epochs: int) -> Self:
        """This release's, for a search of ``epochs`` a candidate."""
        return cls(
            recipe=recipes.default(epochs), pipeline=PIPELINE, probabilities=augmentation.probabilities(PIPELINE)
        )

    @classmethod
    def of(cls, study: Described, epochs: int) -> Self:
        """That of a study; of one that an earlier release made, which kept none, the default.

        Raises UnusableInputError for a study that holds something else than this tool writes.
        """
        made_with, usual = shared(study), cls.default(epochs)
        try:
            recipe, pipeline = made_with.get("recipe"), made_with.get("augmentation")
            name = usual.pipeline if pipeline is None else str(pipeline["name"])
            often = usual.probabilities if pipeline is None else _floats(pipeline["probabilities"])
        except MALFORMED:
            raise foreign(study, "its augmentation is of another kind") from None
        kept = from_table(recipe, f"study {study.study_name!r}: its recipe") if isinstance(recipe, dict) else None
        return cls(recipe=kept or usual.recipe, pipeline=name, probabilities=often)

    def as_table(self) -> dict[str, Any]:
        """What a study's identity holds of it."""
        return {
            "recipe": as_table(self.recipe),
            "augmentation": {"name": self.pipeline, "probabilities": dict(self.probabilities)},
        }

    def of_feed(self) -> dict[str, Any]:
        """The fields of a feed that say how images are augmented."""
        return {"augmentation": self.pipeline, "probabilities": dict(self.probabilities)}

    def for_epochs(self, epochs: int) -> Recipe:
        """The recipe of a training of another length: where it is the default, the default of that length."""
        usual = recipes.default(epochs)
        return usual if self.recipe.name == usual.name and self.recipe in _defaults() else self.recipe

    def notes(self, epochs: int) -> Iterator[str]:
        """What a person should know: that the study trains otherwise than a new one would."""
        usual = self.default(epochs)
        changed = [name for name, value in self.as_table().items() if value != usual.as_table()[name]]
        if changed:
            yield f"the study was made with another {' and '.join(changed)} than a new one would be: it keeps them"


def _defaults() -> list[Recipe]:
    """The default recipes, of which there is one for short trainings and one for long ones."""
    return [recipes.default(epochs) for epochs in (recipes.LONG - 1, recipes.LONG)]


def _floats(table: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in table.items()}
