"""metalpy's own kernels are found in the source tree, and a built package holds them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import metalpy as mp
from metalpy.compiler.frontend import _expand_macros
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.shader_files import shader_folder
from tests.helpers.process import python

ROOT = Path(__file__).parents[2]
FILES = {path.name for path in (ROOT / "shaders").iterdir() if path.suffix in (".h", ".metal")}


def test_the_folder_is_found():
    assert {path.name for path in shader_folder().iterdir()} >= FILES
    assert "random.metal" in FILES


def test_every_program_compiles():
    for path in sorted(shader_folder().glob("*.metal")):
        assert len(mp.compile_file(path)) > 0


@pytest.mark.parametrize(("version", "newer"), [("2.4", "atomic_float|bfloat"), ("3.0", "bfloat")])
def test_macos_12_and_13_get_no_types_of_later_versions(version, newer):
    options = make_options(language_version=version)
    for path in sorted(shader_folder().glob("*.metal")):
        expanded = _expand_macros(read_source(path.read_text(), str(path)), options, started=lambda: None)
        assert not re.search(rf"\b({newer})\b", expanded), path.name


def builds_packages():
    try:
        import Cython  # noqa: F401
        import setuptools
    except ImportError:
        return False
    return int(setuptools.__version__.split(".")[0]) >= 70


@pytest.mark.skipif(not builds_packages(), reason="Cython and setuptools 70, which build packages, are not installed")
def test_a_built_package_has_them(tmp_path):
    code = f"""
import os, runpy, sys
sys.argv = ["setup.py", "-q", "build_py", "--build-lib", {str(tmp_path)!r}]
runpy.run_path("setup.py")
"""
    done = python("-W", "ignore", "-c", code)
    assert done.returncode == 0, done.stderr
    built = tmp_path / "metalpy"
    assert {path.name for path in (built / "shaders").iterdir()} == FILES
    load = """
import importlib.util as u; s = u.spec_from_file_location('k', 'shader_files.py')
m = u.module_from_spec(s); s.loader.exec_module(m); print(m.shader_folder())"""
    found = python(load, cwd=built)
    assert Path(found.stdout.strip()).resolve() == (built / "shaders").resolve(), found.stderr


def test_a_source_archive_has_them():
    assert "graft shaders" in (ROOT / "MANIFEST.in").read_text().splitlines()
