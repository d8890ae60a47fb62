"""The stubs of the extension modules name exactly what the modules have."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "metalpy" / "_core"
MODULES = sorted(path.stem for path in FOLDER.glob("*.pyx"))


def stub(module: str) -> ast.Module:
    return ast.parse((FOLDER / f"{module}.pyi").read_text(encoding="utf-8"))


def names(body: list[ast.stmt]) -> set[str]:
    found = {n.name for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    return found | {n.target.id for n in body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}


def own_members(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("__")}


@pytest.mark.parametrize("module", MODULES)
def test_functions_and_classes(module):
    loaded = importlib.import_module(f"metalpy._core.{module}")
    actual = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == loaded.__name__
    }
    stubbed = {name for name in names(stub(module).body) if not name.startswith("_")}
    assert {n for n in stubbed if callable(getattr(loaded, n, None))} == actual
    assert all(hasattr(loaded, name) for name in stubbed)


@pytest.mark.parametrize("module", MODULES)
def test_members_of_classes(module):
    loaded = importlib.import_module(f"metalpy._core.{module}")
    for node in stub(module).body:
        if isinstance(node, ast.ClassDef):
            stubbed = {name for name in names(node.body) if not name.startswith("__")}
            assert stubbed == own_members(getattr(loaded, node.name)), node.name
