"""The array functions of `metalpy`, imported when the first of them is asked for.

A module of functions lists the public ones in its ``__all__``. It is named twice: here, and for type checkers in
``metalpy/__init__.py``.
"""

from __future__ import annotations

from types import ModuleType

import metalpy.autograd.transforms as transforms
import metalpy.data_types as data_types
import metalpy.elementwise as elementwise
import metalpy.files as files
import metalpy.grids as grids
import metalpy.manipulation as manipulation
import metalpy.ops.cumulative as cumulative
import metalpy.ops.normalise as normalise
import metalpy.ops.products as products
import metalpy.ops.searching as searching
import metalpy.ops.sets as sets
import metalpy.ops.sorting as sorting
import metalpy.ops.statistics as statistics
import metalpy.selection as selection
from metalpy.autograd.transforms import *  # noqa: F403
from metalpy.data_types import *  # noqa: F403
from metalpy.elementwise import *  # noqa: F403
from metalpy.files import *  # noqa: F403
from metalpy.grids import *  # noqa: F403
from metalpy.manipulation import *  # noqa: F403
from metalpy.ops.cumulative import *  # noqa: F403
from metalpy.ops.normalise import *  # noqa: F403
from metalpy.ops.products import *  # noqa: F403
from metalpy.ops.searching import *  # noqa: F403
from metalpy.ops.sets import *  # noqa: F403
from metalpy.ops.sorting import *  # noqa: F403
from metalpy.ops.statistics import *  # noqa: F403
from metalpy.selection import *  # noqa: F403

_MODULES: tuple[ModuleType, ...] = (
    data_types, elementwise, files, grids, manipulation, selection, transforms, cumulative, normalise, products,
    searching, sets, sorting, statistics,
)  # fmt: skip

__all__ = [name for module in _MODULES for name in module.__all__]
