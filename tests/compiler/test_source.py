"""Splicing includes: what is found where, once or often, and which line each token belongs to."""

from __future__ import annotations

import re
import textwrap

import pytest

from metalpy.compiler.source import OWN_HEADERS, PROGRAM_SOURCE, read_source
from metalpy.errors import CompileError


@pytest.fixture
def files(tmp_path):
    """Write files given by name; returns the folder."""

    def write(**contents):
        for name, text in contents.items():
            path = tmp_path / name.replace("__", "/").replace("_h", ".h").replace("_metal", ".metal")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))
        return tmp_path

    return write


def lines_of(source):
    """(file, line, text) of every line that is not a directive, by the line marks."""
    found = []
    file, line = "", 0
    for text in source.text.split("\n"):
        mark = re.match(r'#line (\d+) "(.*)"', text)
        if mark:
            file, line = mark[2], int(mark[1])
            continue
        if text.strip() and not text.lstrip().startswith("#"):
            found.append((file.rsplit("/", 1)[-1], line, text.strip()))
        line += 1
    return found


def test_text_without_includes():
    source = read_source("int a;\n\nint b;\n")
    assert source.name == PROGRAM_SOURCE and source.is_closed
    assert lines_of(source) == [("program_source", 1, "int a;"), ("program_source", 3, "int b;")]
    assert source.files == {PROGRAM_SOURCE: "int a;\n\nint b;\n"}


def test_lines_around_an_include(files):
    folder = files(a_h="int a1;\nint a2;\n")
    source = read_source('int p1;\n#include "a.h"\nint p3;\n', include_dirs=(str(folder),))
    assert lines_of(source) == [
        ("program_source", 1, "int p1;"), ("a.h", 1, "int a1;"), ("a.h", 2, "int a2;"), ("program_source", 3, "int p3;"),
    ]  # fmt: skip


def test_lines_around_nested_and_guarded_includes(files):
    folder = files(
        a_h='#pragma once\nint a2;\n#include "b.h"\nint a4;\n',
        b_h='#ifndef B\n#define B\n#include "a.h"\nint b4;\n#endif\n',
    )
    text = '#include "a.h"\n#include "b.h"\n#include "a.h"\nint p4;\n'
    source = read_source(text, include_dirs=(str(folder),))
    assert lines_of(source) == [
        ("a.h", 2, "int a2;"), ("b.h", 4, "int b4;"), ("a.h", 4, "int a4;"), ("program_source", 4, "int p4;"),
    ]  # fmt: skip
    assert len(source.files) == 3


def test_file_without_a_guard_is_spliced_each_time(files):
    folder = files(x_h="int x;\n")
    source = read_source('#include "x.h"\n#include "x.h"\n', include_dirs=(str(folder),))
    assert [entry[2] for entry in lines_of(source)] == ["int x;", "int x;"]


def test_guarded_file_in_a_branch_is_spliced_again_outside(files):
    folder = files(x_h="#pragma once\nint x;\n")
    text = '#if 0\n#include "x.h"\n#endif\n#include "x.h"\n'
    source = read_source(text, include_dirs=(str(folder),))
    assert [entry[2] for entry in lines_of(source)] == ["int x;", "int x;"]  # the preprocessor picks one


def test_where_includes_are_looked_up(files):
    folder = files(
        main_metal='#include "same.h"\n', same_h="int beside;\n", one__same_h="int one;\n", two__same_h="int two;\n",
        two__only_h="int only;\n",
    )  # fmt: skip
    dirs = (str(folder / "one"), str(folder / "two"))
    main = str(folder / "main.metal")
    assert lines_of(read_source('#include "same.h"\n', main, dirs)) == [("same.h", 1, "int beside;")]
    assert lines_of(read_source("#include <same.h>\n", PROGRAM_SOURCE, dirs)) == [("same.h", 1, "int one;")]
    assert lines_of(read_source('#include "only.h"\n', PROGRAM_SOURCE, dirs)) == [("only.h", 1, "int only;")]
    absolute = f'#include "{folder / "two" / "only.h"}"\n'
    assert lines_of(read_source(absolute)) == [("only.h", 1, "int only;")]


def test_includes_are_relative_to_the_including_file(files):
    folder = files(
        sub__a_h='#include "b.h"\n#include "../c.h"\n', sub__b_h="int b;\n", c_h="int c;\n", b_h="int wrong;\n"
    )
    source = read_source('#include "sub/a.h"\n', include_dirs=(str(folder),))
    assert [entry[2] for entry in lines_of(source)] == ["int b;", "int c;"]


def test_standard_headers_stay():
    text = "#include <metal_stdlib>\n# include <metal_math> // math\nint a;\n"
    source = read_source(text)
    assert "#include <metal_stdlib>\n# include <metal_math> // math\n" in source.text
    assert source.is_closed


def test_include_of_a_macro_is_left_to_the_preprocessor():
    source = read_source('#define NAME "a.h"\n#include NAME\n')
    assert not source.is_closed
    assert "#include NAME" in source.text


@pytest.mark.parametrize(
    "text",
    [
        '// #include "x.h"\n', '/* \n#include "x.h"\n*/\n', 'constant char s[] = "\\n#include \\"x.h\\"";\n',
        '// a comment that \\\n#include "x.h"\n',
    ],
    ids=["line comment", "block comment", "string", "continued comment"],
)  # fmt: skip
def test_includes_that_are_none(files, text):
    folder = files(x_h="int x;\n")
    source = read_source(text, include_dirs=(str(folder),))
    assert list(source.files) == [PROGRAM_SOURCE]
    assert text in source.text


def test_spellings_of_an_include(files):
    folder = files(x_h="int x;\n")
    for text in ('#include"x.h"', '  #  include   "x.h"  // why', "#import <x.h>", '#include "x.h" /* here */'):
        source = read_source(text + "\nint p2;\n", include_dirs=(str(folder),))
        assert lines_of(source) == [("x.h", 1, "int x;"), ("program_source", 2, "int p2;")], text


def test_file_without_a_last_newline(files):
    folder = files(x_h="int x;")
    source = read_source('#include "x.h"\nint p2;', include_dirs=(str(folder),))
    assert lines_of(source) == [("x.h", 1, "int x;"), ("program_source", 2, "int p2;")]


def test_line_ends_of_other_systems(files):
    folder = files()
    (folder / "x.h").write_bytes(b"int x1;\r\nint x2;\r\n")
    source = read_source('#include "x.h"\r\nint p2;\r\n', include_dirs=(str(folder),))
    assert "\r" not in source.text
    assert lines_of(source) == [("x.h", 1, "int x1;"), ("x.h", 2, "int x2;"), ("program_source", 2, "int p2;")]


def test_byte_order_marks(files):
    folder = files()
    (folder / "x.h").write_bytes("\ufeff#pragma once\nint x;\n".encode())
    source = read_source('\ufeff#include "x.h"\n#include "x.h"\nint p3;\n', include_dirs=(str(folder),))
    assert "\ufeff" not in source.text
    assert lines_of(source) == [("x.h", 2, "int x;"), ("program_source", 3, "int p3;")]


@pytest.mark.parametrize("ending", ["\\", "\\\n"], ids=["bare", "with a line end"])
def test_backslash_at_the_end_takes_in_nothing(files, ending):
    folder = files()
    (folder / "x.h").write_text("int x;" + ending)
    source = read_source('#include "x.h"\nint p2;' + ending, include_dirs=(str(folder),))
    assert "int x;\\\n\n#line 2" in source.text
    assert source.text.endswith("int p2;\\\n\n")


def test_names_with_quotes_and_spaces(files):
    folder = files()
    (folder / "with space.h").write_text("int x;\n")
    source = read_source('#include "with space.h"\n', 'odd "name".metal', (str(folder),))
    assert '#line 1 "odd \\"name\\".metal"' in source.text
    assert "int x;" in source.text


def test_bytes_that_are_no_utf8(files):
    folder = files()
    (folder / "latin.h").write_bytes(b"// caf\xe9\nint x;\n")
    source = read_source('#include "latin.h"\n', include_dirs=(str(folder),))
    assert source.text.encode("utf-8", "surrogateescape").count(b"caf\xe9") == 1


def test_include_that_never_ends(files):
    folder = files(a_h='#include "b.h"\n', b_h='int b;\n#include "a.h"\n')
    with pytest.raises(CompileError, match="includes itself") as raised:
        read_source('#include "a.h"\n', include_dirs=(str(folder),))
    assert raised.value.lineno


def test_guard_that_is_no_guard(files):
    folder = files(x_h="#ifndef X\nint x;\n#define X\n#endif\n")
    source = read_source('#include "x.h"\n#include "x.h"\n', include_dirs=(str(folder),))
    assert source.text.count("int x;") == 2


def test_lines_behind_an_include_in_a_skipped_branch(files):
    """The mark behind the include is skipped with it."""
    folder = files(x_h="int x;\n" * 9)
    text = '#if 0\n#include "x.h"\n#elif 1\nint a;\n#else\n#include "x.h"\n#endif // 0\nint b;\n'
    source = read_source(text, include_dirs=(str(folder),))
    kept = source.text[source.text.index("#elif") : source.text.index("#else")]
    assert kept.splitlines()[1:3] == ['#line 4 "program_source"', "int a;"]
    assert source.text.endswith('#endif // 0\n#line 8 "program_source"\nint b;\n')


def test_branch_has_each_guarded_file_once(files):
    """What an open branch holds need not be spliced in again; what another held may have been skipped."""
    folder = files(
        a_h='#pragma once\n#include "b.h"\nint a;\n', b_h='#pragma once\n#include "c.h"\nint b;\n',
        c_h="#pragma once\nint c;\n",
    )  # fmt: skip
    all_of_them = '#include "a.h"\n#include "b.h"\n#if Y\n#include "c.h"\n#endif\n'
    source = read_source(f"#if X\n{all_of_them}#endif\n", include_dirs=(str(folder),))
    assert [source.text.count(f"int {x};") for x in "abc"] == [1, 1, 1]
    source = read_source(f"#if X\n{all_of_them}#else\n{all_of_them}#endif\n", include_dirs=(str(folder),))
    assert [source.text.count(f"int {x};") for x in "abc"] == [2, 2, 2]
    source = read_source(f"#if X\n{all_of_them}#endif\n{all_of_them}", include_dirs=(str(folder),))
    assert [source.text.count(f"int {x};") for x in "abc"] == [2, 2, 2]


def test_default_of_a_macro_is_no_guard(files):
    """A list of macro calls that is included several times, with other definitions of the macro."""
    folder = files(list_h="#ifndef ITEM\n#define ITEM(x)\n#endif\n\nITEM(a)\n#undef ITEM\n")
    text = '#define ITEM(x) int x;\n#include "list.h"\n#define ITEM(x) float x##x;\n#include "list.h"\n'
    source = read_source(text, include_dirs=(str(folder),))
    assert source.text.count("ITEM(a)") == 2


@pytest.mark.parametrize("end", ["#endif\n", "#endif // X\n\n", "#endif /* X */\n// the end"])
def test_guards_end_where_the_file_does(files, end):
    folder = files(x_h=f"#ifndef X\n#define X\n#if 1\nint x;\n#endif\n{end}")
    source = read_source('#include "x.h"\n#include "x.h"\n', include_dirs=(str(folder),))
    assert source.text.count("int x;") == 1


def test_long_comments_before_the_first_token(files):
    """Looking for a guard behind them is done once, not in every way in which they can be divided."""
    banners = "/" * 400 + "\n" + "/* one */ // two // three\n" * 100
    folder = files(x_h=banners + "int x;\n", y_h=banners + "#ifndef Y\n#define Y\nint y;\n#endif\n")
    source = read_source('#include "x.h"\n#include "y.h"\n' * 2, include_dirs=(str(folder),))
    assert source.text.count("int x;") == 2
    assert source.text.count("int y;") == 1


def test_own_headers_for_other_compilers():
    """What only metalpy has is spliced in for a compiler that is not metalpy's, and stays an include for ours."""
    text = (
        "#include <metal_stdlib>\n#include <metalpy/printf.h>\n#include <metalpy/report_error.h>\nkernel void k() {}\n"
    )
    ours, others = read_source(text), read_source(text, own_headers=OWN_HEADERS)
    assert "#include <metalpy/printf.h>" in ours.text and "printf_log" not in ours.text
    assert "<metalpy/" not in "".join(line for line in others.text.splitlines() if line.startswith("#include"))
    assert 'os_log printf_log("metalpy", "printf")' in others.text and "#define MP_REPORT_ERROR" in others.text
    for source in (ours, others):
        assert "#include <metal_stdlib>" in source.text
        assert source.text.endswith("kernel void k() {}\n")
