"""The array functions of `metalpy`, imported when the first of them is asked for.

A module of functions lists the public ones in its ``__all__``. It is named twice: here, and for type checkers in
``metalpy/__init__.py``.
"""

from __future__ import annotations

from types import ModuleType

import metalpy.autograd.transforms as transforms
import metalpy.functions.cumulative as cumulative
import metalpy.functions.data_types as data_types
import metalpy.functions.einsum as einsum_
import metalpy.functions.elementwise as elementwise
import metalpy.functions.files as files
import metalpy.functions.grids as grids
import metalpy.functions.manipulation as manipulation
import metalpy.functions.normalise as normalise
import metalpy.functions.numpy_names as numpy_names
import metalpy.functions.numpy_statistics as numpy_statistics
import metalpy.functions.products as products
import metalpy.functions.searching as searching
import metalpy.functions.selection as selection
import metalpy.functions.sets as sets
import metalpy.functions.sorting as sorting
import metalpy.functions.statistics as statistics
from metalpy.autograd.transforms import *  # noqa: F403
from metalpy.functions.cumulative import *  # noqa: F403
from metalpy.functions.data_types import *  # noqa: F403
from metalpy.functions.einsum import *  # noqa: F403
from metalpy.functions.elementwise import *  # noqa: F403
from metalpy.functions.files import *  # noqa: F403
from metalpy.functions.grids import *  # noqa: F403
from metalpy.functions.manipulation import *  # noqa: F403
from metalpy.functions.normalise import *  # noqa: F403
from metalpy.functions.numpy_names import *  # noqa: F403
from metalpy.functions.numpy_statistics import *  # noqa: F403
from metalpy.functions.products import *  # noqa: F403
from metalpy.functions.searching import *  # noqa: F403
from metalpy.functions.selection import *  # noqa: F403
from metalpy.functions.sets import *  # noqa: F403
from metalpy.functions.sorting import *  # noqa: F403
from metalpy.functions.statistics import *  # noqa: F403

_MODULES: tuple[ModuleType, ...] = (
    data_types, elementwise, files, grids, manipulation, selection, transforms, cumulative, normalise, products,
    searching, sets, sorting, statistics, numpy_names, numpy_statistics, einsum_,
)  # fmt: skip

__all__ = [name for module in _MODULES for name in module.__all__]
