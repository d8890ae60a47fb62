"""Options and fixtures that all tests share."""

import random
from pathlib import Path

import numpy as np
import pytest

import metalpy as mp
from metalpy._core import registry
from tests.device_differences import difference
from tests.helpers.leaks import LeakCheck
from tests.helpers.mock import MockDriver

HERE = Path(__file__).parent


def pytest_addoption(parser):
    parser.addoption(
        "--device",
        default="all",
        choices=["software", "metal", "all"],
        help="devices that tests/device runs on; all: every one that this machine has",
    )
    parser.addoption(
        "--metal-standin",
        metavar="LIBRARY",
        help="with --device=metal: Apple's driver over the stand-in for Metal, as `make test-objc` builds it",
    )


def pytest_configure(config):
    if config.getoption("--metal-standin"):
        from tests.helpers import standin

        standin.load(config.getoption("--metal-standin"))  # before the default device is chosen


passed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets fixtures know whether the test passed."""
    report = yield
    if report.when == "call":
        item.stash[passed] = report.passed
    return report


def pytest_collection_modifyitems(config, items):
    """Skips what the list of differences names, for tests that run on Apple's driver."""
    if config.getoption("--device") == "software":
        return
    has_standin = config.getoption("--metal-standin") is not None
    if has_standin:  # what asks for no device has been run without it
        kept = [item for item in items if {"device", "standin"} & set(item.fixturenames)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    if not has_standin and "metal" not in {name for name, _ in available()}:
        return
    for item in items:
        parameters = getattr(item, "callspec", None)
        table = parameters.params.get("device") if parameters else None
        on_metal = registry.driver_name(table) == "metal" if table else "device" not in item.fixturenames
        reason = difference(item.nodeid, has_standin) if on_metal else None
        if reason:
            item.add_marker(pytest.mark.skip(reason=f"differs on Apple's device: {reason}"))


def available():
    """(driver name, table) of each driver of this build that has a device."""
    tables = registry.driver_tables()
    return [(registry.driver_name(table), table) for table in tables if registry.device_count(table)]


def pytest_generate_tests(metafunc):
    if "device" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--device")
        tables = [entry for entry in available() if wanted in (entry[0], "all")]
        if not tables:
            raise pytest.UsageError(f"this machine has no {wanted} Metal device")
        metafunc.parametrize("device", [t for _, t in tables], ids=[name for name, _ in tables], indirect=True)


@pytest.fixture
def device(request):
    """A Metal device; nothing that the test allocates there may outlive it."""
    table = request.param
    default = mp.device()
    opened = default if default.driver == registry.driver_name(table) else registry.open_device(table, 0, "mps:0")
    opened.synchronize()
    return opened


@pytest.fixture(autouse=True)
def nothing_left_behind(request):
    """No test of a device may leave arrays, queues or events on it."""
    if not {"device", "msl"} & set(request.node.path.relative_to(HERE).parts[:1]):
        yield
        return
    tested = request.getfixturevalue("device") if "device" in request.fixturenames else mp.device()
    with LeakCheck(tested) as check:
        yield
        check.armed = request.node.stash.get(passed, False)  # else the traceback holds the test's arrays


@pytest.fixture
def mock():
    """A driver made of Python."""
    made = MockDriver()
    made.device = made.open()
    yield made
    MockDriver.forget()


@pytest.fixture
def rng(request):
    """Random numbers, the same in every run of a test."""
    seed = random.Random(request.node.nodeid).randrange(1 << 32)
    print(f"seed {seed}")
    return np.random.default_rng(seed)
