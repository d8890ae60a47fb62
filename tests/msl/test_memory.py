"""Address spaces, pointer casts, structs, unions, threadgroup memory, barriers, program-scope constants."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.case import Case, library

pytestmark = pytest.mark.usefixtures("device")

rng = np.random.default_rng(5)
F4, I4, U4 = np.float32, np.int32, np.uint32


def floats(*shape):
    return rng.standard_normal(shape, dtype=F4)


# ---- address spaces ----


def test_pointers_into_address_spaces():
    x, c = floats(20), floats(20)
    Case("address_spaces", "pointers", (20, F4), (x, c), lambda x, c: x + c[0] + F4(0.5)).check()


def test_references_into_threadgroup_memory():
    Case("address_spaces", "references", (8, I4), (), np.tile([20, 10], 4), launch={"group_size": 8}).check()


def test_functions_that_differ_in_address_space():
    x, c = floats(16), floats(1)

    def expect(x, c):
        return (x + F4(100)) + (c + F4(100)) + F4(1100) + F4(2) * x + F4(10)

    Case("address_space_twins", "functions", (16, F4), (x, c), expect, ulp=2, launch={"group_size": 16}).check()


def test_traits_that_differ_in_address_space():
    x, c = floats(16), floats(16)
    Case("address_space_twins", "traits", (16, F4), (x, c), np.add).check()


def test_methods_that_differ_in_address_space():
    z = floats(16, 2)

    def expect(z):
        w = z + np.array([1, 2], F4)
        return (w * w).sum(1) + (z * z).sum(1)

    Case("address_space_twins", "methods", (16, F4), (z,), expect, launch={"threads": 16}).check()


def test_functions_that_do_different_things_by_address_space():
    x, c = np.array([1, 2], I4), np.array([3], I4)
    expected = [11, 23, 35, 42, 28, 11, 12, 6, 3, 152, 1154, 5010, 12, 23, 34, 42, 17]
    Case("address_space_overloads", "functions", (17, I4), (x, c), expected, launch={"threads": 1}).check()


def test_methods_that_do_different_things_by_address_space():
    x, c = np.array([3, 4], I4).view(np.uint8), np.array([5], I4).view(np.uint8)
    expected = [1, 2, 3, 4, 6, -9, 13, 7, 103, 203, 15, 16, 14, 23]
    Case("address_space_overloads", "methods", (14, I4), (x, c), expected, launch={"threads": 1}).check()


def test_constructors_that_do_different_things_by_address_space():
    x, c = np.array([3, 40], I4), np.array([2], I4)
    expected = [3, 5, 70, 2, 400, 2000, 40, -8, 3, 1007]
    Case("address_space_overloads", "constructors", (10, I4), (x, c), expected, launch={"threads": 1}).check()


def test_specialisations_that_do_different_things_by_address_space():
    x = np.array([3], I4)
    expected = [0, 1, 3, 4, 4, 8, 75, 6, 3]
    Case("address_space_overloads", "specialisations", (9, I4), (x,), expected, launch={"threads": 1}).check()


def test_specialisations_for_types_that_do_not_tell_a_space():
    program = """
template <typename T> struct S { enum { v = 0 }; };
template <typename T> struct S<device T*> { enum { v = 1 }; };
template <typename T> struct S<threadgroup T*> { enum { v = 2 }; };
kernel void k(device int* o) { *o = S<decltype(o)>::v; }"""
    with pytest.raises(mp.CompileError, match="which specialisation of 'S' is meant depends on an address space"):
        mp.mps.compile_shader(program)


def test_specialisations_for_one_space_only():
    program = """
template <typename T> struct is_device { enum { v = 0 }; };
template <typename T> struct is_device<device T*> { enum { v = 1 }; };
template <typename T> struct held { enum { v = 0 }; };
template <> struct held<threadgroup float&> { enum { v = 5 }; };
template <typename T> struct element;
template <typename T> struct element<device T*> { using type = T; };
kernel void k(device int* o) {
  o[0] = is_device<device int*>::v, o[1] = is_device<thread int*>::v, o[2] = is_device<constant int*>::v;
  o[3] = is_device<int>::v, o[4] = held<threadgroup float&>::v, o[5] = held<device float&>::v;
  o[6] = element<decltype(o)>::type(7.5f);
}"""
    out = mp.zeros(7, dtype=I4)
    mp.mps.compile_shader(program).k(out, threads=1)
    assert out.tolist() == [1, 0, 0, 0, 5, 0, 7]


def test_overloads_with_defaults_of_their_own():
    x, there = np.array([3], I4), np.array([20], I4).view(np.uint8)
    expected = [4, 72, 12, 79, 8, 71, 7, 603, 213, -437, -417, 653, 214, 218, 18]
    Case("address_space_overloads", "defaults", (15, I4), (x, there), expected, launch={"threads": 1}).check()


def test_overloads_that_differ_in_an_address_space_and_in_a_number():
    x, there = np.array([3], I4), np.array([1], I4).view(np.uint8)
    expected = [6, 1, 3, 3, 2, 1, 1, 1, 3, 70, 4, 6, 201, 5, 202, 6, 1, 6, 3, 1, 2, 1]
    Case("address_space_overloads", "ranks", (22, I4), (x, there), expected, launch={"threads": 1}).check()


TWO = """
static int f(const device int* p) { return 1; }
static int f(constant int* p) { return 2; }
"""


@pytest.mark.parametrize(
    ("program", "message", "line"),
    [
        # A pointer in a buffer: nothing in machine code says where it points.
        # The one that may be called without it is for another space.
        ("int h(device int* p, int n = 1) { return n; }\nint h(thread int* p, int n) { return 2; }\n"
         "kernel void k(device int* o) { int x; *o = h(&x); }", "'h' with an address space that no overload is for", 4),
        ("struct A { const device int* p [[id(0)]]; };\nkernel void k(device int* o, constant A& a) { *o = f(a.p); }",
         "address space of its argument 1, which cannot be told", 2),
        ("kernel void k(device int* o) { int x = 0; *o = f(&x); }", "an address space that no overload is for", 2),
        # Two to which the number converts, for the space that is meant; one that returns something else.
        ("static int g(device int* p, float x) { return 1; }\nstatic int g(device int* p, half x) { return 3; }\n"
         "static int g(thread int* p, int x) { return 2; }\n"
         "kernel void k(device int* o) { *o = g(o, 1); }", "'g' with an address space that no overload is for", 4),
        ("static float g(device int* p, float x) { return 1; }\nstatic int g(thread int* p, int x) { return 2; }\n"
         "kernel void k(device int* o) { *o = g(o, 1); }", "'g' with an address space that no overload is for", 4),
        ("static int g(device int* p);\nstatic int g(thread int* p) { return 1; }\n"
         "static int g(device int* p) { return *p > 0 ? g(p + 1) + g(p + 2) : 0; }\n"
         "kernel void k(device int* o) { *o = g(o); }", "'g' of kernel 'k' calls itself", 6),
    ],
)  # fmt: skip
def test_what_cannot_be_told_of_address_spaces(program, message, line):
    with pytest.raises(mp.CompileError, match=message) as caught:
        mp.mps.compile_shader(TWO + program)
    assert caught.value.lineno == line


def test_errors_beside_overloads_have_their_own_place():
    with pytest.raises(mp.CompileError) as caught:
        mp.mps.compile_shader(TWO.replace("return 2;", "return two;"))
    (found,) = caught.value.diagnostics
    assert (found.line, found.column, found.message) == (3, 40, "use of undeclared identifier 'two'")


# ---- pointer casts ----


def test_floats_as_vectors():
    x = floats(64)
    Case(
        "pointer_casts", "as_vectors", (64, F4), (x,),
        lambda x: 2 * x.reshape(-1, 4)[:, ::-1].ravel(), launch={"threads": 16},
    ).check()  # fmt: skip


def test_vectors_at_any_element():
    x = floats(83)
    expected = np.zeros(70, F4)
    expected[3:67] = np.lib.stride_tricks.sliding_window_view(x, 4)[1::5][:16].ravel() + F4(1)
    Case("pointer_casts", "vectors_anywhere", (70, F4), (x,), expected, launch={"threads": 16}).check()


def test_void_pointer():
    x = rng.integers(0, 256, 60, np.uint8)

    def expect(x):
        a, b, c = x.reshape(-1, 3).astype(U4).T
        return a + 256 * b + 65536 * c

    Case("pointer_casts", "as_bytes", (20, U4), (x,), expect).check()


def test_char_pointer_to_structs():
    blocks = np.zeros(8, [("scale", "f2"), ("quants", "u1", 6)])
    blocks["scale"], blocks["quants"] = floats(8), rng.integers(0, 256, (8, 6))
    expected = (blocks["scale"][:, None] * blocks["quants"].astype(np.float16)).ravel().astype(F4)
    Case("pointer_casts", "as_struct", (48, F4), (blocks.view(np.int8),), expected).check()


def test_threadgroup_memory_as_another_type():
    i = np.arange(64)
    expected = (i + ((1000 + i) << 16))[::-1]
    Case("pointer_casts", "threadgroup_views", (64, U4), (), expected, launch={"group_size": 64}).check()


def test_private_memory_as_another_type():
    x = rng.integers(0, 2**32, 20, U4)
    Case("pointer_casts", "thread_views", (20, U4), (x,), lambda x: (x ^ 0xFF) + np.arange(20, dtype=U4)).check()


# ---- structs and unions ----


PARAMS = np.dtype(
    {
        "names": ["flag", "range", "direction", "origin", "table", "pair", "big", "enabled"],
        "formats": ["u1", [("low", "f4"), ("high", "f4")], ("f4", 3), ("f4", 3), ("i4", 4), ("f2", 2), "u8", "?"],
        "offsets": [0, 4, 16, 32, 44, 60, 64, 72],
        "itemsize": 80,
    }
)


def params():
    p = np.zeros((), PARAMS)
    p["flag"], p["big"], p["enabled"] = 200, 2**63 + 12345, True
    p["range"] = (2.5, 7.25)
    p["direction"], p["origin"] = [1, 2, 3], [0.5, -1.5, 0.25]
    p["table"], p["pair"] = [10, -20, 30, -40], [1, 0.75]
    return p


def from_constant(p, n=12):
    x = np.arange(n)
    r = np.clip(x, p["range"]["low"], p["range"]["high"]) + p["direction"] @ p["origin"] + p["table"][x % 4]
    return r + p["pair"][1] + int(p["big"]) % 1000 + p["flag"]


def as_dict(p):
    return {
        "flag": int(p["flag"]),
        "range": {"low": float(p["range"]["low"]), "high": float(p["range"]["high"])},
        "direction": p["direction"].tolist(),
        "origin": tuple(p["origin"].tolist()),
        "table": p["table"],
        "pair": p["pair"].tolist(),
        "big": int(p["big"]),
        "enabled": bool(p["enabled"]),
    }


@pytest.mark.parametrize("form", ["scalar", "dict", "array"])
def test_struct_in_constant_memory(form):
    p = params()
    given = {"scalar": p[()], "dict": as_dict(p), "array": np.array([p])}[form]
    Case("structs", "from_constant", (12, F4), (given,), from_constant(p)).check()


def test_layout_of_a_struct():
    (argument,) = [a for a in library("structs").from_constant.arguments if a.name == "p"]
    assert argument.type.size == PARAMS.itemsize
    assert {f.name: f.offset for f in argument.type.fields} == {n: PARAMS.fields[n][1] for n in PARAMS.names}


def test_struct_in_device_memory():
    particle = np.dtype(
        {"names": ["position", "mass", "tags"], "formats": [("f4", 3), "f4", ("i4", 4)], "offsets": [0, 12, 16]}
    )
    before = np.zeros(9, particle)
    before["position"], before["mass"], before["tags"] = floats(9, 3), floats(9), rng.integers(0, 99, (9, 4))
    after = before.copy()
    after["position"] += np.array([1, 2, 3], F4) * before["mass"][:, None]
    after["tags"][:, 2:] = before["tags"][:, :2]
    after["mass"] *= 2
    x = mp.array(before)
    library("structs").update(x)
    np.testing.assert_array_equal(np.asarray(x), after)


def test_struct_by_device_reference():
    p = params()
    x = mp.array(p.reshape(1))
    library("structs").by_device_reference(x, threads=4)
    got = np.asarray(x)[0]
    np.testing.assert_array_equal(got["table"], p["table"] + np.arange(4))
    assert (got["range"]["low"], got["range"]["high"]) == (7.25, 2.5)


def test_struct_operators():
    x = rng.integers(-99, 99, (10, 2), I4)
    Case(
        "structs", "operators", ((10, 2), I4), (x,), lambda x: np.stack([x[:, 0] + 1, x[:, 1] * 2], axis=1),
        launch={"threads": 10},
    ).check()  # fmt: skip


def test_standard_array():
    i = np.arange(12)
    expected = np.array([7, 8, 9])[i % 3] + np.array([1, 2, 30, 4])[i % 4] + 4
    Case("structs", "std_array", (12, I4), ([7, 8, 9],), expected).check()


def test_unions():
    x = floats(30)

    def expect(x):
        bits = x.view(U4)
        return np.stack([bits, bits >> 24, bits >> 16, np.arange(30, dtype=U4) + 256 * (bits >> 24)], axis=1)

    Case("unions", "views", ((30, 4), U4), (x,), expect, launch={"threads": 30}).check()


def test_union_in_memory():
    words = rng.integers(0, 2**32, 10, U4)
    x = mp.array(words)
    library("unions").in_memory(x.view(np.uint8), threads=10)  # Word has several scalar types
    np.testing.assert_array_equal(np.asarray(x), words & 0xFFFF0000 | np.arange(10))


# ---- threadgroup variables and arguments ----


def test_threadgroup_array():
    x = rng.integers(0, 99, 600, I4)
    groups = [x[i : i + 256][::-1] for i in range(0, 600, 256)]  # the last one is smaller
    Case(
        "threadgroup_arrays", "reverse", (600, I4), (), np.concatenate(groups), initial=x, launch={"group_size": 256}
    ).check()


def test_threadgroup_arrays_in_nested_scopes():
    i = np.arange(32)
    Case("threadgroup_arrays", "nested", (32, I4), (), (6 * ((i + 1) % 32))[::-1], launch={"group_size": 32}).check()


def test_threadgroup_array_in_a_function():
    n = 50
    Case("threadgroup_arrays", "helper", (n, I4), (), (np.arange(n) + 2) % n, launch={"group_size": n}).check()


@pytest.mark.parametrize(("kernel", "dtype", "width"), [("float_8", F4, 8), ("short_16", np.int16, 16)])
def test_threadgroup_array_in_a_template(kernel, dtype, width):
    x = np.arange(width * width).reshape(width, width).astype(dtype)
    Case(
        "threadgroup_arrays", f"transposed_{kernel}", (x.shape, dtype), (x,), np.transpose,
        launch={"threads": (width, width), "group_size": (width, width)},
    ).check()  # fmt: skip


def test_threadgroup_structs_and_scalars():
    x = floats(100)
    best = np.dtype([("value", "f4"), ("index", "u4")])
    got = Case("threadgroup_arrays", "best", (100, best), (x,), None, launch={"group_size": 100}).run()
    np.testing.assert_array_equal(got["index"], np.full(100, x.argmax()))
    np.testing.assert_array_equal(got["value"], x.max() + np.arange(100, dtype=F4))


def test_static_threadgroup_memory_is_reported():
    assert library("threadgroup_arrays").reverse.static_thread_group_memory_length == 256 * 4


def test_threadgroup_memory_that_is_named_only_takes_none():
    """More than a threadgroup may have, if it were all used."""
    lib = mp.mps.compile_shader("""
kernel void f(device float* out, uint i [[thread_position_in_threadgroup]]) {
  threadgroup float used[1024], spare[8192];
  (void)spare;
  used[i] = i;
  threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  out[i] = used[63 - i];
}""")
    out = mp.zeros(64)
    lib.f(out, threads=64, group_size=64)
    assert out.tolist() == list(range(63, -1, -1))
    assert lib.f.static_thread_group_memory_length == 4096


def test_threadgroup_argument():
    x = rng.integers(0, 99, 300, I4)
    groups = [np.roll(x[i : i + 128], -5) for i in range(0, 300, 128)]
    launch = {"group_size": 128, "threadgroup_memory": {0: 512}}
    Case("threadgroup_arguments", "rotate_by", (300, I4), (x, 5), np.concatenate(groups), launch=launch).check()


def test_two_threadgroup_arguments_cast():
    i = np.arange(96)
    launch = {"group_size": 96, "threadgroup_memory": {0: 4 * 96, 1: 2 * 96}}
    Case("threadgroup_arguments", "two", (96, F4), (), 95 - i + 100 * (95 - i), launch=launch).check()


def test_threadgroup_argument_beside_a_variable():
    i = np.arange(64)
    launch = {"group_size": 64, "threadgroup_memory": {0: 256}}
    Case("threadgroup_arguments", "with_static", (64, I4), (), (63 - i) * 999, launch=launch).check()


# ---- barriers ----


def test_tree_reduction():
    x = rng.integers(0, 50, 512).astype(F4)
    launch = {"threads": 512, "group_size": 128}
    Case("barriers", "tree", (4, F4), (x,), lambda x: x.reshape(4, 128).sum(1), launch=launch).check()


@pytest.mark.parametrize("rounds", [0, 1, 8])
def test_barrier_in_a_loop(rounds):
    x = np.arange(100, dtype=I4)
    for _ in range(rounds):
        x = np.roll(x, -1) + x
    Case("barriers", "ping_pong", (100, I4), (rounds,), x, launch={"group_size": 100}).check()


def test_barrier_on_device_memory():
    i = np.arange(70, dtype=I4)
    Case("barriers", "through_device_memory", (70, I4), (), np.roll(i * i, -1), launch={"group_size": 70}).check()


@pytest.mark.parametrize("twice", [False, True])
def test_barrier_in_a_uniform_branch(twice):
    Case(
        "barriers", "uniform_branch", (40, I4), (twice,), np.full(40, 10 if twice else 1), launch={"group_size": 40}
    ).check()


def test_threads_that_leave_early():
    expected = np.concatenate([(np.arange(32) ^ 1) + 1, np.zeros(32)])
    Case("barriers", "early_exit", (64, I4), (32,), expected, launch={"group_size": 64}).check()


# ---- constants ----


def test_constant_table():
    x = floats(54)
    w = np.array([0.0625, 0.25, 0.375, 0.25, 0.0625], F4)

    def expect(x):
        return sum(w[k] * x[k : k + 50].astype(float) for k in range(5))

    got = Case("program_constants", "convolve", (50, F4), (x,), None).run()
    np.testing.assert_allclose(got, expect(x), rtol=0, atol=4 * np.spacing(F4(4)))


def test_constants_of_every_kind():
    i = np.arange(24)
    expected = np.array([[1, 2, 3], [4, 5, 6]])[i % 2, i % 3] + np.array([1, 1, 2, 3, 5, 8, 13, 21])[i % 8]
    expected = expected + np.array([10, 20, 30])[i % 3] + np.array([2, 3, 5, 7])[i % 4]
    expected = expected + np.array([1, 2, 3])[i % 3] * np.array([2, 4, 6])[i % 3]
    expected = expected + np.array([1, 4, 9, 16])[i % 4] + 42 + 21.0 + 8 * 0.5 + 5 + 10 + 0.375
    Case("program_constants", "tables", (24, F4), (), expected).check()


def test_volatile_and_order_of_qualifiers():
    a, b, d = (rng.integers(0, 99, 16, I4) for _ in range(3))
    out, last = mp.zeros(16, dtype=I4), mp.array(d)
    library("volatile_and_qualifiers").orders(out, mp.array(a), mp.array(b), 1000, last)
    np.testing.assert_array_equal(np.asarray(out), a + b + 1000 + d)
    np.testing.assert_array_equal(np.asarray(last), a + b)
