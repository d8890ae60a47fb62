"""How the linker optimises a vector program and makes machine code of it.

A vector program goes to lld as bitcode. So one process does all that is left, and this one may meanwhile prepare the
next kernel. Its LLVM is a release build, while that of llvmlite's wheels checks itself as it goes; and it lets us name
its passes one by one.
"""

from __future__ import annotations

__all__ = ["linker_options"]

_COMBINE = "instcombine<no-verify-fixpoint>"
# Its scalar form has been through all passes: what is left are variables that become registers, masks that are known,
# and addresses that loops over simdgroups compute again and again.
_FUNCTION = (
    "sroa<modify-cfg>", "early-cse<memssa>", "simplifycfg", _COMBINE, "vector-combine", "loop-mssa(loop-rotate,licm)",
    "indvars", "loop(loop-deletion)", "adce", "simplifycfg", _COMBINE,
)  # fmt: skip
# Variables become registers before a simdgroup is inlined, or what one leaves in them seems to reach the next one.
_PIPELINE = f"function(sroa<modify-cfg>),always-inline,globaldce,function({','.join(_FUNCTION)})"


def linker_options(cpu: str, features: str) -> list[str]:
    """How lld makes machine code of bitcode.

    Parameters
    ----------
    cpu : str
        LLVM's name of the processor.
    features : str
        What that has or lacks beyond its kind, as ``+this,-that``.
    """
    options = [f"--lto-newpm-passes={_PIPELINE}", "--lto-CGO2", f"--plugin-opt=mcpu={cpu}"]
    return [*options, "-mllvm", f"-mattr={features}"] if features else options
