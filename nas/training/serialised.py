"""Converts an albumentations pipeline to and from a table of plain values, which a study stores.

Trainings always use the pipeline built from the table, so that the table determines the augmented images completely. A
table is not trusted: only albumentations' own transforms are built from it, and none that reads a file.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from constraints.errors import UnusableInputError, shortened

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would otherwise check for updates online

if TYPE_CHECKING:
    import albumentations as A

CLASS = "__class_fullname__"
_LONGEST = 200
MOST_BYTES = 1_000_000
"""Largest table as JSON, since a study stores it."""
_READ_FILES = ("TextImage", "FDA", "HistogramMatching", "PixelDistributionAdaptation")
"""Transforms that read files when they run, so that their settings do not determine the result."""


def to_table(pipeline: A.Compose) -> dict[str, Any]:
    """The pipeline as plain values; UnusableInputError, naming the transform, where that is impossible."""
    import albumentations as A

    for leaf in leaves(pipeline):
        _check_kept(leaf)
    try:
        text = json.dumps(A.to_dict(pipeline)["transform"], default=_plain)
    except (TypeError, ValueError, NotImplementedError, AttributeError, RecursionError) as error:
        raise UnusableInputError(f"albumentations cannot write it down: {error}: {OWN}") from None
    table: dict[str, Any] = json.loads(text)
    check(table)
    return table


OWN = "use albumentations' own transforms with numbers and texts as settings"


def from_table(table: Mapping[str, Any]) -> A.Compose:
    """The pipeline of a table; UnusableInputError where it is not made of albumentations' own transforms."""
    import albumentations as A

    check(table)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were shown when the user's pipeline was built
            made = A.from_dict({"transform": dict(table)})
    except Exception as error:  # each class of albumentations checks its settings in its own way
        raise UnusableInputError(f"no albumentations pipeline: {shortened(str(error), _LONGEST)}: {OWN}") from None
    if not isinstance(made, A.Compose):
        raise UnusableInputError(f"no albumentations pipeline: {type(made).__name__}: put it into a Compose")
    return made


def check(table: Any) -> None:
    """Raise UnusableInputError for a table that names anything but albumentations' own transforms."""
    if len(json.dumps(table, default=repr)) > MOST_BYTES:
        raise UnusableInputError(f"the pipeline's settings take over {MOST_BYTES:,} bytes: leave pictures out of them")
    for node in _nodes(table):
        name = node.get(CLASS)
        if not isinstance(name, str) or not _is_own(name):
            raise UnusableInputError(f"no transform of albumentations' own: {name!r}: {OWN}")
        if name in _READ_FILES:
            raise UnusableInputError(f"{name} reads files, which may change while a study keeps it: leave it out")
        for key in ("bbox_params", "keypoint_params"):
            if node.get(key) is not None:
                raise UnusableInputError(f"{name} takes {key}, and images here have labels alone: leave {key} out")


def names(table: Mapping[str, Any]) -> list[str]:
    """Names of a table's transforms in order, without compositions such as OneOf."""
    return [node[CLASS] for node in _nodes(table) if "transforms" not in node]


def leaves(transform: Any) -> Iterator[Any]:
    """The transforms of a pipeline in order, without compositions."""
    from albumentations.core.composition import BaseCompose

    if not isinstance(transform, BaseCompose):
        yield transform
        return
    for child in transform.transforms:
        yield from leaves(child)


def acting_transform(error: BaseException) -> str:
    """The transform that was running when an error was raised: the innermost one; ``a transform`` where none was."""
    import albumentations as A
    from albumentations.core.composition import BaseCompose

    name, frame = "a transform", error.__traceback__
    while frame is not None:
        acting = frame.tb_frame.f_locals.get("self")
        if isinstance(acting, A.BasicTransform | BaseCompose):
            name = type(acting).__name__
        frame = frame.tb_next
    return name


def _nodes(table: Any) -> Iterator[Mapping[str, Any]]:
    """The table of each transform and composition, a composition before its parts."""
    if not isinstance(table, Mapping):
        raise UnusableInputError(f"no transform: {table!r}: give the table that albumentations.to_dict makes")
    yield table
    children = table.get("transforms", ())
    if not isinstance(children, list | tuple):
        raise UnusableInputError(
            f"no list of transforms: {children!r}: give the table that albumentations.to_dict makes"
        )
    for child in children:
        yield from _nodes(child)


def _is_own(name: str) -> bool:
    """Whether albumentations has a transform of this name that can be built from a table."""
    import albumentations as A
    from albumentations.core.composition import BaseCompose
    from albumentations.core.serialization import SERIALIZABLE_REGISTRY

    found = SERIALIZABLE_REGISTRY.get(name)
    return (
        isinstance(found, type)
        and issubclass(found, A.BasicTransform | BaseCompose)
        and getattr(A, name, None) is found
    )


def _check_kept(leaf: Any) -> None:
    """Raise UnusableInputError for a transform that its table does not describe completely."""
    name = type(leaf).__name__
    if not _is_own(name) or type(leaf).__module__.partition(".")[0] != "albumentations":
        raise UnusableInputError(f"{name} is no transform that a study can keep: {OWN}")
    if ignored := getattr(leaf, "invalid_args", ()):
        raise UnusableInputError(
            f"{name} ignores {', '.join(ignored)}, unknown to the installed albumentations: "
            "use the names that it has, or leave them out"
        )


def _plain(value: Any) -> Any:
    """Convert numpy values and enumerations to plain Python values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "value"):
        return value.value
    raise TypeError(f"a setting of the kind {type(value).__name__}")
