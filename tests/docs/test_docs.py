"""Every example of README.md and docs/ runs, every link leads somewhere, every environment variable is listed.

A page's ``python`` blocks run one after another in one namespace, as a reader would type them. In ``pycon`` blocks the
shown output is compared too (doctest, with ``...``). Examples run in an empty folder that holds ``examples``.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
ids = [str(page.relative_to(ROOT)) for page in PAGES]

_BLOCK = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]+\]\((?P<target>[^)\s]+)\)")
_VARIABLE = re.compile(r"(?<![A-Za-z_])METALPY_[A-Z]+(?:_[A-Z]+)*\b")


def blocks(page: Path, *languages: str) -> list[tuple[str, int, str]]:
    """(language, line number, code) of a page's fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return [
        (m["language"], text.count("\n", 0, m.start("code")), m["code"])
        for m in _BLOCK.finditer(text)
        if m["language"] in languages
    ]


def run(code: str, page: Path, line: int, namespace: dict[str, object]) -> None:
    exec(compile("\n" * line + code, str(page), "exec"), namespace)


def check_output(code: str, page: Path, line: int, namespace: dict[str, object]) -> None:
    examples = doctest.DocTestParser().get_doctest(code, namespace, page.name, str(page), line)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    runner.run(examples, out=report.append, clear_globs=False)
    namespace.update(examples.globs)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python", "pycon")], ids=lambda p: p.name)
def test_examples_of_a_page_run(page, tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for examples that start a process
    namespace: dict[str, object] = {"__name__": "example"}
    for language, line, code in blocks(page, "python", "pycon"):
        (run if language == "python" else check_output)(code, page, line, namespace)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    broken = [
        target
        for target in (m["target"] for m in _LINK.finditer(page.read_text(encoding="utf-8")))
        if not target.startswith(("http://", "https://", "#")) and not (page.parent / target.split("#")[0]).exists()
    ]
    assert not broken


def test_every_page_is_reached_from_the_index():
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / m["target"].split("#")[0]).resolve() for m in _LINK.finditer(index.read_text())}
    assert {p.resolve() for p in (ROOT / "docs").rglob("*.md")} - {index.resolve()} <= linked


def test_environment_variables_are_listed():
    """The table has what the code reads, no less and no more."""
    code = [p for s in ("py", "pyx", "c", "sh") for d in ("metalpy", "tools") for p in (ROOT / d).rglob(f"*.{s}")]
    reads = re.compile(r"(?:environ|environment\.read|getenv)\b[^\n]*|_tool\([^\n]*")
    read = set()
    for path in [*code, ROOT / "setup.py"]:
        if path.suffix != ".c" or "getenv" in path.read_text():  # Cython's output names none
            for line in reads.findall(path.read_text(encoding="utf-8")):
                read |= set(_VARIABLE.findall(line))
    table = (ROOT / "docs" / "env_vars.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(METALPY_\w+)`", table, re.MULTILINE))
    assert listed == read


def test_the_extractor_sees_blocks():
    """The tests above would pass on nothing if it did not."""
    assert blocks(ROOT / "README.md", "python")
    assert sum(len(blocks(page, "python", "pycon")) for page in PAGES) >= 12
