"""Specifications of a model's inputs: shapes with dtypes and names, parsed and checked; no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from constraints.errors import UnusableInputError

Shape = tuple[int, ...]
_DTYPES = {
    "float": "float32", "half": "float16", "double": "float64", "int": "int32", "long": "int64",
    **{n: n for n in ("float16", "bfloat16", "float32", "float64", "complex64", "bool", "uint8", "int8", "int16",
                      "int32", "int64")},
}  # fmt: skip
"""Accepted dtype name -> torch's name."""
_TEXT = re.compile(r"\s*(?:(?P<name>[^\W\d]\w*)\s*=)?\s*(?:(?P<dtype>[a-zA-Z]\w*)\s*:)?(?P<shape>[\d,\s]*)")
_MOST_AXES = 5
_LARGEST_SIDE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One input: the shape of a sample without the batch axis, its dtype, and its keyword."""

    shape: Shape
    dtype: str = ""
    """torch's name, such as int64; empty: floating point in the model's precision."""
    name: str = ""
    """The keyword of the input; empty: positional."""

    def __str__(self) -> str:
        """The text of the flag: ``tokens=int64:16``."""
        dtype = f"{self.dtype}:" if self.dtype else ""
        return f"{self.name and self.name + '='}{dtype}{','.join(map(str, self.shape))}"

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON."""
        return {**asdict(self), "shape": list(self.shape)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> InputSpec:
        """Read back what JSON kept."""
        return cls(**{**fields, "shape": tuple(fields["shape"])})


Sizes = Sequence[int] | Sequence[Sequence[int] | InputSpec] | InputSpec
"""One shape, or one for each input."""


def read_input(text: str) -> InputSpec:
    """``3,32,32``, ``int64:16``, ``mask=bool:1,32,32``: the input that it describes."""
    match = _TEXT.fullmatch(text)
    parts = [p.strip() for p in match["shape"].split(",")] if match else []
    sizes = tuple(int(p) if p.isascii() and p.isdigit() else 0 for p in parts)
    dtype = (match["dtype"] or "").lower() if match else ""
    if len(sizes) > _MOST_AXES or not sizes or not all(0 < size <= _LARGEST_SIDE for size in sizes):
        raise UnusableInputError(
            f"not an input shape: {text!r}: write channels,height,width, for example 3,32,32, or name=int64:16"
        )
    if dtype and dtype not in _DTYPES:
        raise UnusableInputError(f"unknown dtype: {text!r}: use {', '.join(sorted(set(_DTYPES.values())))}")
    return InputSpec(shape=sizes, dtype=_DTYPES.get(dtype, ""), name=(match["name"] or "") if match else "")


def specs(sizes: Sizes) -> tuple[InputSpec, ...]:
    """The input specifications for ``sizes``; raises UnusableInputError for an impossible one."""
    if isinstance(sizes, InputSpec):
        return (sizes,)
    given = sizes if isinstance(sizes, Sequence) else ()  # callers give anything
    several = given and all(isinstance(s, (InputSpec, Sequence)) and not isinstance(s, str) for s in given)
    shapes: list[Any] = list(given) if several else [given]
    found = [s if isinstance(s, InputSpec) else InputSpec(shape=tuple(s)) for s in shapes]
    if not found or not all(f.shape and all(isinstance(n, int) and n > 0 for n in f.shape) for f in found):
        raise UnusableInputError(
            f"unusable input size: {sizes!r}: give positive integers without the batch, for example (3, 32, 32)"
        )
    return tuple(found)
