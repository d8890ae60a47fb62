"""Every mistake gets a clear, typed error; nothing is left behind, and the next launch is right."""

from __future__ import annotations

import math
import os
import pickle
import re
import textwrap

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.launches import assert_works
from tests.helpers.process import says

pytestmark = pytest.mark.usefixtures("device")

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"
compile_shader = mp.mps.compile_shader

LIBRARY = (
    HEAD + "kernel void scale(device float* x, constant float& by, uint i [[thread_position_in_grid]]) { x[i] *= by; }"
)


@pytest.fixture
def lib():
    """The library, with a check that it still works after the test."""
    made = compile_shader(LIBRARY)
    yield made
    assert_works(made)


# ---- source that does not compile ----


def compile_error(source, **options):
    with pytest.raises(mp.CompileError) as raised:
        compile_shader(source, **options)
    error = raised.value
    assert isinstance(error, SyntaxError) and isinstance(error, mp.MetalError)
    assert_no_insides(str(error))
    return error


def assert_no_insides(text):
    """Nothing of our headers or generated code shows."""
    for inside in ("__mp", "metalpy/", "metalpy_entries", "scratch space", "metalpy_kernel.h", "clang"):
        assert inside not in text, text


def assert_at(error, file, line, column=None, text=None):
    """The first error's place, in the attributes of SyntaxError and in the report with its caret."""
    assert (error.filename, error.lineno) == (file, line)
    report = str(error).splitlines()
    first = next(n for n, entry in enumerate(report) if ": error: " in entry)
    assert report[first].startswith(f"{file}:{line}:")
    if text is not None:
        assert error.text == text
        assert report[first + 1] == text
        assert report[first + 2].strip() == "^"
    if column is not None:
        assert error.offset == column
        assert report[first + 2].index("^") == column - 1


ERRORS = {
    "undeclared": ("  x[i] = y;", 10, "undeclared identifier 'y'"),
    "missing semicolon": ("  x[i] = 1", 11, "expected ';'"),
    "wrong type": ("  float4x4 m; x[i] = m;", 22, "assigning to 'float' from incompatible type 'float4x4'"),
    "no such member": ("  float2 v; v.q = 1;", 15, "no member named 'q' in 'float2'"),
    "no such function": ("  x[i] = no_such_function(1);", 10, "undeclared identifier 'no_such_function'"),
    "too few arguments": ("  x[i] = clamp(x[i]);", 10, "no matching function"),
    "const": ("  const float c = 1; c = 2;", 24, "const"),
    "unknown type": ("  float5 v;", 3, "unknown type name 'float5'"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_error_in_a_kernel(lib, what):
    line, column, message = ERRORS[what]
    source = f"{HEAD}\nkernel void k(device float* x, uint i [[thread_position_in_grid]]) {{\n{line}\n}}\n"
    error = compile_error(source)
    assert message in error.msg
    assert_at(error, "program_source", 5, column, line)
    assert error.diagnostics[0].severity == "error"


def test_error_at_the_top_level():
    error = compile_error("this is not Metal\n")
    assert_at(error, "program_source", 1, 1, "this is not Metal")


def test_error_in_a_parameter():
    error = compile_error(HEAD + "kernel void k(device foo* x, uint i [[thread_position_in_grid]]) {}\n")
    assert "unknown type name 'foo'" in error.msg
    assert_at(error, "program_source", 3, 22)


def test_each_error_once():
    error = compile_error(HEAD + "kernel void k(device foo* x, device bar* y) { x[0] = undefined_name; }\n")
    errors = [d for d in error.diagnostics if d.severity == "error"]
    assert [re.search("'(.*?)'", d.message)[1] for d in errors] == ["foo", "bar", "undefined_name"]
    assert str(error).endswith("3 errors generated.")


def test_error_behind_a_macro():
    source = HEAD + "#define ASSIGN(a, b) a = b\n\nkernel void k(device float* x) {\n  ASSIGN(x[0], missing);\n}\n"
    error = compile_error(source)
    assert "'missing'" in error.msg
    assert error.lineno == 6


def test_error_behind_a_multi_line_macro():
    source = (
        HEAD
        + "#define TWO \\\n  1 + \\\n  1\nkernel void k(device float* x) { x[0] = TWO; }\nint f() { return oops; }\n"
    )
    error = compile_error(source)
    assert_at(error, "program_source", 7, 18, "int f() { return oops; }")


def test_error_after_an_include(tmp_path):
    (tmp_path / "a.h").write_text('#pragma once\n#include "b.h"\n\nstatic int a() { return 1; }\n')
    (tmp_path / "b.h").write_text("// three\n// lines\nstatic int b() { return 2; }\n")
    path = tmp_path / "k.metal"
    path.write_text('#include "a.h"\n#include "a.h"\nkernel void k(device int* x) {\n  *x = a() + b() + c();\n}\n')
    with pytest.raises(mp.CompileError) as raised:
        mp.compile_file(path)
    assert_no_insides(str(raised.value).replace(str(tmp_path), ""))
    assert_at(raised.value, str(path), 4, 20, "  *x = a() + b() + c();")


def test_error_inside_an_include(tmp_path):
    (tmp_path / "a.h").write_text('// one\n#include "b.h"\n// three\nstatic int a() { return wrong; }\n')
    (tmp_path / "b.h").write_text("static int b() { return 2; }\n")
    error = compile_error('#include "a.h"\nkernel void k(device int* x) {}\n', include_dirs=tmp_path)
    assert_at(error, str(tmp_path / "a.h"), 4, 25, "static int a() { return wrong; }")


def test_error_with_a_line_directive():
    error = compile_error('#line 100 "generated.metal"\nkernel void k(device int* x) {\n  *x = wrong;\n}\n')
    assert (error.filename, error.lineno) == ("generated.metal", 101)


def test_error_in_a_template_names_the_instantiation():
    source = HEAD + textwrap.dedent("""
        template <typename T>
        kernel void k(device T* x) {
          x[0].no_such_field = 1;
        }
        template [[host_name("k_float")]] kernel decltype(k<float>) k<float>;
    """)
    error = compile_error(source)
    assert error.lineno == 6
    notes = [d for d in error.diagnostics if d.severity == "note"]
    assert any(n.line == 8 and "instantiation" in n.message for n in notes)


def test_error_inside_a_library_function_is_placed_in_the_source():
    error = compile_error(HEAD + "struct S { int a; };\nkernel void k(device float* x) {\n  x[0] = dot(S(), S());\n}\n")
    assert error.lineno == 5


def test_undefined_preprocessor_symbol():
    error = compile_error("#if\n#endif\nkernel void k(device int* x) {}\n")
    assert error.lineno == 1
    error = compile_error("// one\n#error too old\n")
    assert "too old" in error.msg and error.lineno == 2


def test_unterminated_things():
    for source in (
        "kernel void k(device int* x) {",
        "/* never ends",
        '#include "',
        "#if 1\n",
        "kernel void k(device int* x",
        "template <typename T",
    ):
        if source.startswith("/*"):
            source += "\nkernel"
        error = compile_error(source)
        assert error.lineno


@pytest.mark.parametrize(("form", "column"), [('"no/such.h"', 10), ("<no_such_header>", 10)])
def test_missing_include(lib, form, column, tmp_path):
    error = compile_error(f"// first\n#include {form}\n", include_dirs=tmp_path)
    assert form.strip('"<>') in error.msg and "not found" in error.msg
    assert str(tmp_path) in error.msg  # where it was looked for
    assert_at(error, "program_source", 2, column, f"#include {form}")


def test_include_that_includes_itself(tmp_path):
    (tmp_path / "loop.h").write_text('#include "loop.h"\n')
    error = compile_error('#include "loop.h"\n', include_dirs=tmp_path)
    assert "includes itself" in str(error) and "loop.h" in str(error)


def test_compile_errors_can_be_pickled():
    error = compile_error("nonsense")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.diagnostics == error.diagnostics and again.lineno == error.lineno


KERNELS_THAT_CANNOT_BE = {
    "two of one name": ("kernel void k(device int* x) {}\nkernel void k(device float* x) {}", "'k'"),
    "same index": ("kernel void k(device int* x [[buffer(1)]], device int* y [[buffer(1)]]) {}", "buffer(1)"),
    "index out of range": ("kernel void k(device int* x [[buffer(31)]]) {}", "0 to 30"),
    "plain value": ("kernel void k(float x) {}", "'x'"),
    "no address space": ("kernel void k(float* x) {}", "address space"),
    "bad input type": (
        "kernel void k(device int* x, float i [[thread_position_in_grid]]) {}",
        "thread_position_in_grid",
    ),
}


@pytest.mark.parametrize("what", KERNELS_THAT_CANNOT_BE)
def test_kernel_that_cannot_be_launched(lib, what):
    source, message = KERNELS_THAT_CANNOT_BE[what]
    error = compile_error("\n" + source)
    assert message in str(error)
    assert error.lineno == (3 if what == "two of one name" else 2)


UNSUPPORTED = {
    "stage_in": HEAD + "kernel void k(float4 v [[stage_in]], device float* x) {}",
    "imageblock_data": HEAD + "kernel void k(float4 v [[imageblock_data]], device float* x) {}",
}


@pytest.mark.parametrize("what", UNSUPPORTED)
def test_unsupported_feature(lib, what):
    with pytest.raises(mp.UnsupportedError, match=what) as raised:
        compile_shader(UNSUPPORTED[what])
    assert isinstance(raised.value, NotImplementedError)
    assert "'k'" in str(raised.value) and "program_source:3" in str(raised.value)


def test_recursion():
    source = (
        HEAD
        + "static int f(int n) {\n  return n < 2 ? n : f(n - 1) + f(n - 2);\n}\nkernel void k(device int* x) { *x = f(*x); }\n"
    )
    with pytest.raises(mp.CompileError, match=r"'f'.*recursion") as raised:
        compile_shader(source)
    assert raised.value.lineno == 3
    assert_no_insides(str(raised.value))


@pytest.mark.parametrize(
    ("declaration", "call", "name"),
    [
        ("float g(float);", "g(1)", "g"),
        ('extern "C" int system(const constant char*);', 'system("true")', "system"),  # which the process has
    ],
)
def test_function_without_a_body(lib, declaration, call, name):
    with pytest.raises(mp.CompileError, match=f"'calls' calls '{name}', which is declared but not defined") as raised:
        compile_shader(f"{declaration}\nkernel void calls(device float* x) {{ x[0] = {call}; }}")
    assert raised.value.lineno == 1
    assert_no_insides(str(raised.value))
    assert_works(lib)


def test_missing_function_constant():
    lib = compile_shader("constant int n [[function_constant(3)]];\nkernel void k(device int* x) { *x = n; }")
    with pytest.raises(mp.MetalError, match=r"'n'.*function_constant\(3\).*specialize"):
        lib.k(mp.zeros(1, dtype=mp.int32))
    x = mp.zeros(1, dtype=mp.int32)
    lib.k.specialize({"n": 5})(x)
    assert x.item() == 5
    with pytest.raises(mp.LaunchTypeError, match=r"'m'.*n \[3\]"):
        lib.k.specialize({"m": 1})
    with pytest.raises(mp.LaunchTypeError, match=r"int32.*1\.5"):
        lib.k.specialize({"n": 1.5})


# ---- memory ----


def test_out_of_memory(lib):
    keep = mp.ones(1000)
    with pytest.raises(MemoryError) as raised:
        mp.empty(2**46, dtype=np.uint8)
    assert isinstance(raised.value, mp.OutOfMemoryError)
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", str(raised.value))]
    assert 2**46 in numbers  # asked for
    assert len(numbers) >= 3, str(raised.value)  # in use, and the limit
    np.testing.assert_array_equal(np.asarray(keep), 1)


# ---- kernels that misbehave ----

FAULTS = (
    HEAD
    + """
kernel void null(device int* x, uint i [[thread_position_in_grid]]) { *(device int*)(ulong)(16 + x[0]) = 1; }
kernel void far(device int* x, uint i [[thread_position_in_grid]]) { x[(ulong)1 << 45] = 1; }
kernel void divide(device int* x, uint i [[thread_position_in_grid]]) { x[i] = 7 / x[i]; }
kernel void trap(device int* x) { __builtin_trap(); }
kernel void spin(device int* x) { while (x[0] == 0) {} }
kernel void spin_in_step(device int* x) { while (true) threadgroup_barrier(mem_flags::mem_device); }
"""
)


@pytest.mark.parametrize("kernel", ["null", "far", "trap"])
def test_fault(lib, kernel, device):
    if device.driver != "software":
        pytest.skip("hardware decides what a bad address does")
    faulty = getattr(compile_shader(FAULTS), kernel)
    faulty(mp.zeros(4, dtype=mp.int32))
    with pytest.raises(mp.KernelFaultError):
        mp.mps.synchronize()
    mp.mps.synchronize()  # told once


def test_division_by_a_zero_that_the_program_has(device):
    """LLVM takes such code for what is never reached: the loop had no end."""
    if device.driver != "software":
        pytest.skip("hardware gives a number that Metal does not define")
    lib = mp.mps.compile_shader(
        """
        #define STEP 0
        kernel void k(device uint* x, constant uint& from, uint i [[thread_position_in_grid]]) {
          for (uint j = 1; j < 19; ++j)
            if (j >= from && (j + i) % STEP == 0) ++x[i];
        }""",
        device=device,
    )
    x = mp.zeros(40, dtype=mp.uint32, device=device)
    lib.k(x, 100)
    assert not np.asarray(x).any()
    lib.k(x, 3)
    with pytest.raises(mp.KernelFaultError, match="'k'"):
        mp.mps.synchronize()


def test_division_of_an_integer_by_zero(lib, device):
    if device.driver != "software":
        pytest.skip("hardware gives a number that Metal does not define")
    x = mp.array(np.array([7, 0, 2, 1], np.int32))
    compile_shader(FAULTS).divide(x)
    with pytest.raises(mp.KernelFaultError, match=r"'divide'.*integer by zero"):
        np.asarray(x)


@pytest.mark.parametrize("kernel", ["spin", "spin_in_step"])
def test_time_limit(lib, kernel):
    looping = getattr(compile_shader(FAULTS), kernel)
    x = mp.zeros(1, dtype=mp.int32)
    mp.mps.set_time_limit(0.2)
    try:
        looping(x, threads=64)
        with pytest.raises(mp.TimeLimitError, match=r"0\.2|200") as raised:
            mp.mps.synchronize()
        assert isinstance(raised.value, TimeoutError)
    finally:
        mp.mps.set_time_limit(None)
    assert_works(lib)


def test_bad_time_limits():
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError):
            mp.mps.set_time_limit(wrong)


def test_failure_is_raised_by_the_array_that_waits(lib, device):
    if device.driver != "software":
        pytest.skip("hardware decides what a bad address does")
    x = mp.zeros(4, dtype=mp.int32)
    compile_shader(FAULTS).far(x)
    with pytest.raises(mp.KernelFaultError):
        np.asarray(x)


# ---- processes ----


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork():
    says(
        "fine\n",
        """
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, about threads
        import numpy as np, metalpy as mp
        lib = mp.mps.compile_shader("kernel void k(device int* x, uint i [[thread_position_in_grid]]) { x[i] += i; }")
        x = mp.zeros(8, dtype=mp.int32)
        lib.k(x)
        child = os.fork()
        if child == 0:
            for call in (lambda: lib.k(x), lambda: mp.zeros(3), mp.mps.synchronize):
                try:
                    call()
                except mp.ForkError as error:
                    assert "fork" in str(error) and "spawn" in str(error), error
                else:
                    os._exit(3)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        lib.k(x)
        assert (np.asarray(x) == 2 * np.arange(8)).all()
        print("fine")
    """,
    )
