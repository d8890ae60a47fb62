"""Containers: instances of a packaged model that share constants, in two sets of which one is active."""

from __future__ import annotations

import enum
import math
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from metalpy._core.array import allocate
from metalpy.aot.archive import Package, read_constants
from metalpy.aot.folding import fold
from metalpy.aot.loading import LoadedProgram, new_buffer, view
from metalpy.aot.locks import NoLock, ReadersWriterLock
from metalpy.aot.values import Reference, decode_dtype
from metalpy.array import Array
from metalpy.device import Device
from metalpy.errors import ContainerError, LaunchTypeError, LaunchValueError, MetalWarning, PackageError
from metalpy.graph import Graph
from metalpy.mps.event import Event
from metalpy.mps.stream import current_stream
from metalpy.ops.elementwise import assign

__all__ = ["ModelContainer"]


class _State(enum.Enum):
    NONE = 0
    INITIALIZED = 1  # has constants
    FOLDED = 2  # and what depends on nothing else


class _Bound(NamedTuple):
    """The commands of an instance over a set of constants."""

    graph: Graph
    inputs: list[Array]
    outputs: list[Array]


class _ConstantSet:
    """Constants, what is computed from them alone, and the graphs over them."""

    def __init__(self) -> None:
        self.state = _State.NONE
        self.constants: list[Array] = []
        self.folded: dict[int, Array] = {}  # by buffer
        self.fold_graph: Graph | None = None
        self.bound: dict[int, _Bound] = {}  # by instance
        self.managed: set[int] = set()  # constants that are the caller's own arrays


class _Instance:
    """The memory of one run at a time."""

    def __init__(self, number: int, arrays: dict[int, Array]) -> None:
        self.number = number
        self.arrays = arrays  # inputs and intermediates, by buffer
        self.done = Event()  # when the last run is
        self.stream: Any = None  # of the last run


class ModelContainer:
    """What a runner runs; its methods are the runner's. See `metalpy.aot.ModelContainerRunner`."""

    def __init__(self, package: Package, device: Device, num_models: int, single_threaded: bool) -> None:
        self.manifest = package.manifest
        self.path = package.path
        self.device = device
        self._program = LoadedProgram(package, device)
        self._inputs = [Reference.from_json(given) for given in self.manifest.inputs]
        self._outputs = [Reference.from_json(given) for given in self.manifest.outputs]
        self._dtypes = [decode_dtype(constant.dtype) for constant in self.manifest.constants]
        self._by_fqn = {fqn: n for n, constant in enumerate(self.manifest.constants) for fqn in constant.fqns}
        self._check_memory(num_models)
        self._sets = [_ConstantSet(), _ConstantSet()]
        self._active = 0
        first = self._sets[0]
        first.constants = self._new_constants()
        for own, host in zip(first.constants, read_constants(package), strict=True):
            own._host()[...] = host
        self._split(first)
        first.state = _State.INITIALIZED
        self._instances = [_Instance(n, self._new_arrays()) for n in range(num_models)]
        # Locks are taken in this order. Who changes the inactive set holds _lock shared, so that no swap comes.
        self._lock = NoLock() if single_threaded else ReadersWriterLock()
        self._inactive_lock: AbstractContextManager[Any] = nullcontext() if single_threaded else threading.Lock()
        self._free = deque(self._instances)
        self._freed = threading.Condition()
        self._single_threaded = single_threaded
        self._finish()

    # ---- making ----

    def _check_memory(self, num_models: int) -> None:
        sizes = {"constant": 0, "input": 0, "intermediate": 0}
        for buffer in self.manifest.buffers:
            sizes[buffer.kind] += buffer.nbytes
            if buffer.nbytes > self.device.max_buffer_length:
                raise PackageError(f"{self.path}: has a buffer of {buffer.nbytes} bytes, and {self.device} allows "
                                   f"{self.device.max_buffer_length}")  # fmt: skip
        results = sum(math.prod(reference.shape) * reference.dtype.itemsize for reference in self._outputs)
        total = sizes["constant"] + num_models * (sizes["input"] + sizes["intermediate"]) + results
        if total > self.device.recommended_max_memory:
            raise PackageError(f"{self.path}: {num_models} models need {total} bytes, and {self.device} has "
                               f"{self.device.recommended_max_memory}")  # fmt: skip

    def _new_constants(self) -> list[Array]:
        return [
            allocate(Array, self.device, dtype, tuple(constant.shape))
            for dtype, constant in zip(self._dtypes, self.manifest.constants, strict=True)
        ]

    def _split(self, first: _ConstantSet) -> None:
        """Find the commands that need to run once for a set of constants, and those that run every time."""
        buffers = self.manifest.buffers
        whole: list[Array | None] = [
            first.constants[buffer.index or 0] if buffer.kind == "constant" else new_buffer(self.device, buffer.nbytes)
            for buffer in buffers
        ]
        graph = self._program.record(whole)
        try:
            for reference in (*self._inputs, *self._outputs):
                view(whole, reference, self.device)
            self._fold_commands, self._run_commands, self._fold_buffers = fold(graph, whole, buffers)
        except (PackageError, ValueError) as error:
            raise PackageError(f"{self.path}: {error}") from None

    def _new_arrays(self) -> dict[int, Array]:
        return {
            number: new_buffer(self.device, buffer.nbytes)
            for number, buffer in enumerate(self.manifest.buffers)
            if buffer.kind != "constant" and number not in self._fold_buffers
        }

    def _arrays(self, chosen: _ConstantSet, own: Mapping[int, Array]) -> list[Array | None]:
        """The array of each buffer, of a set and of an instance."""
        arrays: list[Array | None] = []
        for number, buffer in enumerate(self.manifest.buffers):
            if buffer.kind == "constant":
                arrays.append(chosen.constants[buffer.index or 0])
            else:
                arrays.append(chosen.folded.get(number, own.get(number)))
        return arrays

    # ---- running ----

    def run(self, inputs: Sequence[Any]) -> list[Array]:
        """Run on arrays, in the order of the call spec; returns the results as new arrays."""
        self._check_inputs(inputs)
        while True:
            with self._lock.shared():
                chosen = self._sets[self._active]
                if chosen.state is _State.FOLDED:
                    with self._borrowed() as instance:
                        return self._run(instance, chosen, inputs)
            with self._lock.exclusive():
                chosen = self._sets[self._active]
                if chosen.state is _State.INITIALIZED:  # nobody was faster
                    self._fold(chosen)

    def _check_inputs(self, inputs: Sequence[Any]) -> None:
        if len(inputs) != len(self._inputs):
            raise LaunchValueError(f"expected {len(self._inputs)} inputs, got {len(inputs)}")
        for number, (wanted, x) in enumerate(zip(self._inputs, inputs, strict=True)):
            if not isinstance(x, Array):
                raise LaunchTypeError(f"input {number} is a {type(x).__name__}; pass an Array, such as mp.array(...)")
            if x.dtype != wanted.dtype:
                raise LaunchTypeError(f"input {number} must have dtype {wanted.dtype}, got {x.dtype}")
            if x.shape != wanted.shape:
                raise LaunchValueError(f"input {number} must have shape {wanted.shape}, got {x.shape}")
            if x.device is not self.device:
                raise LaunchValueError(f"input {number} must be on {self.device}, got one on {x.device}")

    @contextmanager
    def _borrowed(self) -> Iterator[_Instance]:
        """An instance that nobody uses, waiting for one if need be."""
        if self._single_threaded:
            yield self._instances[0]
            return
        with self._freed:
            self._freed.wait_for(lambda: self._free)
            instance = self._free.popleft()
        try:
            yield instance
        finally:
            with self._freed:
                self._free.append(instance)
                self._freed.notify()

    def _run(self, instance: _Instance, chosen: _ConstantSet, inputs: Sequence[Array]) -> list[Array]:
        stream = current_stream(self.device)
        bound = chosen.bound.get(instance.number)
        if bound is None:
            bound = chosen.bound[instance.number] = self._bind(instance, chosen)
        if instance.stream not in (None, stream):
            instance.done.wait(stream)
        instance.stream = stream
        try:
            for own, x in zip(bound.inputs, inputs, strict=True):
                assign(own, x)
            bound.graph.launch()
            results = []
            for own in bound.outputs:
                result = allocate(Array, self.device, own.dtype, own.shape)
                assign(result, own)
                results.append(result)
        finally:
            instance.done.record(stream)
        return results

    def _bind(self, instance: _Instance, chosen: _ConstantSet) -> _Bound:
        arrays = self._arrays(chosen, instance.arrays)
        graph = self._program.record(arrays, self._run_commands)
        inputs, outputs = (
            [view(arrays, reference, self.device) for reference in references]
            for references in (self._inputs, self._outputs)
        )
        return _Bound(graph, inputs, outputs)

    def _fold(self, chosen: _ConstantSet) -> None:
        """Compute what depends on constants only, and wait for it. If that fails the set is as it was.

        No run reads the set's memory meanwhile: whoever gave it other constants has waited for those before.
        """
        if chosen.fold_graph is None:
            folded = {n: new_buffer(self.device, self.manifest.buffers[n].nbytes) for n in self._fold_buffers}
            chosen.folded = folded
            chosen.bound.clear()
            chosen.fold_graph = self._program.record(self._arrays(chosen, {}), self._fold_commands)
        chosen.fold_graph.launch()
        self._finish()
        chosen.state = _State.FOLDED

    def _wait_for_runs(self) -> None:
        """Let what this thread's stream gets from now on come after all runs so far: they may read what changes."""
        stream = current_stream(self.device)
        for instance in self._instances:
            if instance.stream not in (None, stream):
                instance.done.wait(stream)

    def _finish(self) -> None:
        """Wait for the stream, so that runs on others find what was written, and errors are raised here."""
        current_stream(self.device).synchronize()

    # ---- constants ----

    @contextmanager
    def _changing(self, use_inactive: bool) -> Iterator[_ConstantSet]:
        """The set, while nobody else uses or changes it."""
        if use_inactive:
            with self._lock.shared(), self._inactive_lock:
                yield self._sets[1 - self._active]
        else:
            with self._lock.exclusive():
                yield self._sets[self._active]

    def extract(self, use_inactive: bool) -> dict[str, Array]:
        with self._changing(use_inactive) as chosen:
            _demand_constants(chosen)
            constants = zip(self.manifest.constants, chosen.constants, strict=True)
            copies = {constant.fqns[0]: x.copy() for constant, x in constants}
            self._finish()  # nobody changes the set before they are made
            return copies

    def update(self, given: Mapping[str, Any], use_inactive: bool, validate_full: bool, user_managed: bool) -> None:
        values = self._checked(given, user_managed)
        if validate_full:
            self._check_full(values)
        with self._changing(use_inactive) as chosen:
            if chosen.state is _State.NONE:  # the inactive one
                active = self._sets[self._active].constants
                chosen.constants = self._new_constants()
                for number, x in enumerate(active):
                    if number not in values:
                        assign(chosen.constants[number], x)
            else:
                chosen.state = _State.INITIALIZED
            self._wait_for_runs()
            for number, value in values.items():
                self._set(chosen, number, value, user_managed)
            self._finish()
            chosen.state = _State.INITIALIZED

    def _set(self, chosen: _ConstantSet, number: int, value: Any, user_managed: bool) -> None:
        """Give a constant a value: by a copy on the device, or by taking the array itself."""
        if user_managed or number in chosen.managed:  # other memory than the graphs are over
            chosen.bound.clear()
            chosen.fold_graph = None
        if user_managed:
            chosen.managed.add(number)
            chosen.constants[number] = value
            return
        old = chosen.constants[number]
        if number in chosen.managed:  # which is not ours to write
            chosen.managed.discard(number)
            chosen.constants[number] = allocate(Array, self.device, old.dtype, old.shape)
        if not isinstance(value, Array):
            host, value = value, allocate(Array, self.device, old.dtype, old.shape)
            value._host()[...] = host
        assign(chosen.constants[number], value)

    def _checked(self, given: Mapping[str, Any], user_managed: bool) -> dict[int, Any]:
        """Values by number of the constant; nothing has been changed yet if one does not fit."""
        values: dict[int, Any] = {}
        for name, x in given.items():
            number = self._by_fqn.get(name)
            if number is None and name in self.manifest.unused:
                continue
            if number is None:
                raise ContainerError(f"the model has no constant {name!r}; it has {sorted(self._by_fqn)}")
            shape, dtype = tuple(self.manifest.constants[number].shape), self._dtypes[number]
            if not isinstance(x, (Array, np.ndarray)):
                raise ContainerError(f"constant {name!r} must be an array, got {type(x).__name__}")
            if x.shape != shape or x.dtype != dtype:
                raise ContainerError(f"constant {name!r} has shape {shape} and dtype {dtype}, got {x.shape}, {x.dtype}")
            if user_managed and not (isinstance(x, Array) and x.device is self.device and x.contiguous):
                raise ContainerError(
                    f"to be used in place, constant {name!r} must be a contiguous Array on {self.device}"
                )
            if isinstance(x, Array) and x.device is not self.device:
                x = x.to_device(self.device)
            values[number] = x
        return values

    def _check_full(self, values: Mapping[int, Any]) -> None:
        for number, constant in enumerate(self.manifest.constants):
            if number not in values and constant.kind == "parameter":
                raise ContainerError(f"cannot find constant {constant.fqns[0]!r} in the constants given")
            if number not in values and constant.kind == "buffer":
                text = f"buffer {constant.fqns[0]!r} is not among the constants given, and keeps its value"
                warnings.warn(text, MetalWarning, stacklevel=4)

    def swap(self) -> None:
        with self._lock.exclusive():
            _demand_constants(self._sets[1 - self._active])
            self._active = 1 - self._active

    def fold(self, use_inactive: bool) -> None:
        with self._changing(use_inactive) as chosen:
            _demand_constants(chosen)
            if chosen.state is _State.INITIALIZED:
                self._fold(chosen)

    def free_inactive(self) -> None:
        with self._lock.shared(), self._inactive_lock:
            self._sets[1 - self._active] = _ConstantSet()


def _demand_constants(chosen: _ConstantSet) -> None:
    """The active set always has them."""
    if chosen.state is _State.NONE:
        raise ContainerError("the inactive set has no constants; update it first")
