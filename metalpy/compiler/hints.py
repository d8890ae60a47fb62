"""What to do about a message of clang's: names of other languages, forgotten includes, macros of the host program."""

from __future__ import annotations

import re

from .harvest import BUILTINS

__all__ = ["candidate_reason", "hint_for"]

_UNKNOWN = re.compile(
    r"(?:use of undeclared identifier|unknown type name|no template named|no type named|no member named) "
    r"'(?P<name>\w+)'(?P<more>.*)"
)
# A name in capitals that nothing declares: host programs often define such, as sizes and types of a kernel.
_HOST_MACRO = re.compile(r"[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*_?|[A-Z](?:_[A-Z0-9]+)+_?")
_METAL_4 = re.compile(
    r"mpp|tensor|dextents|extents|tensor_inline|tensor_handle|cooperative_tensor|dynamic_extent|execution_\w+"
)
_METAL_4_HINT = (
    'it belongs to Metal 4: pass language_version="4.0", and include <metal_tensor>, or '
    "<MetalPerformancePrimitives/MetalPerformancePrimitives.h> for mpp"
)
_NO_NAMESPACE = "add #include <metal_stdlib> and using namespace metal"
_POSITION = "a parameter such as uint i [[{}]] has it"
_BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup) or simdgroup_barrier(...) is the one of Metal"
_SHUFFLE = "simd_shuffle(value, lane), simd_shuffle_xor and simd_shuffle_down are those of Metal"
_ATOMIC = "on device atomic_uint* and its like, atomic_fetch_add_explicit(p, x, memory_order_relaxed) is that of Metal"
# Names of CUDA, OpenCL and C that writers of kernels have in their fingers, and what Metal has instead.
_FOREIGN = {
    "__global__": "in Metal: kernel void name(...)",
    "__device__": "Metal's functions need no qualifier",
    "__shared__": "in Metal: threadgroup",
    "__syncthreads": _BARRIER,
    "__syncwarp": _BARRIER,
    "barrier": _BARRIER,
    "threadIdx": _POSITION.format("thread_position_in_threadgroup"),
    "blockIdx": _POSITION.format("threadgroup_position_in_grid"),
    "blockDim": _POSITION.format("threads_per_threadgroup"),
    "gridDim": _POSITION.format("threadgroups_per_grid"),
    "get_global_id": _POSITION.format("thread_position_in_grid"),
    "get_local_id": _POSITION.format("thread_position_in_threadgroup"),
    "get_group_id": _POSITION.format("threadgroup_position_in_grid"),
    "get_local_size": _POSITION.format("threads_per_threadgroup"),
    "get_global_size": _POSITION.format("threads_per_grid"),
    "__shfl_sync": _SHUFFLE,
    "__shfl_down_sync": _SHUFFLE,
    "__shfl_xor_sync": _SHUFFLE,
    "atomicAdd": _ATOMIC,
    "atomic_add": _ATOMIC,
    "atomic_fetch_add": _ATOMIC,
    "mem_none": "write mem_flags::mem_none",
    "mem_device": "write mem_flags::mem_device",
    "mem_threadgroup": "write mem_flags::mem_threadgroup",
    "mem_texture": "write mem_flags::mem_texture",
    "printf": "add #include <metalpy/printf.h>, or use os_log of <metal_logging>",
}
# What Metal has and the software device has not, beyond what a kernel takes as an argument (see `harvest`).
_UNSUPPORTED = {
    "bicubic": "bicubic filter: nearest and linear are those that it has",
    **dict.fromkeys(
        ("command_buffer", "compute_command", "render_command", "compute_pipeline_state", "render_pipeline_state"),
        "indirect command buffers",
    ),
    **dict.fromkeys(("intersector", "intersection_query", "intersection_result", "raytracing"), "ray tracing"),
}
# What programs use of <metal_stdlib>; names that a program's own variables are likely to have are left out.
_METAL = re.compile(
    r"abs|acos|all|any|as_type|asin|atan2?|bfloat|ceil|clamp|clz|cosh?|cross|ctz|distance|dot|exp(?:2|10)?|fabs|floor|fma"
    r"|fm(?:ax|in|od)|fract|half\dx\d|float\dx\d|is(?:nan|inf|finite)|length|log(?:2|10)?|max|min|mix|normalize|numeric_limits"
    r"|popcount|powr?|precise|r?sqrt|round|saturate|select|sign|sincos|sinh?|smoothstep|step|tanh?|trunc|(?:simd|quad)_\w+"
    r"|(?:atomic|simdgroup|threadgroup|memory_order|packed)_\w+|mem_flags|sampler|texture\w+|INFINITY|NAN|M_\w+_F"
)
_USES_METAL = re.compile(
    r"^\s*using\s+namespace\s+metal\b|^\s*#\s*include\s*<metal_stdlib>(?s:.*)\bmetal::", re.MULTILINE
)
_NAMES_A_PATH = re.compile(r"(?:#line[^\n]*\n)*\s*[\w./\\~-]+\.(?:metal|h|metallib|mtlp)\s*\Z")
# What C's functions return through a pointer Metal's do through a reference.
_REFERENCES = {
    "frexp": "frexp(x, exponent)",
    "modf": "modf(x, whole)",
    "sincos": "float s = sincos(x, c)",
}
_INCOMPLETE = re.compile(
    r".*(?:incomplete type|undefined template|implicit instantiation of undefined[^']*) '(?:\w+::)*(?P<name>\w+)'"
)
_BY_REFERENCE = re.compile(rf"no matching function for call to '({'|'.join(_REFERENCES)})'")
_CANDIDATE = re.compile(r"candidate (?:function|template)[^:]*?(?:not viable|ignored): (?P<reason>.*)")


def hint_for(message: str, text: str) -> str:
    """What to do about an error in the program `text`, or an empty string."""
    if _NAMES_A_PATH.match(text):
        return "this source is the name of a file: metalpy.compile_file(path) compiles one"
    by_reference = _BY_REFERENCE.match(message)
    if by_reference:
        return f"the last argument is a reference, without &: {_REFERENCES[by_reference[1]]}"
    incomplete = _INCOMPLETE.match(message)
    if incomplete and incomplete["name"] in _UNSUPPORTED:
        return f"the software device has no {_UNSUPPORTED[incomplete['name']]}"
    match = _UNKNOWN.match(message)
    if match is None:
        return ""
    name, more = match["name"], match["more"]
    if _METAL_4.fullmatch(name):
        return _METAL_4_HINT
    if name in _FOREIGN and not more:
        return _FOREIGN[name]
    if name in BUILTINS:
        return _POSITION.format(name)
    if name in _UNSUPPORTED:
        return f"the software device has no {_UNSUPPORTED[name]}"
    if more in ("", " in namespace 'metal'") and not _USES_METAL.search(text) and _METAL.fullmatch(name):
        return _NO_NAMESPACE
    if _HOST_MACRO.fullmatch(name) and not more and not message.startswith("no "):
        return f"if the host program defines it, pass defines={{'{name}': ...}}"
    return ""


def candidate_reason(message: str) -> str:
    """Why a function of the standard library cannot be the one that a call means, or an empty string."""
    match = _CANDIDATE.match(message)
    return match["reason"] if match and "__mp" not in match["reason"] else ""
