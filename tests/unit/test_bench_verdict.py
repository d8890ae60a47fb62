"""The statistics of ``make bench-compare``: what counts as a change, and how it is reported."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "benchmarks" / "verdict.py"
_spec = importlib.util.spec_from_file_location("bench_verdict", _PATH)
assert _spec is not None and _spec.loader is not None
verdict = importlib.util.module_from_spec(_spec)
sys.modules["bench_verdict"] = verdict
_spec.loader.exec_module(verdict)
Change = verdict.Change


def test_ratio_cancels_a_drift_that_hits_both_commits():
    drift = (1.0, 1.3, 1.7, 2.2, 2.9)
    change = Change("b", base=drift, head=tuple(1.2 * d for d in drift))
    assert change.ratio == pytest.approx(1.2)
    assert change.verdict == verdict.SAME, "runs that overlap are not told apart, whatever the ratio"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ((1.20, 1.21, 1.22, 1.19, 1.20), verdict.SLOWER),
        ((0.80, 0.81, 0.79, 0.82, 0.80), verdict.FASTER),
        ((1.03, 1.035, 1.04, 1.03, 1.03), verdict.SAME),  # apart, but below the floor
        ((1.20, 1.21, 1.22, 1.01, 1.20), verdict.SAME),  # one run reaches into base's
        ((1.20, 1.21, 1.22), verdict.UNSURE),
    ],
)
def test_verdicts(head, expected):
    assert Change("b", base=(1.0, 1.01, 1.02, 1.0, 0.99), head=head).verdict == expected


def test_floor_is_the_callers():
    change = Change("b", base=(1.0,) * 5, head=(1.03,) * 5, floor=0.02)
    assert change.verdict == verdict.SLOWER


def test_noise_alone_is_rarely_flagged():
    random.seed(7)

    def runs() -> tuple[float, ...]:
        return tuple(random.gauss(1.0, 0.1) for _ in range(5))

    flagged = sum(Change("b", runs(), runs()).verdict != verdict.SAME for _ in range(2000))
    assert flagged / 2000 < 2 / 126


def test_a_clear_change_in_noise_is_flagged():
    random.seed(7)
    found = sum(
        Change(
            "b",
            tuple(random.gauss(1.0, 0.03) for _ in range(5)),
            tuple(random.gauss(1.25, 0.03) for _ in range(5)),
        ).verdict
        == verdict.SLOWER
        for _ in range(200)
    )
    assert found > 190


def test_benchmarks_that_only_one_commit_has_are_named_not_compared():
    base = [{"same": 1.0, "old": 2.0}] * 4
    head = [{"same": 1.0, "new": 2.0}] * 4
    changes, only_base, only_head = verdict.compare(base, head)
    assert ([c.name for c in changes], only_base, only_head) == (["same"], ["old"], ["new"])


def test_a_benchmark_that_failed_in_one_run_is_not_compared():
    changes, only_base, _ = verdict.compare([{"a": 1.0, "b": 1.0}, {"a": 1.0}], [{"a": 1.0, "b": 1.0}] * 2)
    assert [c.name for c in changes] == ["a"] and only_base == []


def test_report_shows_times_spread_ratio_and_the_rule():
    changes = [
        Change("bench_launch.py::test_async[core]", (1.0e-6,) * 4, (1.5e-6,) * 4),
        Change("bench_copy.py::test_copy", (2e-3,) * 4, (2e-3,) * 4),
    ]
    text = verdict.report(changes, only_head=["bench_new.py::test_x"])
    line = next(line for line in text.splitlines() if "async" in line)
    assert "1.00 us" in line and "1.50 us" in line and "1.500" in line and line.endswith("SLOWER")
    assert "only in head: bench_new.py::test_x" in text
    assert "2 compared: 1 slower, 0 faster" in text and "more than 5%" in text


def test_spread_is_half_the_range_over_the_median():
    assert verdict.spread((0.9, 1.0, 1.1)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.50 s "), (0.0121, "12.10 ms"), (1.5e-6, "1.50 us"), (3e-8, "30.0 ns")]
)
def test_durations(seconds, text):
    assert verdict.duration(seconds).strip() == text.strip()


def test_reading_a_run_takes_medians_and_device_times(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(
        json.dumps(
            {
                "benchmarks": [
                    {"fullname": "benchmarks/b.py::t", "stats": {"median": 2e-3}, "extra_info": {}},
                    {"fullname": "b.py::k", "stats": {"median": 5e-3}, "extra_info": {"device": {"median": 4e-3}}},
                ]
            }
        )
    )
    assert verdict.read_run(file) == {"b.py::t": 2e-3, "b.py::k": 5e-3, "b.py::k (device)": 4e-3}
