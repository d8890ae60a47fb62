"""Generators: random numbers of many distributions, made on a device."""

from __future__ import annotations

import math
import numbers
import operator
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from metalpy.array import Array
from metalpy.dtypes import as_dtype, bool_, float32, int64
from metalpy.random import ordering
from metalpy.random.kernels import launch
from metalpy.random.stream import Stream

__all__ = ["Generator", "Size"]

Size: TypeAlias = int | Sequence[int] | None

_LINE = struct.Struct("=4f")  # Line of shaders/distributions.h
_COIN = struct.Struct("=2Q")  # Coin and Interval
_FLOATS = {"float32": "float", "float16": "half", "bfloat16": "bfloat"}


class Generator(Stream):
    """Random numbers from Philox4x32-10, made on a device.

    The same seed gives the same numbers on every device, to the last bit, whatever the sizes of grids and groups.
    Calls do not wait: they launch a kernel, as any other. They may come from any thread, and each gets numbers of its
    own; which thread gets which is decided by the order of the calls.

    Methods have the names of `numpy.random.Generator`, and `size` as there: an int, a tuple, or None for an array
    without axes. A call is one draw of the generator, whatever its size.

    Parameters
    ----------
    device : str, int or Device, optional
        Where the numbers are made; the default device if not given.
    seed : int
        In [-2**63, 2**64 - 1].

    References
    ----------
    .. [1] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11.
    """

    def fork(self, n: int | None = None) -> Any:
        """New generators with seeds drawn from this one: one, or a list of `n`.

        Unlike those of `jump` they have seeds of their own, and may fork again. That two of k generators get the same
        64-bit seed has a probability of about k**2 / 2**65. Waits for the device.

        Returns
        -------
        Generator or list of Generator
        """
        count = 1 if n is None else operator.index(n)
        seeds = self.integers(0, 2**64, count, np.uint64).tolist()
        made = [type(self)(self._device, seed=seed) for seed in seeds]
        return made[0] if n is None else made

    # ---- real numbers ----

    def random(self, size: Size = None, dtype: Any = float32) -> Array:
        """Numbers of [0, 1), never 1.

        They are multiples of 2**-24 for float32, of 2**-11 for float16 and of 2**-8 for bfloat16: all that the dtype
        tells apart next to 1, evenly spaced.

        Parameters
        ----------
        size : int or tuple of int, optional
        dtype : {float32, float16, bfloat16}

        Returns
        -------
        Array
        """
        return self.uniform(0.0, 1.0, size, dtype)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Size = None, dtype: Any = float32) -> Array:
        """Numbers of [low, high): ``low + (high - low) * random()``, never `high` unless `low` equals it.

        Parameters
        ----------
        low, high : float
        size : int or tuple of int, optional
        dtype : {float32, float16, bfloat16}

        Raises
        ------
        ValueError
            If a bound is not finite in `dtype`, `low` is above `high`, or they are further apart than float32 can say.
        """
        wanted = _float_dtype(dtype)
        first, last = _representable("low", low, wanted), _representable("high", high, wanted)
        if first > last:
            raise ValueError(f"low is {low}, above high, which is {high}")
        with np.errstate(over="ignore"):
            span = float(np.float32(last - first))
        if math.isinf(span):
            raise ValueError(f"low and high are too far apart: {low} and {high}")
        line = _LINE.pack(first, span, first, max(first, _below(last, wanted)))
        return self._real("uniform", size, wanted, line)

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Size = None, dtype: Any = float32) -> Array:
        """Numbers of the normal distribution, by the method of Box and Muller [1]_.

        Standard normal numbers are computed in single precision with an error below 2e-6, and none is further than
        6.8 from 0: the distribution gives such a number once in 2**36. `dtype` rounds once.

        Parameters
        ----------
        loc, scale : float
            Mean and standard deviation, which is not negative.
        size : int or tuple of int, optional
        dtype : {float32, float16, bfloat16}

        Raises
        ------
        ValueError
            If `loc` or `scale` is not finite, or `scale` is negative.

        References
        ----------
        .. [1] G. E. P. Box, M. E. Muller, "A Note on the Generation of Random Normal Deviates", Annals of Mathematical
           Statistics 29(2), 1958.
        """
        wanted = _float_dtype(dtype)
        line = _LINE.pack(_representable("loc", loc, float32), _scale(scale), 0, 0)
        return self._real("normal", size, wanted, line)

    def standard_normal(self, size: Size = None, dtype: Any = float32) -> Array:
        """Numbers of the normal distribution with mean 0 and standard deviation 1; see `normal`."""
        return self.normal(0.0, 1.0, size, dtype)

    def exponential(self, scale: float = 1.0, size: Size = None, dtype: Any = float32) -> Array:
        """Numbers of the exponential distribution, by inversion: ``-scale * log(u)``.

        u has 33 bits and is neither 0 nor 1, and what is close to 1 is computed from its distance to 1. Results are
        kept within the normal numbers of `dtype`: never 0, unless `scale` is, and never infinite.

        Parameters
        ----------
        scale : float
            The mean, not negative.
        size : int or tuple of int, optional
        dtype : {float32, float16, bfloat16}

        Raises
        ------
        ValueError
            If `scale` is negative or not finite.
        """
        wanted = _float_dtype(dtype)
        mean = _scale(scale)
        smallest, largest = _limits(wanted)
        return self._real("exponential", size, wanted, _LINE.pack(0, mean, smallest if mean else 0, largest))

    def standard_exponential(self, size: Size = None, dtype: Any = float32) -> Array:
        """Numbers of the exponential distribution with mean 1; see `exponential`."""
        return self.exponential(1.0, size, dtype)

    def _real(self, name: str, size: Size, dtype: np.dtype[Any], line: bytes) -> Array:
        return launch(f"{name}_{_FLOATS[dtype.name]}", self, size, dtype, line)

    # ---- integers ----

    def integers(
        self, low: int, high: int | None = None, size: Size = None, dtype: Any = int64, endpoint: bool = False
    ) -> Array:
        """Integers of [low, high), each equally likely; of [0, low) if `high` is not given.

        A random word is multiplied by the number of possible results and the high half taken; the few words that
        would favour some results are rejected [1]_. Ranges of up to 2**32 use words of 32 bits, others 64.

        Parameters
        ----------
        low, high : int
        size : int or tuple of int, optional
        dtype : dtype
            Any integer dtype, or bool.
        endpoint : bool
            True includes `high`.

        Raises
        ------
        TypeError
            If a bound is no integer, or `dtype` no integer dtype.
        ValueError
            If the interval is empty, or `dtype` cannot hold it.

        References
        ----------
        .. [1] D. Lemire, "Fast Random Integer Generation in an Interval", ACM Transactions on Modeling and Computer
           Simulation 29(1), 2019.
        """
        wanted = as_dtype(dtype)
        if wanted.kind not in "iub":
            raise TypeError(f"integers are made in integer dtypes and bool, not {wanted}")
        try:
            first, last = (0, operator.index(low)) if high is None else (operator.index(low), operator.index(high))
        except TypeError:
            raise TypeError(f"low and high are integers, got {low!r} and {high!r}") from None
        last -= not endpoint
        least, most = (0, 1) if wanted.kind == "b" else (np.iinfo(wanted).min, np.iinfo(wanted).max)
        if first > last:
            raise ValueError(f"there is no integer from {first} to {last}")
        if first < least or last > most:
            raise ValueError(f"{wanted} holds integers from {least} to {most}, not all from {first} to {last}")
        count = last - first + 1
        mask = 2**64 - 1
        if count <= 2**32:
            return launch(f"integers32_{wanted.itemsize}", self, size, wanted, _COIN.pack(first & mask, count))
        return launch("integers64", self, size, wanted, _COIN.pack(first & mask, count & mask), per_block=2)

    def randint(self, low: int, high: int | None = None, size: Size = None, dtype: Any = int64) -> Array:
        """Integers of [low, high), or of [0, low); `integers` without `endpoint`."""
        return self.integers(low, high, size, dtype)

    def bernoulli(self, p: float = 0.5, size: Size = None, dtype: Any = bool_) -> Array:
        """True, or 1 in `dtype`, with probability `p`, else False. `p` counts in steps of 2**-32.

        Raises
        ------
        ValueError
            If `p` is not in [0, 1].
        """
        return self._coin(_probability(p), 1, size, as_dtype(dtype))

    def dropout_mask(self, size: Size, p: float = 0.5, dtype: Any = float32) -> Array:
        """Factors for dropout: 0 with probability `p`, else ``1 / (1 - p)``, so that the mean is 1.

        Parameters
        ----------
        size : int or tuple of int
        p : float
            Probability that an element is dropped. 1 drops all.
        dtype : {float32, float16, bfloat16}

        Raises
        ------
        ValueError
            If `p` is not in [0, 1].
        """
        wanted = _float_dtype(dtype)
        keep = 1.0 - _probability(p)
        return self._coin(keep, min(1.0 / keep, _limits(wanted)[1]) if keep else 0.0, size, wanted)

    def _coin(self, p: float, on: float, size: Size, dtype: np.dtype[Any]) -> Array:
        if dtype.kind not in "iubf" and dtype.name not in _FLOATS:
            raise TypeError(f"1 and 0 are made in integer and float dtypes and bool, not {dtype}")
        bits = np.array([on], dtype).view(f"u{dtype.itemsize}").item()
        coin = _COIN.pack(round(p * 2**32), bits)
        return launch(f"bernoulli_{dtype.itemsize}", self, size, dtype, coin)

    # ---- order ----

    def permutation(self, x: Any, axis: int = 0) -> Array:
        """The integers below `x` in random order, or a copy of an array, shuffled along an axis.

        Every order is equally likely. Elements are dealt to buckets at random and the buckets shuffled by Fisher
        and Yates' method, all on the device [1]_ [2]_. Takes two draws.

        Parameters
        ----------
        x : int, Array, or what `metalpy.array` takes
        axis : int

        Returns
        -------
        Array
            Of int64 for an int.

        References
        ----------
        .. [1] C. R. Rao, "Generation of Random Permutations of Given Number of Elements Using Random Sampling
           Numbers", Sankhya A 23, 1961; M. Sandelius, "A Simple Randomization Procedure", J. R. Stat. Soc. B 24, 1962.
        .. [2] R. Durstenfeld, "Algorithm 235: Random permutation", Communications of the ACM 7(7), 1964.
        """
        return ordering.permutation(self, x, axis)

    def shuffle(self, x: Array, axis: int = 0) -> None:
        """Shuffle an array in place along an axis; see `permutation`.

        Raises
        ------
        TypeError
            If `x` is no `Array`.
        ValueError
            If `x` is read-only or has no axes.
        """
        ordering.shuffle(self, x, axis)

    def choice(self, a: Any, size: Size = None, replace: bool = True, p: Any = None, axis: int = 0) -> Array:
        """Random elements of an array, or of the integers below `a`.

        Parameters
        ----------
        a : int, Array, or what `metalpy.array` takes
        size : int or tuple of int, optional
        replace : bool
            False chooses no element twice.
        p : sequence of float, optional
            Probabilities, of sum 1; by default all are equal. They are used to 53 bits with `replace`. Without, the
            elements with the least ``exponential() / p`` are taken, which are distributed as if chosen one after
            another [1]_; the host sorts them.
        axis : int
            Along which elements are chosen.

        Returns
        -------
        Array
            Of int64 if `a` is an int.

        Raises
        ------
        ValueError
            If there is nothing to choose from, too little without `replace`, or `p` is no distribution.

        References
        ----------
        .. [1] P. S. Efraimidis, P. G. Spirakis, "Weighted random sampling with a reservoir", Information Processing
           Letters 97(5), 2006.
        """
        return ordering.choice(self, a, size, replace, p, axis)


def _number(name: str, value: Any) -> float:
    if isinstance(value, (numbers.Real, np.bool_)) or (isinstance(value, (np.ndarray, Array)) and value.ndim == 0):
        number = float(value)
        if math.isfinite(number):
            return number
        raise ValueError(f"{name} must be finite, got {value}")
    raise TypeError(f"{name} is one number, got {type(value).__name__}")


def _representable(name: str, value: Any, dtype: np.dtype[Any]) -> float:
    """`value` as the nearest number of `dtype`."""
    with np.errstate(over="ignore"):
        nearest = float(np.array(_number(name, value), dtype))
    if math.isinf(nearest):
        raise ValueError(f"{name} is too large for {dtype}: {value}")
    return nearest


def _scale(value: Any) -> float:
    scale = _representable("scale", value, float32)
    if scale < 0:
        raise ValueError(f"scale must not be negative, got {value}")
    return scale


def _probability(value: Any) -> float:
    p = _number("p", value)
    if not 0 <= p <= 1:
        raise ValueError(f"p is a probability, from 0 to 1, got {value}")
    return p


def _float_dtype(dtype: Any) -> np.dtype[Any]:
    wanted = as_dtype(dtype)
    if wanted.name not in _FLOATS:
        raise TypeError(f"real random numbers are float32, float16 or bfloat16, not {wanted}")
    return wanted


def _below(x: float, dtype: np.dtype[Any]) -> float:
    """The largest number of `dtype` below `x`, which is one of its numbers."""
    return float(np.nextafter(np.array(x, dtype), np.array(-math.inf, dtype)))


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The smallest positive normal number, and the largest."""
    if dtype.name == "bfloat16":
        return 2.0**-126, float.fromhex("0x1.fep127")
    found = np.finfo(dtype)
    return float(found.tiny), float(found.max)
