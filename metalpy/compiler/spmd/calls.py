"""What the vectoriser knows of the functions that kernels call."""

from __future__ import annotations

import re

__all__ = ["elementwise", "intrinsic_for", "is_ignored", "is_pure", "meets_uniformly", "scalar_intrinsic"]

# Intrinsics that act on each element of vectors, with the arguments that stay scalar.
_ELEMENTWISE = {
    **dict.fromkeys(
        "fabs sqrt fma fmuladd floor ceil trunc rint nearbyint round roundeven minnum maxnum minimum maximum "
        "minimumnum maximumnum copysign ctpop bswap bitreverse fshl fshr umin umax smin smax uadd.sat usub.sat "
        "sadd.sat ssub.sat ushl.sat sshl.sat canonicalize fptosi.sat fptoui.sat ucmp scmp exp exp2 log log2 log10 "
        "sin cos pow uadd.with.overflow sadd.with.overflow usub.with.overflow ssub.with.overflow "
        "umul.with.overflow smul.with.overflow".split(),
        (),
    ),
    "ctlz": (1,), "cttz": (1,), "abs": (1,), "is.fpclass": (1,),
}  # fmt: skip
# Those without a vector form on processors: a function is called for each lane.
_LIBRARY = frozenset("exp exp2 log log2 log10 sin cos pow".split())
_SUFFIX = re.compile(r"\.(v\d+)?(i\d+|f16|f32|f64|bf16|p0)$")
_IGNORED = (
    "llvm.lifetime.", "llvm.assume", "llvm.dbg.", "llvm.experimental.noalias", "llvm.donothing", "llvm.prefetch",
    "llvm.invariant.", "llvm.sideeffect", "llvm.pseudoprobe", "llvm.fake.use",
)  # fmt: skip
_MEETING = re.compile(
    r"mp_simd_(?:active|ballot|(?:sum|product|min|max|and|or|xor)_\w+)|mp_simdgroup_(?:index|barrier)|"
    r"mp_threadgroup_(?:barrier|variable)|mp_stays"
)
_PURE_LIBRARY = re.compile(
    r"(?:sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|exp|exp2|exp10|expm1|log|log2|log10|log1p|"
    r"pow|fmod|fdim|cbrt|hypot|erf|erfc|tgamma|lgamma|ldexp|ilogb|logb|nextafter|remainder|rint|round|fma)f?"
)


def elementwise(name: str) -> tuple[int, ...] | None:
    """The scalar arguments of an intrinsic that acts on each element; None for any other function."""
    return _ELEMENTWISE.get(_base(name)) if name.startswith("llvm.") and _base(name) not in _LIBRARY else None


def intrinsic_for(name: str, width: int) -> str:
    """The name of an elementwise intrinsic for vectors of `width` elements."""
    base = _base(name)
    types = [match[2] for match in re.finditer(r"\.(v\d+)?(i\d+|f16|f32|f64|bf16|p0)(?=\.|$)", name)]
    return "llvm." + base + "".join(f".v{width}{type_}" for type_ in types)


def _base(name: str) -> str:
    name = name.removeprefix("llvm.")
    while match := _SUFFIX.search(name):
        name = name[: match.start()]
    return name


def scalar_intrinsic(name: str) -> str:
    """The form for scalars of an intrinsic that may be for vectors."""
    return re.sub(r"\.v\d+(?=[ifbp])", ".", name)


def is_ignored(name: str) -> bool:
    """Whether a call says something to the optimiser alone."""
    return name.startswith(_IGNORED) or name in ("mp_site", "mp_repeat")


def meets_uniformly(name: str) -> bool:
    """Whether a function of the runtime gives all lanes the same."""
    return _MEETING.fullmatch(name) is not None


def is_pure(name: str) -> bool:
    """Whether equal arguments give equal results, and nothing else happens."""
    if name.startswith("llvm."):
        return _base(name) in _ELEMENTWISE or name.startswith("llvm.vector.reduce.")
    return _PURE_LIBRARY.fullmatch(name) is not None
