"""Runners of packaged models, by the kind of device."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metalpy.aot.archive import read_package, read_tensors
from metalpy.aot.container import ModelContainer
from metalpy.aot.trees import match, unflatten
from metalpy.aot.values import decode_dtype
from metalpy.array import Array
from metalpy.device import device as _device
from metalpy.errors import ContainerError, LaunchTypeError
from metalpy.mps.stream import Stream
from metalpy.mps.stream import stream as _stream

__all__ = ["ModelContainerRunner", "register_runner"]

_DEVICE = re.compile(r"(cpu|cuda|xpu|mps)(?::(0|[1-9]\d*))?")
_factories: dict[str, Callable[[str, int, str, bool], Any]] = {}


def register_runner(device_type: str, factory: Callable[[str, int, str, bool], Any]) -> None:
    """Say who runs packages on a kind of device.

    Parameters
    ----------
    device_type : {"cpu", "cuda", "xpu", "mps"}
        metalpy itself has registered ``"mps"``.
    factory : callable
        Gets the path, the number of models, the device as a str with its index, and whether one thread will use it;
        returns an object with the methods of `ModelContainer`.

    Raises
    ------
    ContainerError
        If there is no such kind of device, or it has a factory.
    """
    if not isinstance(device_type, str) or _DEVICE.fullmatch(device_type) is None or ":" in device_type:
        raise ContainerError(f"a kind of device is 'cpu', 'cuda', 'xpu' or 'mps', got {device_type!r}")
    if device_type in _factories:
        raise ContainerError(f"{device_type!r} has a runner already")
    _factories[device_type] = factory


def _mps(path: str, num_models: int, device: str, run_single_threaded: bool) -> ModelContainer:
    return ModelContainer(read_package(path), _device(device), num_models, run_single_threaded)


register_runner("mps", _mps)


class ModelContainerRunner:
    """A packaged model that runs, from any number of threads.

    Parameters
    ----------
    path : path
        What `package` has written. It holds kernels that will run as you: open only what you trust.
    num_models : int
        So many runs may be under way at once; other callers wait. Constants are there once for all of them.
    device : str
        ``"mps"`` or ``"mps:N"``.
    run_single_threaded : bool
        True leaves out all locks: the caller promises that only one thread uses the runner. Needs `num_models` 1.

    Raises
    ------
    OSError
        The file cannot be read.
    PackageError
        It is no package, is truncated or damaged, or says what cannot be.
    ContainerError
        An argument that cannot be meant.
    UnsupportedError
        The device lacks something that the model needs.

    Notes
    -----
    Constants are in two sets. Runs use the active one; the other can be given new values meanwhile, and take the
    active one's place by `swap_constant_buffer`: each run uses one or the other, never some of both.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        num_models: int = 1,
        device: str = "mps",
        run_single_threaded: bool = False,
    ) -> None:
        found = _DEVICE.fullmatch(device) if isinstance(device, str) else None
        if found is None:
            raise ContainerError(f"invalid device {device!r}; devices are cpu, cuda, xpu or mps, or such with ':N'")
        if found[1] not in _factories:
            raise ContainerError(f"nothing runs packages on {device!r}; there are runners for {sorted(_factories)}")
        if isinstance(num_models, bool) or not isinstance(num_models, int):
            raise ContainerError(f"num_models is an int, got {num_models!r}")
        if run_single_threaded and num_models != 1:
            raise ContainerError("num_models must be 1 when run_single_threaded is true")
        if num_models < 1:
            raise ContainerError("num_models must be at least 1")
        self.device = f"{found[1]}:{found[2] or 0}"
        self.num_models = num_models
        self._container: ModelContainer = _factories[found[1]](
            os.fsdecode(path), num_models, self.device, run_single_threaded
        )

    # ---- running ----

    def run(self, inputs: list[Any] | tuple[Any, ...], stream: Stream | None = None) -> list[Array]:
        """Run the model.

        Parameters
        ----------
        inputs : sequence
            The arrays in the order of the call spec, or the positional arguments as the function took them.
        stream : Stream, optional
            By default the calling thread's current one.

        Returns
        -------
        list of Array
            New arrays, in the order of the call spec. The work is recorded, not waited for.

        Raises
        ------
        LaunchTypeError, LaunchValueError
            If there is another number of inputs, or one is of another shape, dtype or device.
        """
        if isinstance(inputs, Array):
            raise LaunchTypeError("run takes a list of arrays, such as [x]; got one Array")
        arrays = list(inputs)
        if not all(isinstance(x, Array) for x in arrays):
            arguments, options = self._container.manifest.call_spec[0]["tuple"]
            arrays = [*match(arguments, tuple(inputs)), *match(options, {})]
        with _stream(stream):
            return self._container.run(arrays)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model with the arguments that the function took; returns what it returned."""
        in_spec, out_spec = self._container.manifest.call_spec
        return unflatten(out_spec, self._container.run(match(in_spec, (args, kwargs))))

    def get_call_spec(self) -> list[Any]:
        """How arrays are nested in the arguments, as ``(args, kwargs)``, and in the result.

        Each is ``{"array": n}``, or a ``{"tuple": [...]}``, ``{"list": [...]}`` or ``{"dict": {...}}`` of such, or a
        ``{"value": v}`` that is fixed.
        """
        return copy.deepcopy(self._container.manifest.call_spec)

    # ---- constants ----

    def get_constant_names_to_original_fqns(self) -> dict[str, str]:
        """For each constant its name in the module's ``state_dict``."""
        return {constant.name: constant.fqns[0] for constant in self._container.manifest.constants}

    def get_constant_names_to_dtypes(self) -> dict[str, np.dtype[Any]]:
        """The dtype of each constant."""
        return {constant.name: decode_dtype(constant.dtype) for constant in self._container.manifest.constants}

    def extract_constants_map(self, use_inactive: bool) -> dict[str, Array]:
        """Copies of the constants of a set, by their names in ``state_dict``."""
        return self._container.extract(use_inactive)

    def update_constant_buffer(
        self,
        constants_map: Mapping[str, Any],
        use_inactive: bool,
        validate_full_updates: bool,
        user_managed: bool = False,
    ) -> None:
        """Give constants of a set other values. Waits until they are there.

        Parameters
        ----------
        constants_map : mapping of str to Array or numpy.ndarray
            By their names in ``state_dict``; names of it that the model does not use are passed over.
        use_inactive : bool
            False changes the active set, between two runs. Of an inactive set without values, constants that are not
            given get those of the active one.
        validate_full_updates : bool
            True demands all parameters, and warns of buffers that are missing.
        user_managed : bool
            True uses the arrays themselves instead of copies. Who writes to them calls this again.

        Raises
        ------
        ContainerError
            If a constant is unknown or missing, or an array has another shape or dtype. Nothing has been changed then.
        """
        self._container.update(constants_map, use_inactive, validate_full_updates, user_managed)

    def update_inactive_constant_buffer(self, constants_map: Mapping[str, Any]) -> None:
        """`update_constant_buffer` of the inactive set with all parameters."""
        self._container.update(constants_map, True, True, False)

    def update_constant_buffer_from_blob(self, weights_path: str | os.PathLike[str]) -> None:
        """Give the active set values from a ``.safetensors`` file, by their names in ``state_dict``.

        Raises
        ------
        PackageError
            If the file is damaged.
        """
        path = Path(weights_path)
        self._container.update(read_tensors(path.read_bytes(), str(path)), False, False, False)

    def swap_constant_buffer(self) -> None:
        """Let the inactive set be the active one, and the other way round, for all runs from now on.

        Raises
        ------
        ContainerError
            If the inactive set has no values.
        """
        self._container.swap()

    def run_const_fold(self, use_inactive: bool) -> None:
        """Compute what depends on the constants of a set only, which the first run with them would do otherwise."""
        self._container.fold(use_inactive)

    def free_inactive_constant_buffer(self) -> None:
        """Give back the memory of the inactive set; it has no values then."""
        self._container.free_inactive()

    def __repr__(self) -> str:
        return f"<metalpy.aot.ModelContainerRunner of {self.num_models} models on {self.device}>"


ModelContainerRunner.__module__ = "metalpy.aot"
