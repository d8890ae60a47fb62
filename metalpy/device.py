"""Which Metal devices there are, and which one is meant."""

from __future__ import annotations

import os

from metalpy._core import registry
from metalpy._core.driver import Device
from metalpy.errors import EnvironmentVariableError, MetalError

__all__ = ["Device", "device", "devices"]

_opened: dict[int, Device] = {}
_PROFILING = ("LOG_PROFILE_INFO", "TRACE_SIGNPOSTS")


def _found() -> list[tuple[int, int]]:
    """Driver table and index of each device, the default one first; opens none."""
    tables = registry.driver_tables()
    wanted = os.environ.get("METALPY_DRIVER")
    if wanted:
        if wanted not in known_drivers():
            raise EnvironmentVariableError(f"METALPY_DRIVER is {wanted!r}; drivers are {', '.join(known_drivers())}")
        tables = [table for table in tables if registry.driver_name(table) == wanted]
    return [(table, index) for table in tables for index in range(registry.device_count(table))]


def known_drivers() -> tuple[str, ...]:
    """Names of the drivers of this build and of Apple's, the preferred one first."""
    built = [registry.driver_name(table) for table in registry.driver_tables()]
    return tuple(built) if "metal" in built else ("metal", *built)


def device_count() -> int:
    """Number of Metal devices. Opens none."""
    return len(_found())


def devices() -> tuple[Device, ...]:
    """All Metal devices, the default one first.

    ``METALPY_DRIVER=software`` or ``metal`` in the environment limits them to those of one driver.
    """
    return tuple(_open(found, number) for number, found in enumerate(_found()))


def _open(found: tuple[int, int], number: int) -> Device:
    """The device `number`; then what the environment asks to profile is heeded."""
    opened = registry.open_device(*found, f"mps:{number}")
    if any(f"{owner}_{name}" in os.environ for owner in ("METALPY", "PYTORCH_MPS") for name in _PROFILING):
        from metalpy.profiling.log import follow_environment

        follow_environment()
    return opened


def device(name: str | int | Device | None = None) -> Device:
    """The device that `name` names, opened on first use.

    Parameters
    ----------
    name : str, int, Device or None
        ``"mps"`` or None for the default device, ``"mps:1"`` or 1 for the second one. A Device is returned as it is.

    Raises
    ------
    ValueError
        If `name` has another form.
    MetalError
        If there is no such device.
    """
    if isinstance(name, Device):
        return name
    if name is None or name == "mps":
        number = 0
    elif isinstance(name, int) and not isinstance(name, bool) and name >= 0:
        number = name
    elif isinstance(name, str) and name.startswith("mps:") and name[4:].isdecimal():
        number = int(name[4:])
    else:
        raise ValueError(f"a device is 'mps', 'mps:N' or a number, got {name!r}")
    if number in _opened:
        return _opened[number]
    found = _found()
    if number >= len(found):
        wanted = os.environ.get("METALPY_DRIVER")
        only = f" of METALPY_DRIVER={wanted}" if wanted else ""
        raise MetalError(
            f"there is no device mps:{number}; there are {len(found)}{only}, see metalpy.backends.mps.drivers()"
        )
    return _opened.setdefault(number, _open(found[number], number))
