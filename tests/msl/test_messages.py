"""What kernels say: formats, values, order, and what happens when there is too much of it."""
# ruff: noqa: UP031  (the reference is Python's % formatting)

import re

import numpy as np
import pytest

import metalpy as mp
from tests.helpers.messages import HEADER, listening, printed, speaking
from tests.helpers.process import python

pytestmark = pytest.mark.usefixtures("device")

# ---- formats, against Python's ----

INTEGERS = [0, 7, -7, 42, 123456, -2147483648, 2147483647]
FLOATS = [0.0, 1.0, -2.5, 0.1, 3.14159, 1e10, -1e-10, 12345.678]


def literal(value):
    if isinstance(value, int):
        return "int(-2147483647 - 1)" if value == -2147483648 else f"int({value})"
    return f"float({value!r}f)" if "e" in repr(value) or "." in repr(value) else f"float({value}.0f)"


@pytest.mark.parametrize("conversion", ["%d", "%i", "%5d", "%-8d", "%+d", "% d", "%05d", "%.4d", "%+8.3d", "%20d"])
def test_integers(conversion):
    calls = "".join(f'printf("[{conversion}]", {literal(value)});' for value in INTEGERS)
    assert printed(calls) == [f"[{conversion}]" % value for value in INTEGERS]


@pytest.mark.parametrize("conversion", ["%u", "%x", "%X", "%#x", "%o", "%08x", "%-12u"])
def test_unsigned_integers(conversion):
    values = [value for value in INTEGERS if value > 0]  # C writes %#x of 0 as 0, Python as 0x0
    calls = "".join(f'printf("[{conversion}]", {literal(value)});' for value in values)
    assert printed(calls) == [f"[{conversion}]" % value for value in values]


@pytest.mark.parametrize(
    "conversion",
    ["%f", "%F", "%.0f", "%.3f", "%10.2f", "%-10.2f", "%+.1f", "%010.3f", "%e", "%E", "%.2e", "%g", "%G", "%.12g"],
)
def test_floats(conversion):
    calls = "".join(f'printf("[{conversion}]", {literal(value)});' for value in FLOATS)
    assert printed(calls) == [f"[{conversion}]" % float(np.float32(value)) for value in FLOATS]


def test_hexadecimal_floats():
    assert [float.fromhex(text) for text in printed('printf("%a", 1.5f); printf("%a", -0.1f);')] == [
        1.5,
        float(np.float32(-0.1)),
    ]


def test_infinities_and_nans():
    assert printed('printf("%f %g %f", INFINITY, -INFINITY, NAN);') == ["%f %g %f" % (np.inf, -np.inf, np.nan)]


def test_strings_and_characters():
    assert printed("""printf("%s|%8s|%-8s|%.2s|%c%c", "text", "right", "left", "cut off", 'x', 65);""") == [
        "%s|%8s|%-8s|%.2s|%c%c" % ("text", "right", "left", "cut off", "x", 65)
    ]


def test_percent_signs_and_annotations():
    assert printed('printf("100%% of %{public}d%%%d%%", 1, 2);') == ["100% of 1%2%"]


def test_text_that_is_not_ascii():
    assert printed('printf("größer als %s", "Übermaß");') == ["größer als Übermaß"]


def test_width_and_precision_as_arguments():
    assert printed('printf("%*d|%-*d|%.*f|%*d", 6, 42, 6, 42, 2, 3.14159f, -6, 7);') == [
        "%*d|%-*d|%.*f|%-6d" % (6, 42, 6, 42, 2, 3.14159, 7)
    ]


def test_long_text():
    body = "x" * 1500
    assert printed(f'printf("{body}%1000d", 5);') == [body + f"{5:1000}"]


def test_pointers():
    x = mp.zeros(100)
    with listening() as said:
        speaking('printf("%p %p %p", x, x + 10, nullptr);')(x, threads=1)
    first, second, null = said[0].text.split()
    assert (int(second, 16) - int(first, 16), null) == (40, "0x0")
    assert int(first, 16) % 16 == 0 and int(first, 16) > 4096


# ---- values of Metal's types ----


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('"%d %d %d", char(-1), uchar(255), bool(true)', "-1 255 1"),
        ('"%x %x", char(-1), uchar(255)', "ffffffff ff"),  # promoted to int, as in C
        ('"%hhd %hhx %hd %hx", 300, -1, 70000, -1', "44 ff 4464 ffff"),
        ('"%ld %lld %lu %zu", -1l, long(1) << 40, ~0ul, ulong(5)', f"-1 {1 << 40} {(1 << 64) - 1} 5"),
        ('"%d %u", 4000000000u, 4000000000u', "-294967296 4000000000"),
        ('"%d", ulong(1) << 40', str(1 << 40)),  # nothing is cut off: the type is known
        ('"%f %f %.3f", half(1.5h), bfloat(2.5), 0.1', "1.500000 2.500000 0.100"),
        ('"%v2d %v3d %v4d", int2(-1, 2), short3(-1, 2, 3), char4(1, -2, 3, -4)', "-1,2 -1,2,3 1,-2,3,-4"),
        ('"%v4hhx %v2hx %v2hlx", uchar4(0, 15, 16, 255), short2(-1, 1), int2(-1, 1)', "0,f,10,ff ffff,1 ffffffff,1"),
        ('"%v2lu %v2ld", ulong2(1, ~0ul), long2(-1, 1)', f"1,{(1 << 64) - 1} -1,1"),
        ('"%v2f %.1v3f %6.2v4hlf", half2(1, 2), float3(1, 2, 3), float4(1, 2, 3, 4)',
         "1.000000,2.000000 1.0,2.0,3.0   1.00,  2.00,  3.00,  4.00"),
        ('"%v4d", bool4(true, false, true, true)', "1,0,1,1"),
        ('"%v2f", bfloat2(1.5, -2)', "1.500000,-2.000000"),
        ('"%v3f %f", packed_float3(1, 2, 3), float4(1, 2, 3, 4).zyx.y', "1.000000,2.000000,3.000000 2.000000"),
        ('"%v2f", float4(1, 2, 3, 4).wx', "4.000000,1.000000"),
    ],
)  # fmt: skip
def test_types(call, text):
    assert printed(f"printf({call});") == [text]


def test_enumerations():
    assert printed('enum Color : uchar { red = 3 }; printf("%d", red);') == ["3"]


def test_every_thread_has_its_own_values(rng):
    values = rng.standard_normal(100).astype(np.float32)
    with listening() as said:
        speaking('printf("%u: %.6g", i, x[i]);')(mp.array(values))
    assert [message.text for message in said] == ["%u: %.6g" % (i, float(v)) for i, v in enumerate(values)]


# ---- mismatches ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('"%d", x[0]', "needs an integer"),
        ('"%*d", x[0], 1', "needs an integer"),
        ('"%f", i', "needs a floating-point number"),
        ('"%s", i', "needs a constant string"),
        ('"%p", i', "needs a pointer"),
        ('"%d %d", i', "more conversions than there are arguments"),
        ('"%d", i, i', "more arguments than the format has conversions"),
        ('"none", i', "more arguments than the format has conversions"),
        ('"%v4f", float3(1)', "number of components"),
        ('"%f", float2(1)', "number of components"),
        ('"%v4f", 1.0f', "number of components"),
        ('"%v5f", float4(1)', "does not exist"),
        ('"%y", i', "does not exist"),
        ('"%", i', "does not exist"),
        ('"%n", i', "does not exist"),
        ('"%d", *(thread os_log*)x', "a message takes numbers"),
    ],
)
@pytest.mark.parametrize("function", ["printf", "os_log_default.log_error", "MP_REPORT_ERROR"])
def test_mismatches_are_compile_errors(function, call, message):
    with pytest.raises(mp.CompileError, match=message) as caught:
        speaking(f"{function}({call});")
    assert caught.value.lineno == 8
    assert caught.value.filename == "program_source"


def test_mismatches_in_templates_name_the_instantiation():
    with pytest.raises(mp.CompileError, match="needs an integer") as caught:
        speaking("show(1); show(1.0f);", 'template <class T> void show(T value) { printf("%d", value); }')
    assert [d.severity for d in caught.value.diagnostics] == ["error", "note"]


def test_formats_known_only_at_run_time_are_safe():
    show = 'void show(constant char* format, float value) { printf(format, value, "s", int2(1, 2)); }'
    with listening() as said:
        speaking('show("%f %s %v2d", 0.5f); show("%d", 0.5f); show("%s %d %f|%d", 0.5f); show("%", 1);', show)(
            mp.zeros(1)
        )
    assert [re.sub("0x[0-9a-f]+", "address", message.text) for message in said] == [
        "0.500000 s 1,2",
        "%!d(0.5)%!(extra address)%!(extra 1,2)",
        "%!s(0.5) %!d(address) %!f(1,2)|%!d(missing)",
        "%!(1)%!(extra address)%!(extra 1,2)",
    ]


def test_no_printf_without_its_header():
    with pytest.raises(mp.CompileError, match="undeclared identifier 'printf'"):
        mp.mps.compile_shader('kernel void k() { printf("x"); }')


# ---- os_log ----


def test_os_log_has_levels_subsystem_and_category():
    with listening() as said:
        speaking(
            'mine.log("a"); mine.log_debug("b"); mine.log_info("c"); mine.log_error("d %d", 1); mine.log_fault("e");\n'
            'os_log_default.log("f");',
            'constant os_log mine("org.example", "tests");',
        )(mp.zeros(1))
    assert [(m.level, m.text, m.subsystem, m.category, m.line) for m in said] == [
        ("default", "a", "org.example", "tests", 8),
        ("debug", "b", "org.example", "tests", 8),
        ("info", "c", "org.example", "tests", 8),
        ("error", "d 1", "org.example", "tests", 8),
        ("fault", "e", "org.example", "tests", 8),
        ("default", "f", None, None, 9),
    ]
    assert {(m.kernel, m.file, m.thread, m.stream_id) for m in said} == {("k", "program_source", (0, 0, 0), 0)}


def test_qualified_names_without_using():
    source = (
        "#include <metal_logging>\n#include <metalpy/printf.h>\n"
        "kernel void k(device float* x) { metal::os_log_default.log_info("
        '"%d", 1); metalpy::printf("%d", 2); }'
    )
    with listening() as said:
        mp.mps.compile_shader(source).k(mp.zeros(1))
    assert [(m.level, m.text) for m in said] == [("info", "1"), ("print", "2")]


# ---- who speaks, and in which order ----


def test_positions_in_three_dimensions():
    source = HEADER + 'kernel void k(uint3 p [[thread_position_in_grid]]) { printf("%v3u", p); }'
    with listening() as said:
        mp.mps.compile_shader(source).k(threads=(5, 4, 3), group_size=(2, 3, 2))
    assert len(said) == 60
    assert [m.text for m in said] == [",".join(map(str, m.thread)) for m in said]
    groups = [(m.thread[2] // 2, m.thread[1] // 3, m.thread[0] // 2) for m in said]
    assert groups == sorted(groups), "threadgroups come in order, x fastest"
    inside = {}
    for m, group in zip(said, groups, strict=True):
        inside.setdefault(group, []).append(m.thread[::-1])
    assert all(threads == sorted(threads) for threads in inside.values())


def test_helper_functions_speak():
    helpers = """
float deep(float v) { os_log_default.log("deep %g", v); return v + 1; }
template <int N> float twice(float v) { printf("twice %d", N); return deep(deep(v)); }
"""
    assert printed("x[0] = twice<3>(1.5f);", before=helpers) == ["twice 3", "deep 1.5", "deep 2.5"]


BARRIER = """kernel void k(device uint* out, uint i [[thread_position_in_grid]], uint t [[thread_index_in_threadgroup]]) {
  threadgroup uint shared[64];
  shared[t] = i;
  if (t % 3 == 1) printf("before %u", i);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  uint sum = 0;
  if (t % 2) { sum = simd_sum(1u); printf("odd %u %u", i, sum); } else printf("even %u %u", i, shared[63 - t]);
  out[i] = sum;
}"""


def test_kernels_with_barriers_and_divergent_code():
    out = mp.zeros(256, "uint32")
    with listening() as said:
        mp.mps.compile_shader(HEADER + BARRIER).k(out, group_size=64)
    assert [m.thread[0] // 64 for m in said] == sorted(m.thread[0] // 64 for m in said)
    for group in range(4):
        texts = [m.text for m in said if m.thread[0] // 64 == group]
        assert all(text.startswith("before") for text in texts[:21])
        assert sorted(texts[:21]) == sorted(f"before {64 * group + t}" for t in range(64) if t % 3 == 1)
        behind = [f"odd {64 * group + t} 16" if t % 2 else f"even {64 * group + t} {64 * group + 63 - t}"
                  for t in range(64)]  # fmt: skip
        assert sorted(texts[21:]) == sorted(behind)
    assert all(int(m.text.split()[1]) == m.thread[0] for m in said)
    assert out.tolist() == [16 * (i % 2) for i in range(256)]


def test_kernels_with_large_stacks():
    """They run on a stack of their own, by another way."""
    body = "float big[100000]; for (int j = 0; j < 100000; ++j) big[j] = x[j % 2] + j; x[i] = big[i * 7];"
    with listening() as said:
        speaking(body + ' printf("%u %g", i, x[i]);')(mp.zeros(2))
    assert [message.text for message in said] == ["0 0", "1 7"]


ORDER = f"""
import metalpy as mp
from tests.helpers.messages import HEADER, listening
source = HEADER + '''
kernel void loop(device float* x, uint i [[thread_position_in_grid]]) {{
  for (uint j = 0; j < i % 3; ++j) printf("%u.%u ", i, j);
}}
{BARRIER.replace("void k(", "void fibers(")}
'''
lib = mp.mps.compile_shader(source)
with listening() as said:
    lib.loop(mp.zeros(1), threads=20000, group_size=7)
    lib.fibers(mp.zeros(6400, "uint32"), group_size=64)
    lib.loop(mp.zeros(1), threads=100, group_size=100)
print(len(said), mp.device().core_count)
print("".join(m.text for m in said))
"""


def test_the_order_is_the_same_for_any_number_of_workers():
    runs = [python(ORDER, METALPY_NUM_THREADS=str(count), METALPY_LOG_BUFFER_SIZE="10000000") for count in (1, 4)]
    assert [r.stderr for r in runs] == ["", ""]
    heads, texts = zip(*[r.stdout.split("\n", 1) for r in runs], strict=True)
    assert [head.split()[1] for head in heads] == ["1", "4"]
    assert texts[0] == texts[1]
    expected = "".join(f"{i}.{j} " for i in range(20000) for j in range(i % 3))
    assert texts[0].startswith(expected)
    assert int(heads[0].split()[0]) == sum(i % 3 for i in range(20000)) + (6400 // 64) * (21 + 64) + 99


OVERFLOW = """
import metalpy as mp
from tests.helpers.messages import HEADER, listening
lib = mp.mps.compile_shader(HEADER + '''
kernel void k(device float* x, uint i [[thread_position_in_grid]]) {
  printf(i % 5 ? "%u" : "%u, which is a number that five divides", i);
  if (i == 19000 || i == 19990) MP_REPORT_ERROR("%u is too much", i);
}''')
with listening() as said:
    lib.k(mp.zeros(1), threads=20000, group_size=7)
    try:
        mp.mps.synchronize()
    except mp.KernelReportedError as error:
        print(error.message, error.thread, error.further)
    lib.k(mp.zeros(1), threads=2)
for m in said:
    print(m.level, m.text)
"""


@pytest.mark.parametrize("size", [0, 100, 5000, 100000])
def test_what_does_not_fit_is_counted(size):
    runs = [python(OVERFLOW, METALPY_NUM_THREADS=str(n), METALPY_LOG_BUFFER_SIZE=str(size)) for n in (1, 4)]
    assert [r.stderr for r in runs] == ["", ""]
    assert runs[0].stdout == runs[1].stdout, "which ones fit depends on no schedule"
    lines = runs[0].stdout.splitlines()
    assert lines[0] == "19000 is too much (19000, 0, 0) 0", "an error report is raised even so"
    kept = lines[1:].index("report 19000 is too much")
    expected = [f"{i}, which is a number that five divides" if i % 5 == 0 else str(i) for i in range(kept)]
    assert lines[1 : 1 + kept] == [f"print {text}" for text in expected]
    lost = 20000 + 2 - kept - 1
    assert lines[2 + kept] == f"lost {lost} messages did not fit into {size} bytes"
    behind = ["lost 2 messages did not fit into 0 bytes"]
    assert lines[3 + kept :] == (["print 0, which is a number that five divides", "print 1"] if size > 100 else
                                 behind if size == 0 else lines[3 + kept :])  # fmt: skip
    assert (kept > 50) == (size > 1000)


def test_a_bad_buffer_size_is_told():
    done = python("import metalpy as mp; mp.device()", METALPY_LOG_BUFFER_SIZE="1 MiB")
    assert "EnvironmentVariableError: METALPY_LOG_BUFFER_SIZE must be a number of bytes" in done.stderr


# ---- kernels that fail ----


def test_a_kernel_that_faults_is_heard():
    body = 'printf("%u", i); if (i == 3) { volatile device float* wild = nullptr; *wild = 1; } printf("!");'
    with listening() as said:
        speaking(body)(mp.zeros(1), threads=8, group_size=8)
        with pytest.raises(mp.KernelFaultError, match="null pointer"):
            mp.mps.synchronize()
    assert [m.text for m in said] == ["0", "!", "1", "!", "2", "!", "3"]


def test_a_string_that_cannot_be_read_is_a_fault():
    with listening() as said:
        speaking('printf("a"); printf("%s", (constant char*)16); printf("b");')(mp.zeros(1))
        with pytest.raises(mp.KernelFaultError):
            mp.mps.synchronize()
    assert [m.text for m in said] == ["a"]


def test_a_kernel_that_is_stopped_is_heard():
    kernel = speaking('printf("on"); for (volatile device float* v = x; *v == 0;) {} printf("off");')
    mp.mps.set_time_limit(0.2)
    try:
        with listening() as said:
            kernel(mp.zeros(1))
            with pytest.raises(mp.TimeLimitError):
                mp.mps.synchronize()
    finally:
        mp.mps.set_time_limit(None)
    assert [m.text for m in said] == ["on"]


def test_kernels_that_say_nothing_run_group_by_group():
    """A message somewhere in the program costs the other kernels nothing: their machine code is the same."""
    silent = "kernel void silent(device float* x, uint i [[thread_position_in_grid]]) { x[i] += 1; }\n"
    speaker = 'kernel void speaker(device float* x) { printf("x"); }\n'
    alone = mp.mps.compile_shader(HEADER + silent)._compilation.native("silent").read_bytes()
    together = mp.mps.compile_shader(HEADER + silent + speaker)._compilation
    assert b"mp_kernel_message" not in together.native("silent").read_bytes()
    assert b"mp_kernel_message" in together.native("speaker").read_bytes()
    assert together.native("silent").read_bytes() == alone
