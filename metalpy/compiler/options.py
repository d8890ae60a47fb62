"""How a program is to be compiled."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metalpy import environment

__all__ = ["DEFAULT_VERSION", "MATH_MODES", "Options", "make_options"]

MATH_MODES = {
    # Results do not depend on whether the CPU has fused multiply-add.
    "safe": ("-ffp-contract=off",),
    "relaxed": ("-ffast-math", "-fno-finite-math-only", "-ffp-contract=fast", "-D__METALPY_FAST_MATH__=1"),
    "fast": ("-ffast-math", "-ffp-contract=fast", "-D__METALPY_FAST_MATH__=1"),
}

# Metal's language versions and their __METAL_VERSION__.
_VERSIONS = {v: int(v[0] + v[2] + "0") for v in "2.0 2.1 2.2 2.3 2.4 3.0 3.1 3.2 4.0".split()}
DEFAULT_VERSION = "3.2"
_VERSION = re.compile(r"(?:metal|macos-metal|ios-metal)?(\d\.\d)")


@dataclass(frozen=True)
class Options:
    """Compile options; equal options and equal source give the same library.

    `lines` are those of functions in the IR, which only the checked executor needs.
    """

    include_dirs: tuple[str, ...] = ()
    defines: tuple[tuple[str, str], ...] = ()
    math_mode: str = "safe"
    language_version: str = DEFAULT_VERSION
    lines: bool = False

    @property
    def metal_version(self) -> int:
        """The value of ``__METAL_VERSION__``."""
        return _VERSIONS[self.language_version]

    @property
    def flags(self) -> list[str]:
        """Clang's flags for these options, include folders apart."""
        return [f"-D{name}={value}" for name, value in self.defines]

    @property
    def directives(self) -> str:
        """The defines as text to stand before a program; unlike flags they come after headers that are built in."""
        return "".join(f"#define {name} {value}\n" for name, value in self.defines)


def make_options(
    include_dirs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    defines: Mapping[str, object] | None = None,
    math_mode: str | None = None,
    language_version: str = DEFAULT_VERSION,
) -> Options:
    """Check compile options as a user gives them; math mode None is the environment's, else ``"safe"``.

    Raises
    ------
    TypeError, ValueError
        A define that is no identifier, or a value, math mode or language version that cannot be meant.
    """
    if include_dirs is None:
        include_dirs = ()
    elif isinstance(include_dirs, (str, os.PathLike)):
        include_dirs = (include_dirs,)
    if math_mode is None:
        math_mode = _default_math_mode()
    if math_mode not in MATH_MODES:
        raise ValueError(f"math_mode must be one of {', '.join(map(repr, MATH_MODES))}, not {math_mode!r}")
    if defines is not None and not isinstance(defines, Mapping):
        raise TypeError(f"defines must be a dict of macro names and values, not {type(defines).__name__}")
    return Options(
        include_dirs=tuple(os.path.abspath(os.fspath(folder)) for folder in include_dirs),
        defines=tuple(sorted(_define(name, value) for name, value in (defines or {}).items())),
        math_mode=math_mode,
        language_version=_version(language_version),
    )


def _default_math_mode() -> str:
    fast = environment.read("METALPY_FAST_MATH", "PYTORCH_MPS_FAST_MATH", parse=environment.flag, default=False)
    return "fast" if fast else "safe"


def _version(given: object) -> str:
    """``"3.1"`` of ``"3.1"``, of ``"metal3.1"`` and of older spellings such as ``"macos-metal2.4"``."""
    if not isinstance(given, str):
        raise TypeError(f"language_version must be a str such as {DEFAULT_VERSION!r}, not {type(given).__name__}")
    match = _VERSION.fullmatch(given)
    if match is None or match[1] not in _VERSIONS:
        raise ValueError(f"language_version must be one of {', '.join(map(repr, _VERSIONS))}, not {given!r}")
    return match[1]


def _define(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*(\([\w, .]*\))?", name):
        raise ValueError(f"{name!r} is not a macro name")
    if value is None:
        return name, ""
    if isinstance(value, bool):
        return name, str(int(value))
    if isinstance(value, (int, float)):
        return name, repr(value)
    if isinstance(value, str):
        if re.search(r"[\n\r\0]", value):
            raise ValueError(f"the value of macro {name} must be one line")
        return name, value
    raise TypeError(f"the value of macro {name} must be a str, int, float, bool or None, not {type(value).__name__}")
