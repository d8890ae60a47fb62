"""Rules of windows of images."""

from __future__ import annotations

from typing import Any

from metalpy.array import Array
from metalpy.autograd.rules.table import rule
from metalpy.ops.windows import Pair, fold, unfold


@rule("unfold")
def _unfold(
    g: Array, y: Array, x: Array, window: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1,
    outside: float = 0.0,
) -> Any:  # fmt: skip
    return fold(g, (x.shape[2], x.shape[3]), window, stride, padding, dilation)


@rule("fold")
def _fold(
    g: Array, y: Array, columns: Array, image: tuple[int, int], window: Pair, stride: Pair = 1, padding: Pair = 0,
    dilation: Pair = 1,
) -> Any:  # fmt: skip
    return unfold(g, window, stride, padding, dilation)
