"""How the software device runs kernels: ``METALPY_EXECUTOR``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .. import environment

__all__ = ["CHECKED", "REFERENCE", "SPMD", "Lowered", "chosen_executor", "executor_label"]

SPMD, REFERENCE, CHECKED = "spmd", "reference", "checked"

_LABEL = re.compile(rb"metalpy executor: (\w+)(?:: ([^\0]*))?\0")


@dataclass(frozen=True, slots=True)
class Lowered:
    """A kernel in machine code.

    Attributes
    ----------
    code : bytes
        A shared object.
    executor : str
        `SPMD`, `REFERENCE` or `CHECKED`.
    reason : str
        Why it is not `SPMD`; '' if it is.
    """

    code: bytes
    executor: str
    reason: str = ""

    @classmethod
    def read(cls, code: bytes) -> Lowered:
        """What a shared object says of itself: it holds an `executor_label`, so that it tells wherever it is kept."""
        match = _LABEL.search(code)
        if match is None:
            return cls(code, REFERENCE, "not known: compiled by an older version")
        return cls(code, match[1].decode(), (match[2] or b"").decode("utf-8", "replace"))


def executor_label(executor: str, reason: str = "") -> bytes:
    """The text in a shared object that `Lowered.read` finds, ended by a zero."""
    text = f"metalpy executor: {executor}{': ' if reason else ''}{reason}"
    return text.replace("\0", " ").encode("utf-8", "replace") + b"\0"


def chosen_executor() -> str:
    """`SPMD`, where a simdgroup is one vector program, `REFERENCE`, where threads run one by one, or `CHECKED`, where
    they do so with a look at each access to shared memory.

    Raises
    ------
    EnvironmentVariableError
        METALPY_EXECUTOR is none of them.
    """
    return environment.read("METALPY_EXECUTOR", parse=_executor, default=SPMD)


def _executor(text: str) -> str:
    if text not in (SPMD, REFERENCE, CHECKED):
        raise ValueError(f"'{SPMD}', '{REFERENCE}' or '{CHECKED}'")
    return text
