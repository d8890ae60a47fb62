"""The whole vector program of a kernel: its simdgroups' function and the loop over a threadgroup."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from .code import WIDE
from .ir import Block, Function, Instruction, Unsupported, parse_function
from .layout import Layout
from .size import refuse_large
from .suspend import DONE, split_at_barriers
from .vectorize import Vectorizer

__all__ = ["Unsupported", "Vectorized", "vectorize"]

WIDTH = 32
_DEFINITION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.M | re.S)
_MEETING = re.compile(r"@mp_(?:simd|threadgroup_barrier|kernel_message)")
# Bytes of the fields of mp_group; see metalpy_kernel.h.
_SIZE = 64

_LARGE = 600  # lines of a kernel's IR
_SHARED = "call align 16 ptr @mp_threadgroup_variable(i32 0)"
# How the lanes lie in the threadgroup: in one row, in two rows of 16, or anyhow.
_ROWS = {"rows": WIDTH, "half": WIDTH // 2, "any": 0}


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
    refuse_large(text)
    rest = module.replace(text, "")
    if _MEETING.search("\n".join(_DEFINITION.findall(rest))):
        raise Unsupported("a function that is not inlined and meets other threads")
    layout = Layout(module)
    # A large kernel is compiled as few times as can be: for any lanes, all of them included.
    large = text.count("\n") > _LARGE
    bodies = [_body(text, layout, "rows", full) for full in ((False,) if large else (True, False))]
    positions = bodies[0].writer.shapes.positions
    if positions - {0} and not large:  # what looks at x alone is hardly launched in two dimensions
        bodies += [_body(text, layout, "half", full) for full in (True, False)]
    if positions:
        bodies.append(_body(text, layout, "any", False))
    declared: dict[str, str] = {}
    for body in bodies:
        declared |= body.writer.code.declarations
    known = set(re.findall(r'^(?:declare|define) [^\n@]*@("[^"]+"|[\w.$-]+)\(', rest, re.M))
    declarations = "\n".join(line for n, line in declared.items() if n not in known)
    frame = max(body.frame_bytes for body in bodies)
    loop = _group_function(bodies, frame, max_threads, "mp_threadgroup_variable" in known)
    parts = [rest, declarations, *(text for body in bodies for text in body.texts), loop]
    return Vectorized("\n".join(parts), "mp.group")


@dataclass
class _Body:
    """The functions of a simdgroup: one, or one for each region between barriers."""

    kind: str
    full: bool
    texts: list[str]
    writer: Vectorizer
    frame_bytes: int


def _body(text: str, layout: Layout, kind: str, full: bool) -> _Body:
    function = parse_function(text)
    suspends = _split_at_barriers(function)
    writer = Vectorizer(function, layout, WIDTH, _ROWS[kind], full)
    writer.run()
    code = writer.code
    entry = ['"entry":', *(f"  {name} = alloca {type_}" for name, type_ in code.variables.items())]
    entry += _geometry(kind, bool(writer.shapes.positions))
    name = f"mp.{kind}.{'full' if full else 'part'}"
    inline = "alwaysinline" if full else "noinline"
    if not suspends:
        lines = ['  br label %"start"', '"start":', *code.lines, '"mp.done":', "  ret void"]
        return _Body(kind, full, [_function(name, "void", inline, [*entry, *lines])], writer, writer.private_bytes)
    lines = ['"start":', *code.lines, '"mp.done":', f"  ret i32 {DONE}"]
    done = split_at_barriers(lines, code.variables, writer.empty, layout, writer.private_bytes)
    texts = [_function(f"{name}.{k}", "i32", inline, [*entry, *region]) for k, region in enumerate(done.lines)]
    texts.append(_step_function(name, len(done.lines)))
    return _Body(kind, full, texts, writer, done.frame_bytes)


_PARAMETERS = "ptr noalias readonly captures(none) %group, ptr noalias captures(none) %frame, i32 %first, i32 %bits"
_PARAMETERS += ", ptr align 16 %shared"  # threadgroup variables
_ARGUMENTS = "ptr %group, ptr %frame, i32 %first, i32 %bits, ptr %shared"


def _function(name: str, returned: str, inline: str, lines: list[str], more: str = "") -> str:
    head = f"define internal {returned} @{name}({_PARAMETERS}{more}) {inline} nounwind null_pointer_is_valid {WIDE} {{"
    return "\n".join([head, *lines, "}"])


def _step_function(name: str, regions: int) -> str:
    """Any region, by number: for simdgroups that are not all at the same barrier."""
    cases = " ".join(f'i32 {k}, label %"to.{k}"' for k in range(1, regions))
    lines = [f'  switch i32 %state, label %"to.0" [ {cases} ]']
    for k in range(regions):
        lines += [f'"to.{k}":', f"  %next.{k} = call i32 @{name}.{k}({_ARGUMENTS})", f"  ret i32 %next.{k}"]
    return _function(f"{name}.step", "i32", "noinline", lines, ", i32 %state")


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


def _geometry(kind: str, position: bool) -> list[str]:
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
    if kind == "half":  # the height is even, so both rows are in one layer
        return [
            *lines,
            f"  %row = lshr i32 %first, {WIDTH.bit_length() - 2}",
            "  %in.layer = icmp ult i32 %row, %height",
            '  br i1 %in.layer, label %"placed", label %"behind"',
            '"behind":',
            "  %y.c = urem i32 %row, %height",
            "  %z.c = udiv i32 %row, %height",
            '  br label %"placed"',
            '"placed":',
            '  %y = phi i32 [ %row, %"entry" ], [ %y.c, %"behind" ]',
            '  %z = phi i32 [ 0, %"entry" ], [ %z.c, %"behind" ]',
        ]
    if kind == "rows":
        # A single row, and a single layer, need no division.
        return [
            *lines,
            "  %in.row = icmp ult i32 %first, %width",
            '  br i1 %in.row, label %"placed", label %"below"',
            '"below":',
            "  %row.b = udiv i32 %first, %width",
            "  %x.b = urem i32 %first, %width",
            "  %in.layer = icmp ult i32 %row.b, %height",
            '  br i1 %in.layer, label %"placed", label %"behind"',
            '"behind":',
            "  %y.c = urem i32 %row.b, %height",
            "  %z.c = udiv i32 %row.b, %height",
            '  br label %"placed"',
            '"placed":',
            '  %x = phi i32 [ %first, %"entry" ], [ %x.b, %"below" ], [ %x.b, %"behind" ]',
            '  %y = phi i32 [ 0, %"entry" ], [ %row.b, %"below" ], [ %y.c, %"behind" ]',
            '  %z = phi i32 [ 0, %"entry" ], [ 0, %"below" ], [ %z.c, %"behind" ]',
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


def _group_function(bodies: list[_Body], frame: int, max_threads: int, shared: bool) -> str:
    """``void mp.group(ptr group)``: all simdgroups of a threadgroup."""
    regions = bodies[0].writer.suspensions + 1 if bodies[0].writer.suspensions else 0
    count = -(-max_threads // WIDTH) if regions else 1
    out = [
        "define hidden void @mp.group(ptr noalias readonly captures(none) %group) nounwind null_pointer_is_valid "
        f"{WIDE} {{",
        f"  %frames = alloca [{count * max(frame, 64)} x i8], align 64",
        f"  %states = alloca [{count} x i32], align 64",
        f"  %shared = {_SHARED if shared else 'getelementptr i8, ptr null, i64 0'}",
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
    kinds = list(dict.fromkeys(body.kind for body in bodies))
    out += [
        "  %flat = icmp eq i32 %layers, 1",
        f"  %odd = and i32 %width, {WIDTH - 1}",
        "  %even = icmp eq i32 %odd, 0",
        "  %rows = or i1 %flat, %even",
        f"  %half.wide = icmp eq i32 %width, {WIDTH // 2}",
        "  %odd.height = and i32 %height, 1",
        "  %even.height = icmp eq i32 %odd.height, 0",
        "  %half = and i1 %half.wide, %even.height",
        *_choice(kinds),
    ]
    for kind in kinds:
        full = any(body.kind == kind and body.full for body in bodies)
        out += _turns(kind, full, frame, regions) if regions else _once(kind, full)
    return "\n".join([*out, '"end":', "  ret void", "}"])


def _choice(kinds: list[str]) -> list[str]:
    """Go to the loop for the threadgroup's shape."""
    out = []
    for kind, other in itertools.pairwise(kinds):
        last = other == kinds[-1]
        out.append(f'  br i1 %{kind}, label %"to.{kind}", label %"{"to" if last else "not"}.{other}"')
        if not last:
            out.append(f'"not.{other}":')
    return out or [f'  br label %"to.{kinds[0]}"']


def _names(full: bool) -> tuple[str, str]:
    """Which body serves simdgroups whose lanes are all active, and which the others."""
    return "full" if full else "part", "part"


def _once(kind: str, full: bool) -> list[str]:
    """Each simdgroup after the other."""
    whole, part = (f"call void @mp.{kind}.{which}(ptr %group, ptr %frames" for which in _names(full))
    return _named(
        kind,
        f"""
"to.KIND":
  %none.KIND = icmp eq i32 %whole, 0
  br i1 %none.KIND, label %"tail.KIND", label %"loop.KIND"
"loop.KIND":
  %first.KIND = phi i32 [ 0, %"to.KIND" ], [ %next.KIND, %"loop.KIND" ]
  {whole}, i32 %first.KIND, i32 -1, ptr %shared)
  %next.KIND = add nuw i32 %first.KIND, {WIDTH}
  %more.KIND = icmp ult i32 %next.KIND, %whole
  br i1 %more.KIND, label %"loop.KIND", label %"tail.KIND"
"tail.KIND":
  %short.KIND = icmp eq i32 %left, 0
  br i1 %short.KIND, label %"end", label %"last.KIND"
"last.KIND":
  {part}, i32 %whole, i32 %rest, ptr %shared)
  br label %"end"
""",
    )


def _turns(kind: str, full: bool, frame: int, regions: int) -> list[str]:
    """All simdgroups through one region after the other; if they part at some barrier, each by its own number."""
    cases = " ".join(f'i32 {k}, label %"region.{k}.KIND"' for k in range(1, regions))
    text = f"""
"to.KIND":
  %more.KIND = add i32 %volume, {WIDTH - 1}
  %count.KIND = udiv i32 %more.KIND, {WIDTH}
  %wholes.KIND = udiv i32 %whole, {WIDTH}
  %some.KIND = icmp ne i32 %wholes.KIND, 0
  %short.KIND = icmp ne i32 %left, 0
  br label %"round.KIND"
"round.KIND":
  %state.KIND = phi i32 [ 0, %"to.KIND" ], [ %at.KIND, %"through.KIND" ]
  switch i32 %state.KIND, label %"region.0.KIND" [ {cases} i32 {DONE}, label %"end" ]
"""
    for k in range(regions):
        text += _region_loop(kind, full, frame, k)
    ways = ", ".join(f'[ %at.{k}.KIND, %"done.{k}.KIND" ]' for k in range(regions))
    agreed = ", ".join(f'[ %same.{k}.KIND, %"done.{k}.KIND" ]' for k in range(regions))
    text += f"""
"through.KIND":
  %at.KIND = phi i32 {ways}
  %same.KIND = phi i1 {agreed}
  br i1 %same.KIND, label %"round.KIND", label %"parted.KIND"
"""
    return _named(kind, text + _parted(kind, full, frame))


def _region_loop(kind: str, full: bool, frame: int, k: int) -> str:
    """Region k of each simdgroup. ``at`` is where the last one came to, ``same`` whether all came there."""
    whole, part = (f"@mp.{kind}.{which}.{k}" for which in _names(full))
    size = max(frame, 64)
    return f"""
"region.K.KIND":
  br i1 %some.KIND, label %"loop.K.KIND", label %"tail.K.KIND"
"loop.K.KIND":
  %i.K.KIND = phi i32 [ 0, %"region.K.KIND" ], [ %i.next.K.KIND, %"loop.K.KIND" ]
  %before.K.KIND = phi i32 [ 0, %"region.K.KIND" ], [ %now.K.KIND, %"loop.K.KIND" ]
  %agree.K.KIND = phi i1 [ true, %"region.K.KIND" ], [ %agreed.K.KIND, %"loop.K.KIND" ]
  %wide.K.KIND = zext nneg i32 %i.K.KIND to i64
  %far.K.KIND = mul nuw nsw i64 %wide.K.KIND, {size}
  %frame.K.KIND = getelementptr inbounds nuw i8, ptr %frames, i64 %far.K.KIND
  %first.K.KIND = mul nuw nsw i32 %i.K.KIND, {WIDTH}
  %now.K.KIND = call i32 {whole}(ptr %group, ptr %frame.K.KIND, i32 %first.K.KIND, i32 -1, ptr %shared)
  %state.at.K.KIND = getelementptr inbounds nuw i32, ptr %states, i64 %wide.K.KIND
  store i32 %now.K.KIND, ptr %state.at.K.KIND, align 4
  %is.first.K.KIND = icmp eq i32 %i.K.KIND, 0
  %equal.K.KIND = icmp eq i32 %now.K.KIND, %before.K.KIND
  %fits.K.KIND = or i1 %is.first.K.KIND, %equal.K.KIND
  %agreed.K.KIND = and i1 %agree.K.KIND, %fits.K.KIND
  %i.next.K.KIND = add nuw nsw i32 %i.K.KIND, 1
  %again.K.KIND = icmp ult i32 %i.next.K.KIND, %wholes.KIND
  br i1 %again.K.KIND, label %"loop.K.KIND", label %"tail.K.KIND"
"tail.K.KIND":
  %came.K.KIND = phi i32 [ 0, %"region.K.KIND" ], [ %now.K.KIND, %"loop.K.KIND" ]
  %alike.K.KIND = phi i1 [ true, %"region.K.KIND" ], [ %agreed.K.KIND, %"loop.K.KIND" ]
  br i1 %short.KIND, label %"last.K.KIND", label %"done.K.KIND"
"last.K.KIND":
  %far.last.K.KIND = mul i32 %wholes.KIND, {size}
  %frame.last.K.KIND = getelementptr i8, ptr %frames, i32 %far.last.K.KIND
  %now.last.K.KIND = call i32 {part}(ptr %group, ptr %frame.last.K.KIND, i32 %whole, i32 %rest, ptr %shared)
  %state.last.K.KIND = getelementptr i32, ptr %states, i32 %wholes.KIND
  store i32 %now.last.K.KIND, ptr %state.last.K.KIND, align 4
  %equal.last.K.KIND = icmp eq i32 %now.last.K.KIND, %came.K.KIND
  %alone.K.KIND = xor i1 %some.KIND, true
  %fits.last.K.KIND = or i1 %alone.K.KIND, %equal.last.K.KIND
  %agreed.last.K.KIND = and i1 %alike.K.KIND, %fits.last.K.KIND
  br label %"done.K.KIND"
"done.K.KIND":
  %at.K.KIND = phi i32 [ %came.K.KIND, %"tail.K.KIND" ], [ %now.last.K.KIND, %"last.K.KIND" ]
  %same.K.KIND = phi i1 [ %alike.K.KIND, %"tail.K.KIND" ], [ %agreed.last.K.KIND, %"last.K.KIND" ]
  br label %"through.KIND"
""".replace(".K.", f".{k}.")


def _parted(kind: str, full: bool, frame: int) -> str:
    """Each simdgroup goes on from its own barrier, in turns, until all have come to their end."""
    whole, part = (f"@mp.{kind}.{which}.step" for which in _names(full))
    return f"""
"parted.KIND":
  br label %"turn.KIND"
"turn.KIND":
  %i.KIND = phi i32 [ 0, %"parted.KIND" ], [ %i.next.KIND, %"on.KIND" ], [ 0, %"rounded.KIND" ]
  %open.KIND = phi i1 [ false, %"parted.KIND" ], [ %open.next.KIND, %"on.KIND" ], [ false, %"rounded.KIND" ]
  %state.at.KIND = getelementptr i32, ptr %states, i32 %i.KIND
  %own.KIND = load i32, ptr %state.at.KIND, align 4
  %over.KIND = icmp eq i32 %own.KIND, {DONE}
  br i1 %over.KIND, label %"on.KIND", label %"go.KIND"
"go.KIND":
  %first.KIND = mul i32 %i.KIND, {WIDTH}
  %far.KIND = mul i32 %i.KIND, {max(frame, 64)}
  %frame.KIND = getelementptr i8, ptr %frames, i32 %far.KIND
  %last.KIND = icmp eq i32 %first.KIND, %whole
  br i1 %last.KIND, label %"part.KIND", label %"full.KIND"
"full.KIND":
  %new.full.KIND = call i32 {whole}(ptr %group, ptr %frame.KIND, i32 %first.KIND, i32 -1, ptr %shared, i32 %own.KIND)
  br label %"went.KIND"
"part.KIND":
  %new.part.KIND = call i32 {part}(ptr %group, ptr %frame.KIND, i32 %first.KIND, i32 %rest, ptr %shared, i32 %own.KIND)
  br label %"went.KIND"
"went.KIND":
  %new.KIND = phi i32 [ %new.full.KIND, %"full.KIND" ], [ %new.part.KIND, %"part.KIND" ]
  store i32 %new.KIND, ptr %state.at.KIND, align 4
  %goes.on.KIND = icmp ne i32 %new.KIND, {DONE}
  %open.now.KIND = or i1 %open.KIND, %goes.on.KIND
  br label %"on.KIND"
"on.KIND":
  %open.next.KIND = phi i1 [ %open.KIND, %"turn.KIND" ], [ %open.now.KIND, %"went.KIND" ]
  %i.next.KIND = add nuw i32 %i.KIND, 1
  %all.KIND = icmp uge i32 %i.next.KIND, %count.KIND
  br i1 %all.KIND, label %"rounded.KIND", label %"turn.KIND"
"rounded.KIND":
  br i1 %open.next.KIND, label %"turn.KIND", label %"end"
"""


def _named(kind: str, text: str) -> list[str]:
    return [line for line in text.replace("KIND", kind).split("\n") if line]
