"""What a generated kernel gives: all threads of the grid side by side under masks, without any compiler.

Branches are taken by the threads whose condition holds, one arm after the other; all that entered meet again behind
them. No thread starts a loop's next iteration before those that are still in the loop have ended this one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from . import operations
from .lanes import Rows
from .language import UINT, Expr, Function, Place, Program, Stmt, Var
from .operations import Array
from .printer import ATOMICS, RECORDS


class Frame:
    """A call: variables, and the threads that have left it or the innermost loop."""

    def __init__(self, count: int) -> None:
        self.values: dict[Var, Array] = {}
        self.returned = np.zeros(count, bool)
        self.result: Array | None = None
        self.broken = np.zeros(count, bool)
        self.continued = np.zeros(count, bool)


class Evaluator:
    """Runs a program once, on arrays that it changes."""

    def __init__(self, program: Program, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        self.program, self.inputs, self.outputs = program, inputs, outputs
        self.count = program.threads
        self._positions(program)
        self.rows = Rows(self.group, self.index)

    def _positions(self, program: Program) -> None:
        grid = np.array((*program.grid, 1, 1)[:3])
        group = np.array((*program.group, 1, 1)[:3])
        at = np.stack(np.unravel_index(np.arange(self.count), grid[::-1])[::-1], 1)
        of, local = at // group, at % group
        size = np.minimum(group, grid - of * group)
        counts = -(-grid // group)
        self.group = of[:, 0] + counts[0] * (of[:, 1] + counts[1] * of[:, 2])
        self.index = local[:, 0] + size[:, 0] * (local[:, 1] + size[:, 1] * local[:, 2])
        self.group_threads = size.prod(1)
        self.builtins = {
            "id": np.arange(self.count), "threads": np.full(self.count, self.count), "index": self.index,
            "lane": self.index % 32, "simdgroup": self.index // 32, "group": self.group,
            "group_threads": self.group_threads, "backwards": np.arange(self.count)[::-1], "zero": 0 * self.index,
            **{f"at.{c}": at[:, k] for k, c in enumerate("xyz")},
            **{f"local.{c}": local[:, k] for k, c in enumerate("xyz")},
            **{f"size.{c}": size[:, k] for k, c in enumerate("xyz")},
            **{f"parameter{k}": np.full(self.count, x) for k, x in enumerate(self.inputs["parameters"])},
        }  # fmt: skip

    def run(self) -> None:
        """Fill the outputs."""
        with np.errstate(all="ignore"):
            frame = Frame(self.count)
            for var in self.program.vars:
                frame.values[var] = self.zero(var)
            self.block(self.program.body, frame, np.ones(self.count, bool))

    def zero(self, var: Var) -> Array:
        shape = (self.count, *((var.length,) if var.length else ()), *((var.type.n,) if var.type.n > 1 else ()))
        return np.zeros(shape, var.type.dtype)

    # ---- statements: each takes the threads that reach it and returns those that go on behind it ----

    def block(self, statements: list[Stmt], frame: Frame, mask: Array) -> Array:
        for statement in statements:
            if not mask.any():
                break
            mask = getattr(self, f"do_{statement.kind}")(statement, frame, mask)
        return mask

    def do_assign(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        self.assign(s.place, self.value(s.exprs[0], frame, mask), frame, mask)
        return mask

    def assign(self, place: Place, value: Array, frame: Frame, mask: Array) -> None:
        values = frame.values[place.var].copy()
        at: tuple[Array, ...] = (np.flatnonzero(mask),)
        if place.var.length:
            at += (self.uint(place.index, frame, mask)[mask] % place.var.length,)
        if place.component is not None:
            at += (self.uint(place.component, frame, mask)[mask] % place.var.type.n,)
        values[at] = value[mask]
        frame.values[place.var] = values

    def uint(self, e: Expr, frame: Frame, mask: Array) -> Array:
        return self.value(e, frame, mask).astype(np.uint32).astype(np.int64)

    def do_pick(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        value, condition = self.value(s.exprs[0], frame, mask), self.value(s.exprs[1], frame, mask)
        at = self.uint(s.exprs[2], frame, mask) % min(var.length for var in s.data)
        for var, chosen in zip(s.data, (mask & condition, mask & ~condition), strict=True):
            values = frame.values[var].copy()
            values[np.flatnonzero(chosen), at[chosen]] = value[chosen]
            frame.values[var] = values
        return mask

    def do_store(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        name, slot = s.data
        where = self.own(name, slot, s.exprs[1:], frame, mask)
        value = self.value(s.exprs[0], frame, mask)
        self.outputs[name][where[mask]] = value[mask]
        return mask

    def own(self, name: str, slot: int | None, index: list[Expr], frame: Frame, mask: Array) -> Array:
        """Where a thread's slot of an output buffer is; a `slot` of None is computed, and one of the first four."""
        k = self.uint(index[0], frame, mask) % 4 if slot is None else slot
        thread, slots = np.arange(self.count), self.program.slots
        match self.program.layouts[name]:
            case "rows":
                return thread * slots + k
            case "columns":
                return k * self.count + thread
            case "reversed":
                return (self.count - 1 - thread) * slots + k
            case _:
                return self.inputs["permutation"].astype(np.int64) * slots + k

    def do_atomic(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        op, offset, size = s.data
        at = offset + self.uint(s.exprs[0], frame, mask) % size
        value = self.value(s.exprs[1], frame, mask)
        functions = {
            "add": np.add, "sub": np.subtract, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
            "min": np.minimum, "max": np.maximum,
        }  # fmt: skip
        functions[op].at(self.outputs["atomics"], at[mask], value[mask])
        return mask

    def do_owned(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        first, second = (self.value(e, frame, mask).astype(np.uint32) for e in s.exprs)
        numbers = self.outputs["atomics"][ATOMICS:]
        at = self.inputs["permutation"]
        old = numbers[at]
        signed = old.view(np.int32), first.view(np.int32)
        result = old
        match s.data:
            case "add":
                new = old + first
            case "sub":
                new = old - first
            case "and":
                new = old & first
            case "or":
                new = old | first
            case "xor":
                new = old ^ first
            case "min":
                new = np.minimum(old, first)
            case "max":
                new = np.maximum(old, first)
            case "signed_min":
                new = np.minimum(*signed).view(np.uint32)
            case "signed_max":
                new = np.maximum(*signed).view(np.uint32)
            case "exchange":
                new = first
            case _:
                done = (first & 1).astype(bool) | (first == old)
                new, result = np.where(done, second, old), np.where(done, 1, old)
        numbers[at[mask]] = new[mask]
        self.assign(s.place, result.astype(np.uint32), frame, mask)
        return mask

    def do_if(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        condition = self.value(s.exprs[0], frame, mask)
        after = self.block(s.blocks[0], frame, mask & condition)
        return after | self.block(s.blocks[1], frame, mask & ~condition)

    def do_loop(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        """All loops: `data` is (form, limit); the place is a counter that only the loop changes."""
        form, limit = s.data
        counter = s.place.var
        down = form == "down"
        bound = self.uint(s.exprs[0], frame, mask) % (limit + 1) if down else np.zeros(self.count, int)
        self.count_to(counter, bound, frame, mask)
        outer = frame.broken, frame.continued
        frame.broken, frame.continued = np.zeros(self.count, bool), np.zeros(self.count, bool)
        live = mask
        first = True
        while live.any():
            if not (form == "do" and first):
                live = live & self.goes_on(s, frame, live)
            first = False
            if form in ("while", "do", "forever"):
                self.count_to(counter, frame.values[counter].astype(np.int64) + 1, frame, live)
            frame.continued[:] = False
            live = self.block(s.blocks[0], frame, live) | frame.continued
            if form in ("up", "down"):
                self.count_to(counter, frame.values[counter].astype(np.int64) + (-1 if down else 1), frame, live)
        frame.broken, frame.continued = outer
        return mask & ~frame.returned

    def goes_on(self, s: Stmt, frame: Frame, live: Array) -> Array:
        form, limit = s.data
        now = frame.values[s.place.var]
        match form:
            case "up":
                return now < self.uint(s.exprs[0], frame, live) % (limit + 1)
            case "down":
                return now > 0
        below = now < limit
        return below & self.value(s.exprs[0], frame, live & below)

    def count_to(self, counter: Var, value: Array, frame: Frame, mask: Array) -> None:
        frame.values[counter] = np.where(mask, value, frame.values[counter]).astype(counter.type.dtype)

    def do_switch(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        """`data`: for each block its case (None: default) and whether it ends with a break."""
        value = self.uint(s.exprs[0], frame, mask) % 8
        outer, frame.broken = frame.broken, np.zeros(self.count, bool)
        cases = [case for case, _ in s.data if case is not None]
        inside = np.zeros(self.count, bool)
        for (case, ends), body in zip(s.data, s.blocks, strict=True):
            inside = inside | mask & (~np.isin(value, cases) if case is None else value == case)
            inside = self.block(body, frame, inside)
            if ends:
                frame.broken |= inside
                inside = np.zeros(self.count, bool)
        through = inside | frame.broken
        if None not in [case for case, _ in s.data]:
            through |= mask & ~np.isin(value, cases)
        frame.broken = outer
        return through

    def do_break(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        frame.broken |= mask
        return np.zeros(self.count, bool)

    def do_continue(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        frame.continued |= mask
        return np.zeros(self.count, bool)

    def do_return(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        if s.exprs:
            value = self.value(s.exprs[0], frame, mask)
            frame.result = value if frame.result is None else np.where(like(mask, value), value, frame.result)
        frame.returned |= mask
        return np.zeros(self.count, bool)

    def do_call(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        function, reference = s.data
        args = [self.value(e, frame, mask) for e in s.exprs]
        result = self.call(function, args, mask, frame, reference)
        self.assign(s.place, result, frame, mask)
        return mask

    def call(self, function: Function, args: list[Array], mask: Array, frame: Frame, reference: Var | None) -> Array:
        inner = Frame(self.count)
        for var in function.locals:
            inner.values[var] = self.zero(var)
        inner.values.update(zip(function.parameters, args, strict=True))
        if function.reference is not None and reference is not None:
            inner.values[function.reference] = frame.values[reference]
        self.block(function.body, inner, mask)
        if function.reference is not None and reference is not None:
            frame.values[reference] = inner.values[function.reference]
        assert inner.result is not None
        return inner.result

    def do_simdgroup_barrier(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        return mask

    # ---- what the threads of a group do together, in uniform control flow ----

    def do_exchange(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        """Each thread writes its element of a threadgroup array, some write again, each reads any element."""
        first, condition, second, index = s.exprs
        shared = self.value(first, frame, mask)
        again = self.value(condition, frame, mask)
        shared = np.where(like(again, shared), self.value(second, frame, mask & again), shared)
        self.assign(s.place, self.of_group(shared, self.uint(index, frame, mask)), frame, mask)
        return mask

    def of_group(self, values: Array, index: Array) -> Array:
        table = np.zeros((self.group.max() + 1, self.group_threads.max(), *values.shape[1:]), values.dtype)
        table[self.group, self.index] = values
        return table[self.group, index % self.group_threads]

    def do_tree(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        """A reduction by halves in threadgroup memory; each thread reads the result."""
        values = self.value(s.exprs[0], frame, mask)
        ufunc = {"add": np.add, "xor": np.bitwise_xor, "max": np.maximum}[s.data]
        table = np.full(self.group.max() + 1, np.iinfo(values.dtype).min if s.data == "max" else 0, values.dtype)
        ufunc.at(table, self.group[mask], values[mask])
        self.assign(s.place, table[self.group], frame, mask)
        return mask

    def do_histogram(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        """Atomic additions to threadgroup memory."""
        bins, op = s.data
        at, value, index = (self.value(e, frame, mask).astype(np.uint32) for e in s.exprs)
        table = np.zeros((self.group.max() + 1, bins), np.uint32)
        functions = {"add": np.add, "sub": np.subtract, "or": np.bitwise_or, "xor": np.bitwise_xor, "max": np.maximum}
        functions[op].at(table, (self.group[mask], at[mask] % bins), value[mask])
        self.assign(s.place, table[self.group, index % bins], frame, mask)
        return mask

    def do_matrix(self, s: Stmt, frame: Frame, mask: Array) -> Array:
        """Each simdgroup multiplies two matrices, of whose elements each lane gives two; each thread reads any."""
        *parts, index = (self.value(e, frame, mask) for e in s.exprs)
        _, turned, filled = s.data
        left, right = (
            self.rows.rows(np.stack([parts[k], parts[k + 1]], 1).astype(np.float32)).reshape(-1, 8, 8) for k in (0, 2)
        )
        total = (left.transpose(0, 2, 1) if turned else left) @ right + np.float32(3 * filled)
        element = index.astype(np.uint32) % 64
        self.assign(s.place, total.reshape(-1, 64)[self.rows.row, element], frame, mask)
        return mask

    # ---- expressions: values for every thread; those outside the mask mean nothing ----

    def value(self, e: Expr, frame: Frame, mask: Array) -> Array:
        match e.op:
            case "read":
                values = frame.values[e.data]
                if not e.args:
                    return values
                return values[np.arange(self.count), self.uint(e.args[0], frame, mask) % e.data.length]
            case "builtin":
                return self.builtins[e.data].astype(UINT.dtype)
            case "load":
                return self.load(e, self.uint(e.args[0], frame, mask))
            case "record":
                return self.inputs[f"record.{e.data}"][self.uint(e.args[0], frame, mask) % RECORDS]
            case "near":
                base, offset, _ = e.data
                return self.load(e, self.builtins[base] + offset)
            case "own":
                return self.outputs[e.data[0]][self.own(*e.data, e.args, frame, mask)]
            case "land" | "lor":
                left = self.value(e.args[0], frame, mask)
                right = self.value(e.args[1], frame, mask & (left if e.op == "land" else ~left))
                return left & right if e.op == "land" else left | right
            case "conditional":
                c = self.value(e.args[0], frame, mask)
                a, b = self.value(e.args[1], frame, mask & c), self.value(e.args[2], frame, mask & ~c)
                return np.where(like(c, a), a, b)
            case "call":
                args = [self.value(a, frame, mask) for a in e.args]
                if not mask.any():
                    return np.zeros((self.count, e.type.n) if e.type.n > 1 else (self.count,), e.type.dtype)
                return self.call(e.data, args, mask, frame, None)
        args = [self.value(a, frame, mask) for a in e.args]
        if e.op.startswith(("simd_", "quad_")):
            return self.rows.call(e, args, mask)
        value = operations.value_of(e, args, self.count)
        assert value is not None, e.op
        return value

    def load(self, e: Expr, index: Array) -> Array:
        """An element of an input: a scalar, an aligned vector, or a packed one."""
        values = self.inputs[e.type.name]
        n = e.type.n
        if n == 1:
            return values[index % len(values)]
        start = index % (len(values) // n) * n
        return values[start[:, None] + np.arange(n)]


def like(mask: Array, value: Array) -> Array:
    """A mask to choose between values of one or more components."""
    return mask.reshape(mask.shape + (1,) * (value.ndim - mask.ndim))
