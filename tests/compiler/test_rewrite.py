"""The lexer and the length-preserving rewrite, by examples and on random text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalpy.compiler.lexer import closing, lex, tokenize
from metalpy.compiler.rewrite import blank_for_cpp


def words(text, **options):
    return [t.text for t in tokenize(text, **options)]


# ---- tokens ----

TOKENS = {
    "int a=b+1;": ["int", "a", "=", "b", "+", "1", ";"],
    "a::b->c": ["a", "::", "b", "->", "c"],
    "1.5f .5h 1e-3 0x1p-2f 1'000u 3.0bf": ["1.5f", ".5h", "1e-3", "0x1p-2f", "1'000u", "3.0bf"],
    "x[[buffer(0)]]": ["x", "[[", "buffer", "(", "0", ")", "]]"],
    "a[b[0]]": ["a", "[", "b", "[", "0", "]", "]"],
    "a[[x]][b[c[1]]]": ["a", "[[", "x", "]]", "[", "b", "[", "c", "[", "1", "]", "]", "]"],
    "a // b [[ c\n d": ["a", "d"],
    "a /* [[ \n */ d": ["a", "d"],
    '"a \\" // b" c': ['"a \\" // b"', "c"],
    "'\\'' 'ab'": ["'\\''", "'ab'"],
    'R"(raw " // text)" x': ['R"(raw " // text)"', "x"],
    'R"x()" )x" y': ['R"x()" )x"', "y"],
    "a \\\n b": ["a", "b"],
    "caf\u00e9_1 = 2": ["caf\u00e9_1", "=", "2"],
}


@pytest.mark.parametrize("text", TOKENS, ids=range(len(TOKENS)))
def test_tokens(text):
    assert words(text) == TOKENS[text]


def test_directives():
    text = "#define A(x) \\\n  [[x]]\nint a; #b\n  # if 1 // why\n"
    assert [t.kind for t in tokenize(text)].count("directive") == 2
    assert words(text, directives=False)[:6] == ["#", "define", "A", "(", "x", ")"]


def test_one_list_of_lexemes_serves_both_kinds_of_tokens():
    text = "#define A(x) \\\n  x[[0]] // ]]\nint a[b[0]]; /*\n# no */ #c\n \t# if 1 /* more\n */ + 2\n'x"
    lexed = lex(text)
    kinds = [(t.kind, t.text, t.start) for t in tokenize(text, lexed=lexed) if t.kind in ("directive", "quote")]
    assert kinds == [
        ("directive", "#define A(x) \\\n  x[[0]] ", 0),
        ("directive", " \t# if 1 /* more\n */ + 2", text.index(" \t#")),
        ("quote", "'", len(text) - 2),
    ]
    assert words(text, directives=False, lexed=lexed)[:9] == ["#", "define", "A", "(", "x", ")", "x", "[[", "0"]
    assert "#" in words(text, lexed=lexed)  # that of #c, which does not begin its line


PIECES = [*"ab1.,;:<>()[]{}\"'\\/*#\n =-+&_", "kernel ", "threadgroup ", "[[", "]]", "1.0bf", "constant ", "\n#define "]
source_text = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@given(source_text)
def test_tokens_are_pieces_of_the_text_in_order(text):
    for directives in (True, False):
        end = 0
        for token in tokenize(text, directives=directives):
            assert text[token.start : token.end] == token.text != ""
            assert token.start >= end
            end = token.end


@given(source_text)
def test_only_comments_and_space_lie_between_tokens(text):
    end = 0
    for token in [*tokenize(text), None]:
        gap = text[end : token.start if token else len(text)]
        rest = re.sub(r"//(?:\\\n|[^\n])*|/\*.*?(?:\*/|\Z)|\\\n", "", gap, flags=re.DOTALL)
        assert rest.strip() == ""
        end = token.end if token else end


@given(source_text)
def test_closing_never_trips(text):
    tokens = tokenize(text)
    for i, token in enumerate(tokens):
        if token.text in ("(", "[", "{", "[[", "<"):
            assert i < closing(tokens, i) <= len(tokens)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\u00e9$_1 9b", "id a\u00e9$_1, number 9b"),
        ("1'000'000u '1' 1e-5f 0x1p+3 .5h 1.e5 a.b", "number 1'000'000u, char '1', number 1e-5f, number 0x1p+3, "
         "number .5h, number 1.e5, id a, punct ., id b"),
        ("x-->y a::b c:d", "id x, punct -, punct ->, id y, id a, punct ::, id b, id c, punct :, id d"),
        ("[[a]]", "punct [[, id a, punct ]]"),
        ("a[b[0]]", "id a, punct [, id b, punct [, number 0, punct ], punct ]"),
        ("u8\"s\" L'c' uR U8 u8x", "string u8\"s\", char L'c', id uR, id U8, id u8x"),
        ('"a\\"b" "\\\\" x', 'string "a\\"b", string "\\\\", id x'),
        ('"open\n"shut"', 'quote ", id open, string "shut"'),
        ("'", "quote '"),
        ('R"d(a)" )d" R"(b)" R"\\(c)"', 'string R"d(a)" )d", string R"(b)", id R, string "\\(c)"'),
        ("a/**/b /* c\n * d */ e // f \\\n g\nh /* i", "id a, id b, id e, id h"),
        ("a / b \\ c \\\nd", "id a, punct /, id b, punct \\, id c, id d"),
        ("\x00\x7f@`", "punct \x00, punct \x7f, punct @, punct `"),
    ],
)  # fmt: skip
def test_kinds_of_tokens(text, words):
    found = tokenize(text, directives=False)
    assert ", ".join(f"{token.kind} {token.text}" for token in found) == words
    assert all(text[token.start : token.end] == token.text for token in found)


def test_closing():
    tokens = tokenize("f<a<b>, (c > d), e[1 > 0]>(x) { y; }")
    texts = [t.text for t in tokens]
    assert closing(tokens, 1) == texts.index(">", texts.index("]") + 1)
    assert closing(tokens, texts.index("{")) == len(tokens) - 1
    assert closing(tokenize("a < b; c > d"), 1) == 7  # a comparison, no template


# ---- the rewrite ----


def rewritten(text):
    out = blank_for_cpp(text)
    assert len(out) == len(text)
    assert [m.start() for m in re.finditer("\n", out)] == [m.start() for m in re.finditer("\n", text)]
    return out


@given(source_text)
def test_rewrite_keeps_every_place(text):
    out = rewritten(text)
    assert [i for i, c in enumerate(text) if c == "\n"] == [i for i, c in enumerate(out) if c == "\n"]


@given(st.text(max_size=60))
def test_rewrite_keeps_every_place_of_any_text(text):
    out = blank_for_cpp(text)
    assert len(out) == len(text)


@given(source_text)
def test_rewrite_is_stable(text):
    once = blank_for_cpp(text)
    # What a second pass would still change is only what the first has uncovered; nothing grows or moves.
    assert len(blank_for_cpp(once)) == len(text)


def squeezed(text):
    return " ".join(rewritten(text).split())


REWRITES = {
    "device int* x [[buffer(0)]], uint i [[thread_position_in_grid]]": "device int* x , uint i",
    "[[kernel]] void f()": "void f()",
    "[[maybe_unused]] int x;": "[[maybe_unused]] int x;",
    "int a = b[c[0]];": "int a = b[c[0]];",
    "threadgroup float x[32];": "threadgroup float x[32];",
    "threadgroup float4 s; threadgroup int a, b;": "threadgroup float4 s; threadgroup int a, b;",
    "threadgroup array<float, 4> s = {};": "threadgroup array<float, 4> s ;",
    "threadgroup float* p = q;": "float* p = q;",
    "void f(threadgroup float& r, threadgroup T (&t)[4])": "void f( float& r, T (&t)[4])",
    "(threadgroup half*)raw": "( half*)raw",
    "Loader<threadgroup float*> l;": "Loader< float*> l;",
    "auto t = tensor<threadgroup T, extents>(p, e);": "auto t = tensor< T, extents>(p, e);",
    "f<op::min, threadgroup T, threadgroup U, true>(a, b);": "f<op::min, T, U, true>(a, b);",
    "float norm() const threadgroup { return 1; }": "float norm() const { return 1; }",
    "alignas(16) threadgroup T tile[W * 2];": "alignas(16) threadgroup T tile[W * 2];",
    "constant bool flip [[function_constant(0)]];": "extern bool flip ;",
    "void f(constant int& n [[buffer(1), function_constant(has_n)]])": "void f(constant int& n )",
    "half h = 1.5H + 2.0h;": "half h = 1.5h + 2.0h;",
    "bfloat b = 1.5bf + .5BF;": "bfloat b = 1.5_b + .5_b;",
    "int n = 0xbf + 0xABF;": "int n = 0xbf + 0xABF;",
    '"threadgroup [[x]] 1.0bf" // [[x]]': '"threadgroup [[x]] 1.0bf" // [[x]]',
}


@pytest.mark.parametrize("text", REWRITES, ids=range(len(REWRITES)))
def test_rewrites(text):
    assert squeezed(text) == REWRITES[text]


def test_defaulted_constructor_behind_a_directive():
    """The constructor goes; the directives in front of it stay."""
    head = "#if A\nstruct S\n#else\nstruct alignas(8) S\n#endif\n{\n  int x;\n#ifdef B\n  int y;\n#endif\n"
    text = head + "#ifdef C\npublic: S() = default;\n  inline S(thread const S&) = default;\n#endif\n};\n"
    assert rewritten(text) == text.replace("S() = default;", " " * 14).replace(
        "inline S(thread const S&) = default;", " " * 36
    )


def test_macro_bodies_are_rewritten_in_place():
    text = "#define ARG(n) device float* x [[buffer(n)]] \\\n  , uint i [[thread_position_in_grid]]\n#define TILE threadgroup float t[8];\n"
    out = rewritten(text)
    assert "[[" not in out
    assert out.split("\n")[0].endswith("\\")
    assert "threadgroup float t[8];" in out


def test_attribute_over_several_lines():
    text = "device int* x [[buffer(0),\n   function_constant(f)\n]]\n, int y"
    assert rewritten(text).count("\n") == 3
    assert "buffer" not in rewritten(text)
