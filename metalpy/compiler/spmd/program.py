"""The whole vector program of a kernel: its simdgroups' function and the loop over a threadgroup."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .code import WIDE
from .group import SIZE, WIDTH, Kind, group_function
from .ir import Block, Function, Instruction, Unsupported, parse_function
from .layout import Layout
from .size import refuse_large
from .suspend import DONE, split_at_barriers
from .vectorize import Vectorizer

__all__ = ["Unsupported", "Vectorized", "vectorize"]

_DEFINITION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.M | re.S)
_MEETING = re.compile(r"@mp_(?:simd|threadgroup_barrier|kernel_message)")
_LABEL, _TARGET = re.compile(r'^"([^"]+)":$'), re.compile(r'label %"([^"]+)"')
_OUTCOME = re.compile(r"^  ret i32 (-?\d+)$", re.M)
_SHUFFLED = re.compile(r" = shufflevector <(\d+) x")
_LARGE = 600  # lines of a kernel's IR
# What is written once for each simdgroup of a threadgroup: for how many, and how many lines of IR all together.
_MOST_UNROLLED, _LARGEST_UNROLLED = 8, 20_000
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
    regroups : bool
        Whether it takes vectors of more than the lanes apart, or makes such: records, matrices.
    frames : int
        Bytes of the simdgroups' frames, all together; 0 if they use none.
    """

    module: str
    entry: str
    regroups: bool
    frames: int


def vectorize(module: str, name: str, max_threads: int, shape: str = "") -> Vectorized:
    """Turn the function `name` of one thread into one of a whole threadgroup.

    Parameters
    ----------
    module : str
        Optimised LLVM assembly, in which all that meets other threads is in that function.
    name : str
    max_threads : int
        The most threads that a threadgroup may have.
    shape : str
        Which threadgroups it will run, all of them if it is empty. "rows": with a width that is a multiple of 32;
        "half": 16 wide, with an even height. All lanes of their simdgroups are active.

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
    bodies, kinds = _variants(text, layout, shape, max_threads)
    declared: dict[str, str] = {}
    for body in bodies:
        declared |= body.writer.code.declarations
    known = set(re.findall(r'^(?:declare|define) [^\n@]*@("[^"]+"|[\w.$-]+)\(', rest, re.M))
    declarations = "\n".join(line for n, line in declared.items() if n not in known)
    frame = max(body.frame_bytes for body in bodies)
    count = -(-max_threads // WIDTH) if kinds[0].outcomes else 1
    loop = group_function(kinds, frame, count, "mp_threadgroup_variable" in known)
    parts = [rest, declarations, *(text for body in bodies for text in body.texts), loop]
    made = "\n".join(parts)
    regroups = any(int(lanes) > WIDTH for lanes in _SHUFFLED.findall(made))
    frames = frame * count * (2 if any(kind.unrolled for kind in kinds) else 1)
    return Vectorized(made, "mp.group", regroups, frames)


@dataclass
class _Body:
    """The functions of a simdgroup: one, or one for each region between barriers."""

    name: str
    texts: list[str]
    writer: Vectorizer
    frame_bytes: int
    outcomes: list[frozenset[int]]  # of each region: the barriers that it leads to
    lines: int = 0  # of regions without loops and without variables in memory; else 0


def _variants(text: str, layout: Layout, shape: str, max_threads: int) -> tuple[list[_Body], list[Kind]]:
    """The functions of a simdgroup that the kernel needs, and which of them serve which threadgroups."""
    # A large kernel is compiled as few times as can be: for any lanes, all of them included.
    large = text.count("\n") > _LARGE
    if shape and not large:
        only = _body(text, layout, shape, True)
        return [only], [_kind(shape, only, None, max_threads)]
    rows = _body(text, layout, "rows", not large)
    positions = rows.writer.shapes.positions
    # What looks at x alone is hardly launched in two dimensions; what looks at y hardly in one row that is no
    # multiple of a simdgroup, and two rows of 16 fill simdgroups.
    plane = bool(positions - {0}) and not large
    half = _body(text, layout, "half", True) if plane else None
    anyhow = _body(text, layout, "any", False) if positions else None
    part = rows if large else anyhow if plane else _body(text, layout, "rows", False)
    kinds = [_kind("rows", rows, part, max_threads)]
    if half:
        kinds.append(_kind("half", half, None, max_threads))
    if anyhow:
        kinds.append(_kind("any", anyhow, anyhow, 0))
    bodies = {body.name: body for body in (rows, part, half, anyhow) if body}
    return list(bodies.values()), kinds


def _kind(name: str, whole: _Body, part: _Body | None, max_threads: int) -> Kind:
    outcomes = whole.outcomes
    if part is not None:
        outcomes = [a | b for a, b in zip(outcomes, part.outcomes, strict=True)]
    count = max_threads // WIDTH
    is_short = 1 < count <= _MOST_UNROLLED and max_threads % WIDTH == 0 and 0 < whole.lines * count <= _LARGEST_UNROLLED
    follow = all(len(ways) == 1 for ways in outcomes)
    return Kind(name, whole.name, part.name if part else "", outcomes, is_short and follow and whole is not part)


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
        return _Body(name, [_function(name, "void", inline, [*entry, *lines])], writer, writer.private_bytes, [])
    lines = ['"start":', *code.lines, '"mp.done":', f"  ret i32 {DONE}"]
    done = split_at_barriers(lines, code.variables, writer.empty, layout, writer.private_bytes)
    texts = [_function(f"{name}.{k}", "i32", inline, [*entry, *region]) for k, region in enumerate(done.lines)]
    outcomes = [frozenset(map(int, _OUTCOME.findall("\n".join(region)))) for region in done.lines]
    is_plain = not writer.private_bytes and not any(map(_loops, done.lines))
    return _Body(name, texts, writer, done.frame_bytes, outcomes, is_plain * sum(map(len, done.lines)))


def _loops(lines: list[str]) -> bool:
    """Whether control ever goes back."""
    passed = set[str]()
    for line in lines:
        if label := _LABEL.match(line):
            passed.add(label[1])
        elif " label %" in line and not passed.isdisjoint(_TARGET.findall(line)):
            return True
    return False


_PARAMETERS = "ptr noalias readonly captures(none) %group, ptr noalias captures(none) %frame, i32 %first, i32 %bits"
_PARAMETERS += ", ptr align 16 %shared"  # threadgroup variables


def _function(name: str, returned: str, inline: str, lines: list[str]) -> str:
    head = f"define internal {returned} @{name}({_PARAMETERS}) {inline} nounwind null_pointer_is_valid {WIDE} {{"
    return "\n".join([head, *lines, "}"])


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
        f"  %size.at = getelementptr i8, ptr %group, i64 {SIZE}",
        "  %width = load i32, ptr %size.at, align 4, !invariant.load !{}",
        f"  %height.at = getelementptr i8, ptr %group, i64 {SIZE + 4}",
        "  %height = load i32, ptr %height.at, align 4, !invariant.load !{}",
    ]
    places = {"half": _places_of_halves, "rows": _place_of_a_row}.get(kind, _places_of_lanes)
    return lines + places()


def _places_of_halves() -> list[str]:
    """Two rows of 16 lanes. The height is even, so both are in one layer."""
    return [
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


def _place_of_a_row() -> list[str]:
    """All lanes in one row. A single row, and a single layer, need no division."""
    return [
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


def _places_of_lanes() -> list[str]:
    """Each lane for itself. Numbers are below 1024, and a half added: quotients of floats are exact enough."""
    ints, floats = f"<{WIDTH} x i32>", f"<{WIDTH} x float>"
    numbers = ", ".join(f"i32 {i}" for i in range(WIDTH))

    def spread(name: str, scalar: str, type_: str) -> list[str]:
        full = f"<{WIDTH} x {type_}>"
        return [
            f"  %{name}.one = insertelement {full} poison, {type_} {scalar}, i32 0",
            f"  %{name} = shufflevector {full} %{name}.one, {full} poison, <{WIDTH} x i32> zeroinitializer",
        ]

    return [
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
