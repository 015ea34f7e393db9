"""Reads the augmentation that a user asks for: a shipped pipeline by name, or one in a user's file, with options.

User code runs only in the limited child process of ``constraints.sandbox``, which returns a table of albumentations'
own transforms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from constraints.augmentation import CIFAR10_MEAN, judge_augmentation
from constraints.cli.target import parse_target, read_source
from constraints.cli.toml_text import read_toml_text
from constraints.errors import ConstraintError, UnusableInputError
from constraints.sandbox.parent import Sandbox
from constraints.sandbox.request import Job, Limits, Target
from nas.training.augmentation import Augmentation, make, shipped
from nas.training.serialised import check

_CHILD = "nas.user_augmentation_child"
_LIMITS = Limits()
_OPTIONS = re.compile(r"(.*?),\s*(\w+\s*=.*)", re.DOTALL)
SHAPE = (32, 32, 3)
"""Height, width and channels of images where no data is known."""


def read_augmentation(
    text: str, *, shape: Sequence[int] = SHAPE, mean: Sequence[float] = CIFAR10_MEAN, limits: Limits = _LIMITS
) -> Augmentation:
    """The augmentation of ``NAME``, ``NAME,flip=0``, ``FILE.py:NAME``, ``FILE.py:NAME,key=value``; values are TOML.

    A user's pipeline is tried on images of ``shape`` (height, width, channels); a function that takes ``mean`` or
    ``image_size`` gets those of the data. Raises UnusableInputError for what cannot be used, and ModelFailedError where
    the user's code raises, hangs or outgrows its limits.
    """
    name, options = _split(text)
    if not is_file(text):
        return shipped(name, options)
    target = check_source(text)
    arguments = {"target": {**vars(target)}, "arguments": options, "shape": list(shape), "mean": list(mean)}
    job = Job(function=f"{_CHILD}:read", arguments=arguments, limits=limits)
    try:
        with Sandbox() as sandbox:
            table, _ = sandbox.run(job)
        check(table)
    except ConstraintError as error:
        message = str(error).replace("raise --timeout", "make it quicker").replace("raise --memory", "make it smaller")
        raise type(error)(f"augmentation {name}: {message}", traceback=error.traceback) from None
    return Augmentation(name=text, transform=table)


def check_source(text: str) -> Target:
    """The file or module that a user's augmentation names; UnusableInputError where it cannot be read."""
    target = parse_target(_split(text)[0], needs_name=True)
    read_source(target)
    return target


def is_file(text: str | None) -> bool:
    """Whether an augmentation is a user's rather than a shipped one."""
    return text is not None and re.search(r"[:./\\]", _split(text)[0]) is not None


def check_rule(augmentation: Augmentation, shape: Sequence[int], mean: Sequence[float]) -> None:
    """Raise UnusableInputError where a pipeline breaks rule 6 of the assignment, with each breach and its remedy."""
    size = (shape[0], shape[1])
    pipeline = make(augmentation.name, augmentation.probabilities, augmentation.transform, mean, size)
    verdict = judge_augmentation(pipeline, mean, image=size)
    if not verdict.ok:
        place = f"augmentation {augmentation.name} breaks the rule {verdict.name!r}"
        raise UnusableInputError(f"{place}: {verdict.why}: {'; '.join(verdict.fix)}")


def _split(text: str) -> tuple[str, dict[str, Any]]:
    """The name, and the options behind it."""
    if not (match := _OPTIONS.fullmatch(text)):
        return text, {}
    try:
        return match[1], dict(read_toml_text(f"options = {{{match[2]}}}")["options"])
    except ValueError:
        names = Counter(re.findall(r"(?:^|,)\s*([\w-]+)\s*=", match[2]))
        if names and max(names.values()) > 1:
            twice = max(names, key=lambda name: names[name])
            raise UnusableInputError(f"augmentation {text!r}: {twice} is given twice: give it once") from None
        raise UnusableInputError(
            f"not key=value: {match[2]!r}: write for example assignment,flip=0 and a text in quotes"
        ) from None
