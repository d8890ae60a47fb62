"""Functions of simdgroups and quadgroups over rows of 32 lanes with masks, as a lockstep machine has them."""

from __future__ import annotations

import numpy as np

from .language import Expr, Type
from .operations import Array, in_type

WIDTH, QUAD = 32, 4
INACTIVE_READ_AS = "zero"  # or "own": what a shuffle gives for a lane that takes no part
REDUCTIONS = ["sum", "product", "min", "max", "and", "or", "xor"]
SCANS = [f"prefix_{kind}_{op}" for kind in ("inclusive", "exclusive") for op in ("sum", "product")]
MOVES = ["broadcast", "shuffle", *(f"shuffle_{how}" for how in ("up", "down", "xor", "rotate_up", "rotate_down"))]
FILLS = ["shuffle_and_fill_up", "shuffle_and_fill_down"]
VOTES = ["all", "any", "ballot"]
NAMES = [*REDUCTIONS, *SCANS, *MOVES, *FILLS, *VOTES, "broadcast_first", "active_threads_mask", "is_first"]


class Rows:
    """Which thread is which lane of which simdgroup."""

    def __init__(self, group: Array, index: Array) -> None:
        """`group` and `index` (in its threadgroup) of each thread."""
        self.lane = index % WIDTH
        simdgroup = group * (index.max() // WIDTH + 1) + index // WIDTH
        _, self.row = np.unique(simdgroup, return_inverse=True)
        self.at = (self.row, self.lane)
        self.shape = (self.row.max() + 1, WIDTH)

    def rows(self, x: Array) -> Array:
        """Values by row and lane; zero where there is no thread."""
        out = np.zeros(self.shape + x.shape[1:], x.dtype)
        out[self.at] = x
        return out

    def call(self, e: Expr, args: list[Array], mask: Array) -> Array:
        """A simdgroup or quadgroup function, called by the threads of `mask`."""
        scope, name = e.op.split("_", 1)
        if name in REDUCTIONS or name in SCANS:
            return self._combine(name, args[0], e.type, mask, QUAD if scope == "quad" else WIDTH)
        if name in VOTES or name in ("active_threads_mask", "is_first"):
            return self._vote(name, args[0] if args else np.ones_like(mask), mask, scope == "quad")
        if name in FILLS:
            return self._fill(name.endswith("up"), *args, *e.data, mask)
        lane = self.lane.astype(np.int64)
        if name == "broadcast_first":
            return self._move(args[0], self._first(mask, scope == "quad"), mask)
        by = args[1].astype(np.int64)
        return self._move(args[0], (quad_source if scope == "quad" else simd_source)(name, lane, by), mask)

    def _combine(self, name: str, x: Array, t: Type, mask: Array, width: int) -> Array:
        if t.kind == "f":
            x = x.astype(np.float32)
        op = name.rsplit("_", 1)[-1]
        ufunc = {
            "sum": np.add, "product": np.multiply, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
            "min": np.fmin if t.kind == "f" else np.minimum, "max": np.fmax if t.kind == "f" else np.maximum,
        }[op]  # fmt: skip
        neutral = np.array(identity(op, t), x.dtype)
        active = self.rows(mask)
        values = self.rows(x)
        values = np.where(active.reshape(active.shape + (1,) * (values.ndim - 2)), values, neutral)
        values = values.reshape(-1, width, *values.shape[2:])
        out = ufunc.accumulate(values, axis=1, dtype=x.dtype)
        if width == QUAD:  # each result in its type: narrow floats are rounded from lane to lane
            for lane in range(1, width):
                out[:, lane] = in_type(ufunc(out[:, lane - 1], values[:, lane], dtype=x.dtype), t)
        if not name.startswith("prefix"):
            out = np.broadcast_to(out[:, -1:], out.shape)
        elif "exclusive" in name:
            out = np.concatenate([np.full_like(out[:, :1], neutral), out[:, :-1]], axis=1)
        out = in_type(out.reshape(*self.shape, *x.shape[1:])[self.at], t)
        return out + t.dtype(0) if t.kind == "f" and op in ("min", "max") else out

    def _vote(self, name: str, predicate: Array, mask: Array, quad: bool) -> Array:
        weights = np.uint64(1) << np.arange(WIDTH, dtype=np.uint64)
        active = (self.rows(mask) * weights).sum(1)[self.row]
        yes = (self.rows(mask & predicate) * weights).sum(1)[self.row]
        if quad:
            by = (self.lane & ~3).astype(np.uint64)
            active, yes = active >> by & np.uint64(15), yes >> by & np.uint64(15)
        if name == "all":
            return active == yes
        if name == "any":
            return yes != 0
        if name == "is_first":
            own = np.uint64(1) << (self.lane & 3 if quad else self.lane).astype(np.uint64)
            return (active & (~active + np.uint64(1))) == own
        return yes if name == "ballot" else active

    def _first(self, mask: Array, quad: bool) -> Array:
        active = self.rows(mask)
        if quad:
            return active.reshape(-1, WIDTH // 4, 4).argmax(2)[self.row, self.lane // 4] + (self.lane & ~3)
        return active.argmax(1)[self.row]

    def _move(self, x: Array, source: Array, mask: Array) -> Array:
        """`x` of lane `source`, as metalpy_kernel.h has it where Metal leaves it open."""
        inside = (source >= 0) & (source < WIDTH)
        at = (self.row, np.where(inside, source, 0))
        shape = inside.shape + (1,) * (x.ndim - 1)
        active = self.rows(mask)[at].reshape(shape)
        of_inactive = x if INACTIVE_READ_AS == "own" else np.zeros_like(x)
        return np.where(inside.reshape(shape), np.where(active, self.rows(x)[at], of_inactive), x)

    def _fill(self, up: bool, data: Array, filling: Array, delta: int, modulo: int, mask: Array) -> Array:
        at = self.lane % modulo
        by = delta % modulo
        own = at + by < modulo if up else at >= by
        passed = np.where(own.reshape(own.shape + (1,) * (data.ndim - 1)), data, filling)
        source = self.lane - at + ((at - by) if up else (at + by)) % modulo
        return self._move(passed, source, mask)


def identity(op: str, t: Type) -> object:
    """What changes nothing when it is combined with another value."""
    if op in ("min", "max") and t.kind == "f":
        return np.nan
    if op in ("min", "max"):
        return (np.iinfo(t.dtype).max, np.iinfo(t.dtype).min)[op == "max"]
    return {"sum": 0, "product": 1, "or": 0, "xor": 0, "and": np.array(-1).astype(t.dtype)}[op]


def simd_source(name: str, lane: Array, by: Array) -> Array:
    """The lane that each lane reads; possibly none."""
    match name:
        case "shuffle" | "broadcast":
            return by
        case "shuffle_up":
            return lane - by
        case "shuffle_down":
            return lane + by
        case "shuffle_xor":
            return lane ^ by
        case "shuffle_rotate_up":
            return (lane - by) % WIDTH
        case "shuffle_rotate_down":
            return (lane + by) % WIDTH
    raise ValueError(name)


def quad_source(name: str, lane: Array, by: Array) -> Array:
    first, at = lane & ~3, lane & 3
    match name:
        case "shuffle" | "broadcast":
            return first + (by & 3)
        case "shuffle_up":
            return np.where(at >= by, lane - by, lane)
        case "shuffle_down":
            return np.where(at + by < 4, lane + by, lane)
        case "shuffle_xor":
            return lane ^ (by & 3)
        case "shuffle_rotate_up":
            return first + (at - by) % 4
        case "shuffle_rotate_down":
            return first + (at + by) % 4
    raise ValueError(name)
