"""Environment variables: which of two names counts, what is refused and in whose name."""

import pytest

import metalpy as mp
from metalpy import environment
from metalpy.compiler.options import make_options

NAME, ALIAS = "METALPY_TEST_ONLY", "PYTORCH_TEST_ONLY"


def test_own_name_wins_then_the_alias_then_the_default(monkeypatch):
    assert environment.read(NAME, ALIAS, parse=int, default=7) == 7
    monkeypatch.setenv(ALIAS, " 2 ")
    assert environment.read(NAME, ALIAS, parse=int, default=7) == 2
    assert environment.read(NAME, parse=int, default=7) == 7
    monkeypatch.setenv(NAME, "1")
    assert environment.read(NAME, ALIAS, parse=int, default=7) == 1
    monkeypatch.setenv(NAME, "  ")
    assert environment.read(NAME, ALIAS, parse=int, default=7) == 2


@pytest.mark.parametrize("variable", [NAME, ALIAS])
def test_a_bad_value_names_the_variable_that_was_set(monkeypatch, variable):
    monkeypatch.setenv(variable, "lots")
    with pytest.raises(
        mp.EnvironmentVariableError, match=f"^{variable} must be a number from 0 to 2, not 'lots'$"
    ) as e:
        environment.read(NAME, ALIAS, parse=environment.number(0, 2), default=1.7)
    assert isinstance(e.value, ValueError) and isinstance(e.value, mp.MetalError)


@pytest.mark.parametrize(
    ("parse", "good"),
    [
        (environment.number(0, 2), {"0": 0.0, "1.5": 1.5, "2": 2.0, "1e-1": 0.1}),
        (environment.integer(0, 31), {"0": 0, "0x1f": 31, "0b11": 3}),
        (environment.size, {"1": 1, "512M": 512 << 20, "4GiB": 4 << 30, "2 kb": 2048, "1t": 1 << 40}),
        (environment.flag, {"0": False, "1": True, "no": True}),
    ],
)
def test_parsers_accept(parse, good):
    assert {text: parse(text) for text in good} == good


@pytest.mark.parametrize(
    ("parse", "bad"),
    [
        (environment.number(0, 2), ["-0.1", "2.1", "nan", "inf", "x", "1,5"]),
        (environment.integer(0, 31), ["-1", "32", "1.0", "x", "0x"]),
        (environment.size, ["0", "-1", "M", "1.5G", "1X", "1MM"]),
    ],
)
def test_parsers_refuse(parse, bad):
    for text in bad:
        with pytest.raises(ValueError, match=r"^(a|an) \S.*"):
            parse(text)


@pytest.mark.parametrize("variable", ["METALPY_FAST_MATH", "PYTORCH_MPS_FAST_MATH"])
def test_fast_math_is_the_default_mode_only(monkeypatch, variable):
    for name in ("METALPY_FAST_MATH", "PYTORCH_MPS_FAST_MATH"):
        monkeypatch.delenv(name, raising=False)
    assert make_options().math_mode == "safe"
    monkeypatch.setenv(variable, "1")
    assert make_options().math_mode == "fast"
    assert make_options(math_mode="safe").math_mode == "safe"
    monkeypatch.setenv(variable, "0")
    assert make_options().math_mode == "safe"
