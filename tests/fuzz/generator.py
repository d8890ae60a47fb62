"""Random valid kernels: what a seed stands for."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from . import lanes
from .language import (
    BOOL,
    CHAR,
    FLOAT,
    INT,
    INTEGERS,
    NUMBERS,
    SCALARS,
    UINT,
    ULONG,
    USHORT,
    Expr,
    Function,
    Place,
    Program,
    Stmt,
    Struct,
    Type,
    Var,
)  # fmt: skip
from .operations import ARITY, COMPARISONS, FLOATING, FUSED, INTEGER, RAW_SHIFTS

GRIDS = [
    ((32,), (32,)), ((64,), (64,)), ((100,), (64,)), ((256,), (256,)), ((45,), (48,)), ((97,), (33,)), ((70,), (20,)),
    ((130,), (128,)), ((1,), (1,)), ((200,), (96,)), ((16, 8), (8, 8)), ((37, 5), (16, 4)), ((33, 9), (32, 4)),
    ((20, 10), (5, 5)), ((7, 6, 5), (4, 3, 2)), ((9, 4, 6), (8, 2, 4)), ((40, 3, 2), (32, 1, 2)), ((192,), (160,)),
]  # fmt: skip
WEIGHTS = {"int": 5, "uint": 5, "float": 5, "short": 2, "ushort": 2, "char": 2, "uchar": 2, "long": 2, "ulong": 2,
           "half": 2, "bfloat": 1, "bool": 2}  # fmt: skip
POSITIONS = "id id lane index simdgroup group at.x at.y local.x parameter1 group_threads".split()
ATOMICS = [("add", 0), ("sub", 0), ("and", 8), ("or", 12), ("xor", 16), ("min", 20), ("max", 24)]  # and where they act
OWNED = ["add", "sub", "and", "or", "xor", "min", "max", "signed_min", "signed_max", "exchange", "compare"]
FLAVOURS = ("plain", "simd", "barriers")
FREE_SLOTS = 4  # of each output, for stores with a computed index


@dataclass(frozen=True)
class Scope:
    """What may be written at a place."""

    vars: tuple[Var, ...]
    uniform: bool = False  # all threads of a group come here together: barriers may stand here
    simd: bool = True
    loop: str | None = None  # "uniform": only uniform jumps; "divergent": any
    inside_switch: bool = False
    function: Function | None = None  # whose body this is
    depth: int = 0
    budget: int = 48  # iterations of loops around, multiplied


class Generator:
    """Makes one program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.flavour = self.random.choice(FLAVOURS)
        self.functions: list[Function] = []
        self.meeting: list[Function] = []  # those with functions of simdgroups
        self.vars: list[Var] = []
        self.counters: list[Var] = []
        self.structs: list[Struct] = []
        self.layouts: dict[str, str] = {}
        self.record: list[tuple[str, Type]] = []
        self.readable: tuple[Var, ...] = ()  # counters of the loops around
        self.names = 0
        self.final = FREE_SLOTS
        self.whole = False  # all simdgroups have 32 threads

    def program(self) -> Program:
        grid, group = self.random.choice(GRIDS)
        self.whole = int(np.prod(group)) % 32 == 0 and not any(g % size for g, size in zip(grid, group, strict=True))
        self.declare()
        scope = Scope(tuple(self.vars), self.flavour == "barriers", self.flavour != "plain")
        for _ in range(self.random.randint(0, 3)):
            self.functions.append(self.helper(scope))
        body = [
            Stmt("assign", self.place(var, scope, static=k), [self.leaf(var.type, scope, start=True)])
            for var in self.vars
            for k in range(max(var.length, 1))
        ]
        body += self.block(scope, self.random.randint(2, 6))
        body += self.results(scope)
        vars_ = self.vars + self.counters
        return Program(
            self.seed, grid, group, vars_, self.structs, self.functions, body, self.record, self.layouts, self.final
        )  # fmt: skip

    # ---- declarations ----

    def name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def scalar_name(self, names: list[str] | None = None) -> str:
        names = names or list(WEIGHTS)
        return self.random.choices(names, [WEIGHTS[n] for n in names])[0]

    def type(self) -> Type:
        n = self.random.choice((1, 1, 1, 2, 3, 4))
        name = self.scalar_name()
        return Type(name, n if name != "bool" else 1)

    def declare(self) -> None:
        self.vars = [Var(self.name("x"), INT), Var(self.name("x"), UINT), Var(self.name("x"), FLOAT)]
        self.vars += [Var(self.name("v"), self.type()) for _ in range(self.random.randint(3, 7))]
        for _ in range(self.random.randint(0, 2)):
            t = self.type()
            for _ in range(self.random.choice((1, 1, 2))):
                self.vars.append(Var(self.name("a") + "[{}]", t, self.random.randint(2, 6)))
        self.record = [(self.name("f"), self.type()) for _ in range(self.random.randint(2, 5))]
        if self.random.random() < 0.4:
            length = self.random.choice((0, 0, 3))
            struct = Struct(self.name("S"), [], length, [])
            base = struct.name.lower() + ("[{}]" if length else "")
            for _ in range(self.random.randint(2, 4)):
                name, t = self.name("f"), self.type()
                inner = 3 if not length and self.random.random() < 0.3 else 0
                struct.fields.append((name, t, inner))
                struct.vars.append(Var(f"{base}.{name}{'[{}]' if inner else ''}", t, length or inner))
            self.structs.append(struct)
            self.vars += struct.vars

    def counter(self, scope: Scope) -> Var:
        var = Var(self.name("c"), self.random.choice((INT, UINT)))
        (scope.function.locals if scope.function else self.counters).append(var)
        return var

    def helper(self, scope: Scope) -> Function:
        parameters = [Var(self.name("p"), self.type()) for _ in range(self.random.randint(1, 3))]
        reference = None
        if self.random.random() < 0.5:
            like = self.random.choice([v for v in self.vars if "." not in v.text])
            name = self.name("r")
            reference = Var(f"{name}[{{}}]" if like.length else name, like.type, like.length)
        locals_ = [Var(self.name("l"), self.type()) for _ in range(self.random.randint(0, 2))]
        function = Function(self.name("helper"), self.type(), parameters, reference, locals_, [])
        function.noinline = self.random.random() < 0.3
        visible = (*parameters, *locals_, *([reference] if reference else []))
        simd = scope.simd and self.random.random() < 0.5
        if simd:
            self.meeting.append(function)
        inner = Scope(visible, simd=simd, function=function, depth=1, budget=8)
        function.body = self.block(inner, self.random.randint(1, 3))
        function.body.append(Stmt("return", exprs=[self.expr(function.result, inner, 3)]))
        return function

    def results(self, scope: Scope) -> list[Stmt]:
        """Stores of every variable, each to a slot of its own."""
        out = []
        for var in self.vars:
            for k in range(max(var.length, 1)):
                read = self.read(var, scope, static=k)
                for c in range(var.type.n):
                    value = read if var.type.n == 1 else Expr("swizzle", var.type.scalar, [read], [c])
                    out.append(Stmt("store", exprs=[value], data=(self.output(var.type.name), self.final)))
                    self.final += 1
        return out

    def output(self, name: str) -> str:
        self.layouts.setdefault(name, self.random.choice(("rows", "rows", "columns", "reversed", "permuted")))
        return name

    # ---- statements ----

    def block(self, scope: Scope, count: int) -> list[Stmt]:
        out = []
        for _ in range(count):
            out += self.statement(scope)
        return out

    def statement(self, scope: Scope) -> list[Stmt]:
        choices = {"assign": 8, "store": 2, "atomic": 1, "owned": 1, "if": 4, "loop": 4, "switch": 2}
        choices["call"] = 1 + len(self.functions)
        arrays = self.arrays(scope)
        choices["pick"] = 2 if any(a is not b and a.type == b.type for a in arrays for b in arrays) else 0
        if scope.depth >= 3:
            choices.update({"if": 1, "loop": 0, "switch": 0})
        if scope.function:
            choices.update({"store": 0, "atomic": 0, "owned": 0, "call": len(self.functions)})
        if scope.uniform:
            choices.update({"exchange": 4, "tree": 2, "histogram": 2, "simdgroup_barrier": 2})
            choices["matrix"] = 6 * self.whole
            choices.update({"uniform_if": 4, "uniform_loop": 4})
            if scope.depth >= 3:
                choices.update({"uniform_if": 0, "uniform_loop": 0})
        if self.can_jump(scope):
            choices["jump"] = 2
        kind = self.random.choices(list(choices), list(choices.values()))[0]
        made = getattr(self, f"make_{kind}")(scope)
        return made if isinstance(made, list) else [made]

    def can_jump(self, scope: Scope) -> bool:
        if scope.function is not None or scope.loop == "divergent":
            return True
        return (self.flavour != "barriers" and scope.depth > 0) or (scope.loop == "uniform" and scope.uniform)

    def deeper(self, scope: Scope, **changes: object) -> Scope:
        return replace(scope, depth=scope.depth + 1, **changes)  # type: ignore[arg-type]

    def assignable(self, scope: Scope) -> Var:
        return self.random.choice(scope.vars)

    def make_assign(self, scope: Scope) -> Stmt:
        place = self.place(self.assignable(scope), scope)
        return Stmt("assign", place, [self.expr(place.type, scope, 3)])

    def make_store(self, scope: Scope) -> Stmt:
        name = self.output(self.scalar_name())
        return Stmt("store", exprs=[self.expr(Type(name), scope, 3), self.expr(UINT, scope, 2)], data=(name, None))

    def arrays(self, scope: Scope) -> list[Var]:
        """Those that are no fields of a struct."""
        return [v for v in scope.vars if v.length and "." not in v.text]

    def make_pick(self, scope: Scope) -> Stmt:
        """An assignment to an element of one of two arrays, by a pointer."""
        arrays = self.arrays(scope)
        a, b = self.random.choice([(a, b) for a in arrays for b in arrays if a is not b and a.type == b.type])
        exprs = [self.expr(a.type, scope, 3), self.expr(BOOL, scope, 2), self.expr(UINT, scope, 2)]
        return Stmt("pick", exprs=exprs, data=(a, b))

    def make_atomic(self, scope: Scope) -> Stmt:
        op, offset = self.random.choice(ATOMICS)
        size = self.random.choice((1, 4)) if offset else self.random.choice((1, 8))
        return Stmt("atomic", exprs=[self.expr(UINT, scope, 2), self.expr(UINT, scope, 3)], data=(op, offset, size))

    def make_owned(self, scope: Scope) -> Stmt:
        """An atomic operation on a number that no other thread touches; what it gives is known."""
        fits = [v for v in scope.vars if v.type == UINT]
        exprs = [self.expr(UINT, scope, 2), self.expr(UINT, scope, 2)]
        return Stmt("owned", self.place(self.random.choice(fits), scope), exprs, data=self.random.choice(OWNED))

    def make_call(self, scope: Scope) -> list[Stmt]:
        functions = [f for f in self.functions if scope.simd or f not in self.meeting]
        if not functions:
            return [self.make_assign(scope)]
        f = self.random.choice(functions)
        reference = None
        if f.reference is not None:
            fits = [
                v for v in scope.vars
                if (v.type, v.length) == (f.reference.type, f.reference.length) and "." not in v.text
            ]  # fmt: skip
            if not fits:
                return [self.make_assign(scope)]
            reference = self.random.choice(fits)
        targets = [v for v in scope.vars if v.type == f.result and v is not reference]
        args = [self.expr(p.type, scope, 2) for p in f.parameters]
        if not targets:
            if reference is not None:
                return [self.make_assign(scope)]
            if scope.function is not None:
                return [self.make_assign(scope)]
            value = Expr("call", f.result, args, f)
            return [Stmt("store", exprs=[self.component(value, scope)], data=self.slot(value))]
        return [Stmt("call", self.place(self.random.choice(targets), scope, quiet=True), args, data=(f, reference))]

    def slot(self, value: Expr) -> tuple[str, int]:
        self.final += 1
        return self.output(value.type.name), self.final - 1

    def component(self, value: Expr, scope: Scope) -> Expr:
        return value if value.type.n == 1 else Expr("component", value.type.scalar, [value, self.expr(UINT, scope, 1)])

    def make_if(self, scope: Scope) -> Stmt:
        inner = self.deeper(scope, uniform=False, loop=self.inner_loop(scope))
        then, other = self.arm(inner), self.arm(inner) if self.random.random() < 0.5 else []
        return Stmt("if", exprs=[self.expr(BOOL, scope, 3)], blocks=[then, other])

    def inner_loop(self, scope: Scope) -> str | None:
        return None if scope.loop == "uniform" else scope.loop

    def arm(self, scope: Scope) -> list[Stmt]:
        """A block that may end with a jump."""
        if self.can_jump(scope) and self.random.random() < 0.3:
            return [*self.block(scope, self.random.randint(0, 2)), self.jump(scope)]
        return self.block(scope, self.random.randint(1, 3))

    def jump(self, scope: Scope) -> Stmt:
        kinds = []
        if scope.loop and (scope.loop == "divergent" or scope.uniform):
            kinds = ["continue"] if scope.inside_switch else ["break", "break", "continue"]
        if scope.function is not None or self.flavour != "barriers":
            kinds.append("return")
        kind = self.random.choice(kinds)
        if kind == "return" and scope.function is not None:
            return Stmt("return", exprs=[self.expr(scope.function.result, scope, 2)])
        return Stmt(kind)

    def make_jump(self, scope: Scope) -> Stmt:
        condition = self.uniform_bool(scope) if scope.loop == "uniform" else self.expr(BOOL, scope, 3)
        before = self.block(replace(scope, uniform=False, depth=5), self.random.randint(0, 1))
        return Stmt("if", exprs=[condition], blocks=[[*before, self.jump(scope)], []])

    def make_loop(self, scope: Scope) -> Stmt:
        limit = min(self.random.randint(1, 7), scope.budget)
        inner = self.deeper(scope, uniform=False, loop="divergent", inside_switch=False, budget=scope.budget // limit)
        if inner.budget < 2:
            inner = replace(inner, depth=5)
        form = self.random.choice(("up", "up", "down", "while", "do", "forever"))
        counter = self.counter(scope)
        head = replace(scope, vars=(*scope.vars, counter)) if form != "down" else scope
        bound = self.expr(UINT, head, 3) if form in ("up", "down") else self.expr(BOOL, head, 3)
        if form in ("up", "down") and scope.function is None and self.random.random() < 0.3:
            bound = self.uniform_uint(scope)
        body = self.loop_body(inner, counter)
        return Stmt("loop", Place(counter), [bound], [body], (form, limit))

    def loop_body(self, scope: Scope, counter: Var) -> list[Stmt]:
        self.readable = (*self.readable, counter)
        body = self.block(scope, self.random.randint(1, 4))
        self.readable = self.readable[:-1]
        return body

    def make_switch(self, scope: Scope) -> Stmt:
        inner = self.deeper(scope, uniform=False, loop=self.inner_loop(scope), inside_switch=True)
        cases: list[int | None] = self.random.sample(range(8), self.random.randint(1, 4))  # type: ignore[assignment]
        if self.random.random() < 0.7:
            cases.insert(self.random.randint(0, len(cases)), None)
        data = [(case, self.random.random() < 0.6) for case in cases]
        return Stmt("switch", exprs=[self.expr(UINT, scope, 3)], blocks=[self.arm(inner) for _ in cases], data=data)

    def make_uniform_if(self, scope: Scope) -> Stmt:
        inner = self.deeper(scope)
        then = self.block(inner, self.random.randint(1, 3))
        other = self.block(inner, self.random.randint(1, 2)) if self.random.random() < 0.4 else []
        return Stmt("if", exprs=[self.uniform_bool(scope)], blocks=[then, other])

    def make_uniform_loop(self, scope: Scope) -> Stmt:
        limit = min(self.random.randint(2, 5), scope.budget)
        inner = self.deeper(scope, loop="uniform", inside_switch=False, budget=scope.budget // limit)
        counter = self.counter(scope)
        form = self.random.choice(("up", "down", "while"))
        bound = self.uniform_uint(scope) if form != "while" else self.uniform_bool(scope)
        body = self.loop_body(inner, counter)
        return Stmt("loop", Place(counter), [bound], [body], (form, limit))

    def make_exchange(self, scope: Scope) -> Stmt:
        place = self.place(self.assignable(scope), scope)
        t = place.type
        exprs = [self.expr(t, scope, 3), self.expr(BOOL, scope, 2), self.expr(t, scope, 2), self.expr(UINT, scope, 2)]
        return Stmt("exchange", place, exprs)

    def make_tree(self, scope: Scope) -> Stmt:
        vars_ = [v for v in scope.vars if v.type.kind in "iu" and v.type.n == 1]
        place = self.place(self.random.choice(vars_), scope)
        return Stmt("tree", place, [self.expr(place.type, scope, 3)], data=self.random.choice(("add", "xor", "max")))

    def make_histogram(self, scope: Scope) -> Stmt:
        place = self.place(self.random.choice([v for v in scope.vars if v.type == UINT]), scope)
        exprs = [self.expr(UINT, scope, 2) for _ in range(3)]
        op = self.random.choice(("add", "add", "sub", "or", "xor", "max"))
        return Stmt("histogram", place, exprs, data=(self.random.choice((5, 16, 40)), op))

    def make_matrix(self, scope: Scope) -> Stmt:
        """An element of the product of two matrices of each simdgroup, of numbers so small that it is exact."""
        place = self.place(self.random.choice([v for v in scope.vars if v.type == FLOAT]), scope)
        exprs = [self.expr(CHAR, scope, 2) for _ in range(4)] + [self.expr(UINT, scope, 2)]
        data = (self.random.choice(("float", "half", "bfloat")), *(self.random.random() < 0.5 for _ in range(2)))
        return Stmt("matrix", place, exprs, data=data)

    def make_simdgroup_barrier(self, scope: Scope) -> Stmt:
        return Stmt("simdgroup_barrier")

    # ---- places ----

    def place(self, var: Var, scope: Scope, static: int | None = None, quiet: bool = False) -> Place:
        """Somewhere in `var`. `quiet`: nothing may be read that a call beside it changes, so indices are constants."""
        if static is not None:
            return Place(var, self.number(static) if var.length else None)
        index = None
        if var.length:
            index = self.number(self.random.randrange(var.length)) if quiet else self.expr(UINT, scope, 2)
        component = None
        if var.type.n > 1 and not quiet and self.random.random() < 0.4:
            component = self.expr(UINT, scope, 1)
        return Place(var, index, component)

    def read(self, var: Var, scope: Scope, static: int | None = None) -> Expr:
        if not var.length:
            return Expr("read", var.type, [], var)
        return Expr("read", var.type, [self.number(static) if static is not None else self.expr(UINT, scope, 1)], var)

    # ---- expressions ----

    def number(self, x: int) -> Expr:
        return Expr("literal", UINT, [], x)

    def literal(self, t: Type) -> Expr:
        def one() -> object:
            if t.name == "bool":
                return self.random.random() < 0.5
            if t.kind == "f":
                return self.random.choice((0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 100.0, 0.25, 7.0, -0.125, 1024.0))
            info = np.iinfo(t.dtype)
            edge = (0, 1, 2, 3, 5, 7, 31, int(info.max), int(info.min), 100)
            return self.random.choice((*edge, -1, -7)) if info.min else self.random.choice(edge)

        return Expr("literal", t, [], one() if t.n == 1 else [one() for _ in range(t.n)])

    def uniform_uint(self, scope: Scope) -> Expr:
        """The same in every thread of a group."""
        r = self.random.random()
        counters = [c for c in self.readable if c.type == UINT] if scope.loop == "uniform" else []
        if counters and r < 0.3:
            return Expr("read", UINT, [], self.random.choice(counters))
        if r < 0.6:
            return Expr("builtin", UINT, [], self.random.choice(("group", "group_threads", "size.x", "threads")))
        if r < 0.8:
            return Expr("builtin", UINT, [], f"parameter{self.random.randrange(4)}")
        return self.number(self.random.randrange(12))

    def uniform_bool(self, scope: Scope) -> Expr:
        parts = [self.uniform_uint(scope), self.number(self.random.randrange(1, 4))]
        left = Expr(self.random.choice(("and", "add", "xor")), UINT, parts)
        return Expr(self.random.choice(list(COMPARISONS)), BOOL, [left, self.uniform_uint(scope)])

    def leaf(self, t: Type, scope: Scope, start: bool = False) -> Expr:
        r = self.random.random()
        fits = [v for v in (*scope.vars, *self.readable) if v.type == t]
        if scope.function is not None:
            fits = [v for v in fits if v in scope.vars or v in scope.function.locals]
        if fits and r < 0.6 and not start:
            return self.read(self.random.choice(fits), scope)
        if r < 0.75 and t == UINT:
            if scope.function is not None:
                return self.literal(t)
            return Expr("builtin", UINT, [], self.random.choice(POSITIONS))
        if r < 0.85 and scope.function is None and (t.name != "bool" or t.n == 1):
            fields = [k for k, (_, of) in enumerate(self.record) if of == t]
            if fields and self.random.random() < 0.5:
                return Expr("record", t, [self.expr(UINT, scope, 1)], self.random.choice(fields))
            if self.random.random() < 0.4:
                bases = ("id", "id", "index", "lane", "backwards", "zero") if t.n == 1 else ("lane", "zero")
                packed = self.random.random() < 0.3
                return Expr("near", t, [], (self.random.choice(bases), self.random.choice((0, 0, 1, 2, 7)), packed))
            near = start or self.random.random() < 0.5
            where = Expr("builtin", UINT, [], "id") if near else self.expr(UINT, scope, 1)
            return Expr("load", t, [where], self.random.random() < 0.3)
        return self.literal(t)

    def expr(self, t: Type, scope: Scope, depth: int) -> Expr:
        if depth <= 0 or self.random.random() < 0.12:
            return self.leaf(t, scope)
        options = [self.arithmetic] * 5 + [self.conversion] * 2 + [self.choice] * 2 + [self.leaf_at] * 2
        if scope.simd:
            options += [self.lanes] * 3
        if t.n > 1 or t == BOOL:
            options.append(self.vector)
        if t.name in ("uint", "ulong", "int", "ushort", "uchar"):
            options.append(self.reinterpretation)
        if t.n == 1 and scope.function is None:
            options.append(self.own)
        if t.n == 1 and self.functions:
            options.append(self.called)
        return self.random.choice(options)(t, scope, depth - 1)

    def leaf_at(self, t: Type, scope: Scope, depth: int) -> Expr:
        return self.leaf(t, scope)

    def arithmetic(self, t: Type, scope: Scope, depth: int) -> Expr:
        if t == BOOL:
            return self.truth(scope, depth)
        if t.name == "bool":
            of = Type(self.scalar_name(NUMBERS), t.n)
            return Expr(self.random.choice(list(COMPARISONS)), t, [self.expr(of, scope, depth) for _ in range(2)])
        if t.kind == "f":
            names = list(FLOATING) + (list(FUSED) * 2 if t.name == "float" else []) + ["fadd", "fsub", "fmul"] * 3
        elif self.random.random() < 0.1:
            fields = [self.expr(t, scope, depth), self.expr(UINT, scope, 1), self.expr(UINT, scope, 1)]
            if self.random.random() < 0.5:
                return Expr("extract_bits", t, fields)
            return Expr("insert_bits", t, [self.expr(t, scope, depth), *fields])
        else:
            names = list(INTEGER) + ["add", "sub", "mul", "xor", "and"] * 3
            if t.n == 1 and t.bits >= 32:
                names += list(RAW_SHIFTS)
        op = self.random.choice(names)
        return Expr(op, t, [self.expr(t, scope, depth) for _ in range(ARITY[op])])

    def truth(self, scope: Scope, depth: int) -> Expr:
        r = self.random.random()
        if r < 0.25:
            return Expr(self.random.choice(("land", "lor")), BOOL, [self.expr(BOOL, scope, depth) for _ in range(2)])
        if r < 0.35:
            op = self.random.choice(("lnot", "lxor"))
            return Expr(op, BOOL, [self.expr(BOOL, scope, depth) for _ in range(ARITY[op])])
        of = Type(self.scalar_name(NUMBERS))
        return Expr(self.random.choice(list(COMPARISONS)), BOOL, [self.expr(of, scope, depth) for _ in range(2)])

    def conversion(self, t: Type, scope: Scope, depth: int) -> Expr:
        others = [name for name in SCALARS if name != t.name and (name != "bool" or t.n == 1)]
        return Expr("convert", t, [self.expr(t.with_name(self.scalar_name(others)), scope, depth)])

    def choice(self, t: Type, scope: Scope, depth: int) -> Expr:
        if self.random.random() < 0.6 or t.name == "bool":
            parts = [self.expr(BOOL, scope, depth), self.expr(t, scope, depth), self.expr(t, scope, depth)]
            return Expr("conditional", t, parts)
        c = Type("bool", t.n)
        return Expr("select", t, [self.expr(t, scope, depth), self.expr(t, scope, depth), self.expr(c, scope, depth)])

    def vector(self, t: Type, scope: Scope, depth: int) -> Expr:
        if t == BOOL:
            of = self.expr(Type("bool", self.random.choice((2, 3, 4))), scope, depth)
            return Expr(self.random.choice(("all", "any")), t, [of])
        if self.random.random() < 0.5 or t.name == "bool":
            return Expr("construct", t, [self.expr(t.scalar, scope, depth) for _ in range(t.n)])
        n = self.random.choice((2, 3, 4))
        picks = [self.random.randrange(n) for _ in range(t.n)]
        return Expr("swizzle", t, [self.expr(Type(t.name, n), scope, depth)], picks)

    def reinterpretation(self, t: Type, scope: Scope, depth: int) -> Expr:
        if t == UINT and self.random.random() < 0.4:
            return Expr("float_bits", UINT, [self.expr(Type("float"), scope, depth)])
        size = t.bits * t.n // 8
        fits = [
            Type(name, n) for name in INTEGERS for n in (1, 2, 4)
            if Type(name).bits * n // 8 == size and (name, n) != (t.name, t.n)
        ]  # fmt: skip
        if not fits or t.n == 3:
            return self.arithmetic(t, scope, depth)
        return Expr("as_type", t, [self.expr(self.random.choice(fits), scope, depth)])

    def own(self, t: Type, scope: Scope, depth: int) -> Expr:
        return Expr("own", t, [self.expr(UINT, scope, 1)], (self.output(t.name), None))

    def called(self, t: Type, scope: Scope, depth: int) -> Expr:
        fits = [
            f for f in self.functions if f.result == t and f.reference is None and (scope.simd or f not in self.meeting)
        ]
        if not fits:
            return self.leaf(t, scope)
        f = self.random.choice(fits)
        return Expr("call", t, [self.expr(p.type, scope, depth - 1) for p in f.parameters], f)

    # ---- functions of simdgroups ----

    def lanes(self, t: Type, scope: Scope, depth: int) -> Expr:
        scope_name = self.random.choice(("simd", "simd", "quad"))
        if t == BOOL:
            name = self.random.choice(("all", "any", "is_first"))
            return Expr(f"{scope_name}_{name}", t, [] if name == "is_first" else [self.expr(BOOL, scope, depth)])
        if t.name == "bool":
            return self.arithmetic(t, scope, depth)
        if t == ULONG and self.random.random() < 0.5:
            name = self.random.choice(("ballot", "active_threads_mask"))
            return Expr(f"{scope_name}_{name}", t, [self.expr(BOOL, scope, depth)] if name == "ballot" else [])
        if self.random.random() < 0.5:
            return self.reduction(scope_name, t, scope, depth)
        return self.move(scope_name, t, scope, depth)

    def reduction(self, scope_name: str, t: Type, scope: Scope, depth: int) -> Expr:
        """Sums and products of floats are of such that every order of adding gives the same."""
        if t.kind != "f":
            name = self.random.choice(lanes.REDUCTIONS + lanes.SCANS)
            return Expr(f"{scope_name}_{name}", t, [self.expr(t, scope, depth)])
        name = self.random.choice([*lanes.REDUCTIONS[:4], *lanes.SCANS])
        if name.endswith("sum"):
            x = Expr("convert", t, [self.expr(t.with_name("char"), scope, depth)])
        elif name.endswith("product"):
            x = Expr("power_of_two", t, [self.expr(t.with_name("int"), scope, depth)])
        else:
            x = self.expr(t, scope, depth)
        return Expr(f"{scope_name}_{name}", t, [x])

    def move(self, scope_name: str, t: Type, scope: Scope, depth: int) -> Expr:
        width = 32 if scope_name == "simd" else 4
        value = self.expr(t, scope, depth)
        name = self.random.choice([*lanes.MOVES, "shuffle", "broadcast_first", *lanes.FILLS])
        if name == "broadcast_first":
            return Expr(f"{scope_name}_{name}", t, [value])
        if name in lanes.FILLS:
            modulo = self.random.choice((2, 4, 8, 16, 32)[: 5 if width == 32 else 2])
            data = (self.random.randrange(modulo + 1), modulo)
            return Expr(f"{scope_name}_{name}", t, [value, self.expr(t, scope, depth)], data)
        by = Expr("literal", USHORT, [], self.random.randrange(width))
        if name == "shuffle":
            by = Expr("and", USHORT, [self.expr(USHORT, scope, depth), Expr("literal", USHORT, [], width - 1)])
        return Expr(f"{scope_name}_{name}", t, [value, by])


def generate(seed: int) -> Program:
    """The program of a seed."""
    return Generator(seed).program()
