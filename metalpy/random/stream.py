"""What a generator is, apart from the numbers it makes: a seed, a stream of that seed, and how many draws are done.

The counter of Philox4x32-10 is laid out as (draw, draw, block, stream), its key is the seed. So two draws never share
a block, however many elements they have, and neither do two streams.
"""

from __future__ import annotations

import operator
import os
import struct
import sys
import threading
from typing import Any, NamedTuple, Self

import numpy as np

from metalpy.array import Array
from metalpy.creation import DeviceLike
from metalpy.device import Device
from metalpy.device import device as _device
from metalpy.errors import RandomStateError, ScalarRangeError

__all__ = ["DEFAULT_SEED", "STATE_BYTES", "STREAMS", "Draw", "Stream"]

DEFAULT_SEED = 67280421310721
STREAMS = 2**24  # the upper byte of the counter's last word counts attempts of methods that reject
STATE_BYTES = 44

# Seven words: 1, the first three counter words of a generator just seeded, one more than the stream, the key; then
# the seed and the offset.
_STATE = struct.Struct("=7I2Q")
_MASK = 2**64 - 1


class Draw(NamedTuple):
    """What a kernel must know of the generator to make one array of numbers."""

    seed: int
    offset: int
    stream: int


def seed_value(seed: Any) -> int:
    """A seed as 64 bits: negative ones are taken in two's complement.

    Raises
    ------
    TypeError
        If it is no integer.
    ScalarRangeError
        If it is outside [-2**63, 2**64 - 1].
    """
    try:
        value = operator.index(seed)
    except TypeError:
        raise TypeError(f"a seed is an integer, got {type(seed).__name__}") from None
    if not -(2**63) <= value <= _MASK:
        raise ScalarRangeError(f"a seed lies in [-2**63, 2**64 - 1], got {value}")
    return value & _MASK


class Stream:
    """The state of a generator. Every method may be called from any thread."""

    def __init__(self, device: DeviceLike = None, *, seed: int = DEFAULT_SEED) -> None:
        self._device = _device(device)
        self._lock = threading.Lock()
        self._seed = seed_value(seed)
        self._offset = 0
        self._stream = 0

    @property
    def device(self) -> Device:
        """Where the numbers are made."""
        return self._device

    @property
    def stream(self) -> int:
        """Which of the streams of the seed this is; see `jump`."""
        return self._stream

    def __repr__(self) -> str:
        seed, offset, stream = self._peek()
        return f"<metalpy.Generator on {self._device}: seed {seed}, stream {stream}, offset {offset}>"

    def _peek(self) -> Draw:
        with self._lock:
            return Draw(self._seed, self._offset, self._stream)

    def _take(self) -> Draw:
        """The next draw, which nobody else gets."""
        with self._lock:
            draw = Draw(self._seed, self._offset, self._stream)
            self._offset = (self._offset + 1) & _MASK
        return draw

    # ---- seeds ----

    def manual_seed(self, seed: int) -> Self:
        """Start again from `seed`, in [-2**63, 2**64 - 1]; negative ones count in two's complement.

        The offset and the stream become 0.

        Returns
        -------
        Generator
            Itself.

        Raises
        ------
        TypeError, ScalarRangeError
            If `seed` is no integer, or out of range.
        """
        value = seed_value(seed)
        with self._lock:
            self._seed, self._offset, self._stream = value, 0, 0
        return self

    def seed(self) -> int:
        """Start again from a seed of the operating system's random numbers, and return it."""
        value = int.from_bytes(os.urandom(8), sys.byteorder)
        self.manual_seed(value)
        return value

    def initial_seed(self) -> int:
        """The seed, in [0, 2**64 - 1]."""
        return self._peek().seed

    # ---- position ----

    def get_offset(self) -> int:
        """How many draws are done. A call for numbers is one draw, whatever its size; `permutation` takes two."""
        return self._peek().offset

    def set_offset(self, offset: int) -> None:
        """Continue at a draw.

        Raises
        ------
        TypeError, ScalarRangeError
            If `offset` is no integer, or not in [0, 2**64 - 1].
        """
        try:
            value = operator.index(offset)
        except TypeError:
            raise TypeError(f"an offset is an integer, got {type(offset).__name__}") from None
        if not 0 <= value <= _MASK:
            raise ScalarRangeError(f"an offset lies in [0, 2**64 - 1], got {value}")
        with self._lock:
            self._offset = value

    def get_state(self) -> np.ndarray:
        """The whole state as 44 bytes: seven words of 32 bits, seed and offset, in the machine's byte order.

        Returns
        -------
        numpy.ndarray of uint8
        """
        seed, offset, stream = self._peek()
        data = _STATE.pack(1, 1, 1, 1, stream + 1, seed & 0xFFFFFFFF, seed >> 32, seed, offset)
        return np.frombuffer(data, np.uint8).copy()

    def set_state(self, state: Any) -> None:
        """Continue where `get_state` was called.

        Parameters
        ----------
        state : numpy.ndarray or Array of uint8, or bytes
            44 of them, in any shape.

        Raises
        ------
        TypeError
            If they are no bytes.
        RandomStateError
            If there are not 44, or they are no state.
        """
        if isinstance(state, (bytes, bytearray, memoryview)):
            host = np.frombuffer(state, np.uint8)
        elif isinstance(state, (np.ndarray, Array)) and state.dtype == np.uint8:
            host = np.asarray(state)
        else:
            found = f"{state.dtype} array" if isinstance(state, (np.ndarray, Array)) else type(state).__name__
            raise TypeError(f"RNG state must be an array of uint8, got {found}")
        if host.size != STATE_BYTES:
            raise RandomStateError(f"RNG state is wrong size: {host.size} bytes instead of {STATE_BYTES}")
        words = _STATE.unpack(host.tobytes())
        seed, offset = words[7:]
        stream = words[4] - 1
        if words[5] | words[6] << 32 != seed or not 0 <= stream < STREAMS:
            raise RandomStateError("RNG state is damaged: its key is not its seed, or its stream is out of range")
        with self._lock:
            self._seed, self._offset, self._stream = seed, offset, stream

    # ---- other generators ----

    def clone(self) -> Self:
        """A generator on the same device that goes on as this one would: seed, stream and offset are copied."""
        return self._at(*self._peek())

    def jump(self, steps: int = 1) -> Self:
        """A generator `steps` streams further, which shares no numbers with this one.

        A seed has 2**24 streams, numbered from 0. The new generator has this one's seed and offset; this one stays
        as it is. As `numpy.random.Philox.jumped`.

        Raises
        ------
        ValueError
            If there is no such stream.
        """
        seed, offset, stream = self._peek()
        wanted = stream + operator.index(steps)
        if not 0 <= wanted < STREAMS:
            raise ValueError(f"streams are numbered from 0 to {STREAMS - 1}; {steps} from {stream} is {wanted}")
        return self._at(seed, offset, wanted)

    def _at(self, seed: int, offset: int, stream: int) -> Self:
        made = type(self)(self._device, seed=seed)
        made._offset, made._stream = offset, stream
        return made

    def __copy__(self) -> Self:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), str(self._device), self.get_state().tobytes())


def _restored(kind: type[Stream], device: str, state: bytes) -> Stream:
    made = kind(device)
    made.set_state(state)
    return made
