"""What the passes in front of clang do to a program, seen in the results of its kernels or in its errors."""

import numpy as np
import pytest

import metalpy as mp

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
F4 = np.float32


def compile_shader(text, **options):
    return mp.mps.compile_shader(HEAD + text, **options)


def test_a_real_redefinition_is_an_error():
    with pytest.raises(mp.CompileError) as caught:
        compile_shader("float f(device float* p) { return *p; }\nfloat f(device float* p) { return 2 * *p; }")
    assert "redefinition of 'f'" in str(caught.value)
    assert caught.value.lineno == 4


def test_a_redefinition_without_address_spaces_is_an_error():
    with pytest.raises(mp.CompileError, match="redefinition of 'f'"):
        compile_shader("float f(float x) { return x; }\nfloat f(float x) { return 2 * x; }")


def test_the_error_behind_twins_has_its_own_line():
    with pytest.raises(mp.CompileError) as caught:
        compile_shader(
            "float f(const device float* p) { return *p; }\n"
            "float f(const threadgroup float* p) { return *p; }\n"
            "float g() { return oops; }\n"
        )
    assert [(d.line, d.message) for d in caught.value.diagnostics] == [(5, "use of undeclared identifier 'oops'")]


@pytest.mark.parametrize(
    "text",
    [
        "struct S { int v; S() device { v = 1; }\nS() thread { v = 2; } };",
        "struct S { friend int f(device int* p) { return 1; }\nfriend int f(thread int* p) { return 2; } };",
    ],
)
def test_overloads_for_address_spaces_that_do_different_things(text):
    with pytest.raises(mp.CompileError, match="overload for another address space") as caught:
        compile_shader(text)
    assert caught.value.lineno == 4


def test_constructor_twins_with_initializers():
    lib = compile_shader("""
struct Pair {
  float a, b;
  Pair(float x) thread : a(x), b{x + 1} {}
  Pair(float x) threadgroup : a(x), b{x + 1} {}
  float sum() const thread { return a + b; }
  float sum() const device { return a + b; }
};
kernel void k(device float* out, uint i [[thread_position_in_grid]]) { out[i] = Pair(i).sum(); }""")
    out = mp.zeros(5)
    lib.k(out)
    np.testing.assert_array_equal(np.asarray(out), 2 * np.arange(5, dtype=F4) + 1)


def test_twins_of_class_templates():
    lib = compile_shader("""
template <typename T> struct space { static constant constexpr int value = 0; };
template <typename T> struct space<device T*> { static constant constexpr int value = 7; };
template <typename T> struct space<threadgroup T*> { static constant constexpr int value = 7; };
kernel void k(device int* out) { out[0] = space<device float*>::value + space<threadgroup int*>::value; }""")
    out = mp.zeros(1, dtype=np.int32)
    lib.k(out)
    assert out.item() == 14


def test_floating_literals_are_float_in_templates_too():
    # In double precision the sum would keep the small term.
    lib = compile_shader("""
template <typename T> T shifted(T x) { return (x + 1e8) - 1e8; }
template <typename T> kernel void k(device T* out, uint i [[thread_position_in_grid]]) { out[i] = shifted(out[i]) * 0.1; }
template [[host_name("k_float")]] kernel decltype(k<float>) k<float>;""")
    x = np.linspace(0, 3, 7, dtype=F4)
    out = mp.array(x)
    lib.k_float(out)
    np.testing.assert_array_equal(np.asarray(out), ((x + F4(1e8)) - F4(1e8)) * F4(0.1))


def test_initializer_of_a_threadgroup_variable_compiles():
    lib = compile_shader("""
kernel void k(device float* out, uint i [[thread_position_in_threadgroup]]) {
  threadgroup float a[4] = {0}, b = 1;
  a[i] = i;
  if (i == 0) b = 2;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = a[3 - i] + b;
}""")
    out = mp.zeros(4)
    lib.k(out)
    np.testing.assert_array_equal(np.asarray(out), [5, 4, 3, 2])


def test_function_constant_declared_through_a_macro():
    lib = compile_shader("""
#define STATIC_CONSTANT static constant constexpr const
#define OTHER 1
STATIC_CONSTANT int factor [[function_constant(0)]];
kernel void k(device int* out) { out[0] = factor + OTHER; }""")
    out = mp.zeros(1, dtype=np.int32)
    lib.k.specialize({"factor": 41})(out)
    assert out.item() == 42


def test_a_gated_argument_is_no_function_constant():
    lib = compile_shader("""
constant bool has_bias [[function_constant(0)]];
kernel void k(device int* out, const constant int& bias
    [[buffer(1), function_constant(has_bias)]]) { out[0] = has_bias ? bias : 5; }""")
    out = mp.zeros(1, dtype=np.int32)
    lib.k.specialize({"has_bias": False})(out, None)
    assert out.item() == 5
    lib.k.specialize(has_bias=True)(out, 9)
    assert out.item() == 9


def test_a_threadgroup_qualifier_in_every_place():
    lib = compile_shader("""
struct View { threadgroup float* data; float at(uint i) const { return data[i]; } };
template <typename P> float head(P p) { return p[0]; }
float second(threadgroup float (&v)[4]) { return v[1]; }
kernel void k(device float* out, threadgroup float* room [[threadgroup(0)]], uint i [[thread_position_in_threadgroup]]) {
  threadgroup float local[4];
  threadgroup float* p = (threadgroup float*)room;
  local[i] = 10 + i;
  p[i] = i;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  threadgroup auto& r = local[2];
  out[i] = head<threadgroup float*>(local) + second(local) + View{p}.at(3) + r + static_cast<threadgroup float*>(p)[1];
}""")
    out = mp.zeros(4)
    lib.k(out, group_size=4, threadgroup_memory={0: 16})
    np.testing.assert_array_equal(np.asarray(out), np.full(4, 10 + 11 + 3 + 12 + 1, F4))


def test_threadgroup_variables_are_no_thread_local_storage(tmp_path):
    # LLVM and glibc disagree about the registers that the first access to such storage leaves alone.
    from metalpy.compiler.compilation import compile_source
    from metalpy.compiler.options import make_options
    from metalpy.compiler.source import read_source

    program = compile_source(
        read_source(
            HEAD + "kernel void k(device int* out, uint i [[thread_position_in_grid]]) {\n"
            "  threadgroup int a[64]; threadgroup float4 b; a[i] = i; b = float4(1);\n"
            "  threadgroup_barrier(mem_flags::mem_threadgroup); out[i] = a[63 - i] + int(b.x); }"
        ),
        make_options(),
    )
    code = program.native("k").read_bytes()
    assert b"mp_threadgroup_variable" in code
    assert b"__tls_get_addr" not in code


def test_twins_within_a_macro():
    """Members and specialisations for each pair of spaces, by one macro; what differs in more stays an error."""
    body = "{ return a + b; }"
    spaces = ("device", "threadgroup", "thread")
    pairs = [f"({x} const T& a, {y} const T& b) {body}" for x in spaces for y in spaces]
    members = " \\\n".join(f"  static METAL_FUNC T sum{pair}" for pair in pairs)
    special = " \\\n".join(f"  template <> METAL_FUNC T S::add<T>{pair.replace('+', '*')}" for pair in pairs)
    source = (
        HEAD
        + f"""
    #define MEMBERS(T) \\\n{members}
    struct Sum {{ MEMBERS(float) }};
    struct S {{ template <class T> static T add(thread const T& a, thread const T& b) {{ return a; }} }};
    #define SPECIAL(T) \\\n{special}
    SPECIAL(float)
    kernel void f(device float* out, device float* in) {{
      threadgroup float shared[1];
      float own = in[0];
      shared[0] = in[1];
      out[0] = Sum::sum(in[0], shared[0]) + Sum::sum(own, out[1]);
      out[1] = S::add(own, shared[0]);
    }}
    """
    )
    out = mp.zeros(2, dtype=np.float32)
    mp.mps.compile_shader(source).f(out, mp.asarray(np.float32([2, 5])), threads=1)
    np.testing.assert_array_equal(np.asarray(out), [9, 10])
    odd = source.replace(pairs[-1], pairs[-1].replace("+", "-"))
    with pytest.raises(mp.CompileError, match="redeclared"):
        mp.mps.compile_shader(odd)


def test_overloads_of_templates_that_differ_in_what_they_return():
    """enable_if chooses between templates, the address space between those that are chosen."""
    overload = "template <class T> metal::enable_if_t<metal::{0}<T>::value, int> f({1} const T* p) {{ return {2}; }}\n"
    kinds = [("is_integral", 1), ("is_floating_point", 2)]
    places = [("device", 10), ("threadgroup", 20)]
    source = (
        HEAD
        + "".join(overload.format(kind, place, k + p) for place, p in places for kind, k in kinds)
        + """
    kernel void g(device int* out, device float* x) {
      threadgroup float y[1];
      threadgroup int n[1];
      y[0] = n[0] = 0;
      out[0] = f(out), out[1] = f(x), out[2] = f(&n[0]), out[3] = f(&y[0]);
    }
    """
    )
    out = mp.zeros(4, dtype=np.int32)
    mp.mps.compile_shader(source).g(out, mp.zeros(1, dtype=np.float32), threads=1)
    np.testing.assert_array_equal(np.asarray(out), [11, 12, 21, 22])
