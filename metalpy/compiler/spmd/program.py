"""The whole vector program of a kernel: its simdgroups' function and the loop over a threadgroup."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .flow import EXIT
from .ir import Block, Function, Instruction, Unsupported, parse_function
from .layout import Layout
from .suspend import DONE, suspend
from .vectorize import Vectorizer

__all__ = ["Unsupported", "Vectorized", "vectorize"]

WIDTH = 32
_DEFINITION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.M | re.S)
_MEETING = re.compile(r"@mp_(?:simd|threadgroup_barrier|kernel_message)")
# Bytes of the fields of mp_group; see metalpy_kernel.h.
_SIZE = 64
_ATTRIBUTES = (
    'nounwind null_pointer_is_valid "min-legal-vector-width"="512" "prefer-vector-width"="512" '
    '"target-cpu"="{cpu}" "target-features"="{features}"'
)


@dataclass
class Vectorized:
    """A module in which the kernel's thread function has become one for threadgroups.

    Attributes
    ----------
    module : str
        LLVM assembly.
    entry : str
        ``void (ptr group)``.
    """

    module: str
    entry: str


def vectorize(module: str, name: str, max_threads: int) -> Vectorized:
    """Turn the function `name` of one thread into one of a whole threadgroup.

    Parameters
    ----------
    module : str
        Optimised LLVM assembly, in which all that meets other threads is in that function.
    name : str
    max_threads : int
        The most threads that a threadgroup may have.

    Raises
    ------
    Unsupported
        The function cannot be vectorised; the message says why.
    """
    text = next(t for t in _DEFINITION.findall(module) if f"@{name}(" in t.split("\n", 1)[0])
    rest = module.replace(text, "")
    if _MEETING.search("\n".join(_DEFINITION.findall(rest))):
        raise Unsupported("a function that is not inlined and meets other threads")
    layout = Layout(module)
    first = _body(text, layout, "rows")
    bodies = [first]
    if first.writer.shapes.uses_position:
        bodies.append(_body(text, layout, "any"))
    declared: dict[str, str] = {}
    for body in bodies:
        declared |= body.writer.code.declarations
    known = set(re.findall(r'^(?:declare|define) [^\n@]*@("[^"]+"|[\w.$-]+)\(', rest, re.M))
    declarations = "\n".join(line for n, line in declared.items() if n not in known)
    frame = max(body.frame_bytes for body in bodies)
    loop = _group_function(bodies, frame, max_threads)
    if "mp_threadgroup_variable" not in known:
        declarations += "\ndeclare ptr @mp_threadgroup_variable(i32) nounwind willreturn memory(none)"
    parts = [rest, declarations, *(body.text for body in bodies), loop]
    return Vectorized("\n".join(parts), "mp.group")


@dataclass
class _Body:
    kind: str
    text: str
    writer: Vectorizer
    frame_bytes: int
    suspends: bool


def _body(text: str, layout: Layout, kind: str) -> _Body:
    function = parse_function(text)
    suspends = _split_at_barriers(function)
    writer = Vectorizer(function, layout, WIDTH, kind == "rows")
    writer.run()
    code = writer.code
    lines, start = ['"start":', *code.lines], writer.private_bytes
    frame_bytes = start
    if suspends:
        done = suspend([*lines, '"mp.done":', f"  ret i32 {DONE}"], code.variables, layout, start)
        lines, frame_bytes = done.lines, done.frame_bytes
    else:
        lines += ['"mp.done":', "  ret void"]
    states = " ".join(f'i32 {k}, label %"resume.{k}"' for k in range(1, writer.suspensions + 1))
    entry = [f"  {name} = alloca {type_}" for name, type_ in code.variables.items()]
    entry += _geometry(kind == "rows", writer.shapes.uses_position)
    if suspends:
        entry.append(f'  switch i32 %state, label %"start" [ {states} ]')
    else:
        entry.append('  br label %"start"')
    kind_ = "i32" if suspends else "void"
    inline = "alwaysinline" if kind == "rows" and len(lines) < 600 and not suspends else "noinline"
    parameters = "ptr noalias readonly captures(none) %group, ptr noalias %frame, i32 %first, i32 %state, i32 %bits"
    head = f"define internal {kind_} @mp.body.{kind}({parameters}) {inline} nounwind null_pointer_is_valid"
    attributes = '"min-legal-vector-width"="512" "prefer-vector-width"="512" {'
    whole = "\n".join([f"{head} {attributes}", *entry, *lines, "}"])
    return _Body(kind, whole, writer, frame_bytes, suspends)


def _split_at_barriers(function: Function) -> bool:
    """Let every barrier stand at the start of a block; whether there are any."""
    found = False
    blocks: dict[str, Block] = {}
    renamed: dict[str, str] = {}
    for block in function.blocks.values():
        current = Block(block.name, block.phis)
        blocks[current.name] = current
        for instruction in block.body:
            if instruction.callee == "mp_threadgroup_barrier":
                found = True
                after = Block(f"{block.name}.barrier{len(blocks)}")
                current.terminator = Instruction("br", "", "void", [], targets=[after.name])
                blocks[after.name] = current = after
            current.body.append(instruction)
        current.terminator = block.terminator
        renamed[block.name] = current.name
    for block in blocks.values():
        for phi in block.phis:
            phi.targets = [renamed[t] for t in phi.targets]
    function.blocks = blocks
    return found


def _geometry(rows: bool, position: bool) -> list[str]:
    """The values that the body's blocks use: the lanes that are active, and where they are in the threadgroup."""
    lines = [
        f"  %active = bitcast i{WIDTH} %bits to <{WIDTH} x i1>",
        "  %private = getelementptr i8, ptr %frame, i64 0",
    ]
    if not position:
        return lines
    lines += [
        f"  %size.at = getelementptr i8, ptr %group, i64 {_SIZE}",
        "  %width = load i32, ptr %size.at, align 4, !invariant.load !{}",
        f"  %height.at = getelementptr i8, ptr %group, i64 {_SIZE + 4}",
        "  %height = load i32, ptr %height.at, align 4, !invariant.load !{}",
    ]
    if rows:
        return [
            *lines,
            "  %row = udiv i32 %first, %width",
            "  %x = urem i32 %first, %width",
            "  %y = urem i32 %row, %height",
            "  %z = udiv i32 %row, %height",
        ]
    ints, floats = f"<{WIDTH} x i32>", f"<{WIDTH} x float>"
    numbers = ", ".join(f"i32 {i}" for i in range(WIDTH))

    def spread(name: str, scalar: str, type_: str) -> list[str]:
        full = f"<{WIDTH} x {type_}>"
        return [
            f"  %{name}.one = insertelement {full} poison, {type_} {scalar}, i32 0",
            f"  %{name} = shufflevector {full} %{name}.one, {full} poison, <{WIDTH} x i32> zeroinitializer",
        ]

    # Numbers below 1024, and a half added: quotients of floats are exact enough.
    return [
        *lines,
        *spread("first.all", "%first", "i32"),
        *spread("width.all", "%width", "i32"),
        *spread("height.all", "%height", "i32"),
        f"  %index = add {ints} %first.all, <{numbers}>",
        f"  %index.f = uitofp {ints} %index to {floats}",
        f"  %index.h = fadd {floats} %index.f, splat (float 0.5)",
        f"  %width.f = uitofp {ints} %width.all to {floats}",
        f"  %height.f = uitofp {ints} %height.all to {floats}",
        f"  %row.f = fdiv {floats} %index.h, %width.f",
        f"  %row = fptoui {floats} %row.f to {ints}",
        f"  %row.start = mul {ints} %row, %width.all",
        f"  %x = sub {ints} %index, %row.start",
        f"  %row.i = uitofp {ints} %row to {floats}",
        f"  %row.h = fadd {floats} %row.i, splat (float 0.5)",
        f"  %z.f = fdiv {floats} %row.h, %height.f",
        f"  %z = fptoui {floats} %z.f to {ints}",
        f"  %z.start = mul {ints} %z, %height.all",
        f"  %y = sub {ints} %row, %z.start",
    ]


def _group_function(bodies: list[_Body], frame: int, max_threads: int) -> str:
    """``void mp.group(ptr group)``: all simdgroups of a threadgroup."""
    suspends = bodies[0].suspends
    count = -(-max_threads // WIDTH) if suspends else 1
    out = [
        'define hidden void @mp.group(ptr noalias readonly captures(none) %group) nounwind null_pointer_is_valid '
        '"min-legal-vector-width"="512" "prefer-vector-width"="512" {',
        f"  %frames = alloca [{count * max(frame, 64)} x i8], align 64",
        f"  %states = alloca [{count} x i32], align 64",
    ]
    for i, name in enumerate(("width", "height", "depth")):
        out += [
            f"  %{name}.at = getelementptr i8, ptr %group, i64 {_SIZE + 4 * i}",
            f"  %{name} = load i32, ptr %{name}.at, align 4",
        ]
    out += [
        "  %layers = mul i32 %height, %depth",
        "  %volume = mul i32 %width, %layers",
        f"  %whole = and i32 %volume, {-WIDTH}",
        f"  %left = and i32 %volume, {WIDTH - 1}",
        "  %left.wide = zext i32 %left to i64",
        "  %ones = shl i64 1, %left.wide",
        "  %rest.wide = sub i64 %ones, 1",
        "  %rest = trunc i64 %rest.wide to i32",
    ]
    if len(bodies) > 1:
        out += [
            "  %flat = icmp eq i32 %layers, 1",
            f"  %odd = and i32 %width, {WIDTH - 1}",
            "  %even = icmp eq i32 %odd, 0",
            "  %rows = or i1 %flat, %even",
            '  br i1 %rows, label %"to.rows", label %"to.any"',
        ]
    else:
        out.append('  br label %"to.rows"')
    for body in bodies:
        out += (_turns if suspends else _once)(body.kind, frame)
    return "\n".join([*out, '"end":', "  ret void", "}"])


def _once(kind: str, frame: int) -> list[str]:
    """Each simdgroup after the other."""
    call = f"call void @mp.body.{kind}(ptr %group, ptr %frames"
    return [
        f'"to.{kind}":',
        "  %none.K = icmp eq i32 %whole, 0".replace("K", kind),
        f'  br i1 %none.{kind}, label %"tail.{kind}", label %"loop.{kind}"',
        f'"loop.{kind}":',
        f'  %first.{kind} = phi i32 [ 0, %"to.{kind}" ], [ %next.{kind}, %"loop.{kind}" ]',
        f"  {call}, i32 %first.{kind}, i32 0, i32 -1)",
        f"  %next.{kind} = add nuw i32 %first.{kind}, {WIDTH}",
        f"  %more.{kind} = icmp ult i32 %next.{kind}, %whole",
        f'  br i1 %more.{kind}, label %"loop.{kind}", label %"tail.{kind}"',
        f'"tail.{kind}":',
        f"  %short.{kind} = icmp eq i32 %left, 0",
        f'  br i1 %short.{kind}, label %"end", label %"last.{kind}"',
        f'"last.{kind}":',
        f"  {call}, i32 %whole, i32 0, i32 %rest)",
        '  br label %"end"',
    ]


def _turns(kind: str, frame: int) -> list[str]:
    """All simdgroups up to their next barrier, again and again until each has come to its end."""
    return [
        f'"to.{kind}":',
        f"  %count.wide.{kind} = add i32 %volume, {WIDTH - 1}",
        f"  %count.{kind} = udiv i32 %count.wide.{kind}, {WIDTH}",
        f"  %bytes.{kind} = mul i32 %count.{kind}, 4",
        f"  call void @llvm.memset.p0.i32(ptr align 64 %states, i8 0, i32 %bytes.{kind}, i1 false)",
        f'  br label %"round.{kind}"',
        f'"round.{kind}":',
        f'  br label %"turn.{kind}"',
        f'"turn.{kind}":',
        f'  %i.{kind} = phi i32 [ 0, %"round.{kind}" ], [ %i.next.{kind}, %"on.{kind}" ]',
        f'  %open.{kind} = phi i1 [ false, %"round.{kind}" ], [ %open.next.{kind}, %"on.{kind}" ]',
        f"  %state.at.{kind} = getelementptr i32, ptr %states, i32 %i.{kind}",
        f"  %state.{kind} = load i32, ptr %state.at.{kind}, align 4",
        f"  %over.{kind} = icmp eq i32 %state.{kind}, {DONE}",
        f'  br i1 %over.{kind}, label %"on.{kind}", label %"go.{kind}"',
        f'"go.{kind}":',
        f"  %first.{kind} = mul i32 %i.{kind}, {WIDTH}",
        f"  %part.{kind} = icmp eq i32 %first.{kind}, %whole",
        f"  %bits.{kind} = select i1 %part.{kind}, i32 %rest, i32 -1",
        f"  %far.{kind} = mul i32 %i.{kind}, {max(frame, 64)}",
        f"  %frame.{kind} = getelementptr i8, ptr %frames, i32 %far.{kind}",
        f"  %new.{kind} = call i32 @mp.body.{kind}(ptr %group, ptr %frame.{kind}, i32 %first.{kind}, "
        f"i32 %state.{kind}, i32 %bits.{kind})",
        f"  store i32 %new.{kind}, ptr %state.at.{kind}, align 4",
        f"  %goes.on.{kind} = icmp ne i32 %new.{kind}, {DONE}",
        f"  %open.now.{kind} = or i1 %open.{kind}, %goes.on.{kind}",
        f'  br label %"on.{kind}"',
        f'"on.{kind}":',
        f'  %open.next.{kind} = phi i1 [ %open.{kind}, %"turn.{kind}" ], [ %open.now.{kind}, %"go.{kind}" ]',
        f"  %i.next.{kind} = add nuw i32 %i.{kind}, 1",
        f"  %all.{kind} = icmp uge i32 %i.next.{kind}, %count.{kind}",
        f'  br i1 %all.{kind}, label %"rounded.{kind}", label %"turn.{kind}"',
        f'"rounded.{kind}":',
        f'  br i1 %open.next.{kind}, label %"round.{kind}", label %"end"',
    ]
