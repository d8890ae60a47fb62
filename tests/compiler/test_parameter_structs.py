"""Structs of resources as arguments of kernels: their members are the arguments."""

import numpy as np
import pytest

import metalpy as mp

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


def compiled(program):
    return mp.mps.compile_shader(HEAD + program)


def arguments(kernel):
    return [(a.name, a.kind, a.index) for a in kernel.arguments]


GIVEN = """
struct Inner {
  constant int& n [[buffer(3)]];
  uint width [[threads_per_grid]];
};
class P {
public:
  device float* a [[buffer(0)]];
  const device float* b [[buffer(2)]];
  Inner inner;
  uint i [[thread_position_in_grid]];
  float get() const { return b[i] * inner.n; }
  static int three() { return 3; }
};
kernel void f(const P p, device int* o [[buffer(1)]], uint2 j [[thread_position_in_grid]]) {
  p.a[p.i] = p.get();
  o[p.i] = p.inner.width + j.x + P::three();
}
"""


def test_members_with_indices(device):
    kernel = mp.mps.compile_shader(HEAD + GIVEN, device=device).f
    assert arguments(kernel) == [("a", "buffer", 0), ("o", "buffer", 1), ("b", "buffer", 2), ("n", "buffer", 3)]
    assert [(b.name, b.attribute) for b in kernel.builtins] == [
        ("width", "threads_per_grid"), ("i", "thread_position_in_grid"), ("j", "thread_position_in_grid"),
    ]  # fmt: skip
    a, o = mp.zeros(5, dtype=np.float32, device=device), mp.zeros(5, dtype=np.int32, device=device)
    kernel(a, o, mp.asarray(np.arange(5, dtype=np.float32), device=device), 3, threads=5)
    np.testing.assert_array_equal(np.asarray(a), 3 * np.arange(5))
    np.testing.assert_array_equal(np.asarray(o), 8 + np.arange(5))


def test_members_without_indices_are_numbered_in_order():
    kernel = compiled(
        "struct Q { device int* x; constant int& y; };\n"
        "kernel void g(device int* first, Q q, device int* last, uint i [[thread_position_in_grid]])"
        "{ q.x[i] = q.y; first[i] = 1; last[i] = 2; }"
    ).g
    assert [a[0] for a in arguments(kernel)] == ["first", "x", "y", "last"]
    first, x, last = (mp.zeros(3, dtype=np.int32) for _ in range(3))
    kernel(first, x, 7, last, threads=3)
    assert [np.asarray(v).tolist() for v in (first, x, last)] == [[1] * 3, [7] * 3, [2] * 3]


TEMPLATE = """
template <typename T> struct Layout { uint stride; };
template <typename T> struct View {
  constant Layout<T>& layout;
  device T* data;
  View(constant Layout<T>& l, device T* d) : layout(l), data(d) {}
  device T& at(uint i) { return data[i * layout.stride]; }
};
template <typename T> using Input = View<T>;
template <typename T> struct Parameters { View<T> out; Input<T> in; constant T& by; };
template <typename T> kernel void scale(Parameters<T> params, uint i [[thread_position_in_grid]]) {
  params.out.at(i) = params.in.at(i) * params.by;
}
template [[host_name("scale_float")]] kernel void scale<float>(Parameters<float>, uint);
template [[host_name("scale_int")]] kernel void scale<int>(Parameters<int>, uint);
"""


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_templates_nested_structs_and_names_that_repeat(dtype):
    kernel = getattr(compiled(TEMPLATE), "scale_int" if dtype == np.int32 else "scale_float")
    assert [a[0] for a in arguments(kernel)] == [
        "params.out.layout", "params.out.data", "params.in.layout", "params.in.data", "by",
    ]  # fmt: skip
    out, x = mp.zeros(6, dtype=dtype), np.arange(9, dtype=dtype)
    stride = np.array([[2], [3]], np.uint32)
    kernel(mp.asarray(stride[0]), out, mp.asarray(stride[1]), mp.asarray(x), 5, threads=3)
    assert np.asarray(out).tolist() == [0, 0, 15, 0, 30, 0]


def test_handles_and_threadgroup_memory():
    kernel = compiled(
        "typedef struct { texture2d<float> t [[texture(1)]]; texture2d<float, access::write> u; sampler s;"
        " device float* o; threadgroup float* shared [[threadgroup(0)]]; } Held;\n"
        "kernel void m(Held h) { h.shared[0] = h.t.read(uint2(1, 0)).x; h.o[0] = h.shared[0]; h.u.write(2, uint2(0)); }"
    ).m
    found = [("t", "texture", 1), ("u", "texture", 0), ("s", "sampler", 0), ("o", "buffer", 0),
             ("shared", "threadgroup", 0)]  # fmt: skip
    assert sorted(arguments(kernel)) == sorted(found)


@pytest.mark.parametrize(
    ("program", "message", "line"),
    [
        ("struct P { device int* a; int n; };\nkernel void f(P p) { p.a[0] = p.n; }", "argument 'n' of kernel 'f'", 3),
        ("struct P { int n; };\nkernel void f(P p) { }", "argument 'p' of kernel 'f' is neither", 4),
        ("struct P { device int* a [[bufer(0)]]; };\nkernel void f(P p) { }", r"did you mean \[\[buffer\]\]", 3),
        ("struct P { device int* a [[buffer(0)]]; };\nkernel void f(P p, P q) { }", "is taken by 'p.a' already", 4),
    ],
)
def test_what_is_no_argument(program, message, line):
    with pytest.raises(mp.CompileError, match=message) as caught:
        compiled(program)
    assert caught.value.lineno == line


def test_inputs_in_structs_are_no_inputs_of_the_program():
    """A struct of inputs only, beside an input that is declared outside functions."""
    program = (
        "uint own [[thread_position_in_grid]];\n"
        "struct Where { uint3 i [[thread_position_in_grid]]; uint lane [[thread_index_in_simdgroup]]; };\n"
        "kernel void f(device uint* o, Where w) { o[own] = 100 * w.lane + w.i.x; }"
    )
    out = mp.zeros(4, dtype=np.uint32)
    compiled(program).f(out, threads=4)
    assert np.asarray(out).tolist() == [0, 101, 202, 303]
