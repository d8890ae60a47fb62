"""Random kernels: every executor of the software device gives what the evaluator computes, bit for bit.

``make fuzz SECONDS=600`` runs more of them.
"""

import copy

import pytest

from tests.fuzz import lanes, operations, running
from tests.fuzz.generator import generate
from tests.fuzz.language import blocks, expressions
from tests.fuzz.printer import metal
from tests.fuzz.reduction import reduced

SEEDS = range(1, 41)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_kernel(seed):
    program = generate(seed)
    difference = running.find_difference(program)
    assert difference is None, running.describe(program, difference.text)


def test_a_seed_stands_for_one_program():
    assert metal(generate(7)) == metal(generate(7)) != metal(generate(8))


def test_seeds_reach_every_kind_of_statement_and_operation():
    programs = [generate(seed) for seed in range(1, 200)]
    kinds = {s.kind for program in programs for block in blocks(program) for s in block}
    assert kinds >= {
        "assign", "store", "atomic", "if", "loop", "switch", "break", "continue", "return", "call", "exchange", "tree",
        "histogram", "simdgroup_barrier", "pick", "owned", "matrix",
    }  # fmt: skip
    used = {e.op for program in programs for e in expressions(program)}
    missing = {
        *operations.OF_TYPE, *operations.COMPARISONS, "land", "lor", "conditional", "select", "call",
        "load", "near",
        "record", "own", "convert", "construct", "swizzle", "as_type", "extract_bits", "insert_bits",
        *(f"{scope}_{name}" for scope in ("simd", "quad") for name in lanes.NAMES),
    } - used  # fmt: skip
    assert not missing


def test_a_wrong_result_is_found_and_made_small(monkeypatch):
    def wrong(x):
        return x.op == "mul" and x.type.name == "int"

    def with_a_mistake(program):
        program = copy.deepcopy(program)
        for e in expressions(program):
            if wrong(e):
                e.op = "add"
        return honest(program)

    honest = running.expected
    monkeypatch.setattr(running, "expected", with_a_mistake)
    seed = next(s for s in range(1, 99) if running.find_difference(generate(s)) is not None)
    program = generate(seed)
    small = reduced(program, lambda p: running.find_difference(p) is not None, seconds=3)
    assert len(metal(small)) < len(metal(program))
    assert any(wrong(e) for e in expressions(small))
    assert "expected" in running.describe(small, running.find_difference(small).text)
