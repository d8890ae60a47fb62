"""Small functions in LLVM's IR, as the vectoriser sees them."""

from __future__ import annotations

from metalpy.compiler.spmd.flow import Flow
from metalpy.compiler.spmd.ir import Function, Value, parse_function
from metalpy.compiler.spmd.layout import Layout
from metalpy.compiler.spmd.linear import Plan
from metalpy.compiler.spmd.shape import Shape
from metalpy.compiler.spmd.shapes import Shapes

WIDTH = 32
# %i: the thread's index in its threadgroup; %x, %y: its position there; %n: the same for all.
INPUTS = """
  %i.at = getelementptr i8, ptr %thread, i64 12
  %i = load i32, ptr %i.at, align 4
  %n.at = getelementptr i8, ptr %group, i64 16
  %n = load i32, ptr %n.at, align 4
  %buffers = load ptr, ptr %group, align 8
  %b = load ptr, ptr %buffers, align 8
"""


def function(body: str) -> Function:
    """A thread's function of these lines; its entry block has the `INPUTS` in front."""
    return parse_function(f"define void @f(ptr %group, ptr %thread) {{\nentry:{INPUTS}{body}\n}}")


def graph(**edges: str) -> Function:
    """A function of empty blocks, the entry first: ``a="b c"`` branches by the index, ``a="?b c"`` by a uniform value.

    A block without targets returns.
    """
    lines = []
    for number, (name, text) in enumerate(edges.items()):
        targets = text.removeprefix("?").split()
        lines.append(f"{name}:{INPUTS if number == 0 else ''}")
        if len(targets) == 2:
            # what a branch goes by differs from block to block, so that each loop may end
            operand = "%n" if text.startswith("?") else "%i"
            lines.append(f"  %c.{name} = icmp eq i32 {operand}, {number + 7}")
            lines.append(f"  br i1 %c.{name}, label %{targets[0]}, label %{targets[1]}")
        else:
            lines.append(f"  br label %{targets[0]}" if targets else "  ret void")
    return parse_function("\n".join(["define void @f(ptr %group, ptr %thread) {", *lines, "}"]))


def shapes_of(made: Function, row: int = WIDTH, types: str = "") -> Shapes:
    return Shapes(made, Flow(made), Layout(types), WIDTH, row)


def shape(body: str, name: str = "%r", row: int = WIDTH) -> Shape:
    """The shape of a scalar that straight-line code computes."""
    (found,) = shapes_of(function(body + "\n  ret void"), row).defined(name)
    return found


def seen(shapes: Shapes, name: str, block: str) -> Shape:
    """The shape of a scalar as another block sees it."""
    return shapes.of(Value("i32", name), block)[0]


def plan_of(made: Function) -> tuple[Flow, Shapes, Plan]:
    flow = Flow(made)
    shapes = Shapes(made, flow, Layout(""), WIDTH, WIDTH)
    return flow, shapes, Plan(flow, shapes)
