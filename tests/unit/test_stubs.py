"""The stubs of the extension modules name nothing that the modules lack."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "metalpy" / "_core"
STUBS = sorted(FOLDER.glob("*.pyi"))


def names(body: list[ast.stmt]) -> set[str]:
    found = {n.name for n in body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    found |= {n.target.id for n in body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    return {name for name in found if not name.startswith("__")}


@pytest.mark.parametrize("stub", STUBS, ids=[path.stem for path in STUBS])
def test_every_stubbed_name_exists(stub):
    module = importlib.import_module(f"metalpy._core.{stub.stem}")
    body = ast.parse(stub.read_text(encoding="utf-8")).body
    assert {name for name in names(body) if not hasattr(module, name)} == set()
    for node in body:
        if isinstance(node, ast.ClassDef):
            kind = getattr(module, node.name)
            assert {name for name in names(node.body) if not hasattr(kind, name)} == set(), node.name


def test_there_are_stubs():
    assert {"driver", "dispatch", "array", "pool"} <= {path.stem for path in STUBS}
