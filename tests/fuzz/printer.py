"""Generated programs as Metal source."""

from __future__ import annotations

import math

from .language import Expr, Function, Place, Program, Stmt, Var, blocks, expressions
from .operations import text_of

INPUT_LENGTH = 312  # elements of each input: divisible by 2, 3 and 4, and some more than there are threads
RECORDS = 40
ATOMICS = 32

_HEAD = """#include <metal_stdlib>
using namespace metal;
static inline uint float_bits(float x) { return x == x ? as_type<uint>(x) : 0u; }
"""
_POSITIONS = {
    1: ("id [[thread_position_in_grid]]", "threads [[threads_per_grid]]", "local_ [[thread_position_in_threadgroup]]",
        "group [[threadgroup_position_in_grid]]", "size_ [[threads_per_threadgroup]]"),
    3: ("at [[thread_position_in_grid]]", "grid [[threads_per_grid]]", "local_ [[thread_position_in_threadgroup]]",
        "place [[threadgroup_position_in_grid]]", "size_ [[threads_per_threadgroup]]"),
}  # fmt: skip
_LINEAR = """  const uint id = at.x + grid.x * (at.y + grid.y * at.z), threads = grid.x * grid.y * grid.z;
  const uint group = place.x + groups_.x * (place.y + groups_.y * place.z);
  const uint group_threads = size_.x * size_.y * size_.z;
"""


def used(program: Program) -> tuple[set[str], set[str]]:
    """Names of the inputs and outputs that the kernel needs."""
    loads = {e.type.name for e in expressions(program) if e.op in ("load", "near")}
    return loads, set(program.layouts)


def metal(program: Program) -> str:
    """The source of kernel ``fuzz``."""
    return _Printer(program).text()


class _Printer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.shared: list[str] = []  # declarations of threadgroup variables
        self.flat = len(program.grid) == 1

    def space(self, name: str) -> str:
        return "constant" if (self.program.seed + len(name)) % 4 == 0 else "device const"

    def text(self) -> str:
        program = self.program
        structs = "".join(
            f"struct {s.name} {{ {' '.join(declaration(t, n, length) for n, t, length in s.fields)} }};\n"
            for s in program.structs
        )
        record = "".join(f"{t} {name}; " for name, t in program.record)
        structs += f"struct Record {{ {record}}};\n"
        functions = "".join(map(self.function, program.functions))
        body = self.block(program.body, 1)
        loads, outs = used(program)
        parameters = ["constant uint4& parameters", "device const uint* permutation", "device atomic_uint* atomics"]
        parameters.append("device const uchar* records")
        parameters += [f"{self.space(name)} {name}* in_{name}" for name in sorted(loads)]
        parameters += [f"device {name}* out_{name}" for name in sorted(outs)]
        kind = "uint" if self.flat else "uint3"
        parameters += [f"{kind} {text}" for text in _POSITIONS[1 if self.flat else 3]]
        if not self.flat:
            parameters.append("uint3 groups_ [[threadgroups_per_grid]]")
        parameters += [
            "uint index [[thread_index_in_threadgroup]]", "uint lane [[thread_index_in_simdgroup]]",
            "uint simdgroup_ [[simdgroup_index_in_threadgroup]]",
        ]  # fmt: skip
        head = "  const uint group_threads = size_;\n" if self.flat else _LINEAR
        if any(s.kind == "owned" for block in blocks(program) for s in block):
            head += f"  device atomic_uint* const owned = atomics + {ATOMICS}u + permutation[id];\n"
        variables = "".join(
            f"  {s.name} {s.name.lower()}{f'[{s.length}]' if s.length else ''} = {{}};\n" for s in program.structs
        )
        variables += "".join(f"  {variable(var)}\n" for var in program.vars if "." not in var.text)
        shared = "".join(f"  {line}\n" for line in self.shared)
        # Of a kernel that says how large its threadgroups are, and is launched so, loops over simdgroups may be gone.
        most = f"[[max_total_threads_per_threadgroup({math.prod(program.group)})]]\n" if program.seed % 2 else ""
        signature = f"{most}kernel void fuzz({', '.join(parameters)})"
        return f"{_HEAD}{structs}{functions}{signature} {{\n{head}{shared}{variables}{body}}}\n"

    def function(self, f: Function) -> str:
        parameters = [f"{var.type} {var.text}" for var in f.parameters]
        if f.reference is not None:
            pointer = f.reference.length > 0
            parameters.append(f"thread {f.reference.type}{'*' if pointer else '&'} {f.reference.text.split('[')[0]}")
        hint = "__attribute__((noinline)) " if f.noinline else "static inline "
        body = "".join(f"  {variable(var)}\n" for var in f.locals) + self.block(f.body, 1)
        return f"{hint}{f.result} {f.name}({', '.join(parameters)}) {{\n{body}}}\n"

    # ---- statements ----

    def block(self, statements: list[Stmt], depth: int) -> str:
        return "".join(getattr(self, f"do_{s.kind}")(s, "  " * depth, depth) for s in statements)

    def braces(self, statements: list[Stmt], depth: int) -> str:
        return "{\n" + self.block(statements, depth + 1) + "  " * depth + "}"

    def do_assign(self, s: Stmt, indent: str, depth: int) -> str:
        return f"{indent}{self.place(s.place)} = {self.expr(s.exprs[0])};\n"

    def do_pick(self, s: Stmt, indent: str, depth: int) -> str:
        value, condition, index = map(self.expr, s.exprs)
        a, b = (var.text.split("[")[0] for var in s.data)
        length = min(var.length for var in s.data)
        return f"{indent}({condition} ? {a} : {b})[{index} % {length}u] = {value};\n"

    def do_store(self, s: Stmt, indent: str, depth: int) -> str:
        name, slot = s.data
        return f"{indent}out_{name}[{self.own(name, slot, s.exprs[1:])}] = {self.expr(s.exprs[0])};\n"

    def do_atomic(self, s: Stmt, indent: str, depth: int) -> str:
        op, offset, size = s.data
        at = f"&atomics[{offset}u + {self.expr(s.exprs[0])} % {size}u]"
        return f"{indent}atomic_fetch_{op}_explicit({at}, {self.expr(s.exprs[1])}, memory_order_relaxed);\n"

    def do_owned(self, s: Stmt, indent: str, depth: int) -> str:
        first, second = map(self.expr, s.exprs)
        place, order = self.place(s.place), "memory_order_relaxed"
        if s.data == "compare":
            return (
                f"{indent}{{ uint held = {first}; if (held & 1u) held = atomic_load_explicit(owned, {order});\n"
                f"{indent}  const bool done = atomic_compare_exchange_weak_explicit(owned, &held, {second}, {order}, "
                f"{order});\n{indent}  {place} = done ? 1u : held; }}\n"
            )
        signed, name = s.data.startswith("signed"), s.data.removeprefix("signed_")
        name = name if name == "exchange" else f"fetch_{name}"
        pointer, value = ("(device atomic_int*)owned", f"int({first})") if signed else ("owned", first)
        return f"{indent}{place} = uint(atomic_{name}_explicit({pointer}, {value}, {order}));\n"

    def do_if(self, s: Stmt, indent: str, depth: int) -> str:
        text = f"{indent}if ({self.expr(s.exprs[0])}) {self.braces(s.blocks[0], depth)}"
        return text + (f" else {self.braces(s.blocks[1], depth)}\n" if s.blocks[1] else "\n")

    def do_loop(self, s: Stmt, indent: str, depth: int) -> str:
        form, limit = s.data
        c, e = s.place.var.text, self.expr(s.exprs[0])
        kind = s.place.var.type
        if form == "up":
            return f"{indent}for ({c} = 0; {c} < {kind}({e} % {limit + 1}u); ++{c}) {self.braces(s.blocks[0], depth)}\n"
        if form == "down":
            return f"{indent}for ({c} = {kind}({e} % {limit + 1}u); {c} > 0; {c}--) {self.braces(s.blocks[0], depth)}\n"
        inner = "  " * (depth + 1)
        count = f"{inner}{c}++;\n" + self.block(s.blocks[0], depth + 1)
        test = f"{c} < {limit} && {e}"
        start = f"{indent}{c} = 0;\n{indent}"
        if form == "while":
            return f"{start}while ({test}) {{\n{count}{indent}}}\n"
        if form == "do":
            return f"{start}do {{\n{count}{indent}}} while ({test});\n"
        return f"{start}while (true) {{\n{inner}if (!({test})) break;\n{count}{indent}}}\n"

    def do_switch(self, s: Stmt, indent: str, depth: int) -> str:
        text = f"{indent}switch ({self.expr(s.exprs[0])} % 8u) {{\n"
        for (case, ends), body in zip(s.data, s.blocks, strict=True):
            text += f"{indent}  {'default' if case is None else f'case {case}'}: {self.braces(body, depth + 1)}"
            text += " break;\n" if ends else "\n"
        return text + indent + "}\n"

    def do_break(self, s: Stmt, indent: str, depth: int) -> str:
        return f"{indent}break;\n"

    def do_continue(self, s: Stmt, indent: str, depth: int) -> str:
        return f"{indent}continue;\n"

    def do_return(self, s: Stmt, indent: str, depth: int) -> str:
        return f"{indent}return{''.join(f' {self.expr(e)}' for e in s.exprs)};\n"

    def do_call(self, s: Stmt, indent: str, depth: int) -> str:
        function, reference = s.data
        args = [self.expr(e) for e in s.exprs]
        if reference is not None:
            args.append(reference.text.split("[")[0])
        return f"{indent}{self.place(s.place)} = {function.name}({', '.join(args)});\n"

    def do_simdgroup_barrier(self, s: Stmt, indent: str, depth: int) -> str:
        return f"{indent}simdgroup_barrier(mem_flags::mem_threadgroup);\n"

    def threadgroup(self, kind: str, length: int) -> str:
        name = f"shared{len(self.shared)}"
        self.shared.append(f"threadgroup {kind} {name}[{length}];")
        return name

    def lines(self, indent: str, *lines: str) -> str:
        barrier = "threadgroup_barrier(mem_flags::mem_threadgroup);"
        return "".join(f"{indent}{line or barrier}\n" for line in lines)

    def do_exchange(self, s: Stmt, indent: str, depth: int) -> str:
        first, condition, second, index = map(self.expr, s.exprs)
        size = 1
        for n in self.program.group:
            size *= n
        shared = self.threadgroup(str(s.exprs[0].type), size)
        return self.lines(
            indent, f"{shared}[index] = {first};", f"if ({condition}) {shared}[index] = {second};", "",
            f"{self.place(s.place)} = {shared}[{index} % group_threads];", "",
        )  # fmt: skip

    def do_tree(self, s: Stmt, indent: str, depth: int) -> str:
        size, half = 1, 1
        for n in self.program.group:
            size *= n
        while 2 * half < size:
            half *= 2
        t = s.exprs[0].type
        shared = self.threadgroup(str(t), size)
        mine, other = f"{shared}[index]", f"{shared}[index + step]"
        combined = {"add": f"{mine} + {other}", "xor": f"{mine} ^ {other}", "max": f"max({mine}, {other})"}[s.data]
        return self.lines(
            indent, f"{mine} = {self.expr(s.exprs[0])};", "",
            f"for (uint step = {half}; step > 0; step /= 2) {{",
            f"  if (index < step && index + step < group_threads) {mine} = {t}({combined});",
            "  threadgroup_barrier(mem_flags::mem_threadgroup);", "}",
            f"{self.place(s.place)} = {shared}[0];", "",
        )  # fmt: skip

    def do_histogram(self, s: Stmt, indent: str, depth: int) -> str:
        at, value, index = map(self.expr, s.exprs)
        bins, op = s.data
        shared = self.threadgroup("atomic_uint", bins)
        return self.lines(
            indent, f"for (uint bin = index; bin < {bins}u; bin += group_threads) "
            f"atomic_store_explicit(&{shared}[bin], 0u, memory_order_relaxed);", "",
            f"atomic_fetch_{op}_explicit(&{shared}[{at} % {bins}u], {value}, memory_order_relaxed);", "",
            f"{self.place(s.place)} = atomic_load_explicit(&{shared}[{index} % {bins}u], memory_order_relaxed);", "",
        )  # fmt: skip

    def do_matrix(self, s: Stmt, indent: str, depth: int) -> str:
        *parts, index = map(self.expr, s.exprs)
        kind, turned, filled = s.data
        size = 2
        for n in self.program.group:
            size *= n
        shared = self.threadgroup("float", size)
        mine, all_ = f"((threadgroup {kind}*){shared})", f"{shared} + simdgroup_ * 64u"
        matrix = f"simdgroup_matrix<{kind}, 8, 8>"
        transposed = ", 8, ulong2(0), true" if turned else ""
        return self.lines(
            indent, "{", f"  {matrix} left, right;",
            f"  {mine}[index * 2u] = {kind}({parts[0]}); {mine}[index * 2u + 1u] = {kind}({parts[1]});", "",
            f"  simdgroup_load(left, {mine} + simdgroup_ * 64u{transposed});", "",
            f"  {mine}[index * 2u] = {kind}({parts[2]}); {mine}[index * 2u + 1u] = {kind}({parts[3]});", "",
            f"  simdgroup_load(right, {mine} + simdgroup_ * 64u);", "",
            f"  simdgroup_float8x8 total = make_filled_simdgroup_matrix<float, 8, 8>({3 * filled}.0f);",
            "  simdgroup_multiply_accumulate(total, left, right, total);",
            f"  simdgroup_store(total, {all_});", "}", "",
            f"{self.place(s.place)} = ({all_})[{index} % 64u];", "",
        )  # fmt: skip

    # ---- places and expressions ----

    def place(self, place: Place | None) -> str:
        assert place is not None
        var = place.var
        text = var.text.format(f"{self.expr(place.index)} % {var.length}u") if place.index is not None else var.text
        if place.component is not None:
            text += f"[{self.expr(place.component)} % {var.type.n}u]"
        return text

    def own(self, name: str, slot: int | None, index: list[Expr]) -> str:
        slots = f"{self.program.slots}u"
        k = f"{self.expr(index[0])} % 4u" if slot is None else f"{slot}u"
        return {
            "rows": f"id * {slots} + {k}",
            "columns": f"({k}) * threads + id",
            "reversed": f"(threads - 1u - id) * {slots} + {k}",
            "permuted": f"permutation[id] * {slots} + {k}",
        }[self.program.layouts[name]]

    def builtin(self, name: str) -> str:
        base, _, axis = name.partition(".")
        if axis:
            base = {"at": "id" if self.flat else "at", "local": "local_", "size": "size_"}[base]
            return f"{base}.{axis}" if not self.flat else base if axis == "x" else "1u" if base == "size_" else "0u"
        if name.startswith("parameter"):
            return f"parameters[{name[-1]}]"
        return "simdgroup_" if name == "simdgroup" else name

    def expr(self, e: Expr | None) -> str:
        assert e is not None
        args = [self.expr(a) for a in e.args]
        match e.op:
            case "read":
                return e.data.text.format(f"{args[0]} % {e.data.length}u") if args else e.data.text
            case "builtin":
                return self.builtin(e.data)
            case "load":
                return self.load(e, f"{args[0]} % {INPUT_LENGTH // e.type.n}u", e.data)
            case "record":
                name = self.program.record[e.data][0]
                return f"((device const Record*)records)[{args[0]} % {RECORDS}u].{name}"
            case "near":
                base, offset, packed = e.data
                base = {"backwards": "threads - 1u - id", "zero": "0u"}.get(base, base)
                return self.load(e, f"{base} + {offset}u", packed)
            case "own":
                return f"out_{e.data[0]}[{self.own(*e.data, e.args)}]"
            case "land" | "lor":
                return f"({args[0]} {'&&' if e.op == 'land' else '||'} {args[1]})"
            case "conditional":
                return f"({args[0]} ? {args[1]} : {args[2]})"
            case "call":
                return f"{e.data.name}({', '.join(args)})"
        if e.op.startswith(("simd_", "quad_")):
            return self.lanes(e, args)
        text = text_of(e, args)
        assert text is not None, e.op
        return text

    def load(self, e: Expr, index: str, packed: bool) -> str:
        n, name = e.type.n, e.type.name
        if n == 1:
            return f"in_{name}[{index}]"
        pointer = f"(({self.space(name)} {'packed_' if n == 3 or packed else ''}{e.type}*)in_{name})"
        return f"{e.type}({pointer}[{index}])"

    def lanes(self, e: Expr, args: list[str]) -> str:
        if e.data is not None:
            args = [*args, *map(str, e.data)]
        call = f"{e.op}({', '.join(args)})"
        if e.op.endswith(("ballot", "active_threads_mask")):
            return f"ulong({e.op[:4]}_vote::vote_t({call}))"
        if e.type.kind == "f" and e.op.endswith(("_min", "_max")):
            return f"({call} + {e.type}(0.0f))"
        return call


def variable(var: Var) -> str:
    name = var.text.split("[")[0]
    return f"{var.type} {name}[{var.length}] = {{}};" if var.length else f"{var.type} {name} = {var.type}(0);"


def declaration(t: object, name: str, length: int) -> str:
    return f"{t} {name}[{length}];" if length else f"{t} {name};"
