"""metalpy's own kernels are found in the source tree, and a built package holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

import metalpy as mp
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
