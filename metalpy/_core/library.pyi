from collections.abc import Sequence
from typing import Any, Final, final

from metalpy._core.driver import Device

LIBRARY_SOURCE: Final[int]
LIBRARY_METALLIB: Final[int]
LIBRARY_NATIVE: Final[int]
LIBRARY_METALLIB_FILE: Final[int]

@final
class Library:
    def __init__(
        self,
        device: Device,
        kind: int,
        data: bytes,
        math_mode: int = 0,
        macros: Sequence[tuple[bytes, bytes]] = (),
        language_version: int = 0,
    ) -> None: ...
    @property
    def device(self) -> Device: ...
    def names(self) -> list[str]: ...
    def constants(self, name: str) -> list[tuple[str, int, int, int, bool]]: ...
    def pipeline(
        self, name: str, constants: Sequence[tuple[int, int, int, bytes]] = (), archive: bytes | None = None
    ) -> Pipeline: ...

@final
class Pipeline:
    def __init__(self) -> None: ...
    @property
    def device(self) -> Device: ...
    @property
    def name(self) -> str: ...
    @property
    def max_threads_per_threadgroup(self) -> int: ...
    @property
    def thread_execution_width(self) -> int: ...
    @property
    def static_threadgroup_memory(self) -> int: ...
    def arguments(self) -> list[dict[str, Any]]: ...

def compile_log(device: Device) -> str: ...
