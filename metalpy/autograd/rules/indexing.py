"""Rules of functions that choose elements."""

from __future__ import annotations

from typing import Any

import metalpy as mp
from metalpy.array import Array
from metalpy.autograd.rules.table import rule


@rule("where")
def _where(g: Array, y: Array, condition: Array, a: Any, b: Any) -> Any:
    none = mp.zeros_like(g)
    return None, mp.where(condition, g, none), mp.where(condition, none, g)


@rule("__getitem__")
def _getitem(g: Array, y: Array, x: Array, key: Any) -> Any:
    whole = mp.zeros_like(x)
    whole[key] = g
    return whole
