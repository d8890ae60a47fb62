"""How the software device runs kernels: ``METALPY_EXECUTOR``."""

from __future__ import annotations

from .. import environment

__all__ = ["REFERENCE", "SPMD", "chosen_executor"]

SPMD, REFERENCE = "spmd", "reference"


def chosen_executor() -> str:
    """`SPMD`, where a simdgroup is one vector program, or `REFERENCE`, where threads run one by one.

    Raises
    ------
    EnvironmentVariableError
        METALPY_EXECUTOR is neither.
    """
    return environment.read("METALPY_EXECUTOR", parse=_executor, default=SPMD)


def _executor(text: str) -> str:
    if text not in (SPMD, REFERENCE):
        raise ValueError(f"'{SPMD}' or '{REFERENCE}'")
    return text
