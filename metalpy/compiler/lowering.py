"""From a program's IR to the native object of one kernel: the back half of the compiler.

For one kernel and one set of function constants: define the constants, drop everything that the kernel does not
reach, choose how its threads run, optimise, emit machine code with LLVM in process, and link it with lld into a
shared object that exports the ``mp_kernel`` record of ``metalpy_kernel.h``.

How threads run (the reference executor): a kernel that never meets its neighbours is a plain loop over the threads
of a threadgroup; one that calls a barrier or a simdgroup function gets a fiber per thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np

from ..errors import CompileError, MetalError
from .assembly import Assembly, adapted, inlining, sealed
from .checks import may_recurse
from .convergence import order_meetings
from .conversions import conversions_for
from .division import with_checks, with_known_faults
from .executor import CHECKED, REFERENCE, SPMD, Lowered, chosen_executor, executor_label
from .frontend import Constant, Program
from .iterations import keep_in_iterations
from .passes import linker_options
from .reflection import KernelInfo
from .rotations import with_opaque_rotations
from .source import Misuse
from .spmd.program import Unsupported, vectorize
from .spmd.size import refuse_large_when_inlined
from .stack import has_variables, stack_of_vector_program, stack_size
from .target import aim, initialize, plain_machine, processor, target_machine
from .toolchain import Linker

__all__ = ["becomes_loop", "inlined", "lower"]

KERNEL_VERSION = 2
# Flags of mp_native_kernel.
KERNEL_FIBERS, KERNEL_MESSAGES, KERNEL_SIMDGROUPS, KERNEL_VARIABLES, KERNEL_CHECKED = (1 << bit for bit in range(5))
_THREAD, _GROUP = "__mp_thread", "__mp_group"  # entry points: one thread, all threads of a group (see entry.h)
_RENDEZVOUS = re.compile(r"mp_(?:threadgroup|simdgroup)_barrier|mp_simd_\w+")
# What accesses promise of their addresses beyond a scalar's alignment; variables, the group, do have theirs.
# A GPU loads vectors from any multiple of an element, and programs rely on it; x86's aligned instructions fault.
_PROMISED_ALIGNMENT = re.compile(r"\balign (?:16|32|64|128)\b")


def lower(
    program: Program, k: int, values: Mapping[int, object], shape: str = "", machine: llvm.TargetMachine | None = None
) -> Lowered:
    """Machine code for kernel number `k` of `program`.

    Parameters
    ----------
    program : Program
    k : int
        Which of ``program.kernels``.
    values : mapping of int to bool, int or float
        Function constants by index.
    shape : str
        For which threadgroups, as `spmd.program.vectorize` takes it; by default for all.
    machine : llvm.TargetMachine, optional
        What to compile for; the processor that METALPY_CPU names by default.

    Returns
    -------
    Lowered
        A shared object for that CPU, which executor runs it, and if that is the reference one, why.

    Raises
    ------
    CompileError
        The kernel needs a function constant that has no value.
    Misuse
        A function that cannot be inlined reads an input declared outside functions.
    """
    _refuse_missing_constants(program, k, values)
    # What this kernel reaches, under the names that the runtime's loop over the threads of a group knows.
    renamed = {f"__mp_thread_{k}": _THREAD}
    constants = _constants(program, values)
    assembly = program.assembly(k)
    chosen = chosen_executor()
    text = adapted(assembly.slice((f"__mp_thread_{k}", _GROUP), renamed, constants, lines=chosen == CHECKED))
    text += "\n".join(constants.values())
    text = with_known_faults(_PROMISED_ALIGNMENT.sub(_kept_promise, text))
    text = keep_in_iterations(text, assembly, f"__mp_thread_{k}")
    work = _Work(program, k, sealed(text, {_THREAD, _GROUP}), may_recurse(assembly, k), machine)
    reason = f"METALPY_EXECUTOR={chosen}"
    if chosen == SPMD:
        try:
            return _lower_spmd(work, shape)
        except Unsupported as unsupported:
            reason = str(unsupported)
    return _lower_reference(work, reason, chosen == CHECKED)


def _kept_promise(match: re.Match[str]) -> str:
    line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    return match[0] if line.startswith("@") or " = alloca " in line else "align 8"


@dataclass(frozen=True)
class _Work:
    """A kernel to be lowered.

    Attributes
    ----------
    text : str
        What it reaches, as LLVM assembly.
    recurses : bool
        Whether a function there may call itself.
    given : llvm.TargetMachine or None
        What to compile for, if not for the processor that METALPY_CPU names.
    """

    program: Program
    k: int
    text: str
    recurses: bool
    given: llvm.TargetMachine | None

    @property
    def max_threads(self) -> int:
        return self.program.max_threads[self.k]

    def parsed(self, text: str) -> tuple[llvm.ModuleRef, llvm.TargetMachine]:
        """The module, with loops for calls to oneself, and what it is for."""
        initialize()
        module, machine = llvm.parse_assembly(text), self.given or target_machine()
        aim(module, machine)
        if self.recurses:
            _make_loops(module, machine)
        return module, machine


def _lower_spmd(work: _Work, shape: str) -> Lowered:
    """The kernel as a program for whole simdgroups; raises Unsupported if it cannot be vectorised.

    The linker optimises it and makes the machine code, unless another processor was given.
    """
    refuse_large_when_inlined(work.text, _THREAD)
    initialize()
    with Linker([] if work.given else linker_options(*processor())) as linker:
        module, machine = work.parsed(inlining(sealed(work.text, {_THREAD}), _THREAD, _RENDEZVOUS))
        if work.program.inputs:
            module = _place_inputs(module, machine, work.program, work.k, _THREAD)
        module, static_memory, _ = _place_threadgroup_variables(module, machine)
        _run_passes(module, plain_machine(machine), vectorize=False)
        made = vectorize(str(module), _THREAD, work.max_threads, shape)
        stack, has_memory = stack_of_vector_program(made.module, made.frames)
        flags = KERNEL_SIMDGROUPS | KERNEL_VARIABLES * has_memory
        record = _record(made.entry, flags, static_memory, work.max_threads, stack)
        text = with_opaque_rotations(with_checks(made.module, machine.triple))
        text = "\n".join([text, record, _label(SPMD)])
        module = _verified(text, work.program.kernels[work.k].name)
        if work.given:
            _simplify(module, machine, made.regroups)
            native = machine.emit_object(module)
            return Lowered(linker.link(native, *conversions_for(native, machine.triple)), SPMD)
        program = module.as_bitcode()
        code = linker.link(program)
        if others := conversions_for(code, machine.triple):
            code = linker.link(program, *others)
        return Lowered(code, SPMD)


def _lower_reference(work: _Work, reason: str, is_checked: bool) -> Lowered:
    """The kernel as a program for one thread, which the runtime runs for each; if asked for, with checked accesses."""
    program = work.program
    module, machine = work.parsed(work.text)
    _run_passes(module, machine, reachable_only=True)
    uses_fibers = any(f.is_declaration and _RENDEZVOUS.fullmatch(f.name) for f in module.functions)
    speaks = any(f.is_declaration and f.name == "mp_kernel_message" for f in module.functions)
    speaks |= is_checked
    entry = _THREAD if uses_fibers or speaks else _GROUP
    if program.inputs:
        module = _place_inputs(module, machine, program, work.k, entry)
    module, static_memory, variables = _place_threadgroup_variables(module, machine)
    text = sealed(str(module), {entry})
    if uses_fibers or is_checked:  # so that every meeting is in one function, where its order is known
        text = inlining(text, entry, _RENDEZVOUS)
    module = llvm.parse_assembly(with_checks(text, machine.triple))
    if is_checked:
        module = _with_memory_checks(module, machine, entry, program.kernels[work.k], variables)
    _run_passes(module, machine, vectorize=not is_checked)
    text = with_opaque_rotations(str(module))
    if uses_fibers:
        text = order_meetings(text)
    module = llvm.parse_assembly(text)
    stack = stack_size(text)
    flags = KERNEL_FIBERS * uses_fibers | KERNEL_MESSAGES * speaks | KERNEL_VARIABLES * has_variables(text)
    flags |= KERNEL_CHECKED * is_checked
    executor = CHECKED if is_checked else REFERENCE
    record = _record(entry, flags, static_memory, work.max_threads, stack, declared=True)
    text = f'target triple = "{module.triple}"\n{record}{_label(executor, reason)}'
    module.link_in(llvm.parse_assembly(text))
    with Linker() as linker:
        native = machine.emit_object(module)
        return Lowered(linker.link(native, *conversions_for(native, machine.triple)), executor, reason)


def _with_memory_checks(
    module: llvm.ModuleRef, machine: llvm.TargetMachine, entry: str, info: KernelInfo, variables: Mapping[int, str]
) -> llvm.ModuleRef:
    """The module with a look at each access, before optimisation moves accesses and forgets their lines.

    All is inlined and variables become registers first, so that addresses are a few steps from the kernel's arguments.
    """
    from .memory_checks import with_memory_checks

    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    for _ in range(2):  # a branch that goes shows variables that SROA dissolves
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    names = {(argument.kind, argument.index): argument.name for argument in info.arguments}
    names |= {("variable", offset): name for offset, name in variables.items()}
    return llvm.parse_assembly(with_memory_checks(str(module), entry, names, (info.file, info.line)))


def _verified(text: str, kernel: str) -> llvm.ModuleRef:
    """The module of a vector program. Over a broken one with debug information LLVM would end the process."""
    module = llvm.parse_assembly(text.replace('!"Debug Info Version", i32 3', '!"Debug Info Version", i32 0'))
    try:
        module.verify()
    except RuntimeError as error:
        raise MetalError(
            f"metalpy made no valid vector program of kernel '{kernel}', which is a mistake of ours; "
            f"METALPY_EXECUTOR=reference runs it thread by thread. LLVM says: {error}"
        ) from error
    return module


def becomes_loop(assembly: Assembly, name: str) -> bool:
    """Whether LLVM makes a loop of a function that calls itself."""
    initialize()
    module, machine = llvm.parse_assembly(assembly.slice([name])), target_machine()
    aim(module, machine)
    _make_loops(module, machine)
    return name not in Assembly(str(module)).calls(name)


def inlined(text: str, is_meant: Callable[[str], bool]) -> str:
    """A module's text with the functions of some names inlined, and simplified where control flow and variables are
    concerned; loops and other calls stay as they are.
    """
    initialize()
    module, machine = llvm.parse_assembly(text), target_machine()
    aim(module, machine)
    for function in module.functions:
        if not function.is_declaration and is_meant(function.name):
            function.add_function_attribute("alwaysinline")
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    for _ in range(2):  # a branch that goes shows variables that SROA dissolves
        passes.add_sroa_pass()
        passes.add_sccp_pass()
        passes.add_simplify_cfg_pass()
    passes.add_dead_code_elimination_pass()
    passes.run(module, builder)
    return str(module)


def _make_loops(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    """Make loops of calls to oneself, before inlining hides that they are such."""
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.add_tail_call_elimination_pass()
    passes.run(module, builder)


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


def _run_passes(
    module: llvm.ModuleRef, machine: llvm.TargetMachine, *, reachable_only: bool = False, vectorize: bool = True
) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # LLVM 22's loop vectorizer takes p[i % 4] in a loop for p[i]: the check that i does not wrap is missing.
    options.loop_vectorization = False
    options.slp_vectorization = vectorize
    builder = llvm.create_pass_builder(machine, options)
    if reachable_only:
        passes = llvm.create_new_module_pass_manager()
        passes.add_global_dead_code_eliminate_pass()
        passes.add_strip_dead_prototype_pass()
    else:
        passes = builder.getModulePassManager()
    passes.run(module, builder)


def _simplify(module: llvm.ModuleRef, machine: llvm.TargetMachine, regroups: bool) -> None:
    """Optimise a vector program, whose scalar form has been through all passes.

    What they would do once more takes as long as emitting the code, and finds little: variables become registers,
    masks that are known go. Only where vectors are taken apart and `regroups` do they find more.
    """
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    if regroups:
        builder.getModulePassManager().run(module, builder)
        return
    inline = llvm.create_new_module_pass_manager()
    inline.add_sroa_pass()  # or what one simdgroup leaves in a variable seems to reach the next one
    inline.add_always_inliner_pass()
    inline.add_global_dead_code_eliminate_pass()
    inline.run(module, builder)
    simplify = builder.getFunctionPassManager()
    for function in module.functions:
        if not function.is_declaration:
            simplify.run(function, builder)


def _constants(program: Program, values: Mapping[int, object]) -> dict[str, str]:
    """Definitions of the function constants, in place of their declarations, by symbol."""
    lines = {}
    for constant in program.constants:
        # One without a value is not used (see _refuse_missing_constants), but others may be computed from it.
        value = values.get(constant.index, [0] * (constant.shape or (1,))[0])
        flag = _defined_flag(constant)
        lines[constant.symbol] = f"@{constant.symbol} = constant {_ir_constant(constant, value)}"
        lines[flag] = f"@{flag} = constant i8 {int(constant.index in values)}"
    return lines


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


def _refuse_missing_constants(program: Program, k: int, values: Mapping[int, object]) -> None:
    """Refuse a kernel that reads a function constant without a value, itself or through a global made from it."""
    assembly = program.assembly(k)
    missing = {
        c.symbol: c
        for c in program.constants
        # A program that asks whether a constant is defined knows how to do without.
        if c.index not in values and not assembly.has(_defined_flag(c))
    }
    if not missing:
        return
    # Without the constructors only what the kernel itself reaches counts.
    reached = assembly.reachable([f"__mp_thread_{k}"], constructors=False)
    used = {name for name in reached if not assembly.is_function(name)}
    derived = assembly.constructed()
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


# ---- what the runtime must know ----


_THREADGROUP_ADDRESS = re.compile(r'call [^\n]*@llvm\.threadlocal\.address\.p0\(ptr [^@\n]*@([\w.$-]+|"[^"\n]+")\)')

# A function's variable, as its symbol has it: behind the function's, with its own length and perhaps a number.
_LOCAL_NAME = re.compile(r"^_ZZ.*E\d+([A-Za-z_]\w*?)(?:_\d*_?)?$")


def _place_threadgroup_variables(
    module: llvm.ModuleRef, machine: llvm.TargetMachine
) -> tuple[llvm.ModuleRef, int, dict[int, str]]:
    """Put the threadgroup variables, the module's only thread-local ones, into memory that the runtime provides.

    Returns the new module, the bytes that they take, and the program's names for them by their offsets. Real
    thread-local storage would not do: LLVM's idea of what ``__tls_get_addr`` clobbers leaves out the registers that
    AVX-512 added, and on a thread's first call glibc clears memory with them.
    """
    offsets: dict[str, int] = {}
    total = 0
    text = str(module)
    used = _used_variables(text)
    for variable in module.global_variables:
        if variable.name in used:
            start = -(-total // 16) * 16
            offsets[variable.name] = start
            total = start + machine.target_data.get_abi_size(variable.global_value_type)
    if not offsets:
        return module, 0, {}

    def placed(match: re.Match[str]) -> str:
        return f"call align 16 ptr @mp_threadgroup_variable(i32 {offsets.get(match[1].strip(chr(34)), 0)})"

    text = _THREADGROUP_ADDRESS.sub(placed, text)
    declaration = "\ndeclare ptr @mp_threadgroup_variable(i32) nounwind willreturn memory(none)\n"
    names = {offset: _LOCAL_NAME.sub(r"\1", symbol) for symbol, offset in offsets.items()}
    return llvm.parse_assembly(text + declaration), total, names


_FIRST_BLOCK = re.compile(r'\{\n(?:(?:[\w.$-]+|"[^"\n]+"):[^\n]*\n)?')  # with its label, if it has one


def _used_variables(text: str) -> set[str]:
    """The threadgroup variables of which a program does more than name them, as `(void)scratch;` does."""
    used: set[str] = set()
    for match in _THREADGROUP_ADDRESS.finditer(text):
        address, _, _ = text[text.rindex("\n", 0, match.start()) + 1 : match.start()].partition("=")
        name = match[1].strip('"')
        if name not in used and re.compile(rf"{re.escape(address.strip())}(?![\w.$-])").search(
            text, match.end(), text.index("\n}", match.end())
        ):
            used.add(name)
    return used


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
        variables += f"  %mp.input.{number} = alloca [{size} x i8], align 16\n"
        if re.search(address, head + tail):
            info = program.kernels[k]
            raise Misuse(
                f"kernel '{info.name}' calls a function that is not inlined and reads an input declared outside "
                "functions; pass it as an argument",
                info.file,
                info.line,
                info.name,
            )
    body = _FIRST_BLOCK.sub(lambda start: start[0] + variables, body, count=1)
    return llvm.parse_assembly(head + f"@{entry}(" + body + end + tail)


def _record(entry: str, flags: int, memory: int, max_threads: int, stack: int, declared: bool = False) -> str:
    """The ``mp_kernel`` record that the runtime looks for, as IR; with a declaration of `entry` for another module."""
    by_thread = flags & (KERNEL_FIBERS | KERNEL_MESSAGES)
    parameters = "ptr, ptr" if by_thread else "ptr"  # of run_thread and run_group
    pointers = f"ptr null, ptr @{entry}" if by_thread else f"ptr @{entry}, ptr null"
    numbers = (KERNEL_VERSION, flags, memory, max_threads, stack, 0)
    fields = ", ".join(f"i32 {n}" for n in numbers)
    return (
        "%mp_native_kernel = type { i32, i32, i32, i32, i32, i32, ptr, ptr }\n"
        f"@mp_kernel = constant %mp_native_kernel {{ {fields}, {pointers} }}\n"
        + f"declare void @{entry}({parameters})\n"
        * declared
    )


def _label(executor: str, reason: str = "") -> str:
    """What `Lowered.read` looks for in a shared object, as IR."""
    label = executor_label(executor, reason)
    values = ", ".join(f"i8 {byte}" for byte in label)
    return f"@mp_executor = constant [{len(label)} x i8] [{values}]\n"
