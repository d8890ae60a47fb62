from typing import Any, final

import numpy as np

from metalpy._core.array import ArrayBase
from metalpy._core.dispatch import Kernel

@final
class PreparedLaunch:
    def __init__(
        self,
        kernel: Kernel,
        threads: tuple[int, int, int],
        group_size: tuple[int, int, int] | None,
        constants: tuple[Any, ...],
        covered: tuple[tuple[int, int | None, np.dtype[Any] | None], ...],
    ) -> None: ...
    def __call__(self, arrays: tuple[ArrayBase, ...], values: tuple[Any, ...] = ()) -> None: ...
    @property
    def kernel(self) -> Kernel: ...

def layout_key(library: object, name: str, arrays: tuple[ArrayBase, ...]) -> tuple[Any, ...]: ...
