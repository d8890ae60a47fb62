"""docs/conformance.md is what its tool makes of the tests' tables."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("conformance_tool", ROOT / "tools" / "conformance.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    committed = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert tool.render() == committed, "run: python tools/conformance.py > docs/conformance.md"
