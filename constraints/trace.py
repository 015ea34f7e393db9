"""Where 0.1.0 had the tracer: ``from constraints.trace import Trace, trace`` still works.

An import of a submodule makes it an attribute of its package, in place of the function of that name; so the module
can be called as the function can. New code imports from ``constraints``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from constraints.tracer import Trace, trace

__all__ = ["Trace", "trace"]


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Trace:
        """What ``constraints.trace`` does."""
        return trace(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
