"""Warnings from a run: parameters that are not used, not registered or not counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from constraints.tracing.run import Run

_MOST_NAMES = 6


def remarks(run: Run) -> tuple[str, ...]:
    """One line for each warning."""
    unused = [h.name for h in run.weights if h.name and h.value is None]
    return (*_unused(unused, run), *uncounted(run), *_unregistered(run.unregistered))


def _unused(names: Sequence[str], run: Run) -> Iterable[str]:
    """A line for each unused parameter; if there are many, one line that groups them by entirely unused modules."""
    if len(names) <= _MOST_NAMES:
        return [f"{name}: never used by the forward pass" for name in names]
    others = set(run.parameters) - set(names)
    groups: dict[str, int] = {}
    for name in names:
        group = _outermost(name, others)
        groups[group] = groups.get(group, 0) + 1
    texts = [f"{group} (all {count} parameters)" if group not in names else group for group, count in groups.items()]
    return [f"{few(texts)}: never used by the forward pass"]


def _outermost(name: str, others: Iterable[str]) -> str:
    """The outermost module that contains a parameter and none of ``others``; else the parameter."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        prefix = ".".join(parts[:depth])
        if not any(other.startswith(f"{prefix}.") for other in others):
            return prefix
    return name


def uncounted(run: Run) -> Sequence[str]:
    """A line for each reason why parameters are not counted."""
    whys = run.uncounted
    named = {why: [name for name, other in whys.items() if other == why] for why in whys.values()}
    return [f"{few(names)}: {why}" for why, names in named.items()]


def _unregistered(used: Mapping[str, int]) -> Iterable[str]:
    if used:
        names, numbers = few([name for name in used if name]) or "parameters", sum(used.values())
        advice = "keep such modules as attributes or in an nn.ModuleList, such parameters in an nn.ParameterList"
        yield f"{names}: not registered with the model, so that its {numbers:,} parameters are not in params: {advice}"


def few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
