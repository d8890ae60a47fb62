"""What the compiler says, as text and as data: places, includes, macros, hints, warnings, fix-its."""

from __future__ import annotations

import pytest

import metalpy as mp
from metalpy.compiler.source import read_source
from metalpy.errors import FixIt
from metalpy.mps import compile_shader

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"


def failure(source, **options):
    with pytest.raises(mp.CompileError) as raised:
        compile_shader(source, **options)
    return raised.value


def kernel(*lines):
    return HEAD + "kernel void k(device float* x, device int* n) {\n" + "\n".join(lines) + "\n}\n"


# ---- errors ----


def test_macros_of_the_program_are_followed():
    error = failure(HEAD + "#define FIELD(v) v.nothing\nkernel void k(device float2* x) { *x = FIELD(x[1]); }\n")
    first, note = error.diagnostics
    assert (first.severity, first.line, first.column) == ("error", 4, 40)
    assert (note.severity, note.message, note.line) == ("note", "expanded from macro 'FIELD'", 3)


def test_line_directives_are_followed():
    error = failure(HEAD + '#line 70 "generated.py"\nkernel void k(device float* x) {\n  *x = nothing;\n}\n')
    assert (error.filename, error.lineno, error.offset) == ("generated.py", 71, 8)


def test_include_stack(tmp_path):
    (tmp_path / "outer.h").write_text('\n#include "inner.h"\n')
    (tmp_path / "inner.h").write_text("\n\ninline int f() { return nothing; }\n")
    main = tmp_path / "main.metal"
    main.write_text('// first line\n#include "outer.h"\nkernel void k(device int* x) { *x = f(); }\n')
    with pytest.raises(mp.CompileError) as raised:
        mp.compile_file(main)
    (error,) = raised.value.diagnostics
    assert (error.file, error.line) == (str(tmp_path / "inner.h"), 3)
    assert error.included_from == ((str(tmp_path / "outer.h"), 2), (str(main), 2))
    lines = str(raised.value).splitlines()
    assert lines[:2] == [f"In file included from {tmp_path / 'outer.h'}:2:", f"In file included from {main}:2:"]
    assert lines[2].startswith(f"{tmp_path / 'inner.h'}:3:25: error: ")


def test_errors_of_the_file_itself_have_no_include_stack():
    assert all(d.included_from == () for d in failure(kernel("nothing;")).diagnostics)


@pytest.mark.parametrize(
    "statement", ["double d = 1;", "*x = (double)*n;", "*n = sizeof(double);", "*x = max(double(1), 2.0);"]
)
def test_double(statement):
    error = failure(kernel(statement))
    first = error.diagnostics[0]
    assert first.message == "'double' is not supported in Metal"
    assert (first.line, first.column) == (4, statement.index("double") + 1)


@pytest.mark.parametrize(("statement", "name"), [("*n = TILE_SIZE;", "TILE_SIZE"), ("DTYPE d = 1;", "DTYPE")])
def test_macros_of_the_host(statement, name):
    error = failure(kernel(statement))
    assert error.msg.endswith(f"'{name}'; if the host program defines it, pass defines={{'{name}': ...}}")
    compile_shader(kernel(statement), defines={name: "int" if name == "DTYPE" else 4})


@pytest.mark.parametrize("name", ["nothing", "Nothing", "X", "T_x"])
def test_other_names_get_no_such_hint(name):
    assert "defines=" not in failure(kernel(f"*n = {name};")).msg


FOREIGN = {
    "__syncthreads();": "threadgroup_barrier(mem_flags::mem_threadgroup)",
    "threadgroup_barrier(mem_threadgroup);": "write mem_flags::mem_threadgroup",
    "int i = threadIdx.x;": "[[thread_position_in_threadgroup]]",
    "int i = get_global_id(0);": "[[thread_position_in_grid]]",
    "atomicAdd(n, 1);": "atomic_fetch_add_explicit(",
    'printf("%d", *n);': "#include <metalpy/printf.h>",
}


@pytest.mark.parametrize("statement", FOREIGN)
def test_names_of_other_languages(statement):
    assert FOREIGN[statement] in failure(kernel(statement)).msg


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("*n = grid_size;", "a parameter such as uint i [[grid_size]] has it"),
        ("uint total = threads_per_grid;", "a parameter such as uint i [[threads_per_grid]] has it"),
        ("constexpr sampler s(filter::bicubic);", "nearest and linear are those that it has"),
        ("compute_command c(x, 1);", "the software device has no indirect command buffers"),
    ],
)
def test_what_the_name_belongs_to(statement, hint):
    (error,) = failure(kernel(statement)).diagnostics  # nothing of our own functions behind it
    assert hint in error.message


@pytest.mark.parametrize("members", ["float x = 1;", "float x; S() : x(2) {}"])
def test_threadgroup_memory_has_no_initial_values(members):
    error = failure(
        HEAD + f"struct S {{ {members} }};\nkernel void k(device float* x) {{ threadgroup S s; *x = s.x; }}"
    )
    assert "threadgroup memory has no initial values" in error.diagnostics[0].message


@pytest.mark.parametrize("call", ["exp(1.0f)", "simd_sum(1.0f)"])
def test_forgotten_standard_library(call):
    error = failure(f"kernel void k(device float* x) {{ *x = {call}; }}")
    assert error.msg.endswith("; add #include <metal_stdlib> and using namespace metal")


@pytest.mark.parametrize("source", [kernel("*x = value;"), "kernel void k(device float* x) { *x = value; }"])
def test_own_names_need_no_standard_library(source):
    assert failure(source).msg == "use of undeclared identifier 'value'"


CALLS = {
    "threadgroup_barrier();": "requires 1 argument, but 0 were provided",
    "atomic_fetch_add_explicit(n, 1, memory_order_relaxed);": "could not match 'atomic<T>' against 'int'",
    "*x = simd_shuffle_xor(*x);": "requires 2 arguments, but 1 was provided",
}


@pytest.mark.parametrize("statement", CALLS)
def test_why_no_function_of_the_standard_library_fits(statement):
    error = failure(kernel(statement))
    assert "; no candidate fits: " in error.msg and CALLS[statement] in error.msg


def test_types_of_conversions_are_whole():
    assert failure(kernel("float4 a; float3 b = a;")).msg == "no viable conversion from 'float4' to 'float3'"


def test_the_name_of_a_file_is_no_program():
    assert "compile_file(path)" in failure("kernels/saxpy.metal").msg


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"\x93MTLP\r\n\x1a\0", "load_library"), (b"MTLB\0", "load_metallib"), ("kernel".encode("utf-16"), "UTF-8")],
)
def test_files_that_are_no_text(tmp_path, data, told):
    path = tmp_path / "k.metal"
    path.write_bytes(data)
    with pytest.raises(mp.CompileError, match=told) as raised:
        mp.compile_file(path)
    assert len(str(raised.value).splitlines()) == 1 and raised.value.filename == str(path)


def test_new():
    error = failure(kernel("int* p = new int[4]; *n = p[1];"))
    assert error.msg == "kernel 'k' uses new or delete, which Metal does not have"
    assert error.lineno == 3


def test_missing_include(tmp_path):
    error = failure('#include "no.h"\n')
    assert "'no.h' file not found" in error.msg and "pass include_dirs=" in error.msg
    error = failure('#include "no.h"\n', include_dirs=tmp_path)
    assert f"looked in {str(tmp_path)!r}" in error.msg


def test_headers_of_frameworks():
    error = failure("#include <SwiftUI/SwiftUI_Metal.h>\n[[stitchable]] half4 same(half4 color) { return color; }")
    assert error.msg.endswith("a framework's header, for shaders that are no kernels")


def test_missing_include_of_a_file_whose_path_has_a_newline(tmp_path):
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    (folder / "main.metal").write_text('// comment\n#include "no.h"\n')
    with pytest.raises(mp.CompileError) as raised:
        mp.compile_file(folder / "main.metal")
    assert raised.value.filename == str(folder / "main.metal").replace("\n", "\\n") and raised.value.lineno == 2
    assert "stdin" not in str(raised.value)


def test_files_whose_path_has_a_newline_compile(tmp_path):
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    (folder / "value.h").write_text("constant int value = 3;\n")
    (folder / "main.metal").write_text('#include "value.h"\nkernel void k(device int* x) { *x = value; }\n')
    x = mp.zeros(1, dtype=mp.int32)
    mp.compile_file(folder / "main.metal").k(x)
    assert x.item() == 3


def test_recursion_is_found_when_compiling():
    error = failure(HEAD + "int g(int);\nint f(int n) { return n ? g(n - 1) : 0; }\nint g(int n) { return f(n); }\n"
                    "kernel void k(device int* x) { *x = f(*x); }\n")  # fmt: skip
    assert "calls itself; Metal has no recursion" in error.msg
    assert error.lineno in (4, 5)


def test_functions_that_no_kernel_reaches_may_recurse():
    source = HEAD + "static int f(int n) { return n ? f(n - 1) : 0; }\nkernel void k(device int* x) { *x = 1; }\n"
    assert list(compile_shader(source)) == ["k"]


LOOPS = """
struct Looper {
  int dim, index, total;
  void next(int n, const constant int* shape) thread {
    if (dim == 0) return;
    index += n;
    total += 1;
    if (index >= shape[0]) {
      int extra = index - shape[0];
      index = 0;
      if (extra > 0) next(extra, shape);
    }
  }
};
static int gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }
static int factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }
kernel void k(device int* out, constant int& shape, constant int& n, uint i [[thread_position_in_grid]]) {
  Looper looper = {1, 0, 0};
  looper.next(n, &shape);
  out[0] = looper.total; out[1] = looper.index; out[2] = gcd(48, shape + 17); out[3] = factorial(n);
}
kernel void together(device int* out, constant int& n, uint i [[thread_index_in_threadgroup]]) {
  threadgroup_barrier(mem_flags::mem_device);
  out[i] = simd_sum(factorial(int(i) % n));
}
"""


def test_recursion_that_is_a_loop():
    lib = compile_shader(HEAD + LOOPS)
    out = mp.zeros(4, dtype=mp.int32)
    lib.k(out, 7, 10, threads=1)
    assert out.tolist() == [2, 3, 24, 3628800]
    sums = mp.zeros(32, dtype=mp.int32)
    lib.together(sums, 5, threads=32)
    assert sums.tolist() == [sum([1, 1, 2, 6, 24][i % 5] for i in range(32))] * 32


def test_templates_that_end_are_no_recursion():
    source = (
        HEAD
        + """
        template <int N> int sum(int x) { if constexpr (N > 0) { return x + sum<N - 1>(x); } else { return 0; } }
        kernel void k(device int* x) { *x = sum<5>(*x); }
    """
    )
    x = mp.array([3], dtype=mp.int32)
    compile_shader(source).k(x)
    assert x.item() == 15


# ---- fix-its ----


def test_fixits():
    error = failure(kernel("int count = 1;", "*n = coun;"))
    first = next(d for d in error.diagnostics if d.severity == "error")
    assert first.fixits == (FixIt(5, 6, 5, 10, "count"),)


def test_fixits_in_an_included_file(tmp_path):
    (tmp_path / "part.h").write_text("inline int f(int value) {\n  return valu;\n}\n")
    error = failure(HEAD + '#include "part.h"\nkernel void k(device int* x) { *x = f(1); }\n', include_dirs=tmp_path)
    assert error.diagnostics[0].fixits == (FixIt(2, 10, 2, 14, "value"),)


def test_source_that_looks_like_messages_is_taken_for_none():
    error = failure(kernel("nothing; // a.metal:3:4: error: not a message"))
    assert [d.message for d in error.diagnostics] == ["use of undeclared identifier 'nothing'"]


# ---- warnings ----

WARNED = {
    "unused variable": "int unused_one = *n;",
    "uninitialized": "int u; *n = u;",
    "using the result of an assignment": "if (*n = 3) *x = 1;",
    "division by zero": "*n = 4 / 0;",
    "look here": "#warning look here",
}


@pytest.mark.parametrize("message", WARNED)
def test_warnings(message):
    lib = compile_shader(kernel(WARNED[message]))
    first = lib.diagnostics[0]
    assert first.severity == "warning" and message in first.message
    assert (first.file, first.line) == ("program_source", 4)


def test_warnings_of_a_cached_library_are_the_same():
    source = kernel("if (*n = 3) *x = 1;  // of a cached library")
    first = compile_shader(source).diagnostics
    assert first and any(d.fixits for d in first)
    assert compile_shader(source).diagnostics == first


def test_good_programs_have_no_warnings():
    source = (
        HEAD
        + """
        constant float scale = 2;
        constant int which [[function_constant(0)]];
        template <typename T> kernel void each(device T* x, threadgroup T* scratch, uint i [[thread_position_in_grid]]) {
          threadgroup T shared[4];
          shared[i % 4] = x[i]; scratch[0] = x[i];
          threadgroup_barrier(mem_flags::mem_threadgroup);
          x[i] = shared[0] + T(which);
        }
        template [[host_name("each_float")]] kernel void each(device float*, threadgroup float*, uint);
    """
    )
    assert compile_shader(source).diagnostics == ()


def test_graphics_functions_are_noted():
    lib = compile_shader(HEAD + "vertex float4 v() { return 0; }\nkernel void k(device float* x) { *x = 1; }\n")
    assert [(d.severity, d.line) for d in lib.diagnostics] == [("note", 3)]


# ---- language versions ----


@pytest.mark.parametrize(
    ("given", "value"), [("3.2", 320), ("metal3.1", 310), ("2.0", 200), ("macos-metal2.4", 240), ("4.0", 400)]
)
def test_language_version(given, value):
    x = mp.zeros(1, dtype=mp.int32)
    compile_shader("kernel void k(device int* x) { *x = __METAL_VERSION__; }", language_version=given).k(x)
    assert x.item() == value


def test_language_version_reaches_conditionals():
    source = "#if __METAL_VERSION__ >= 310\nkernel void bf(device bfloat* x) {}\n#else\nkernel void none() {}\n#endif\n"
    assert list(compile_shader(source)) == ["bf"]
    assert list(compile_shader(source, language_version="3.0")) == ["none"]


@pytest.mark.parametrize(
    ("given", "error"), [("3.3", ValueError), ("metal", ValueError), ("", ValueError), (3.2, TypeError)]
)
def test_no_language_version(given, error):
    with pytest.raises(error, match="language_version must be"):
        compile_shader("kernel void k() {}", language_version=given)


def test_includers_of_a_diamond(tmp_path):
    for name, text in (("a.h", '#include "c.h"\n'), ("b.h", '#include "c.h"\n'), ("c.h", "#pragma once\nint c;\n")):
        (tmp_path / name).write_text(text)
    source = read_source('#include "a.h"\n#include "b.h"\n', include_dirs=(str(tmp_path),))
    assert source.included_from(str(tmp_path / "c.h")) == ((str(tmp_path / "a.h"), 1), ("program_source", 1))


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("int e; frexp(2.0f, &e);", r"frexp\(x, exponent\)"),
        ("float i; modf(2.5f, &i);", r"modf\(x, whole\)"),
        ("float s, c; sincos(1.0f, &s, &c);", r"float s = sincos\(x, c\)"),
    ],
)
def test_functions_that_take_a_pointer_in_c(statement, wanted):
    source = f"#include <metal_stdlib>\nusing namespace metal;\nkernel void k(device float* o) {{ {statement} }}"
    with pytest.raises(mp.CompileError, match=f"the last argument is a reference, without &: {wanted}"):
        mp.mps.compile_shader(source)


# ---- what compiles here and Metal's own compiler refuses ----

SIGNATURE = "(device float* x, uint i [[thread_position_in_grid]])"
LIMIT = "[[max_total_threads_per_threadgroup(64)]]"
# As that compiler told the authors of public kernels.
REFUSED = {
    f"kernel void k{SIGNATURE} {LIMIT} {{}}": (1, "stands in front of the kernel"),
    f"kernel {LIMIT} void k{SIGNATURE} {{}}": (1, "stands in front of the kernel"),
    "kernel void k(device float* x, uint i [[thread_position_in_grid]], uint3 n [[threads_per_threadgroup]]) {}": (
        1,
        "'uint i' beside 'uint3 n'",
    ),
    "constexpr uint SIZE[2] = {1, 2};": (1, "'SIZE' outside functions"),
    f"kernel void k{SIGNATURE} {{\n  uint half = 3; x[i] = half; }}": (2, "which is a type's: half"),
    f"kernel void k{SIGNATURE} {{\n  auto f = [&](int j) {{ return j; }}; x[i] = f(1); }}": (2, "lambda"),
}


@pytest.mark.parametrize("program", REFUSED)
def test_what_metal_refuses(program):
    line, told = REFUSED[program]
    (warning,) = compile_shader(HEAD + program).diagnostics
    assert (warning.severity, warning.line) == ("warning", line + 2)
    assert told in warning.message


@pytest.mark.parametrize(
    "program",
    [
        f"{LIMIT} kernel void k{SIGNATURE} {{}}",
        f"[[kernel, max_total_threads_per_threadgroup(64)]] void k{SIGNATURE} {{}}",
        "kernel void k(device float* x, ushort2 i [[thread_position_in_grid]], uint2 n [[threads_per_grid]], "
        "uint lane [[thread_index_in_simdgroup]]) {}",
        "constant constexpr uint SIZE[2] = {1, 2}; constexpr sampler s(filter::linear); constexpr float one() { return 1; }",
        "struct S { int x; };\nconstexpr bool operator>=(S a, S b) { return a.x >= b.x; }",
        f"// uint half = 3;\nkernel void k{SIGNATURE} {{ uint a[2] = {{1, 2}}; x[i] = a[i] + half(2); }}",
    ],
)
def test_what_metal_does_not_refuse(program):
    assert compile_shader(HEAD + program).diagnostics == ()


def test_lambda_expressions_of_metal_4():
    program = next(p for p in REFUSED if "auto f" in p)
    assert compile_shader(HEAD + program, language_version="4.0").diagnostics == ()
