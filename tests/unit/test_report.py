"""``python -m metalpy``: every part is there, and a part that fails does so in its place."""

from __future__ import annotations

import sys

import pytest

import metalpy as mp
from metalpy import __main__ as command
from metalpy import report
from tests.helpers.process import python

SECTIONS = ["versions", "devices", "compiler", "compile cache", "build", "environment"]


def titles(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(" ")]


def section(text: str, title: str) -> str:
    return next(part for part in text.split("\n\n") if part.startswith(title))


def test_report_of_this_machine_has_no_failures(capsys):
    assert command.main([]) == 0
    text = capsys.readouterr().out
    assert titles(text) == SECTIONS
    assert "failed" not in text
    assert mp.__version__ in section(text, "versions") and sys.version.split()[0] in section(text, "versions")
    assert mp.device().name in section(text, "devices") and mp.device().driver in section(text, "devices")
    assert "clang version" in section(text, "compiler") and "LLD" in section(text, "compiler")
    assert "ABI version" in section(text, "build") and "Cython" in section(text, "build")


def test_a_part_that_fails_says_so_and_the_others_are_shown(monkeypatch):
    def broken():
        yield "found", "before"
        raise OSError("no such\nthing")

    monkeypatch.setattr(report, "_SECTIONS", (("devices", broken), ("environment", lambda: [])))
    assert (
        report.text() == "devices\n  found   before\n  failed  OSError: no such\n          thing\n\nenvironment\n  none"
    )


def test_a_compiler_that_cannot_be_found_is_reported(monkeypatch):
    monkeypatch.delenv("METALPY_CACHE_DIR", raising=False)  # names are padded to the longest
    monkeypatch.setenv("METALPY_CLANG", "/nowhere/clang")
    text = report.text()
    assert "failed: EnvironmentVariableError: METALPY_CLANG is set to '/nowhere/clang'" in section(text, "compiler")
    assert "LLD" in section(text, "compiler")
    assert "METALPY_CLANG  /nowhere/clang" in section(text, "environment")


def test_a_cache_that_is_refused_is_reported(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    result = python("-m", "metalpy", METALPY_CACHE_DIR=str(folder))
    assert "failed  CacheError" in section(result.stdout, "compile cache")
    assert titles(result.stdout) == SECTIONS and result.stderr == ""


def test_the_report_is_also_a_subcommand(capsys):
    assert command.main(["report"]) == 0
    assert titles(capsys.readouterr().out) == SECTIONS


def test_an_unknown_subcommand_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as exit_:
        command.main(["fly"])
    assert exit_.value.code == 2
    assert "invalid choice" in capsys.readouterr().err
