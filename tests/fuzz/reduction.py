"""Making a failing program small."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

from .language import Expr, Program, Stmt, blocks, expressions, operands

Check = Callable[[Program], bool]
Change = Callable[[], None]
Step = Callable[[Program], Iterator[Change]]


def reduced(program: Program, fails: Check, seconds: float = 120) -> Program:
    """The smallest program found in `seconds` for which `fails` still holds."""
    deadline = time.monotonic() + seconds
    changed = True
    while changed:
        changed = False
        for step in (_without_runs, _without_nesting, _with_smaller_expressions):
            program, better = _improved(program, step, fails, deadline)
            changed |= better and time.monotonic() < deadline
    bare = _without_unused(copy.deepcopy(program))
    return bare if fails(bare) else program


def _without_unused(program: Program) -> Program:
    """Drop functions, variables and buffers that nothing uses."""
    statements = [s for block in blocks(program) for s in block]
    used = list(expressions(program))
    called = {id(e.data) for e in used if e.op == "call"} | {id(s.data[0]) for s in statements if s.kind == "call"}
    kept = [f for f in program.functions if id(f) in called]
    if len(kept) < len(program.functions):
        program.functions = kept
        return _without_unused(program)
    named = {e.data for e in used if e.op == "read"} | {s.place.var for s in statements if s.place}
    named |= {var for s in statements if s.kind == "pick" for var in s.data}
    named |= {s.data[1] for s in statements if s.kind == "call"}
    program.structs = [s for s in program.structs if named & set(s.vars)]
    program.vars = [v for v in program.vars if v in named or any(v in s.vars for s in program.structs)]
    for function in program.functions:
        function.locals = [v for v in function.locals if v in named]
    stored = {s.data[0] for s in statements if s.kind == "store"} | {e.data[0] for e in used if e.op == "own"}
    program.layouts = {name: layout for name, layout in program.layouts.items() if name in stored}
    return program


def _improved(program: Program, step: Step, fails: Check, deadline: float) -> tuple[Program, bool]:
    """Try the candidates of a kind one by one; each that fails takes the place of the program."""
    better = False
    k = 0
    while time.monotonic() < deadline:
        candidate = copy.deepcopy(program)
        made = _nth(step(candidate), k)
        if made is None:
            break
        if _valid(candidate) and fails(candidate):
            program, better = candidate, True
        else:
            k += 1
    return program, better


def _nth(changes: Iterator[Change], k: int) -> bool | None:
    for number, change in enumerate(changes):
        if number == k:
            change()
            return True
    return None


def _without_runs(program: Program) -> Iterator[Change]:
    """Leave out statements: long runs first."""
    found = list(blocks(program))
    for size in (16, 8, 4, 2, 1):
        for block in found:
            for start in range(0, len(block) - size + 1, max(size // 2, 1)):

                def change(block: list[Stmt] = block, start: int = start, size: int = size) -> None:
                    del block[start : start + size]

                yield change


def _without_nesting(program: Program) -> Iterator[Change]:
    """Put a block of a statement in its place."""
    for block in list(blocks(program)):
        for k, statement in enumerate(block):
            for inner in statement.blocks:

                def change(block: list[Stmt] = block, k: int = k, inner: list[Stmt] = inner) -> None:
                    block[k : k + 1] = inner

                yield change


def _with_smaller_expressions(program: Program) -> Iterator[Change]:
    """A literal in place of an expression, or one of its own operands of the same type."""
    for block in list(blocks(program)):
        for statement in block:
            for args, k in list(operands(statement)):
                expr = args[k]
                if expr.op == "literal":
                    continue
                zero = Expr("literal", expr.type, [], 0 if expr.type.n == 1 else [0] * expr.type.n)
                for smaller in (zero, *_parts(expr)):

                    def change(args: list[Expr] = args, k: int = k, smaller: Expr = smaller) -> None:
                        args[k] = smaller

                    yield change


def _parts(expr: Expr) -> list[Expr]:
    return [a for a in expr.args if a.type == expr.type]


def _valid(program: Program) -> bool:
    """Jumps stand in loops, and functions end with a return."""
    return _jumps_inside(program.body, False, False, True) and all(
        f.body and f.body[-1].kind == "return" and _jumps_inside(f.body, False, False, False) for f in program.functions
    )


def _jumps_inside(block: list[Stmt], loop: bool, switch: bool, kernel: bool) -> bool:
    for s in block:
        if (s.kind == "continue" and not loop) or (s.kind == "break" and (switch or not loop)):
            return False
        if s.kind == "return" and kernel == bool(s.exprs):
            return False
        inner_loop, inner_switch = (True, False) if s.kind == "loop" else (loop, switch or s.kind == "switch")
        if not all(_jumps_inside(inner, inner_loop, inner_switch, kernel) for inner in s.blocks):
            return False
    return True
