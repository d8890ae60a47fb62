"""The counterpart of torch.backends.mps: whether "mps" can be used, and what is behind it.

"mps" names a Metal device, whoever drives it: driver ``metal`` an Apple GPU, ``software`` the processor. Answers are
not kept: what is plugged in or set later is seen.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import NamedTuple

from metalpy._core import registry as _registry
from metalpy.device import device as _device
from metalpy.device import device_count as _device_count
from metalpy.device import known_drivers as _known_drivers

__all__ = [
    "DriverState",
    "drivers",
    "get_core_count",
    "get_name",
    "is_available",
    "is_built",
    "is_macos13_or_newer",
    "is_macos_or_newer",
]


class DriverState(NamedTuple):
    """What there is of a driver.

    Attributes
    ----------
    name : str
        ``"metal"`` or ``"software"``.
    built : bool
        True if this build of metalpy has it.
    available : bool
        True if it has a device that may be used.
    devices : tuple of str
        Its devices, as `metalpy.device` takes them.
    reason : str
        Why it is not available; empty if it is.
    """

    name: str
    built: bool
    available: bool
    devices: tuple[str, ...]
    reason: str


def is_built() -> bool:
    """True if this build of metalpy has a driver for "mps", of those that ``METALPY_DRIVER`` allows."""
    return any(state.built and not _excluded(state.name) for state in drivers())


def is_available() -> bool:
    """True if "mps" can be used: there is a device, Apple's or the software device. Opens none."""
    return _device_count() > 0


def drivers() -> tuple[DriverState, ...]:
    """Each driver that metalpy knows, the preferred one first, with its devices or the reason of its absence."""
    tables = {_registry.driver_name(table): table for table in _registry.driver_tables()}
    found = []
    number = 0
    for name in _known_drivers():
        count = _registry.device_count(tables[name]) if name in tables else 0
        reason = ""
        if name not in tables:
            reason = _why_not_built(name)
        elif count == 0:
            reason = f"the {name} driver finds no device on this machine"
        elif _excluded(name):
            reason = f"METALPY_DRIVER is {os.environ['METALPY_DRIVER']!r}"
        labels = () if reason else tuple(f"mps:{number + index}" for index in range(count))
        number += len(labels)
        found.append(DriverState(name, name in tables, not reason, labels, reason))
    return tuple(found)


def _excluded(name: str) -> bool:
    return os.environ.get("METALPY_DRIVER", "") not in ("", name)


def _why_not_built(name: str) -> str:
    if name == "metal" and sys.platform != "darwin":
        return f"Apple's Metal exists on macOS only, and this is {platform.system()}"
    return f"this build of metalpy has no {name} driver"


def is_macos_or_newer(major: int, minor: int) -> bool:
    """True on macOS `major`.`minor` and newer; False off macOS."""
    version = _macos_version()
    return version is not None and version >= (major, minor)


def is_macos13_or_newer(minor: int = 0) -> bool:
    """True on macOS 13.`minor` and newer; False off macOS."""
    return is_macos_or_newer(13, minor)


def _macos_version() -> tuple[int, int] | None:
    if sys.platform != "darwin":
        return None
    # Python built against an old SDK hears 10.16 of every newer system; the kernel does not pretend.
    version = _sysctl("kern.osproductversion") or platform.mac_ver()[0]
    major, minor, *_ = [*(int(part) for part in version.split(".") if part.isdecimal()), 0, 0]
    return major, minor


def _sysctl(name: str) -> str:
    size = ctypes.c_size_t(64)
    value = ctypes.create_string_buffer(size.value)
    if ctypes.CDLL(None).sysctlbyname(name.encode(), value, ctypes.byref(size), None, ctypes.c_size_t(0)):
        return ""
    return value.value.decode()


def get_name() -> str:
    """What the default device calls itself, such as ``"Apple M1 Max"``."""
    return _device().name


def get_core_count() -> int:
    """GPU cores of the default device, or host threads that run its kernels."""
    return _device().core_count


_initialised = False


def _init() -> None:
    """Register the composite implementations for "mps", once."""
    global _initialised
    if _initialised:
        return
    from metalpy.ops import composite
    from metalpy.ops.registry import register

    for name in composite.__all__:
        register(name, "mps", getattr(composite, name))
    _initialised = True  # last: of two threads that come at once both register the same functions
