"""metalpy_abi.h, its Cython mirror and the tests' ctypes mirror say the same."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import metalpy
from tests.helpers import abi

PACKAGE = Path(metalpy.__file__).parent
HEADER = re.sub(r"/\*.*?\*/", "", (PACKAGE / "include/metalpy_abi.h").read_text(), flags=re.DOTALL)
MIRROR = (PACKAGE / "_abi.pxd").read_text()

# "type name", "type *name", "type (*name)(...)" and "type name[n]" all end in the name.
FIELD = re.compile(r"\(\*(\w+)\)\s*\(|(\w+)(?:\[\w+\])?$")


def names_of_fields(statements):
    found = (FIELD.search(statement) for statement in statements)
    return [match[1] or match[2] for match in found]


def header_structs():
    return {
        match[1]: names_of_fields(" ".join(field.split()) for field in match[2].split(";") if field.strip())
        for match in re.finditer(r"typedef struct (\w+) \{(.*?)\n\} \1;", HEADER, re.DOTALL)
    }


def mirror_structs():
    found = {}
    for match in re.finditer(r"ctypedef struct (\w+):\n((?:        .*\n|\n)+)", MIRROR):
        body = re.sub(r",\s*\n\s*", ", ", match[2])
        fields = [line.strip() for line in body.splitlines() if line.strip() and line.strip() != "pass"]
        if fields:
            found[match[1]] = names_of_fields(fields)
    return found


def header_functions():
    body = re.search(r"typedef struct mp_driver \{(.*?)\} mp_driver;", HEADER, re.DOTALL)[1]
    return re.findall(r"([\w ]+?\s?\*?)\s*\(\*(\w+)\)\s*\((.*?)\);", " ".join(body.split()))


def test_the_parsers_find_everything():
    assert len(header_functions()) == HEADER.count("(*") - HEADER.count("typedef void (*")
    assert set(header_structs()) == set(abi.STRUCTS)


@pytest.mark.parametrize("name", sorted(abi.STRUCTS))
def test_mirror_has_the_fields_of_the_header_in_order(name):
    assert mirror_structs()[name] == header_structs()[name]


def test_mirror_has_the_signatures_of_the_header():
    def normal(result, arguments):
        spelled = f"{result}({arguments})".replace("(void)", "()")
        return re.sub(r"\s*\*\s*", "* ", re.sub(r"\s+", " ", spelled)).replace(" ,", ",").strip()

    text = re.sub(r",\s*\n\s*", ", ", MIRROR)
    mirrored = {m[2]: normal(m[1], m[3]) for m in re.finditer(r"^ +(.+?)\(\*(\w+)\)\((.*?)\) noexcept", text, re.M)}
    for result, name, arguments in header_functions():
        assert mirrored[name] == normal(result, arguments), name


def test_mirror_has_the_constants_of_the_header():
    constants = set(re.findall(r"(?:#define|^  ) +(MP_\w+)(?= |,| =)", HEADER, re.M))
    assert {name for name in constants if not re.search(rf"\b{name}\b", MIRROR)} == set()


@pytest.mark.parametrize("name", sorted(abi.STRUCTS))
def test_ctypes_has_the_fields_of_the_header_in_order(name):
    assert [field[0] for field in abi.STRUCTS[name]._fields_] == header_structs()[name]


def test_layouts_agree_with_compiled_code(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler on the path")
    lines = ['#include "metalpy_abi.h"', "#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    expected = []
    for name, structure in abi.STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        expected.append(f"{name} {ctypes.sizeof(structure)}")
        for field, *_ in structure._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
            expected.append(f"{name}.{field} {getattr(structure, field).offset}")
    (tmp_path / "layout.c").write_text("\n".join([*lines, "return 0;}"]))
    program = tmp_path / "layout"
    subprocess.run([compiler, f"-I{metalpy.get_include()}", tmp_path / "layout.c", "-o", program], check=True)
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout.split("\n")[:-1] == expected
