"""Tables given as arguments: dictionaries whose entries are attributes too, as in objects of configurations."""

from __future__ import annotations

from typing import Any

from constraints.faults import calls_user_code


class ArgumentTable(dict[str, Any]):
    """A dictionary whose entries are attributes too, so that code may read ``cfg["width"]`` and ``cfg.width``.

    An entry hides the method of that name. Dictionaries that it is made of, and those that are set as attributes,
    become such tables. ``nas.table_source`` has the same class as text.
    """

    __slots__ = ()

    def __init__(self, *given: Any, **entries: Any) -> None:
        """Take the entries as ``dict`` does."""
        super().__init__(*given, **entries)
        for name, value in dict.items(self):
            if type(value) is dict:
                self[name] = type(self)(value)

    @calls_user_code
    def __getattribute__(self, name: str) -> Any:
        is_entry = name in self and not name.startswith("__")
        return self[name] if is_entry else super().__getattribute__(name)

    @calls_user_code
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_missing(self, name))  # the error that ``hasattr`` and ``copy`` expect

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = type(self)(value) if type(value) is dict else value  # other kinds stay the objects that they are

    @calls_user_code
    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(_missing(self, name))
        del self[name]

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """The table itself, so that ``vars`` has its entries."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is copied: by its entries, of which one may be named ``items``."""
        return type(self), (), None, None, iter(dict.items(self))


def with_attributes(value: Any) -> Any:
    """A value with each dictionary in it as an ``ArgumentTable``."""
    if isinstance(value, dict):
        return ArgumentTable({key: with_attributes(entry) for key, entry in dict.items(value)})
    return [with_attributes(entry) for entry in value] if isinstance(value, list) else value


def _missing(table: ArgumentTable, name: str) -> str:
    known = ", ".join(map(str, table)) or "nothing"
    return f"the table that was given has no {name!r}, only {known}: give that entry too"
