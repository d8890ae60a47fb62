"""From a program's IR to the native object of one kernel: the back half of the compiler.

For one kernel and one set of function constants: define the constants, drop everything that the kernel does not
reach, choose how its threads run, optimise, emit machine code with LLVM in process, and link it with lld into a
shared object that exports the ``mp_kernel`` record of ``metalpy_kernel.h``.

How threads run (the reference executor): a kernel that never meets its neighbours is a plain loop over the threads
of a threadgroup; one that calls a barrier or a simdgroup function gets a fiber per thread.
"""

from __future__ import annotations

import ctypes
import os
import re
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

from ..errors import CompileError, MetalError
from .convergence import order_meetings
from .frontend import Constant, Program
from .source import Misuse
from .toolchain import linker, run_tool

__all__ = ["lower"]

KERNEL_VERSION = 1
KERNEL_FIBERS, KERNEL_MESSAGES = 1, 2  # flags of mp_native_kernel
_STACK_SLACK = 16 * 1024  # what libm and the runtime need below a kernel's own variables
_PROVIDED = re.compile(r"llvm\.|mp_")  # by LLVM, by the runtime
_MEMORY = {"memcpy", "memmove", "memset", "memcmp", "bcmp"}  # what LLVM itself makes of loops and copies
_RENDEZVOUS = re.compile(r"mp_(?:threadgroup|simdgroup)_barrier|mp_simd_\w+")

_lock = threading.Lock()  # LLVM's targets are initialised once; llvmlite's contexts are not for many threads
_initialized = False


def lower(program: Program, k: int, values: Mapping[int, object]) -> bytes:
    """Machine code for kernel number `k` of `program`.

    Parameters
    ----------
    program : Program
    k : int
        Which of ``program.kernels``.
    values : mapping of int to bool, int or float
        Function constants by index.

    Returns
    -------
    bytes
        A shared object for this CPU.

    Raises
    ------
    CompileError
        The kernel needs a function constant that has no value.
    Misuse
        The kernel recurses, or calls a function without a body.
    """
    with _lock:
        _initialize()
        module = llvm.parse_assembly(program.ir)
        module.triple = llvm.get_process_triple()
        machine = _target_machine()
        _refuse_missing_constants(program, k, values)
        _define_constants(module, program, values)
        _keep_only(module, {f"__mp_thread_{k}", f"__mp_group_{k}"})
        _run_passes(module, machine, reachable_only=True)
        _refuse_recursion(module, program, k)
        _refuse_undefined(module, program, k)
        uses_fibers = any(f.is_declaration and _RENDEZVOUS.fullmatch(f.name) for f in module.functions)
        speaks = any(f.is_declaration and f.name == "mp_kernel_message" for f in module.functions)
        entry = f"__mp_thread_{k}" if uses_fibers or speaks else f"__mp_group_{k}"
        if program.inputs:
            module = _place_inputs(module, machine, program, k, entry)
        module, static_memory = _place_threadgroup_variables(module, machine)
        _keep_only(module, {entry})
        if uses_fibers:
            _inline_all(module, entry)  # so that every meeting is in one function, where its order is known
        _run_passes(module, machine)
        if uses_fibers:
            module = llvm.parse_assembly(order_meetings(str(module)))
        stack = _stack_size(module, machine)
        flags = KERNEL_FIBERS * uses_fibers | KERNEL_MESSAGES * speaks
        record = _record(module.triple, entry, flags, static_memory, program.max_threads[k], stack)
        module.link_in(llvm.parse_assembly(record))
        return _link(machine.emit_object(module))


def _initialize() -> None:
    global _initialized
    if not _initialized:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _initialized = True


def _target_machine() -> llvm.TargetMachine:
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
        reloc="pic",
        codemodel="default",
    )


# ---- shaping the module ----


def _keep_only(module: llvm.ModuleRef, exported: set[str]) -> None:
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and not value.name.startswith("llvm."):
            value.linkage = "external" if value.name in exported else "internal"


def _inline_all(module: llvm.ModuleRef, entry: str) -> None:
    for function in module.functions:
        attributes = b" ".join(function.attributes)
        if not function.is_declaration and function.name != entry and b"noinline" not in attributes:
            function.add_function_attribute("alwaysinline")


def _run_passes(module: llvm.ModuleRef, machine: llvm.TargetMachine, *, reachable_only: bool = False) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    if reachable_only:
        passes = llvm.create_new_module_pass_manager()
        passes.add_global_dead_code_eliminate_pass()
        passes.add_strip_dead_prototype_pass()
    else:
        passes = builder.getModulePassManager()
    passes.run(module, builder)


def _define_constants(module: llvm.ModuleRef, program: Program, values: Mapping[int, object]) -> None:
    lines = []
    for constant in program.constants:
        # One without a value is not used (see _refuse_missing_constants), but others may be computed from it.
        value = values.get(constant.index, [0] * (constant.shape or (1,))[0])
        lines.append(f"@{constant.symbol} = constant {_ir_constant(constant, value)}")
        lines.append(f"@{_defined_flag(constant)} = constant i8 {int(constant.index in values)}")
    if not lines:
        return
    header = f'target triple = "{module.triple}"\ntarget datalayout = "{module.data_layout}"\n'
    module.link_in(llvm.parse_assembly(header + "\n".join(lines)))


def _defined_flag(constant: Constant) -> str:
    """The symbol that ``is_function_constant_defined`` reads."""
    return f"__mp_defined_{constant.name.rsplit('::', 1)[-1]}"


def _ir_constant(constant: Constant, value: object) -> str:
    """The bytes of a constant's value as an array: the declared type only matters at the loads."""
    dtype = "uint16" if constant.scalar == "bfloat16" else constant.scalar
    if constant.scalar == "bfloat16":
        values = (np.asarray(value, "float32").reshape(-1).view("uint32") + 0x8000) >> 16
    else:
        values = np.asarray(value)
    data = values.astype(dtype).tobytes()
    if len(constant.shape) and constant.shape[0] == 3:
        data += bytes(len(data) // 3)  # three-component vectors take the room of four
    if len(data) in (1, 2, 4, 8):
        return f"i{8 * len(data)} {int.from_bytes(data, 'little')}, align {len(data)}"
    words = ", ".join(f"i8 {byte}" for byte in data)
    return f"[{len(data)} x i8] [{words}], align 16"


_CONSTRUCTORS = re.compile(r"^@llvm\.global_ctors = .*$", re.MULTILINE)
_SYMBOL = re.compile(r"@([\w.$]+)")


def _refuse_missing_constants(program: Program, k: int, values: Mapping[int, object]) -> None:
    """Refuse a kernel that reads a function constant without a value, itself or through a global made from it."""
    missing = {
        c.symbol: c
        for c in program.constants
        # A program that asks whether a constant is defined knows how to do without.
        if c.index not in values and f"@{_defined_flag(c)} " not in program.ir
    }
    if not missing:
        return
    module = llvm.parse_assembly(program.ir)
    derived = [set(_SYMBOL.findall(str(f))) for f in module.functions if f.name.startswith("__cxx_global_var_init")]
    # Without the constructors only what the kernel itself reaches stays.
    module = llvm.parse_assembly(_CONSTRUCTORS.sub("", program.ir))
    _keep_only(module, {f"__mp_thread_{k}"})
    _run_passes(module, _target_machine(), reachable_only=True)
    used = {g.name for g in module.global_variables}
    for _ in derived:  # globals may be made from globals
        for symbols in derived:
            if symbols & used - missing.keys():
                used |= symbols
    needed = [constant for symbol, constant in missing.items() if symbol in used]
    if needed:
        kernel = program.kernels[k].name
        names = ", ".join(f"'{c.name}' [[function_constant({c.index})]]" for c in needed)
        raise CompileError(
            f"kernel '{kernel}' needs a value for function constant {names}: "
            f"use lib.{kernel}.specialize({{{needed[0].name!r}: ...}})"
        )


def _refuse_recursion(module: llvm.ModuleRef, program: Program, k: int) -> None:
    calls = {
        f.name: set(re.findall(r"\bcall [^\n@]*@\"?([\w.$]+)", str(f)))
        for f in module.functions
        if not f.is_declaration
    }
    finished: set[str] = set()

    def visit(name: str, callers: tuple[str, ...]) -> None:
        for callee in calls[name] & calls.keys() - finished:
            if callee in (*callers, name):
                message = "function {function} of kernel {kernel} calls itself; Metal has no recursion"
                raise _misuse_of(callee, program, k, message)
            visit(callee, (*callers, name))
        finished.add(name)

    for name in calls:
        visit(name, ())


def _refuse_undefined(module: llvm.ModuleRef, program: Program, k: int) -> None:
    """Refuse calls of what has no body here: the loader would take any function of the process with that name."""
    for function in module.functions:
        name = function.name
        if function.is_declaration and not _PROVIDED.match(name) and name not in _MEMORY and not _is_math(name):
            raise _misuse_of(name, program, k, "kernel {kernel} calls {function}, which is declared but not defined")


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


def _misuse_of(symbol: str, program: Program, k: int, message: str) -> Misuse:
    """What is wrong about a function that kernel number `k` reaches, placed where the function is declared."""
    info = program.kernels[k]
    function, line, file = symbol, info.line, info.file
    node = re.search(rf'^!\d+ = (?:distinct )?!DISubprogram\(name: "([^"]+)", linkageName: "{re.escape(symbol)}".*?$',
                     program.ir, re.MULTILINE)  # fmt: skip
    if node:
        function = node[1]
        found = re.search(r"\bline: (\d+)", node[0])
        line = int(found[1]) if found else line
        held = re.search(r"\bfile: !(\d+)", node[0])
        place = held and re.search(rf'^!{held[1]} = !DIFile\(filename: "([^"]+)"', program.ir, re.MULTILINE)
        file = place[1] if place else file
    return Misuse(message.format(kernel=repr(info.name), function=repr(function)), file, line, function)


# ---- what the runtime must know ----


_THREADGROUP_ADDRESS = re.compile(r'call [^\n]*@llvm\.threadlocal\.address\.p0\(ptr [^@\n]*@([\w.$-]+|"[^"\n]+")\)')


def _place_threadgroup_variables(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> tuple[llvm.ModuleRef, int]:
    """Put the threadgroup variables, the module's only thread-local ones, into memory that the runtime provides.

    Returns the new module and the bytes that they take. Real thread-local storage would not do: LLVM's idea of what
    ``__tls_get_addr`` clobbers leaves out the registers that AVX-512 added, and on a thread's first call glibc
    clears memory with them.
    """
    offsets: dict[str, int] = {}
    total = 0
    for variable in module.global_variables:
        if "thread_local" in str(variable).split("global", 1)[0]:
            start = -(-total // 16) * 16
            offsets[variable.name] = start
            total = start + machine.target_data.get_abi_size(variable.global_value_type)
    if not offsets:
        return module, 0

    def placed(match: re.Match[str]) -> str:
        return f"call align 16 ptr @mp_threadgroup_variable(i32 {offsets[match[1].strip(chr(34))]})"

    text = _THREADGROUP_ADDRESS.sub(placed, str(module))
    declaration = "\ndeclare ptr @mp_threadgroup_variable(i32) nounwind willreturn memory(none)\n"
    return llvm.parse_assembly(text + declaration), total


def _place_inputs(
    module: llvm.ModuleRef, machine: llvm.TargetMachine, program: Program, k: int, entry: str
) -> llvm.ModuleRef:
    """Make the inputs that are declared outside functions local variables of `entry`, with all else inlined there.

    Thread-local storage would not do: the threads of a threadgroup take turns on one thread of the host.
    """
    sizes = {
        variable.name: machine.target_data.get_abi_size(variable.global_value_type)
        for variable in module.global_variables
        if variable.name in program.inputs
    }
    _keep_only(module, {entry})
    _inline_all(module, entry)
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=0))
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)
    head, _, rest = str(module).partition(f"@{entry}(")
    body, end, tail = rest.partition("\n}\n")
    variables = ""
    for number, (name, size) in enumerate(sizes.items()):
        address = rf"call [^\n]*@llvm\.threadlocal\.address\.p0\(ptr [^@\n]*@{re.escape(name)}\)"
        body = re.sub(address, f"getelementptr i8, ptr %mp.input.{number}, i64 0", body)
        variables += f"\n  %mp.input.{number} = alloca [{size} x i8], align 16"
        if re.search(address, head + tail):
            message = (
                "kernel {kernel} calls a function that is not inlined and reads an input declared outside functions"
            )
            raise _misuse_of(name, program, k, f"{message}; pass it as an argument")
    return llvm.parse_assembly(head + f"@{entry}(" + body.replace("{", "{" + variables, 1) + end + tail)


_ALLOCA = re.compile(r"= alloca (?:inalloca )?([^,\n]+)")


def _stack_size(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> int:
    """An upper bound of the stack that a thread needs: all variables of all functions, spills allowed for."""
    sizes = {}
    for struct_type in module.struct_types:
        match = re.match(r"(%(?:[\w.$]+|\"[^\"]+\")) = type [^o]", str(struct_type))  # not opaque
        if match:
            sizes[match[1]] = machine.target_data.get_abi_size(struct_type)
    total = 0
    for function in module.functions:
        if not function.is_declaration:
            text = str(function)
            total += sum(_type_size(t.strip(), sizes) for t in _ALLOCA.findall(text)) + 8 * text.count("\n") + 512
    return 2 * total + _STACK_SLACK


def _type_size(text: str, structs: Mapping[str, int]) -> int:
    """Bytes of an IR type, rounded up."""
    if match := re.fullmatch(r"[\[<](\d+) x (.*)[\]>]", text):
        return int(match[1]) * _type_size(match[2], structs)
    if match := re.fullmatch(r"i(\d+)", text):
        return max(int(match[1]) // 8, 1)
    if text.startswith("{"):
        return sum(_type_size(t.strip(), structs) + 8 for t in text.strip("{} ").split(","))
    return {"float": 4, "half": 2, "bfloat": 2, "double": 8, "ptr": 8}.get(text) or structs.get(text, 4096)


def _record(triple: str, entry: str, flags: int, memory: int, max_threads: int, stack: int) -> str:
    """The ``mp_kernel`` record that the runtime looks for, as IR to link in."""
    parameters = "ptr, ptr" if flags else "ptr"  # of run_thread and run_group
    pointers = f"ptr null, ptr @{entry}" if flags else f"ptr @{entry}, ptr null"
    numbers = (KERNEL_VERSION, flags, memory, max_threads, stack, 0)
    fields = ", ".join(f"i32 {n}" for n in numbers)
    return (
        f'target triple = "{triple}"\n'
        "%mp_native_kernel = type { i32, i32, i32, i32, i32, i32, ptr, ptr }\n"
        f"@mp_kernel = constant %mp_native_kernel {{ {fields}, {pointers} }}\n"
        f"declare void @{entry}({parameters})\n"
    )


def _link(native: bytes) -> bytes:
    with tempfile.TemporaryDirectory(prefix="metalpy-") as folder:
        source, target = Path(folder, "kernel.o"), Path(folder, "kernel.so")
        source.write_bytes(native)
        flags = ["-shared", "--hash-style=gnu", "-z", "relro", "-z", "now", "-z", "noexecstack", "--gc-sections", "-s"]
        result = run_tool([*linker(), *flags, str(source), "-o", str(target)])
        if result.returncode != 0:
            raise MetalError(f"linking a kernel failed: {result.stderr.decode('utf-8', 'replace').strip()}")
        return target.read_bytes()
