"""The module of the tracer in 0.1.0, kept so that ``from constraints.trace import Trace, trace`` still works.

Importing a submodule makes it an attribute of its package, which replaces the function of the same name; so the
module itself is callable like the function. New code imports from ``constraints``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from constraints.tracer import Trace, trace

__all__ = ["Trace", "trace"]


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Trace:
        """Call ``constraints.trace``."""
        return trace(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
