"""Which lanes take part in a simdgroup function under divergent control flow: those that a lockstep machine would have.

The reference runs 32 lanes side by side under masks, as a GPU does: after a branch all that entered it go on together,
and no lane starts a loop's next iteration before the others have ended this one.
"""

import numpy as np
import pytest

import metalpy as mp

LANES = np.arange(32)


def run(body, n, helpers=""):
    """Results of a kernel whose `body` computes `result` for each lane from `n`."""
    lib = mp.mps.compile_shader(f"""
        #include <metal_stdlib>
        using namespace metal;
        {helpers}
        kernel void k(device int* out, device const int* n_of, uint i [[thread_position_in_grid]]) {{
            const int lane = i, n = n_of[i];
            int result = 0;
            {body}
            out[i] = result;
        }}""")
    out = mp.zeros(32, dtype=np.int32)
    lib.k(out, mp.array(n.astype(np.int32)), group_size=32)
    return np.asarray(out)


@pytest.fixture(params=range(4))
def n(request):
    return np.random.default_rng(request.param).integers(0, 9, 32)


def test_lanes_that_skip_the_rest_of_an_iteration_wait_for_it(n):
    got = run("for (int j = 0; j < 8; j++) { if (n == j) continue; result = 10 * result + (simd_sum(1) & 7); }", n)
    expected = np.zeros(32, np.int64)
    for j in range(8):
        active = n != j
        expected[active] = 10 * expected[active] + (active.sum() & 7)
    np.testing.assert_array_equal(got, expected)


def test_two_calls_in_a_loop_with_a_way_round_the_second(n):
    got = run(
        "for (int j = 0; j < 6; j++) { result += simd_sum(1); if ((n + j) & 1) continue; result += simd_sum(100); }", n
    )
    expected = np.zeros(32, int)
    for j in range(6):
        expected += 32
        active = (n + j) % 2 == 0
        expected[active] += 100 * active.sum()
    np.testing.assert_array_equal(got, expected)


def test_loops_of_different_lengths_and_what_follows(n):
    got = run("for (int j = 0; j < n; j++) result += simd_sum(1);\nresult = 1000 * result + simd_sum(1);", n)
    expected = sum(np.where(j < n, (j < n).sum(), 0) for j in range(9))
    np.testing.assert_array_equal(got, 1000 * expected + 32)


def test_break_out_of_a_loop(n):
    got = run(
        "while (true) { result += simd_sum(1); if (result > 20 * n) break; }\nresult = 1000 * result + simd_sum(1);", n
    )
    expected, active = np.zeros(32, int), np.ones(32, bool)
    while active.any():
        expected[active] += active.sum()
        active &= ~(expected > 20 * n)
    np.testing.assert_array_equal(got, 1000 * expected + 32)


def test_nested_loops(n):
    got = run(
        """for (int j = 0; j < 3; j++) {
            for (int k = 0; k < (n + j) % 4; k++) { if ((n ^ k) & 1) continue; result += simd_sum(1); }
            result += simd_sum(100);
        }""",
        n,
    )
    expected = np.zeros(32, int)
    for j in range(3):
        for k in range(4):
            active = (k < (n + j) % 4) & ((n ^ k) % 2 == 0)
            expected[active] += active.sum()
        expected += 3200
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("hint", ["", "[[likely]]", "[[unlikely]]"])
def test_what_is_expected_of_a_branch_does_not_matter(n, hint):
    got = run(f"if (n == 3) {hint} {{ result = simd_sum(100); }}\nresult += simd_sum(1);", n)
    np.testing.assert_array_equal(got, np.where(n == 3, 100 * (n == 3).sum(), 0) + 32)


def test_both_arms_of_a_branch(n):
    got = run("if (n & 1) result = simd_sum(1); else result = simd_sum(100);\nresult += 10000 * simd_sum(1);", n)
    odd = n % 2 == 1
    np.testing.assert_array_equal(got, np.where(odd, odd.sum(), 100 * (~odd).sum()) + 320000)


def test_a_switch_with_a_case_that_falls_through(n):
    got = run(
        """switch (n % 4) {
            case 0: result = simd_sum(1); break;
            case 1: result = simd_sum(100);
            case 2: result += simd_sum(10000); break;
            default: result = -1;
        }
        result += 7 * (simd_sum(1) == 32);""",
        n,
    )
    m = n % 4
    both = 10000 * np.isin(m, (1, 2)).sum()
    expected = np.select([m == 0, m == 1, m == 2], [(m == 0).sum(), 100 * (m == 1).sum() + both, both], -1)
    np.testing.assert_array_equal(got, expected + 7)


def test_a_helper_called_in_two_places(n):
    got = run(
        """auto total = [](int x) { return simd_sum(x); };
        if (n & 1) result = total(1); else result = total(100);
        for (int j = 0; j < n; j++) result += total(1000);""",
        n,
    )
    odd = n % 2 == 1
    expected = np.where(odd, odd.sum(), 100 * (~odd).sum())
    expected = expected + sum(np.where(j < n, 1000 * (j < n).sum(), 0) for j in range(9))
    np.testing.assert_array_equal(got, expected)


def test_a_helper_that_is_not_to_be_inlined(n):
    got = run(
        "if (n & 1) result = total(1); else result = total(100);\nresult += 10000 * simd_sum(1);",
        n,
        "__attribute__((noinline)) int inner(int x) { return simd_sum(x); }"
        "__attribute__((noinline)) int total(int x) { return inner(x) + 1; }",
    )
    odd = n % 2 == 1
    np.testing.assert_array_equal(got, np.where(odd, odd.sum(), 100 * (~odd).sum()) + 320001)


def test_lanes_that_have_returned(n):
    got = run("if (n > 4) { out[i] = -5; return; }\nresult = simd_sum(1);", n)
    np.testing.assert_array_equal(got, np.where(n > 4, -5, (n <= 4).sum()))


def test_an_arm_that_leaves_a_loop_belongs_to_its_iteration(n):
    got = run(
        """for (int j = 0; j < 7; j++) {
            if (n == j) { result += 100 * simd_sum(1); break; }
            result += simd_sum(1);
        }
        result += 10000 * simd_sum(1);""",
        n,
    )
    expected, inside = np.zeros(32, int), np.ones(32, bool)
    for j in range(7):
        leaving = inside & (n == j)
        expected[leaving] += 100 * leaving.sum()
        inside &= n != j
        expected[inside] += inside.sum()
    np.testing.assert_array_equal(got, expected + 320000)


def test_an_arm_that_returns_from_a_loop_belongs_to_its_iteration(n):
    got = run(
        "result = found(n);",
        n,
        """int found(int n) {
            int seen = 0;
            for (int j = 0; j < 7; j++) {
                if (n == j) return 1000 * seen + simd_sum(1);
                seen += simd_sum(1);
            }
            return -seen;
        }""",
    )
    expected = np.zeros(32, int)
    for lane in range(32):
        seen = sum((n > j).sum() for j in range(min(n[lane], 7)))
        expected[lane] = 1000 * seen + (n == n[lane]).sum() if n[lane] < 7 else -seen
    np.testing.assert_array_equal(got, expected)


def test_an_arm_that_sets_a_flag_which_ends_the_loop(n):
    got = run(
        """for (int j = 0; j < 7; j++) {
            bool last = false;
            if (n == j) { result = simd_sum(1); last = true; }
            if (last) break;
        }""",
        n,
    )
    np.testing.assert_array_equal(got, np.where(n < 7, (n == n[:, None]).sum(1), 0))


def test_a_loop_whose_body_ends_by_leaving(n):
    got = run("int j = -1;\nwhile (j < 6) { j++; if (n != j) continue; result = simd_sum(1); break; }", n)
    np.testing.assert_array_equal(got, np.where(n < 7, (n == n[:, None]).sum(1), 0))


def test_a_loop_in_an_arm_that_leaves_another_loop(n):
    got = run(
        """for (int j = 0; j < 7; j++) {
            if (n == j) {
                for (int k = 0; k <= lane % 3; k++) result += simd_sum(1);
                break;
            }
        }""",
        n,
    )
    rest = np.arange(32) % 3
    expected = sum(((n == n[:, None]) & (k <= rest)).sum(1) * (k <= rest) for k in range(3))
    np.testing.assert_array_equal(got, np.where(n < 7, expected, 0))


def test_a_loop_whose_condition_the_optimiser_tests_on_each_way_back(n):
    """It made two loops of this one, and lanes of the inner one did not wait for the others."""
    got = run(
        """int x = n, j = 0;
        while (true) {
            if (!(j < 4 && n_of[i] < 8)) break;
            j++;
            if (simd_sum(x) % 7 < n) {
                x = j;
            } else {
                if (n_of[0] < 9) continue;
                break;
            }
            result = 10 * result + x;
        }
        result = 1000 * result + x;""",
        n,
    )
    x, result, active = n.copy(), np.zeros(32, int), n < 8
    for j in range(1, 5):
        then = active & (x[active].sum() % 7 < n)
        x[then] = j
        result[then] = 10 * result[then] + j
    np.testing.assert_array_equal(got, 1000 * result + x)
