"""A user's augmentation in the child process: loads the pipeline, converts it to a table, tries what that gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from constraints.errors import UnusableInputError, with_type
from constraints.sandbox.loading import Loader
from constraints.sandbox.named import Send, stage
from constraints.sandbox.named_pipelines import named_pipelines
from constraints.sandbox.request import Target
from nas.training.serialised import CLASS, acting_transform, from_table, leaves, to_table

_IMAGES = 16
_SEEDS = range(4)
Apply = Callable[[Any, int], list[Any]]
"""The images as a pipeline changes them under a seed."""


def read(arguments: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """The table of the pipeline ``target``, called with ``arguments`` where it is a function.

    A function with parameters ``mean`` or ``image_size`` gets those of the data unless they are given. Raises
    UnusableInputError, naming the transform, for a pipeline that a table cannot express, that is not determined by its
    seed, or that changes an image's size, channels or type.
    """
    target, given = Target.from_dict(arguments["target"]), arguments["arguments"]
    facts = {"mean": arguments["mean"], "image_size": arguments["shape"][:2]}
    with Loader() as loader:
        found = named_pipelines(target, lambda thing: {**_wanted(facts, thing), **given}, loader, send)
        if len(found) > 1:
            ways = ", ".join(f"{target.name}{way}" for way, _ in found)
            raise UnusableInputError(f"{target.name!r} holds {len(found)} pipelines: {ways}: name one that is alone")
        pipeline = _composed(found[0][1])
        table = to_table(pipeline)
        loader.remedies.absent.is_sealed = True
        with stage("application of the augmentation", send):
            _try(pipeline, table, tuple(arguments["shape"]))
    return table


def _wanted(facts: Mapping[str, Any], thing: Any) -> dict[str, Any]:
    """The facts that a function or a class has parameters for."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return {}
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in facts.items() if name in parameters}


def _composed(found: Any) -> Any:
    """Put one transform or several into a Compose, which seeds them."""
    import albumentations as A

    if isinstance(found, Mapping):
        return from_table(found["transform"] if isinstance(found.get("transform"), Mapping) else found)
    if isinstance(found, A.Compose) and type(found) is A.Compose:
        return found
    try:
        return A.Compose(list(found) if isinstance(found, list | tuple) else [found])
    except (AttributeError, TypeError, ValueError) as error:
        raise UnusableInputError(
            f"its transforms cannot be composed: {with_type(error)}: give a Compose, or a list of transforms alone"
        ) from error


def _try(pipeline: Any, table: Mapping[str, Any], shape: tuple[int, ...]) -> None:
    """Compare the pipeline with the one rebuilt from its table, and check that training can use both."""
    import cv2

    cv2.setNumThreads(0)
    apply = partial(_applied, _images(shape))
    made, certain = from_table(table), from_table(_certain(table))
    for seed in _SEEDS:
        for one in (made, certain):
            for image in apply(one, seed):
                if reason := _misfit(image, shape):
                    alone = list(dict.fromkeys(_misfits_alone(certain, apply, shape)))
                    raise UnusableInputError("; ".join(alone) or f"{type(one).__name__} {reason}")
    for seed in _SEEDS:
        first = apply(pipeline, seed)
        if not _are_equal(first, apply(pipeline, seed)):
            names = ", ".join(_unrepeatable(pipeline, apply)) or type(pipeline).__name__
            raise UnusableInputError(f"{names} differs from run to run under one seed: leave it out")
        if not _are_equal(first, apply(made, seed)):
            names = ", ".join(_lossy(pipeline, apply)) or type(pipeline).__name__
            raise UnusableInputError(
                f"{names} acts otherwise once albumentations has written it down and read it back: "
                "leave it out, or give its settings in another way"
            )


def _images(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Noise, which shows every change of a pixel, and smooth images, which are more like photographs."""
    generator = np.random.default_rng(0)
    height, width, channels = shape
    slope = np.linspace(0, 255, height * width * channels).reshape(shape).astype(np.uint8)
    noise = [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(_IMAGES - 1)]
    return [slope, *noise]


def _applied(images: list[np.ndarray], pipeline: Any, seed: int) -> list[Any]:
    """Apply the pipeline as ``Feed`` does: set the seed once, then image by image."""
    pipeline.set_random_seed(seed)
    try:
        return [pipeline(image=image.copy())["image"] for image in images]
    except Exception as error:  # each transform of albumentations has its own way to refuse images
        size = "x".join(map(str, images[0].shape))
        raise UnusableInputError(
            f"{acting_transform(error)} cannot be applied to images of {size}: {with_type(error)}: take it out, or "
            "give it settings for such images"
        ) from error


def _certain(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with every probability above 0 set to 1."""
    changed = {**table, **({"p": 1.0} if table.get("p") else {})}
    if "transforms" in table:
        changed["transforms"] = [_certain(child) for child in table["transforms"]]
    return changed


def _misfit(image: Any, shape: tuple[int, ...]) -> str:
    """Why training cannot use an image, with the remedy; empty if it can."""
    if not isinstance(image, np.ndarray):
        return f"makes a {type(image).__name__}: take it out, since training makes tensors itself"
    if image.dtype != np.uint8:
        return f"makes {image.dtype} of uint8: take it out, since training normalises behind the pipeline itself"
    if image.shape != shape:
        now, before = ("x".join(map(str, sizes)) for sizes in (image.shape, shape))
        is_size = image.shape[:2] != shape[:2]
        remedy = f"size, say by Resize({shape[0]}, {shape[1]}) at the end" if is_size else "number of channels"
        return f"makes {now} of {before}: keep the {remedy}"
    return ""


def _misfits_alone(pipeline: Any, apply: Apply, shape: tuple[int, ...]) -> Iterator[str]:
    """The transforms that alone return images which training cannot use, each with the reason."""
    import albumentations as A

    for leaf in leaves(pipeline):
        with suppress(Exception):  # it needs the result of a transform before it
            if reason := next(filter(None, (_misfit(image, shape) for image in apply(A.Compose([leaf]), 0))), ""):
                yield f"{type(leaf).__name__} {reason}"


def _unrepeatable(pipeline: Any, apply: Apply) -> Iterator[str]:
    """The transforms that alone give different results with the same seed."""
    import albumentations as A

    for leaf in leaves(pipeline):
        alone = A.Compose([leaf])
        if any(not _are_equal(apply(alone, seed), apply(alone, seed)) for seed in _SEEDS):
            yield type(leaf).__name__


def _lossy(pipeline: Any, apply: Apply) -> Iterator[str]:
    """The transforms that alone give other results after being written as a table and read back."""
    import albumentations as A

    for leaf in leaves(pipeline):
        alone = A.Compose([leaf])
        made = from_table(to_table(alone))
        if any(not _are_equal(apply(alone, seed), apply(made, seed)) for seed in _SEEDS):
            yield str(to_table(alone)["transforms"][0][CLASS])


def _are_equal(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
