"""metalpy's own kernels are found in the source tree, and a built package holds them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import metalpy as mp
from metalpy.random.kernels import shader_folder

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
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    built = tmp_path / "metalpy"
    assert {path.name for path in (built / "shaders").iterdir()} == FILES
    found = subprocess.run(
        [sys.executable, "-c", "import importlib.util as u; s = u.spec_from_file_location('k', 'random/kernels.py')\n"
         "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.shader_folder())"],
        capture_output=True, text=True, cwd=built, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert Path(found.stdout.strip()).resolve() == (built / "shaders").resolve(), found.stderr


def test_a_source_archive_has_them():
    assert "graft shaders" in (ROOT / "MANIFEST.in").read_text().splitlines()
