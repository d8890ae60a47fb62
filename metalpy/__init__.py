"""Metal compute kernels from Python, on any machine.

Importing opens no device and compiles nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from metalpy.errors import *  # noqa: F403
from metalpy.errors import __all__ as _errors

try:
    import metalpy._core.dispatch as _dispatch
except ModuleNotFoundError as _error:
    if _error.name is None or not _error.name.startswith("metalpy."):
        raise
    raise ImportError(
        "metalpy's extension modules are not built here; in the source tree run `pip install -e .` "
        "(or `python setup.py build_ext -i`), or leave its folder to import the installed package"
    ) from _error

# The submodules array, device and texture give way to the functions of these names; nobody needs to import them.
from metalpy import backends, dtypes, mps, random
from metalpy.array import Array
from metalpy.compiler.cache import cache_info, clear_cache
from metalpy.creation import (
    arange,
    array,
    asarray,
    empty,
    empty_like,
    from_dlpack,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from metalpy.device import Device, device, devices
from metalpy.dtypes import (
    bool_,
    complex64,
    float16,
    float32,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from metalpy.graph import Graph, record
from metalpy.mps.shader import compile_file, load_library
from metalpy.random.generator import Generator
from metalpy.texture import Sampler, Texture, texture

if TYPE_CHECKING:
    from metalpy import aot, fft, linalg, nn, optim
    from metalpy.autograd.transforms import *  # noqa: F403
    from metalpy.dtypes import bfloat16
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
    from metalpy.inspection import ArrayNamespaceInfo

Kernel = _dispatch.Kernel

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

_LAZY_MODULES = ("aot", "fft", "linalg", "nn", "optim")  # imported when first asked for

__all__ = [
    "Array",
    "Device",
    "Generator",
    "Graph",
    "Kernel",
    "Sampler",
    "Texture",
    "aot",
    "arange",
    "array",
    "asarray",
    "backends",
    "bfloat16",
    "bool_",
    "cache_info",
    "clear_cache",
    "compile_file",
    "complex64",
    "device",
    "devices",
    "dtypes",
    "empty",
    "empty_like",
    "fft",
    "float16",
    "float32",
    "from_dlpack",
    "full",
    "full_like",
    "get_include",
    "int8",
    "int16",
    "int32",
    "int64",
    "linalg",
    "load_library",
    "mps",
    "nn",
    "ones",
    "ones_like",
    "optim",
    "random",
    "record",
    "texture",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "zeros",
    "zeros_like",
    *_errors,
]


def get_include() -> str:
    """Folder of ``metalpy_abi.h``, for compiling against the C ABI."""
    from pathlib import Path

    return str(Path(__file__).parent / "include")


def __array_namespace_info__() -> ArrayNamespaceInfo:
    """What the Python array API wants to know: capabilities, devices, dtypes."""
    from metalpy.inspection import ArrayNamespaceInfo

    return ArrayNamespaceInfo()


def __getattr__(name: str) -> Any:
    if name == "bfloat16":  # needs ml_dtypes, which importing metalpy does not
        return dtypes.bfloat16
    if name in _LAZY_MODULES:
        return import_module(f"metalpy.{name}")
    if not name.startswith("_"):
        import metalpy.namespace as namespace  # `from metalpy import` would come here again

        if name in namespace.__all__:
            globals()[name] = function = getattr(namespace, name)
            return function
        from metalpy.foreign_names import of_module

        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}{of_module(name)}", name=name, obj=sys.modules[__name__]
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    import metalpy.namespace as namespace

    return [*globals(), *namespace.__all__, *_LAZY_MODULES, "bfloat16"]
