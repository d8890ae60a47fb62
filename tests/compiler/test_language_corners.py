"""Corners of the language, a small kernel for each, against what C++ says of them by hand."""

import numpy as np
import pytest

import metalpy as mp

HEAD = "#include <metal_stdlib>\nusing namespace metal;\n"

# What the kernel writes, and the program.
PROGRAMS = {
    "attributes in front": (
        [5],
        """
[[kernel]] [[max_total_threads_per_threadgroup(64)]] void k(device int* o [[buffer(0)]], uint i [[thread_position_in_grid]]) { o[i] = 5; }
""",
    ),
    "kernels that macros make": (
        [6],
        """
#define MK(name, ...) kernel void name(device int* o [[buffer(0)]], __VA_ARGS__) { o[i] = 6; }
MK(k, uint i [[thread_position_in_grid]])
""",
    ),
    "extern C": (
        [7],
        """
extern "C" kernel void k(device int* o) { o[0]=7; }
""",
    ),
    "extern C block": (
        [7],
        """
extern "C" { kernel void k(device int* o) { o[0]=7; } }
""",
    ),
    "instantiations": (
        [8, 9],
        """
template <typename T> kernel void t(device T* o) { o[0]=8; o[1]=sizeof(T)+5; }
template [[host_name("k")]] kernel void t<int>(device int*);
""",
    ),
    "program-scope tables": (
        [3, 7, 4, 12],
        """
struct S { int a; float2 b; packed_float3 c; };
constant S table[] = {{1,{2,3},{4,5,6}},{2,{5,7},{8,9,10}}};
constant float2x2 m[2] = {float2x2(1), float2x2(float2(1,2),float2(3,4))};
constexpr constant int arr[3] = {10,11,12};
kernel void k(device int* o) { o[0]=table[0].b.y; o[1]=table[1].b.y; o[2]=m[1][1][1]; o[3]=arr[2]; }
""",
    ),
    "bit fields": (
        [5, 2, 12],
        """
struct B { uint a:3; uint b:5; int c:24; };
kernel void k(device int* o) { B b; b.a=13; b.b=34; b.c=12; o[0]=b.a; o[1]=b.b; o[2]=b.c; }
""",
    ),
    "alignas": (
        [32, 16, 64],
        """
struct alignas(32) A { int x; }; struct __attribute__((aligned(16))) C { int x; }; struct D { int y; alignas(32) int z; };
kernel void k(device int* o) { o[0]=sizeof(A); o[1]=sizeof(C); o[2]=sizeof(D); }
""",
    ),
    "using enum": (
        [2, 5],
        """
enum class E : uchar { a, b, c }; enum class F { z=5 };
kernel void k(device int* o) { using enum E; E e=c; o[0]=int(e); { using enum F; o[1]=int(z);} }
""",
    ),
    "user literals": (
        [42],
        """
constexpr int operator""_x(unsigned long long v) { return int(v)*2; }
kernel void k(device int* o) { o[0]=21_x; }
""",
    ),
    "auto parameters": (
        [3, 8],
        """
auto add(auto a, auto b) { return a+b; }
kernel void k(device int* o) { o[0]=add(1,2); auto f=[o](auto x){ return add(x,x)+int(o!=nullptr)-1; }; o[1]=f(4); }
""",
    ),
    "lambdas over every address space": (
        [10, 11, 12, 13],
        """
constant int C[2]={12,13};
kernel void k(device int* o) { threadgroup int t[2]; t[0]=11; int x=10; auto l=[&](int i){ return i==0?x:i==1?t[0]:C[i-2]; }; for (int i=0;i<4;++i) o[i]=l(i); }
""",
    ),
    "structured bindings": (
        [1, 2, 3, 4],
        """
struct P { int a; int b; };
kernel void k(device int* o) { P p{1,2}; auto [a,b]=p; int q[2]={3,4}; auto& [c,d]=q; o[0]=a;o[1]=b;o[2]=c;o[3]=d; }
""",
    ),
    "folds": (
        [10, 24],
        """
template <class... T> int sum(T... t) { return (t + ... + 0); } template <class... T> int prod(T... t) { return (... * t); }
kernel void k(device int* o) { o[0]=sum(1,2,3,4); o[1]=prod(1,2,3,4); }
""",
    ),
    "CRTP": (
        [9],
        """
template <class D> struct Base { int go() const thread { return static_cast<const thread D*>(this)->v(); } }; struct D : Base<D> { int v() const thread { return 9; } };
kernel void k(device int* o) { D d; o[0]=d.go(); }
""",
    ),
    "recursion of templates": (
        [120],
        """
template <int N> struct Fac { static constexpr int v=N*Fac<N-1>::v; }; template <> struct Fac<0> { static constexpr int v=1; };
kernel void k(device int* o) { o[0]=Fac<5>::v; }
""",
    ),
    "concepts": (
        [1, 2],
        """
template <class T> concept Small = sizeof(T)<=2; template <Small T> int f(T) { return 1; } template <class T> int f(T) { return 2; }
kernel void k(device int* o) { o[0]=f(short(1)); o[1]=f(1); }
""",
    ),
    "structs in threadgroup memory": (
        [5, 7],
        """
struct T { int a; int b[4]; };
kernel void k(device int* o) { threadgroup T t; t.a=5; t.b[3]=7; threadgroup int (&r)[4]=t.b; o[0]=t.a; o[1]=r[3]; }
""",
    ),
    "atomic arrays in threadgroup memory": (
        [4],
        """
kernel void k(device int* o) { threadgroup atomic_int a[4]; atomic_store_explicit(&a[1],3,memory_order_relaxed); atomic_fetch_add_explicit(&a[1],1,memory_order_relaxed); o[0]=atomic_load_explicit(&a[1],memory_order_relaxed); }
""",
    ),
    "volatile and coherent": (
        [4, 5],
        """
kernel void k(volatile device int* o) { volatile threadgroup int t; t=4; o[0]=t; coherent(device) device int* p=(device int*)o; p[1]=5; }
""",
    ),
    "static assertions": (
        [1],
        """
_Static_assert(sizeof(int)==4,"x"); static_assert(sizeof(float3)==16);
kernel void k(device int* o) { static_assert(true); o[0]=1; }
""",
    ),
    "pragmas for loops": (
        [28],
        """
kernel void k(device int* o) { int s=0;
#pragma unroll(4)
for (int i=0;i<8;++i) s+=i;
#pragma clang loop unroll(full)
for (int i=0;i<2;++i) s+=0;
_Pragma("unroll") for (int i=0;i<2;++i) s+=0;
o[0]=s; }
""",
    ),
    "continued lines": (
        [11],
        r"""
#define LONG(a) \
   a + \
   1
ker\
nel void k(device int* o) { o[0]=LONG(10); } // com\
ment
""",
    ),
    "raw strings": (
        [5],
        """
constant char s[] = R"(ab"c)";
kernel void k(device int* o) { o[0]=sizeof(s)-1; o[0]=sizeof(s); static_assert(sizeof(s)==5); }
""",
    ),
    "names beyond ASCII": (
        [3],
        """
kernel void k(device int* o) { int größe=3; o[0]=größe; }
""",
    ),
    "if constexpr": (
        [1, 2],
        """
template <class T> int f(T) { if constexpr (is_same_v<T,float>) return 1; else return 2; }
kernel void k(device int* o) { o[0]=f(1.0f); o[1]=f(1); }
""",
    ),
    "instantiations in namespaces": (
        [4],
        """
namespace a::b { template <int N> kernel void t(device int* o) { o[0]=N; } template [[host_name("k")]] kernel void t<4>(device int*); }
""",
    ),
    "unions": (
        [1065353216],
        """
kernel void k(device int* o) { union { float f; int i; } u; u.f=1; o[0]=u.i; }
""",
    ),
    "statements with initializers": (
        [6],
        """
kernel void k(device int* o) { if (int x=6; x>5) o[0]=x; switch (int y=2; y) { case 2: [[fallthrough]]; default: break; } for (int a[]={1,2}; int v : a) (void)v; }
""",
    ),
    "constexpr data": (
        [5, 6],
        """
inline constexpr constant int A=5; static constant constexpr const int B=6;
kernel void k(device int* o) { o[0]=A; o[1]=B; }
""",
    ),
    "designated initializers": (
        [1, 9, 0],
        """
struct S { int a; int b; int c; };
kernel void k(device int* o) { S s={.a=1,.b=9}; o[0]=s.a;o[1]=s.b;o[2]=s.c; }
""",
    ),
    "pointers to members": (
        [4],
        """
struct S { int a; int b; };
kernel void k(device int* o) { S s{3,4}; int S::*p=&S::b; o[0]=s.*p; }
""",
    ),
    "template templates": (
        [12],
        """
template <template <class> class C, class T> struct W { C<T> c; }; template <class T> struct V { T x; };
kernel void k(device int* o) { W<V,int> w{{12}}; o[0]=w.c.x; }
""",
    ),
    "several attributes of a parameter": (
        [3],
        """
kernel void k(device int* o [[buffer(0)]] [[maybe_unused]], uint i [[maybe_unused, thread_position_in_grid]]) { o[i]=3; }
""",
    ),
    "goto": (
        [3],
        """
kernel void k(device int* o) { int i=0; again: if (++i<3) goto again; o[0]=i; }
""",
    ),
    "specialisations with names for the host": (
        [8],
        """
namespace n { template <class T, int N> kernel void t(device T* o) { o[0]=N; }
template <> [[host_name("k")]] kernel void t<int, 7>(device int* o) { o[0]=8; }
template [[host_name("other")]] kernel void t<int, 6>(device int*); }
""",
    ),
    "instantiations that do not say kernel": (
        [4],
        """
template <typename T, int N> [[kernel]] void t(device T* o [[buffer(0)]]) { o[0]=N; }
typedef decltype(t<int,4>) of_four;
template [[host_name("k")]] of_four t<int,4>;
""",
    ),
    "arguments by other names for pointers": (
        [3],
        """
using P = device int*; using Q = P;
kernel void k(Q o) { o[0]=3; }
""",
    ),
    "annotations": (
        [3],
        """
[[user_annotation("a")]] kernel void k(device int* o [[user_annotation("b"), buffer(0)]]) { o[0]=3; }
""",
    ),
    "vectors of clang's": (
        [36, 3, 2, 16],
        """
typedef half H8 __attribute__((ext_vector_type(8)));
typedef float __attribute__((__ext_vector_type__(8))) F8;
using I2 = int __attribute__((ext_vector_type(2)));
using U16 = ushort __attribute__((ext_vector_type(16)));
kernel void k(device int* o) { F8 f = F8(H8(1)) * 2.0f - 1.0f; for (int i=0; i<8; i++) f[i] *= i + 1; H8 h = H8(f); float s = 0;
  for (int i=0; i<8; i++) s += h[i]; o[0]=int(s); I2 v = I2(1, 2); o[1]=v.x + v.y;
  U16 u = (U16(1) << U16(1)) & U16(3); o[2]=u[15] * (u == U16(2))[7]; o[3]=sizeof(H8); }
""",
    ),
    "enumerations that are used": (
        [2, 5],
        """
namespace n { enum class C : uchar { red=1, green, blue=5 }; }
int f(n::C c) { switch (c) { using enum n::C; case red: return 1; case green: return 2; case blue: return 5; } return 0; }
kernel void k(device int* o) { using enum n::C; o[0]=f(green); o[1]=int(blue); }
""",
    ),
    "constants with nested arrays": (
        [11, 22, 6],
        """
struct In { int a[3]; float f[2]; }; struct Out { In in[2]; int n; };
constant Out table[2] = { {{ {{1,2,3},{0.5f,1.5f}}, {{4,5,11},{2,3}} }, 9}, {{ {{0}}, {{22}} }, 6} };
kernel void k(device int* o, uint t [[thread_position_in_grid]]) { constant In& r = table[t].in[1]; o[0]=r.a[2]; o[1]=table[t+1].in[1].a[0]; o[2]=table[1].n; }
""",
    ),
    "narrow integers": (
        [65536, -1, 200, 254],
        """
kernel void k(device int* o) { ushort a=65535; o[0]=a+1; char c=-1; o[1]=c>>3; uchar d=100; o[2]=d+d; uchar2 e=uchar2(255); e+=e; o[3]=e.y; }
""",
    ),
    "macros that count": (
        [3],
        """
#define CNT(...) CNT_(__VA_ARGS__,3,2,1)
#define CNT_(a,b,c,n,...) n
kernel void k(device int* o) { o[0]=CNT(x,y,z); }
""",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("executor", ["spmd", "reference"])
def test_corners(name, executor, monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", executor)
    expected, program = PROGRAMS[name]
    library = mp.mps.compile_shader(HEAD + program)
    out = mp.zeros(4, dtype=np.int32)
    library.k(out, threads=1)
    assert np.asarray(out).tolist()[: len(expected)] == expected


@pytest.mark.parametrize("text", ["\ufeff{}", "{}\r\n"], ids=["mark of byte order", "lines end in CR LF"])
def test_how_files_are_written(text):
    program = text.format("kernel void k(device int* o) {\n\to[0] = 1; // \\\n\t;\n\to[0] += 2; }")
    program = program.replace("\n", "\r\n") if "\r" in text else program
    out = mp.zeros(1, dtype=np.int32)
    mp.mps.compile_shader(program).k(out, threads=1)
    assert np.asarray(out).tolist() == [3]


REFUSED = {
    "inline assembly": (
        "function 'f' of kernel 'k' has inline assembly",
        'int f(int a) { asm volatile("nop"); return a; } kernel void k(device int* o) { o[0] = f(1); }',
    ),
    "variables of the program that change": (
        "function 'k' of kernel 'k' changes a variable",
        "int count = 0; kernel void k(device int* o) { o[0] = count++; }",
    ),
    "static variables that change": (
        "function 'k' of kernel 'k' changes a variable",
        "kernel void k(device int* o) { static int count = 0; o[0] = count++; }",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_metal_does_not_have(name):
    message, program = REFUSED[name]
    with pytest.raises(mp.CompileError, match=message) as caught:
        mp.mps.compile_shader("\n" + program)
    assert caught.value.lineno == 2


def test_assembly_without_instructions_and_constants_with_initializers():
    """Neither runs anything, nor changes while kernels run."""
    program = """constant float x[2] = {1.5f, sqrt(9.0f)}; constant int y = int(x[1]);
kernel void k(device int* o) { asm volatile("" ::: "memory"); o[0] = int(x[1]) + y; }"""
    out = mp.zeros(1, dtype=np.int32)
    mp.mps.compile_shader(HEAD + program).k(out, threads=1)
    assert out.tolist() == [6]


@pytest.mark.parametrize("alias", ["using {} = {}", "typedef {1} {0}"], ids=["using", "typedef"])
def test_arguments_by_other_names_for_their_types(alias):
    texture = "texture2d<float, access::read_write>"
    names = [alias.format("Image", texture), alias.format("Table", "visible_function_table<int(int)>")]
    program = f"""{names[0]}; {names[1]};
[[visible]] int next(int x) {{ return x + 1; }}
kernel void k(device int* o, Image image, Table table [[buffer(1)]]) {{
  image.write(float4(2), uint2(0)); o[0] = table[0](int(image.read(uint2(0)).x)); }}"""
    out = mp.zeros(1, dtype=np.int32)
    image = mp.texture(np.zeros((1, 1, 4), np.float32))
    mp.mps.compile_shader(HEAD + program).k(out, image, ["next"], threads=1)
    assert out.tolist() == [3]
