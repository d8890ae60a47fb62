"""What clang accepts as C++ and Metal does not have: recursion, calls of functions that have no body, variables of the
program that change, and inline assembly.

A function that calls itself where a loop would do as well is accepted: Metal programs have such, and their compiler
makes loops of them.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from .assembly import Assembly
from .reflection import KernelInfo
from .source import Misuse

__all__ = ["Offence", "find_offence", "may_recurse", "misuse_of"]

_PROVIDED = re.compile(r"llvm\.|mp_|__mp_thread$")  # by LLVM, by the runtime, by lowering
_MEMORY = {"memcpy", "memmove", "memset", "memcmp", "bcmp"}  # what LLVM itself makes of loops and copies

_ALLOCATION = ("_Znw", "_Zna", "_Zdl", "_Zda")  # operator new and delete

_ASSEMBLY = re.compile(r" asm (?:[a-z]+ )*\"[^\"]")

_CHANGEABLE = re.compile(r'@(?:"[^"\n]+"|\S+) = (?!external |.*\bthread_local\b)(?:[a-z_]+ )*global ')
_WRITTEN = re.compile(r'^  store [^\n]*, ptr @"?[\w.$-]+"?(?:, align \d+)?(?:, ![^\n]*)?$', re.MULTILINE)
_CHANGED = (
    "function {function} of kernel {kernel} changes a variable that is declared outside functions or static; Metal has "
    "such variables in constant memory only. Pass a buffer, or declare it in the kernel"
)
_UNDEFINED = (
    "kernel {kernel} calls {function}, which is declared but not defined; "
    "if another file defines it, #include that one, too"
)

_COPY = re.compile(r"\.in\d+\Z")  # of a function, for the spaces of its arguments: see `contexts`
# The function's symbol, the number of a kernel that reaches it, and what is wrong.
Offence = tuple[str, int, str]


def find_offence(assembly: Assembly, kernels: Iterable[int], *, may_have_asm: bool = True) -> Offence | None:
    """The first function that one of the kernels with these numbers reaches and must not.

    What a large program has not, inline assembly and variables that can change, is not looked for in all of its text.
    """
    changeable = {name for name in assembly.variables() if _CHANGEABLE.match(assembly.definition(name))}
    known: set[str] = set()
    for k in kernels:
        functions = [name for name in _explore(assembly, f"__mp_thread_{k}", known) if assembly.is_function(name)]
        for name in functions:
            if assembly.is_declaration(name) and name.startswith(_ALLOCATION):
                return name, k, "kernel {kernel} uses new or delete, which Metal does not have"
            if assembly.is_declaration(name) and not _is_provided(name):
                return name, k, _UNDEFINED
            if may_have_asm and _ASSEMBLY.search(assembly.definition(name)):
                return name, k, "function {function} of kernel {kernel} has inline assembly, which metalpy cannot run"
            if not changeable.isdisjoint(assembly.uses(name)) and _WRITTEN.search(assembly.definition(name)):
                return name, k, _CHANGED
        recursive = _recursive(assembly, functions)
        if recursive:
            return recursive, k, "function {function} of kernel {kernel} calls itself; Metal has no recursion"
    return None


def misuse_of(offence: Offence, kernels: Sequence[KernelInfo], ir: str) -> Misuse:
    """The error for an offence, placed where `ir`, which has debug information, says that the function is."""
    symbol, k, message = offence
    symbol = _COPY.sub("", symbol)
    info = kernels[k]
    function, line, file = symbol, info.line, info.file
    named = rf'name: "([^"]+)", linkageName: "{re.escape(symbol)}"|name: "{re.escape(symbol)}", scope'
    node = re.search(rf"^!\d+ = (?:distinct )?!DISubprogram\((?:{named}).*?$", ir, re.MULTILINE)
    if node:
        function = node[1] or symbol
        found = re.search(r"\bline: (\d+)", node[0])
        line = int(found[1]) if found else line
        held = re.search(r"\bfile: !(\d+)", node[0])
        place = held and re.search(rf'^!{held[1]} = !DIFile\(filename: "([^"]+)"', ir, re.MULTILINE)
        if place and place[1] == "-":  # declared by the compiler itself
            return Misuse(message.format(kernel=repr(info.name), function=repr(function)), file, info.line, info.name)
        file = place[1] if place else file
    return Misuse(message.format(kernel=repr(info.name), function=repr(function)), file, line, function)


def _explore(assembly: Assembly, root: str, known: set[str]) -> list[str]:
    """What `root` leads to and is not in `known`, to which it is added."""
    new: list[str] = []
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            new.append(name)
            waiting += assembly.uses(name) - known
    return new


def _recursive(assembly: Assembly, functions: Sequence[str]) -> str | None:
    """A function among these that calls itself, through others or not, and that is no loop in disguise."""
    bodies = [name for name in functions if not assembly.is_declaration(name)]
    # Which functions a body names is known already; which of them it calls takes another look at the text.
    if _cycle({name: assembly.uses(name) for name in bodies}) is None:
        return None
    from .lowering import becomes_loop  # LLVM is needed for this alone

    calls = {name: assembly.calls(name) for name in bodies}
    while (name := _cycle(calls)) is not None:
        if name not in calls[name] or not becomes_loop(assembly, name):
            return name
        calls[name] = calls[name] - {name}
    return None


def may_recurse(assembly: Assembly, k: int) -> bool:
    """Whether a function that kernel number `k` reaches names itself, through others or not."""
    functions = [name for name in assembly.reachable([f"__mp_thread_{k}"]) if assembly.is_function(name)]
    return _cycle({name: assembly.uses(name) for name in functions if not assembly.is_declaration(name)}) is not None


def _cycle(calls: Mapping[str, set[str]]) -> str | None:
    finished: set[str] = set()
    for root in calls:
        path = [root]
        pending = [sorted(calls[root] & calls.keys())]
        while path:
            if not pending[-1]:
                finished.add(path.pop())
                pending.pop()
                continue
            callee = pending[-1].pop()
            if callee in path:
                return callee
            if callee not in finished:
                path.append(callee)
                pending.append(sorted(calls[callee] & calls.keys()))
    return None


def _is_provided(name: str) -> bool:
    return _PROVIDED.match(name) is not None or name in _MEMORY or _is_math(name)


class _SymbolPlace(ctypes.Structure):  # Dl_info of <dlfcn.h>
    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


@cache
def _is_math(name: str) -> bool:
    """True for functions of libm itself: looking a name up there finds those of the C library, too."""
    try:
        function = getattr(ctypes.CDLL("libm.so.6"), name)
    except AttributeError:
        return False
    place = _SymbolPlace()
    ctypes.CDLL(None).dladdr(function, ctypes.byref(place))
    return os.path.basename(place.file or b"").startswith(b"libm")
