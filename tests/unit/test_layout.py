"""Who may know what: rules of the source tree that need no device."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.process import python

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "metalpy"
# Each may use those before it.
CORE = (
    "check facts message trace lexer driver registry library stream observer memory reserve pool graph array dlpack "
    "texture plan number validation encode grid dispatch prepared views"
).split()
OUTSIDE = {"metalpy._abi", "metalpy.errors", "metalpy.environment"}


def sources(*patterns):
    found = [path for pattern in patterns for path in ROOT.glob(pattern)]
    return [path for path in found if not (path.suffix == ".c" and path.parent.name == "_core")]


def test_only_cython_names_python_h():
    files = sources("metalpy/cpu/*", "metalpy/include/*", "metalpy/compiler/include/**/*", "objc/**/*")
    named = [path.name for path in files if path.is_file() and "Python.h" in path.read_text(errors="replace")]
    assert named == []


def test_only_the_mirror_externs_the_abi():
    files = sources("metalpy/**/*.pyx", "metalpy/**/*.pxd", "tests/**/*.pyx")
    naming = [path.name for path in files if 'extern from "metalpy_abi' in path.read_text()]
    assert naming == ["_abi.pxd"]


@pytest.mark.parametrize("module", CORE)
def test_core_modules_depend_one_way(module):
    allowed = {f"metalpy._core.{name}" for name in CORE[: CORE.index(module) + 1]} | OUTSIDE
    for suffix in ("pyx", "pxd"):
        path = PACKAGE / f"_core/{module}.{suffix}"
        if suffix == "pxd" and not path.exists():  # it has nothing for other modules
            continue
        text = path.read_text()
        used = set(re.findall(r"^\s*(?:from|cimport|import) (metalpy[\w.]*)", text, re.M))
        used |= {f"metalpy.{name}" for name in re.findall(r"^\s*from metalpy import (\w+)", text, re.M)} - {"metalpy"}
        assert used - {"metalpy"} <= allowed, suffix


def test_every_core_module_is_known_here():
    assert sorted(path.stem for path in (PACKAGE / "_core").glob("*.pyx")) == sorted(CORE)


def test_only_calls_and_graphs_launch():
    users = [path.name for path in (PACKAGE / "_core").glob("*.pyx") if "queue.dispatch(" in path.read_text()]
    assert sorted(users) == ["dispatch.pyx", "graph.pyx"]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("_core/*.p[yx]*")), ids=lambda path: path.name)
def test_files_stay_readable(path):
    if path.suffix in (".pyx", ".pxd", ".py"):
        assert len(path.read_text().splitlines()) <= 600


def run(code):
    done = python(code)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_loads_nothing_heavy():
    heavy = ("ml_dtypes", "llvmlite", "ziglang", "asyncio", "unittest", "metalpy.compiler.harvest",
             "metalpy.profiling.profile")  # fmt: skip
    assert run(f"import sys, metalpy; print(*[m for m in {heavy} if m in sys.modules])") == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads through /proc")
def test_importing_starts_no_thread():
    code = "import os, numpy; n = len(os.listdir('/proc/self/task')); import metalpy; "
    assert run(code + "print(len(os.listdir('/proc/self/task')) - n)") == ["0"]


def test_an_unbuilt_tree_says_what_to_run(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "metalpy", ignore=shutil.ignore_patterns("*.so", "__pycache__", "*.c"))
    done = subprocess.run([sys.executable, "-c", "import metalpy"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install -e ." in done.stderr.splitlines()[-1]
