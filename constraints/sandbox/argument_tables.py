"""Tables given as arguments: dictionaries whose entries are attributes too, as in objects of configurations."""

from __future__ import annotations

from typing import Any

from constraints.faults import calls_user_code


class ArgumentTable(dict[str, Any]):
    """A dictionary whose entries are attributes too, so that code may read ``cfg["width"]`` and ``cfg.width``."""

    __slots__ = ()
    __setattr__ = dict.__setitem__

    @calls_user_code
    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            known = ", ".join(self) or "nothing"
            message = f"the table that was given has no {name!r}, only {known}: give that entry too"
            raise AttributeError(message) from None  # the error that ``hasattr`` and ``copy`` expect

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """The table itself, so that ``vars`` has its entries."""
        return self


def with_attributes(value: Any) -> Any:
    """A value with each dictionary in it as an ``ArgumentTable``."""
    if isinstance(value, dict):
        return ArgumentTable({key: with_attributes(entry) for key, entry in value.items()})
    return [with_attributes(entry) for entry in value] if isinstance(value, list) else value
