"""Checks that the class folders of a data set's parts are the same, and says what else they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from constraints.errors import UnusableInputError
from nas.training.image_tree import PARTS, VALIDATION


@dataclass(frozen=True, kw_only=True)
class ClassFolders:
    """The class folders of a tree: pairs of part and class."""

    origin: str
    classes: Collection[tuple[str, str]]
    loose: Sequence[str] = ()
    """Images in a part but in no class folder."""
    tables: Sequence[str] = ()
    """Files such as ``labels.csv``, which may hold the classes."""
    unmatched: str = ""
    """What tables name that is not there, which may be why a class is missing."""

    def check(self) -> tuple[str, ...]:
        """The classes, sorted; UnusableInputError where the parts do not hold the same two or more."""
        train = self._of("train")
        for part in (PARTS[1], VALIDATION):
            others = self._of(part)
            if train != others and (others or part != VALIDATION):
                raise UnusableInputError(self._flat(part) or self._different(part))
        if not train:
            raise UnusableInputError(
                self._flat("train")
                or f"the data holds no train/<class>/ and test/<class>/ folders: {self.origin}: name them so, in small "
                "letters"
            )
        if len(train) < 2:
            (only,) = train
            raise UnusableInputError(
                f"the data holds only the class {only!r}{self._beside()}: {self.origin}: give it two classes or more"
            )
        return tuple(sorted(train))

    def _of(self, part: str) -> set[str]:
        return {name for of, name in self.classes if of == part}

    def _beside(self) -> str:
        return f" ({self.unmatched})" if self.unmatched else ""

    def _flat(self, other: str) -> str:
        """The error for images that lie in ``train`` or the other part itself; empty where there is no such part."""
        for part in dict.fromkeys(("train", other)):
            loose = [file for file in self.loose if file.startswith(f"{part}/")]
            if loose and not self._of(part):
                table = f"{self.tables[0]} gives a label to none" if self.tables else "there is no labels.csv"
                what = f"images of {part} are in no class folder, and {table} of them: {loose[0]}: {self.origin}"
                return f"{what}: put each into {part}/<class>/, or its name and label into a line of labels.csv"
        return ""

    def _different(self, part: str) -> str:
        train, others = self._of("train"), self._of(part)
        where, lone, rest = ("train", train - others, others) if train - others else (part, others - train, train)
        name, twin = min(_with_twins(lone, rest), key=lambda pair: (not pair[1], pair))
        what = f"{name!r} is only in {where}"
        if twin:
            what += f", {twin!r} only in {part}, and they differ in upper and lower case"
        what += self._beside()
        return f"train and {part} hold different classes: {what}: {self.origin}: give both parts the same class folders"


def _with_twins(names: Collection[str], others: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each name, with one of the others that differs from it in upper and lower case alone; empty for none."""
    folded = {other.casefold(): other for other in sorted(others)}
    return ((name, folded.get(name.casefold(), "")) for name in names)
