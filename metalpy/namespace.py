"""The array functions of `metalpy`, imported when the first of them is asked for.

A module of functions lists the public ones in its ``__all__`` and is added here: once for type checkers, once in
`_MODULES` for the names.
"""

from __future__ import annotations

from types import ModuleType

from metalpy.ops import cumulative, normalise, searching, sets, sorting, statistics
from metalpy.ops.cumulative import *  # noqa: F403
from metalpy.ops.normalise import *  # noqa: F403
from metalpy.ops.searching import *  # noqa: F403
from metalpy.ops.sets import *  # noqa: F403
from metalpy.ops.sorting import *  # noqa: F403
from metalpy.ops.statistics import *  # noqa: F403

_MODULES: tuple[ModuleType, ...] = (cumulative, normalise, searching, sets, sorting, statistics)

__all__ = [name for module in _MODULES for name in module.__all__]
