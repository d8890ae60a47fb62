"""The comparison with peers: what is right, who takes a turn when, and what the table says."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

_FOLDER = Path(__file__).parents[2] / "benchmarks" / "peers"
_spec = importlib.util.spec_from_file_location("bench_peers_package", _FOLDER / "__init__.py")
assert _spec is not None and _spec.loader is not None
sys.modules["bench_peers_package"] = importlib.util.module_from_spec(_spec)
table, turns, work, opencl = (
    importlib.import_module(f"bench_peers_package.{name}") for name in ("table", "turns", "work", "opencl")
)

BEST = table.Aim(1.0, ("Intel", "PoCL"))


def outcome(aim=BEST, unit="GB/s", missing=(), **seconds):
    row = table.Row("r", "a row", unit, aim, lambda side, small: None)
    return table.Outcome(row, 1e9, seconds, dict.fromkeys(missing, "not installed"))


def test_the_ratio_is_to_the_fastest_peer_and_cancels_drift():
    drift = (1.0, 1.5, 2.0, 4.0, 9.0)
    found = outcome(metalpy=drift, Intel=[0.5 * d for d in drift], PoCL=[3 * d for d in drift], NumPy=[0.1] * 5)
    assert found.rival == "Intel", "NumPy is faster, but the aim does not name it"
    assert found.ratio == pytest.approx(0.5)
    assert found.met is False


def test_the_aim_names_the_rival():
    found = outcome(aim=table.Aim(0.5, ("NumPy",)), metalpy=[1.5] * 3, Intel=[0.1] * 3, NumPy=[1.0] * 3)
    assert found.rival == "NumPy"
    assert found.met is True
    assert outcome(aim=table.Aim(0.5, ("NumPy",)), metalpy=[2.5] * 3, NumPy=[1.0] * 3).met is False


def test_a_peer_that_is_missing_leaves_open_what_it_might_decide():
    assert outcome(metalpy=[1.0] * 3, Intel=[2.0] * 3, PoCL=[2.0] * 3).met is True
    assert outcome(missing=["PoCL"], metalpy=[1.0] * 3, Intel=[2.0] * 3).met is None
    assert outcome(missing=["PoCL"], metalpy=[3.0] * 3, Intel=[2.0] * 3).met is False
    alone = outcome(missing=["Intel", "PoCL"], metalpy=[1.0] * 3)
    assert alone.met is None and alone.ratio is None


def test_an_aim_in_seconds_needs_no_peer():
    aim = table.Aim(seconds=2e-6)
    assert outcome(aim=aim, unit="us", missing=["Intel", "PoCL"], metalpy=[1e-6, 1e-6, 9e-6]).met is True
    assert outcome(aim=aim, unit="us", metalpy=[3e-6] * 3, Intel=[9e-6] * 3).met is False
    assert (str(aim), str(table.Aim(seconds=0.02)), str(BEST)) == ("under 2 us", "under 20 ms", "1.0x best peer")


def test_cells_are_rates_or_times_with_their_spread():
    seconds = [0.4, 0.45, 0.5, 0.55, 0.6]
    assert outcome(metalpy=seconds).cell("metalpy") == "2 +-10%"
    assert outcome(unit="ms", metalpy=seconds).cell("metalpy") == "500 +-10%"
    assert outcome(metalpy=seconds).cell("Numba") == "-"
    assert outcome(missing=["PoCL"], metalpy=seconds).cell("PoCL") == "not here"


def test_the_table_names_what_is_missing_and_counts_what_is_met():
    won = outcome(metalpy=[1.0] * 3, Intel=[2.0] * 3, PoCL=[2.0] * 3)
    lost = outcome(metalpy=[3.0] * 3, Intel=[2.0] * 3, PoCL=[2.0] * 3)
    unknown = outcome(missing=["PoCL"], metalpy=[1.0] * 3, Intel=[2.0] * 3)
    head, first, second, third, summary, *rest = table.lines([won, lost, unknown], {"metalpy": "1", "Intel": "2026"})
    assert head.startswith("work")
    assert first.endswith("yes") and second.endswith("NO") and third.endswith("not known")
    assert summary.startswith("1 of 2 aims are met")
    assert rest == ["sides: metalpy 1, Intel 2026", "not here: PoCL: not installed"]


def test_sides_are_checked_first_and_take_turns_in_changing_order():
    log = []

    def contender(name):
        return turns.Contender(lambda: log.append(f"check {name}"), lambda: log.append(name) or len(log))

    found = turns.take_turns({name: contender(name) for name in "abc"})
    assert log[:3] == ["check a", "check b", "check c"]
    assert log[3:12] == ["a", "b", "c", "c", "a", "b", "b", "c", "a"]
    assert {len(seconds) for seconds in found.values()} == {turns.MOST}


def test_a_wrong_result_is_not_timed():
    def wrong():
        raise work.WrongResultError("wrong")

    with pytest.raises(work.WrongResultError):
        turns.take_turns({"a": turns.Contender(wrong, lambda: pytest.fail("was timed"))})


def test_results_are_held_against_the_expected_ones():
    want = np.array([1, 2, 4, 8], np.float32)
    exact = work.Work({}, (), "out", want)
    close = work.Work({}, (), "out", want, tolerance=1e-3)
    mostly = work.Work({}, (), "out", want, may_differ=0.25)
    exact.check("side", want)
    close.check("side", want + np.float32(1e-3))
    mostly.check("side", np.array([1, 2, 4, 9], np.float32))
    with pytest.raises(work.WrongResultError, match=r"side: 1 of 4 elements of 'out' .* \(3,\): 9.0, NumPy has 8.0"):
        exact.check("side", np.array([1, 2, 4, 9], np.float32))
    with pytest.raises(work.WrongResultError, match="4 of 4"):
        close.check("side", np.full(4, np.nan, np.float32))
    with pytest.raises(work.WrongResultError, match="2 of 4"):
        mostly.check("side", np.array([1, 2, 5, 9], np.float32))
    with pytest.raises(work.WrongResultError, match="expected float32"):
        exact.check("side", want.astype(np.float64))


def test_a_runtime_that_is_not_installed_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(opencl, "SYSTEM_VENDORS", tmp_path)
    with pytest.raises(work.NotHereError, match="apt install pocl-opencl-icd"):
        opencl.pocl()


def test_every_kernel_of_the_comparison_has_both_languages_or_is_ours_alone():
    metal, cl = ({path.stem for path in (_FOLDER / "kernels").glob(f"*.{suffix}")} for suffix in ("metal", "cl"))
    assert metal - cl == {"simdgroup_matmul", "simd_scan"}
    assert not cl - metal
