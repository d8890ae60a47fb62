"""Reading kernels and attributes from preprocessed text."""

from __future__ import annotations

import pytest

from metalpy.compiler.harvest import BUILTINS, harvest
from metalpy.compiler.source import Misuse
from metalpy.errors import UnsupportedError


def entries(text):
    return harvest(text, "t.metal").entries


def one(text):
    (entry,) = entries(text)
    return entry


def roles(entry):
    return [(p.name, p.role) for p in entry.parameters]


ID = "uint i [[thread_position_in_grid]]"


@pytest.mark.parametrize(
    "head",
    ["kernel void k", "[[kernel]] void k", "static kernel void k", "kernel\nvoid\nk", 'extern "C" kernel void k'],
)
def test_spellings_of_a_kernel(head):
    entry = one(f"{head}(device float* x, {ID}) {{ x[i] = 1; }}")
    assert (entry.name, entry.scope, entry.callee) == ("k", "", "k")
    assert roles(entry) == [("x", "buffer"), ("i", "thread_position_in_grid")]


def test_other_functions_are_none():
    text = """
        static float helper(float x) { return x; }
        struct S { int kernel_size; void f() { } };
        // kernel void commented(device int* x) {}
        constant int table[2] = {1, 2};
        template <typename T> T g(T x) { return x; }
        kernel void declared(device int* x);
        int last() { if (1) { return 2; } return 3; }
    """
    assert entries(text) == []


def test_kernels_in_order_with_lines():
    found = entries("\n\nkernel void b(device int* x) {}\nstruct S { int a; };\n\nkernel void a(device int* x) {}\n")
    assert [(e.name, e.file, e.line) for e in found] == [("b", "t.metal", 3), ("a", "t.metal", 6)]


def test_line_marks():
    text = '# 1 "x.h" 1\nint a;\nkernel void k(device int* x) {}\n# 7 "main.metal" 2\nkernel void m(device int* x) {}\n'
    assert [(e.name, e.file, e.line) for e in entries(text)] == [("k", "x.h", 2), ("m", "main.metal", 7)]


def test_bindings():
    entry = one(
        "kernel void k(device float* a [[buffer(3)]], constant P& b, threadgroup float* t [[threadgroup(1)]], "
        "const device int* c [[buffer(N + 1)]], ushort2 p [[threadgroup_position_in_grid]], "
        "device T<a, b>* d [[buffer(0), function_constant(has_d)]]) {}"
    )
    a, b, t, c, p, d = entry.parameters
    assert (a.role, a.index, a.address_space, a.is_reference, a.gate) == ("buffer", "3", "device", False, None)
    assert (b.role, b.index, b.address_space, b.is_reference) == ("buffer", None, "constant", True)
    assert (t.role, t.index, t.address_space) == ("threadgroup", "1", "threadgroup")
    assert (c.index, c.address_space) == ("N+1", "device")
    assert (p.role, p.name) == ("threadgroup_position_in_grid", "p")
    assert (d.name, d.index, d.gate) == ("d", "0", "has_d")


@pytest.mark.parametrize(
    ("declaration", "name"),
    [
        ("device float* x", "x"), ("device float *x", "x"), ("device float*", ""), ("device const float* const x", "x"),
        ("constant int (&table)[3]", "table"), ("constant metal::array<int, 3>& v", "v"), ("device unsigned int* n", "n"),
        ("constant struct P& p", "p"), ("device float x[]", "x"), ("device float* device* pp", "pp"),
        ("device const ns::T<int>*", ""), ("volatile device int* v", "v"),
    ],
)  # fmt: skip
def test_parameter_names(declaration, name):
    (parameter,) = one(f"kernel void k({declaration}) {{}}").parameters
    assert parameter.name == name and parameter.role == "buffer"


@pytest.mark.parametrize("attribute", sorted(BUILTINS))
def test_every_input(attribute):
    (parameter,) = one(f"kernel void k(uint3 v [[{attribute}]]) {{}}").parameters
    assert parameter.role == attribute and parameter.name == "v"


# ---- templates ----

TEMPLATE = "template <typename T, int N = 4>\nkernel void k(device T* x [[buffer(2)]], constant T& y, " + ID + ") { }\n"


@pytest.mark.parametrize(
    "instantiation",
    [
        'template [[host_name("named")]] kernel decltype(k<float>) k<float>;',
        'template [[host_name("named")]] [[kernel]] decltype(k<float>) k<float>;',
        'template [[host_name("na" "med")]] [[kernel]] decltype(k<float, 4>) k<float, 4>;',
        'template [[host_name("named")]] [[kernel]] void k<float>(device float* x, constant float& y, uint i);',
        'template [[host_name("named"), kernel]] k_t k<float>;',
        'template [[kernel, host_name("named")]] ns::k_t<float> k<float>;',
    ],
)
def test_instantiations(instantiation):
    entry = one(TEMPLATE + instantiation)
    assert entry.name == "named"
    assert entry.callee.startswith("k<float")
    assert roles(entry) == [("x", "buffer"), ("y", "buffer"), ("i", "thread_position_in_grid")]
    assert entry.parameters[0].index == "2"
    assert entry.line == 3


def test_template_alone_is_no_kernel():
    assert entries(TEMPLATE) == []


def test_instantiation_without_a_definition():
    with pytest.raises(Misuse, match="'k'"):
        entries('template [[host_name("n")]] kernel decltype(k<int>) k<int>;')


def test_host_name_of_a_plain_kernel():
    assert one('[[host_name("other")]] kernel void k(device int* x) {}').name == "other"


def test_namespaces():
    text = "namespace a { namespace b { kernel void k(device int* x) {} } }\nnamespace c::d { kernel void m(device int* x) {} }\nkernel void p(device int* x) {}"
    assert [(e.scope, e.callee) for e in entries(text)] == [("a::b", "k"), ("c::d", "m"), ("", "p")]


def test_limit():
    assert (
        one("[[max_total_threads_per_threadgroup(64 * 2)]] kernel void k(device int* x) {}").max_threads.replace(
            " ", ""
        )
        == "64*2"
    )


# ---- function constants ----


def test_function_constants():
    text = """
        constant bool a [[function_constant(0)]];
        constant int b [[function_constant(BASE + 1)]];
        namespace n { constant float2 c [[function_constant(2)]]; }
        constant bool derived = a && b > 1;
        constant float plain = 2;
    """
    found = harvest(text, "t.metal").constants
    assert [(c.name, c.index) for c in found] == [("::a", "0"), ("::b", "BASE+1"), ("::n::c", "2")]


# ---- refusals ----


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("kernel void k(device int* x) {}\nkernel void k(device int* y) {}", "two kernels have the name 'k'", 2),
        ("kernel void k(float x) {}", "'x' of kernel 'k'", 1),
        ("\nkernel void k(int* p) {}", "address space", 2),
        ("kernel void k(uint i [[thread_positon_in_grid]]) {}", "thread_positon_in_grid.*thread_position_in_grid", 1),
        ("kernel int k(device int* x) { return 1; }", "must return void", 1),
    ],
)
def test_refusals(text, message, line):
    with pytest.raises(Misuse, match=message) as raised:
        entries(text)
    assert (raised.value.file, raised.value.line) == ("t.metal", line)


@pytest.mark.parametrize(
    ("parameter", "role", "index"),
    [
        ("texture2d<float> t [[texture(3)]]", "texture", "3"), ("depth2d<float> t", "texture", None),
        ("metal::texture2d<half, access::write> t", "texture", None), ("Image t [[texture(0)]]", "texture", "0"),
        ("array<texture2d<float>, 4> t [[texture(1)]]", "texture", "1"),
        ("const metal::array<metal::texture2d<float>, N> t", "texture", None),
        ("sampler t [[sampler(N + 1)]]", "sampler", "N+1"), ("metal::sampler t", "sampler", None),
        ("array<sampler, 2> t", "sampler", None), ("device array<float, 4>* t", "buffer", None),
    ],
)  # fmt: skip
def test_textures_and_samplers(parameter, role, index):
    found = entries(f"kernel void k(device int* x, {parameter}) {{}}")[0].parameters[1]
    assert (found.name, found.role, found.index) == ("t", role, index)


@pytest.mark.parametrize(
    ("parameter", "message"),
    [("V v [[stage_in]]", "stage_in"), ("V v [[imageblock_data]]", "imageblock_data")],
)
def test_unsupported(parameter, message):
    with pytest.raises(UnsupportedError, match=message) as raised:
        entries(f"\nkernel void k(device int* x, {parameter}) {{}}")
    assert "t.metal:2" in str(raised.value) and "'k'" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "kernel",
        "kernel void",
        "kernel void k(",
        "template <",
        "namespace {",
        "}}}",
        "[[",
        "kernel void k(device int* x) {",
        "",
    ],
)
def test_unfinished_text_is_left_to_clang(text):
    harvest(text, "t.metal")
