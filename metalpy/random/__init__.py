"""Random numbers on a device, under the names of NumPy's generators.

The functions use the default generator of the default device, unless one is given as ``generator=``. That one is
seeded by the operating system's random numbers until `metalpy.mps.manual_seed` says otherwise.
"""

from __future__ import annotations

import threading
from typing import Any

from metalpy.array import Array
from metalpy.creation import DeviceLike
from metalpy.device import Device
from metalpy.device import device as _device
from metalpy.dtypes import bool_, float32, int64
from metalpy.random.generator import Generator, Size

__all__ = [
    "Generator",
    "bernoulli",
    "choice",
    "default_generator",
    "default_rng",
    "dropout_mask",
    "exponential",
    "integers",
    "normal",
    "permutation",
    "randint",
    "random",
    "shuffle",
    "standard_exponential",
    "standard_normal",
    "uniform",
]

_defaults: dict[Device, Generator] = {}
_lock = threading.Lock()


def default_generator(device: DeviceLike = None) -> Generator:
    """The generator that the functions of this module use on a device."""
    chosen = _device(device)
    if chosen not in _defaults:
        with _lock:
            if chosen not in _defaults:
                made = Generator(chosen)
                made.seed()
                _defaults[chosen] = made
    return _defaults[chosen]


def default_rng(seed: int | None = None, device: DeviceLike = None) -> Generator:
    """A new generator with `seed`, by default one of the operating system's random numbers."""
    made = Generator(device)
    if seed is None:
        made.seed()
    else:
        made.manual_seed(seed)
    return made


def random(size: Size = None, dtype: Any = float32, *, generator: Generator | None = None) -> Array:
    """Numbers of [0, 1), never 1; see `Generator.random`."""
    return (generator or default_generator()).random(size, dtype)


def uniform(
    low: float = 0.0, high: float = 1.0, size: Size = None, dtype: Any = float32, *, generator: Generator | None = None
) -> Array:
    """Numbers of [low, high); see `Generator.uniform`."""
    return (generator or default_generator()).uniform(low, high, size, dtype)


def normal(
    loc: float = 0.0, scale: float = 1.0, size: Size = None, dtype: Any = float32, *, generator: Generator | None = None
) -> Array:
    """Numbers of the normal distribution; see `Generator.normal`."""
    return (generator or default_generator()).normal(loc, scale, size, dtype)


def standard_normal(size: Size = None, dtype: Any = float32, *, generator: Generator | None = None) -> Array:
    """Numbers of the normal distribution with mean 0 and standard deviation 1."""
    return (generator or default_generator()).normal(0.0, 1.0, size, dtype)


def exponential(
    scale: float = 1.0, size: Size = None, dtype: Any = float32, *, generator: Generator | None = None
) -> Array:
    """Numbers of the exponential distribution, never 0; see `Generator.exponential`."""
    return (generator or default_generator()).exponential(scale, size, dtype)


def standard_exponential(size: Size = None, dtype: Any = float32, *, generator: Generator | None = None) -> Array:
    """Numbers of the exponential distribution with mean 1."""
    return (generator or default_generator()).exponential(1.0, size, dtype)


def integers(
    low: int,
    high: int | None = None,
    size: Size = None,
    dtype: Any = int64,
    endpoint: bool = False,
    *,
    generator: Generator | None = None,
) -> Array:
    """Integers of [low, high), or of [0, low), without bias; see `Generator.integers`."""
    return (generator or default_generator()).integers(low, high, size, dtype, endpoint)


def randint(
    low: int, high: int | None = None, size: Size = None, dtype: Any = int64, *, generator: Generator | None = None
) -> Array:
    """Integers of [low, high), or of [0, low); `integers` without `endpoint`."""
    return (generator or default_generator()).integers(low, high, size, dtype)


def bernoulli(p: float = 0.5, size: Size = None, dtype: Any = bool_, *, generator: Generator | None = None) -> Array:
    """True with probability `p`; see `Generator.bernoulli`."""
    return (generator or default_generator()).bernoulli(p, size, dtype)


def dropout_mask(size: Size, p: float = 0.5, dtype: Any = float32, *, generator: Generator | None = None) -> Array:
    """0 with probability `p`, else ``1 / (1 - p)``; see `Generator.dropout_mask`."""
    return (generator or default_generator()).dropout_mask(size, p, dtype)


def permutation(x: Any, axis: int = 0, *, generator: Generator | None = None) -> Array:
    """The integers below `x` in random order, or a shuffled copy of an array; see `Generator.permutation`."""
    return _for(x, generator).permutation(x, axis)


def shuffle(x: Array, axis: int = 0, *, generator: Generator | None = None) -> None:
    """Shuffle an array in place along an axis."""
    _for(x, generator).shuffle(x, axis)


def choice(
    a: Any,
    size: Size = None,
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    *,
    generator: Generator | None = None,
) -> Array:
    """Random elements of an array, or of the integers below `a`; see `Generator.choice`."""
    return _for(a, generator).choice(a, size, replace, p, axis)


def _for(x: Any, generator: Generator | None) -> Generator:
    """`generator`, or the default one of the array's device."""
    return generator or default_generator(x.device if isinstance(x, Array) else None)


Generator.__module__ = "metalpy"
