from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, final

from metalpy._core.driver import Device
from metalpy._core.graph import GraphBase, Node
from metalpy._core.library import Pipeline
from metalpy.compiler.reflection import Argument, Builtin, KernelInfo

ERROR_BUFFER: Final[object]

@final
class Kernel:
    def __init__(
        self,
        device: Device,
        info: KernelInfo,
        load: Callable[..., Pipeline],
        name: str | None = None,
        specializer: Callable[[Mapping[str | int, object]], Kernel] | None = None,
        origin: tuple[Any, Mapping[int, object]] | None = None,
        most: int | None = None,
    ) -> None: ...
    def __call__(
        self,
        *args: Any,
        threads: int | Sequence[int] | None = None,
        groups: int | Sequence[int] | None = None,
        group_size: int | Sequence[int] | None = None,
        threadgroup_memory: Mapping[int | str, int] | None = None,
        arg_casts: str | Mapping[int | str, str] | None = None,
        error_buf_idx: int | None = None,
        **by_name: Any,
    ) -> None: ...
    def specialize(self, constants: Mapping[str | int, object] | None = None, /, **by_name: object) -> Kernel: ...
    def _writes(self, kind: int, number: int) -> bool: ...
    def _replace(self, graph: GraphBase, node: Node, by_name: dict[str, Any]) -> None: ...
    @property
    def origin(self) -> tuple[Any, Mapping[int, object]] | None: ...
    @property
    def device(self) -> Device: ...
    @property
    def name(self) -> str: ...
    @property
    def signature(self) -> str: ...
    @property
    def arguments(self) -> tuple[Argument, ...]: ...
    @property
    def builtins(self) -> tuple[Builtin, ...]: ...
    @property
    def max_threads_per_threadgroup(self) -> int: ...
    @property
    def thread_execution_width(self) -> int: ...
    @property
    def static_thread_group_memory_length(self) -> int: ...
    @property
    def executor(self) -> Literal["gpu", "spmd", "reference"]: ...
