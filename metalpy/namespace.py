"""The array functions of `metalpy`, imported when the first of them is asked for.

A module of functions lists the public ones in its ``__all__`` and is added here: once for type checkers, once in
`_MODULES` for the names.
"""

from __future__ import annotations

from types import ModuleType

import metalpy.data_types as data_types  # `from metalpy import` would ask `__getattr__`, which asks here
import metalpy.elementwise as elementwise
import metalpy.files as files
import metalpy.grids as grids
import metalpy.manipulation as manipulation
import metalpy.selection as selection
from metalpy.data_types import *  # noqa: F403
from metalpy.elementwise import *  # noqa: F403
from metalpy.files import *  # noqa: F403
from metalpy.grids import *  # noqa: F403
from metalpy.manipulation import *  # noqa: F403
from metalpy.selection import *  # noqa: F403

_MODULES: tuple[ModuleType, ...] = (data_types, elementwise, files, grids, manipulation, selection)

__all__ = [name for module in _MODULES for name in module.__all__]
