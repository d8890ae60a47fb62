"""Arrays in files: NumPy's ``.npy`` and ``.npz``, and ``.safetensors``."""

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
    if ending not in (".npy", ".npz", ".safetensors"):
        raise ValueError(f"arrays are kept in .npy, .npz and .safetensors files, not in {os.fspath(path)!r}")
    return ending


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this needs the package safetensors: pip install safetensors", name=error.name
        ) from None
    return safetensors.numpy


def save(path: _PathLike, arrays: Mapping[str, Any] | Array | np.ndarray, /) -> None:
    """Write arrays to a file, whose ending says in which format. Waits for kernels that use them.

    Parameters
    ----------
    path : path
        Ends in ``.npz``, ``.safetensors``, or for a single array ``.npy``. An existing file is replaced.
    arrays : mapping of str to Array, or Array
        Their names in the file; NumPy arrays will do, too.

    Raises
    ------
    ValueError
        For another ending.
    TypeError
        For bfloat16 in NumPy's formats, which do not know it; for one array where the format takes several, or the
        other way round.
    OSError
        If the file cannot be written.
    """
    ending = _format(path)
    if ending == ".npy":
        arrays = {os.fspath(path): arrays} if isinstance(arrays, (Array, np.ndarray)) else arrays
        if not isinstance(arrays, Mapping) or len(arrays) != 1:
            raise TypeError(".npy files hold one array; .npz and .safetensors several, given as {name: array}")
    elif not isinstance(arrays, Mapping):
        raise TypeError(f"{ending} files hold arrays by name, given as {{name: array}}; got {type(arrays).__name__}")
    for name in arrays:
        if not isinstance(name, str):
            raise TypeError(f"the names of arrays are strings, got {name!r}")
    hosts = {name: np.ascontiguousarray(asarray(x).numpy()).reshape(asarray(x).shape) for name, x in arrays.items()}
    if ending == ".safetensors":
        _safetensors().save_file(hosts, os.fspath(path))
        return
    for name, host in hosts.items():
        if host.dtype.name == "bfloat16":
            raise TypeError(f"{ending} files have no bfloat16, as {name!r} is; use .safetensors, or astype('float32')")
    if ending == ".npy":
        np.save(path, next(iter(hosts.values())), allow_pickle=False)
        return
    with zipfile.ZipFile(path, "w") as archive:  # as numpy.savez, which cannot name an array "file"
        for name, host in hosts.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, host, allow_pickle=False)


def load(path: _PathLike, /, *, device: DeviceLike = None) -> Any:
    """Read the arrays of a ``.npy``, ``.npz`` or ``.safetensors`` file. Nothing in the file is run.

    Parameters
    ----------
    path : path
    device : str, int or Device, optional

    Returns
    -------
    dict of str to Array
        Of a ``.npy`` file the only Array. float64 becomes float32 and complex128 complex64.

    Raises
    ------
    ValueError
        For another ending, a file with Python objects, and one that is damaged or of another format.
    OSError
        If the file cannot be read.
    """
    ending, chosen = _format(path), _device(device)
    if ending == ".safetensors":
        numpy_files = _safetensors()
        try:
            hosts = numpy_files.load_file(os.fspath(path))
        except OSError:
            raise
        except Exception as error:  # the package's own, which has no other base
            raise ValueError(f"{os.fspath(path)!r} is no safetensors file, or is damaged: {error}") from error
        return {name: array(host, device=chosen) for name, host in hosts.items()}
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            return array(file, device=chosen)
        with file:
            return {name: array(file[name], device=chosen) for name in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{os.fspath(path)!r} is no file of numbers by NumPy, or is damaged: {error}") from error
