"""The default generator's state, under the counterpart's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from metalpy.creation import DeviceLike
from metalpy.random import default_generator

__all__ = ["get_rng_state", "manual_seed", "seed", "set_rng_state"]


def get_rng_state(device: DeviceLike = "mps") -> np.ndarray:
    """The state of the default generator of a device, 44 bytes; see `metalpy.Generator.get_state`."""
    return default_generator(device).get_state()


def set_rng_state(new_state: Any, device: DeviceLike = "mps") -> None:
    """Continue the default generator of a device from what `get_rng_state` returned.

    Raises
    ------
    TypeError
        If `new_state` is no array of uint8.
    RandomStateError
        If it has not 44 bytes, or is no state.
    """
    default_generator(device).set_state(new_state)


def manual_seed(seed: Any) -> None:
    """Start the default generator of the default device again from ``int(seed)``.

    Raises
    ------
    TypeError, ValueError
        If ``int(seed)`` does.
    ScalarRangeError
        If the seed is outside [-2**63, 2**64 - 1].
    """
    default_generator().manual_seed(int(seed))


def seed() -> None:
    """Start the default generator of the default device again from a seed that nobody knows beforehand."""
    default_generator().seed()
