"""``validate --fix``: the fixed network as self-contained source, with its weights beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from constraints.cli.patch import PatchWriter
from constraints.cli.target import parse_target
from constraints.cli.writing import Check, Writer, check_distinct, check_path
from constraints.errors import UnusableInputError
from constraints.metrics import Metrics
from constraints.sandbox.request import Request
from constraints.sandbox.source_text import decoded

_WEIGHTS = ".safetensors"


def writers(fix: Path | None, patch: Path | None) -> tuple[Writer, ...]:
    """The writers that ``--fix`` and ``--patch`` ask for.

    Raises UnusableInputError for a path that cannot be written, and for two outputs that are one.
    """
    if fix and patch:
        check_distinct({"--fix": fix, "the weights of --fix": fix.with_suffix(_WEIGHTS), "--patch": patch})
    return (*([FixWriter(fix)] if fix else []), *([PatchWriter(patch)] if patch else []))


@dataclass(frozen=True)
class FixWriter:
    """Writes ``path`` and its weights, after a check of exactly that file has passed."""

    path: Path
    flag: str = "--fix"
    follow_up: str = "nas.fixing_child:write_fixed"

    def __post_init__(self) -> None:
        """Raise UnusableInputError for a path that cannot be written."""
        check_path(self.path, self.flag, (".py",))
        check_path(self.path.with_suffix(_WEIGHTS), self.flag)

    def write(self, found: Mapping[str, Any], draft: Path, request: Request, check: Check) -> str:
        """Move the draft to ``path`` where its code keeps every constraint at that place, beside what it imports."""
        require = tuple(c for c in request.require if c.metric in Metrics.definitions())  # the child judged all
        report = check(
            replace(
                request, target=parse_target(f"{self.path}:{found['name']}"), arguments={}, require=require,
                source=decoded(draft)[0],
            )
        ).report  # fmt: skip
        if not report.ok:
            broken = ", ".join(v.expr for v in report.constraints if not v.ok)
            raise UnusableInputError(f"the file that would be written breaks a constraint: {broken}")
        if "layers" in found and [layer.as_dict() for layer in report.layers] != found["layers"]:
            raise UnusableInputError("the file that would be written makes other layers than the edits do")
        weights = self.path.with_suffix(_WEIGHTS)
        for source, target in ((draft.with_suffix(_WEIGHTS), weights), (draft, self.path)):
            os.replace(source, target)  # noqa: PTH105 (the atomic rename is the point)
        return f"wrote {self.path}: {found['what']}, keeps every constraint; its weights: {weights}"
