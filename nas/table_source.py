"""The source of a class of tables, for files that are written: ``ArgumentTable`` without this package."""

from __future__ import annotations

_SOURCE = '''\
class {0}(dict):
    """A dictionary whose entries are attributes too."""

    __slots__ = ()
    __dict__ = property(lambda self: self)

    def __init__(self, *given, **entries):
        super().__init__(*given, **entries)
        for name, value in dict.items(self):
            if type(value) is dict:
                self[name] = type(self)(value)

    def __getattribute__(self, name):
        is_entry = name in self and not name.startswith("__")
        return self[name] if is_entry else super().__getattribute__(name)

    def __setattr__(self, name, value):
        self[name] = type(self)(value) if type(value) is dict else value

    def __delattr__(self, name):
        if name not in self:
            raise AttributeError(name)
        del self[name]

    def __reduce__(self):
        return type(self), (), None, None, iter(dict.items(self))
'''


def table_source(name: str) -> tuple[str, ...]:
    """The lines of a class of that name, which behaves as ``ArgumentTable`` does."""
    return (*_SOURCE.format(name).splitlines(), "")
