"""What stands beside kernels in a file: inputs declared outside functions, graphics functions, host objects."""

from __future__ import annotations

import numpy as np
import pytest

import metalpy as mp

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
INPUTS = (
    HEADER
    + """
uint3 gid [[thread_position_in_grid]];
namespace deep { ushort lane [[thread_index_in_simdgroup]]; }
const uint n [[threads_per_threadgroup]];
uint twice() { return gid.x * 2; }
template <typename T> T above(thread T& result) { return result = T(gid.y) * 100; }
kernel void plain(device uint* o) { uint y; o[gid.x + 8 * gid.y] = twice() + above(y); }
kernel void meets(device uint* o, threadgroup uint* s [[threadgroup(0)]]) {
  s[gid.x % n] = gid.x;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint other = s[n - 1 - gid.x % n];
  uint sum = simd_sum(uint(deep::lane));
  o[gid.x] = other * 1000 + sum + gid.x + deep::lane;
}
kernel void hidden(device uint* o, uint gid [[thread_position_in_threadgroup]]) { o[gid] = gid + 1; }
__attribute__((noinline)) uint apart() { return gid.x; }
kernel void unreachable(device uint* o) { o[gid.x] = apart(); }
"""
)


@pytest.fixture(scope="module")
def inputs():
    made = {}
    return lambda device: made.setdefault(device, mp.mps.compile_shader(INPUTS, device=device))


def test_inputs_outside_functions(device, inputs):
    x = mp.zeros((4, 8), mp.uint32, device)
    inputs(device).plain(x, threads=(8, 4), group_size=(4, 2))
    column, row = np.meshgrid(np.arange(8), np.arange(4))
    assert (x.numpy() == 2 * column + 100 * row).all()


def test_they_stay_a_threads_own_across_meetings(device, inputs):
    x = mp.zeros(96, mp.uint32, device)
    inputs(device).meets(x, threads=96, group_size=32, threadgroup_memory={0: 128})
    i = np.arange(96)
    other = i // 32 * 32 + 31 - i % 32
    assert (x.numpy() == other * 1000 + 31 * 16 + i + i % 32).all()


def test_a_parameter_of_the_same_name_hides_one(device, inputs):
    x = mp.zeros(8, mp.uint32, device)
    inputs(device).hidden(x, threads=8, group_size=4)
    assert x.tolist() == [1, 2, 3, 4, 0, 0, 0, 0]


def test_functions_that_are_not_inlined_cannot_read_them(device, inputs):
    if device.driver != "software":
        pytest.skip("a limit of the software device")
    with pytest.raises(mp.CompileError, match="'unreachable' calls a function that is not inlined and reads"):
        inputs(device).unreachable(mp.zeros(8, mp.uint32, device))


GRAPHICS = (
    HEADER
    + """
struct Varying { float4 place [[position]]; float2 uv [[user(uv)]]; uint layer [[render_target_array_index]]; };
vertex Varying corners(uint i [[vertex_id]], constant float2* at [[buffer(0)]]) {
  Varying v; v.place = float4(at[i], 0, 1); v.uv = at[i]; v.layer = 0; return v;
}
[[fragment]] float4 shade(Varying in [[stage_in]], texture2d<float> image [[texture(0)]],
                          sampler s [[sampler(0)]]) { return image.sample(s, in.uv); }
struct Out { float4 color [[color(0)]]; float depth [[depth(any)]]; };
template <typename T> fragment Out both(float4 place [[position]], bool front [[front_facing]]) {
  if (!front) discard_fragment();
  return {place, T(dfdx(place.x))};
}
template [[host_name("both_half")]] fragment Out both<half>(float4, bool);
kernel void one(device float* o, uint i [[thread_position_in_grid]]) { o[i] = 1; }
"""
)


def test_graphics_functions_are_skipped_with_a_note(device):
    library = mp.mps.compile_shader(GRAPHICS, device=device)
    assert dir(library) == ["one"]
    x = mp.zeros(3, device=device)
    library.one(x)
    assert x.tolist() == [1, 1, 1]
    if device.driver != "software":
        return
    notes = [(d.severity, d.line, d.message) for d in library._compilation.warnings]
    assert notes == [
        ("note", 5, "vertex function 'corners' is skipped: metalpy runs compute kernels"),
        ("note", 8, "fragment function 'shade' is skipped: metalpy runs compute kernels"),
        ("note", 11, "fragment function 'both' is skipped: metalpy runs compute kernels"),
        ("note", 15, "fragment function 'both_half' is skipped: metalpy runs compute kernels"),
    ]


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("raytracing::instance_acceleration_structure a [[buffer(1)]]", "an acceleration structure for ray tracing"),
        ("imageblock<P> b", "an imageblock"),
    ],
)
def test_host_objects_are_refused_by_name(device, argument, what):
    if device.driver != "software":
        pytest.skip("a limit of the software device")
    source = HEADER + f"struct P {{ half4 c; }};\nkernel void k(device float* o, {argument}) {{}}"
    with pytest.raises(mp.UnsupportedError, match=f"kernel 'k' takes {what}"):
        mp.mps.compile_shader(source, device=device)


def test_initializer_lists(device):
    source = (
        HEADER
        + """
struct Sum {
  float total = 0;
  Sum(initializer_list<float> list) { for (float x : list) total += x; }
  thread Sum& operator=(initializer_list<float2> list) thread { total = list.begin()[1].y * list.size(); return *this; }
};
kernel void k(device float* o) {
  Sum s = {1, 2, 3.5};
  o[0] = s.total;
  s = {float2(1, 2), float2(3, 4)};
  o[1] = s.total;
}"""
    )
    x = mp.zeros(2, device=device)
    mp.mps.compile_shader(source, device=device).k(x, threads=1)
    assert x.tolist() == [6.5, 8]


def test_coherent_memory(device):
    source = """
struct S { coherent device uint* p; };
kernel void k(coherent(device) device uint* o, volatile coherent device uint* n [[buffer(1)]],
              uint i [[thread_position_in_grid]]) { S s = {o}; s.p[i] = n[i] + 1; }
"""
    x, y = mp.zeros(4, mp.uint32, device), mp.arange(4, dtype=mp.uint32, device=device)
    mp.mps.compile_shader(source, device=device).k(x, y)
    assert x.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "name",
    ["tensor", "visible_function_table", "texture", "sampler", "imageblock", "command_buffer", "array", "extents"],
)
def test_a_buffer_may_have_the_name_of_a_type(device, name):
    source = HEADER + f"kernel void k(device uint* {name}, constant uint& n, uint i [[thread_position_in_grid]]) "
    out = mp.zeros(8, dtype=np.uint32, device=device)
    mp.mps.compile_shader(source + f"{{ {name}[i] = n + i; }}", device=device).k(out, 5)
    np.testing.assert_array_equal(np.asarray(out), np.arange(5, 13))


def test_a_buffer_of_a_users_own_tensors(device):
    source = HEADER + "struct tensor { uint x; }; kernel void k(device tensor* o, uint i [[thread_position_in_grid]]) "
    out = mp.zeros(8, dtype=np.uint32, device=device)
    mp.mps.compile_shader(source + "{ o[i].x = i; }", device=device).k(out.view(np.uint8), threads=8)
    np.testing.assert_array_equal(np.asarray(out), np.arange(8))


def test_an_attribute_of_the_compilers_own_in_front_of_the_name(device):
    lib = mp.mps.compile_shader(
        HEADER
        + "kernel void __attribute__((always_inline))\nk(device float* x, uint i [[thread_position_in_grid]]) { x[i] = i; }",
        device=device,
    )
    x = mp.zeros(3, device=device)
    lib.k(x)
    assert x.tolist() == [0, 1, 2]


def test_digraphs(device):
    """Brackets by their other names, where the compiler would read them so."""
    lib = mp.mps.compile_shader(
        HEADER
        + """
namespace own { struct S { float x; }; }
template <class T> float of(T s) <% return s.x; %>
kernel void k(device float* x, device float* y <:<:buffer(3):>:>, uint i [[thread_position_in_grid]]) <%
  // <% <:
  x<:i:> = y[i] + of<::own::S>(<%2%>);
%>""",
        device=device,
    )
    x = mp.zeros(3, device=device)
    lib.k(x, mp.ones(3, device=device))
    assert x.tolist() == [3, 3, 3]
    assert [a.index for a in lib.k.arguments] == [0, 3]


def test_a_kernel_may_be_called_main(device):
    """C++ has rules for a function of that name."""
    lib = mp.mps.compile_shader(
        HEADER + "struct S { float main; }; kernel void main(device S* x, constant S& y) { x->main = y.main + 1; }",
        device=device,
    )
    x = mp.zeros(1, device=device)
    lib.main(x.view(np.uint8).view(np.float32), {"main": 4}, threads=1)
    assert (dir(lib), x.item()) == (["main"], 5)
