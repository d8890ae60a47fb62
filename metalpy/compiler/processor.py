"""The processor that kernels are compiled for: ``METALPY_CPU``, and what this machine's can do."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from functools import cache

from .. import environment
from ..errors import UnsupportedError

__all__ = ["NATIVE", "chosen_cpu", "code_features", "cpu_features", "cpu_identity", "machine", "refuse_foreign_code"]

NATIVE = "native"

_V2 = "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3"
_V3 = f"{_V2} abm avx avx2 bmi1 bmi2 f16c fma movbe"
_V4 = f"{_V3} avx512bw avx512cd avx512dq avx512f avx512vl"
# By architecture, what METALPY_CPU may name: LLVM's name, and what code for it needs beyond the architecture's least,
# as the operating system calls it.
_LEVELS = {
    "x86_64": {"x86-64": "", "x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4},
    "aarch64": {"generic": ""},
}

# Of what /proc/cpuinfo lists: what code that LLVM makes from ordinary code may use. All of it, where names differ.
_USED_FEATURES = re.compile(r"abm|adx|avx|bmi|cmov|cx16|f16c|fma|gfni|lahf|movbe|pni|popcnt|sse|ssse|vpclmul|x?sha")


def machine() -> str:
    """System and processor architecture."""
    return f"{sys.platform} {platform.machine()}"


def chosen_cpu() -> str:
    """`NATIVE`, or the name that LLVM has for a kind of processor.

    Raises
    ------
    EnvironmentVariableError
        METALPY_CPU names none that this architecture has.
    """
    return environment.read("METALPY_CPU", parse=_cpu, default=NATIVE)


def _levels() -> dict[str, str]:
    return _LEVELS.get(platform.machine().replace("AMD64", "x86_64").replace("arm64", "aarch64"), {})


def _cpu(text: str) -> str:
    if text != NATIVE and text not in _levels():
        raise ValueError(" or ".join([*(f"'{name}'" for name in _levels()), f"'{NATIVE}'"]))
    return text


@cache
def cpu_features() -> frozenset[str]:
    """Instruction set extensions of this processor, as the operating system names them."""
    lists = re.findall(r"^(flags|Features)\s*:(.*)$", _described(), re.MULTILINE)
    return frozenset(
        name for kind, names in lists for name in names.split() if kind != "flags" or _USED_FEATURES.match(name)
    )


def code_features() -> frozenset[str]:
    """What a processor must have to run the code that is compiled now, by the same names."""
    cpu = chosen_cpu()
    return cpu_features() if cpu == NATIVE else frozenset(_levels()[cpu].split())


def cpu_identity() -> str:
    """What identifies the instruction set that is compiled for in a cache key."""
    cpu = chosen_cpu()
    return _native_identity() if cpu == NATIVE else f"{platform.machine()} {cpu}"


@cache
def _native_identity() -> str:
    facts = [platform.machine()]
    wanted = ("model name", "flags", "features", "cpu implementer", "cpu part", "cpu family", "model\t", "stepping")
    facts += [line for line in _described().splitlines() if line.lower().startswith(wanted)]
    if len(facts) == 1:
        facts.append(platform.processor())
    return hashlib.blake2b("\n".join(facts).encode(), digest_size=16).hexdigest()


@cache
def _described() -> str:
    """What the operating system says of the first processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return file.read(8192).split("\n\n", 1)[0]
    except OSError:
        return ""


def refuse_foreign_code() -> None:
    """Refuse to load code that is compiled now if it is for a processor that can do more than this one.

    Raises
    ------
    UnsupportedError
        METALPY_CPU is set so.
    """
    lacking = sorted(code_features() - cpu_features())
    if lacking:
        raise UnsupportedError(
            f"METALPY_CPU={chosen_cpu()} compiles for a processor that has {', '.join(lacking)}, which this one lacks: "
            "such code can be written to a library file, but not run here"
        )
