"""What is known about how a kernel runs, and why it needs the reference executor."""

from __future__ import annotations

import pytest

from metalpy.compiler import lowering
from metalpy.compiler.cache import Cache
from metalpy.compiler.compilation import compile_source
from metalpy.compiler.executor import REFERENCE, SPMD, Lowered, chosen_executor, executor_label
from metalpy.compiler.libraryfile import read_library, write_library
from metalpy.compiler.options import make_options
from metalpy.compiler.source import read_source
from metalpy.errors import EnvironmentVariableError

TEXT = "kernel void k(device float* x, uint i [[thread_position_in_grid]]) { x[i] = 1; }\n"
REASON = 'the type {"ü"}: \\ a list'


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def compilation(store):
    return compile_source(read_source(TEXT), make_options(), store)


@pytest.fixture
def unsupported(monkeypatch):
    """A vectoriser that knows nothing."""

    def refuse(*_):
        raise lowering.Unsupported(REASON)

    monkeypatch.setattr(lowering, "vectorize", refuse)


@pytest.mark.parametrize(("executor", "reason"), [(SPMD, ""), (REFERENCE, REASON), (REFERENCE, "a: b")])
def test_labels_are_found_among_other_bytes(executor, reason):
    code = b"\x7fELF\0" + executor_label(executor, reason) + b"after: it\0"
    assert Lowered.read(code) == Lowered(code, executor, reason)


def test_code_without_a_label():
    made = Lowered.read(b"\x7fELF\0")
    assert made.executor == REFERENCE and "older version" in made.reason


def test_a_vector_program(compilation, monkeypatch):
    monkeypatch.delenv("METALPY_EXECUTOR", raising=False)
    made = compilation.lowered("k")
    assert (made.executor, made.reason) == (SPMD, "")
    assert made.code == compilation.native("k").read_bytes()[: len(made.code)]


def test_what_cannot_be_vectorised(compilation, monkeypatch, store, unsupported):
    monkeypatch.delenv("METALPY_EXECUTOR", raising=False)
    assert compilation.lowered("k").reason == REASON
    monkeypatch.undo()
    monkeypatch.delenv("METALPY_EXECUTOR", raising=False)
    again = compile_source(read_source(TEXT), make_options(), store).lowered("k")  # from the cache
    assert (again.executor, again.reason) == (REFERENCE, REASON)


def test_the_reference_executor_by_choice(compilation, monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", "reference")
    made = compilation.lowered("k")
    assert (made.executor, made.reason) == (REFERENCE, "METALPY_EXECUTOR=reference")
    monkeypatch.setenv("METALPY_EXECUTOR", "spmd")
    assert compilation.lowered("k").executor == SPMD  # an entry of its own in the cache


def test_library_files_know_it(compilation, monkeypatch, store, tmp_path, unsupported):
    monkeypatch.delenv("METALPY_EXECUTOR", raising=False)
    write_library(tmp_path / "k.mtlp", compilation, {})
    made = read_library(tmp_path / "k.mtlp", store).lowered("k")
    assert (made.executor, made.reason) == (REFERENCE, REASON)


def test_an_unknown_executor(monkeypatch):
    monkeypatch.setenv("METALPY_EXECUTOR", "gpu")
    with pytest.raises(EnvironmentVariableError, match=r"METALPY_EXECUTOR.*'spmd', 'reference' or 'checked'"):
        chosen_executor()
