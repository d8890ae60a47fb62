"""Arrays in files: NumPy's ``.npz`` and ``.safetensors``."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from metalpy.array import Array
from metalpy.creation import DeviceLike, array, asarray
from metalpy.device import device as _device

__all__ = ["load", "save"]

_PathLike = str | os.PathLike[str]


def _format(path: _PathLike) -> str:
    ending = os.path.splitext(os.fspath(path))[1]
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"arrays are kept in .npz and .safetensors files, not in {os.fspath(path)!r}")
    return ending


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this needs the package safetensors: pip install safetensors", name=error.name
        ) from None
    return safetensors.numpy


def save(path: _PathLike, arrays: Mapping[str, Any], /) -> None:
    """Write arrays to a file, whose ending says in which format. Waits for kernels that use them.

    Parameters
    ----------
    path : path
        Ends in ``.npz`` or ``.safetensors``. An existing file is replaced.
    arrays : mapping of str to Array
        Their names in the file; NumPy arrays will do, too.

    Raises
    ------
    ValueError
        For another ending.
    TypeError
        For bfloat16 in ``.npz``, which does not know it.
    OSError
        If the file cannot be written.
    """
    ending = _format(path)
    hosts = {name: np.ascontiguousarray(asarray(x).numpy()).reshape(asarray(x).shape) for name, x in arrays.items()}
    if ending == ".safetensors":
        _safetensors().save_file(hosts, os.fspath(path))
        return
    for name, host in hosts.items():
        if host.dtype.name == "bfloat16":
            raise TypeError(f".npz files have no bfloat16, as {name!r} is; use .safetensors, or astype('float32')")
    with zipfile.ZipFile(path, "w") as archive:  # as numpy.savez, which cannot name an array "file"
        for name, host in hosts.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, host, allow_pickle=False)


def load(path: _PathLike, /, *, device: DeviceLike = None) -> dict[str, Array]:
    """Read the arrays of a ``.npz`` or ``.safetensors`` file. Nothing in the file is run.

    Parameters
    ----------
    path : path
    device : str, int or Device, optional

    Returns
    -------
    dict of str to Array
        float64 becomes float32 and complex128 complex64.

    Raises
    ------
    ValueError
        For another ending, or a ``.npz`` file with Python objects.
    OSError
        If the file cannot be read.
    """
    ending, chosen = _format(path), _device(device)
    if ending == ".safetensors":
        return {name: array(host, device=chosen) for name, host in _safetensors().load_file(os.fspath(path)).items()}
    with np.load(path, allow_pickle=False) as file:
        return {name: array(file[name], device=chosen) for name in file.files}
