"""What only Apple's driver has: tested over the stand-in for Metal, and where it says so on any Apple device."""

import ctypes

import pytest

from metalpy._core import registry
from tests.helpers import abi
from tests.helpers import standin as standin_module

NEEDS = "needs the stand-in for Metal: make test-objc"


@pytest.fixture
def standin(request):
    """The stand-in; faults end with the test."""
    path = request.config.getoption("--metal-standin")
    if path is None:
        pytest.skip(NEEDS)
    loaded = standin_module.load(path)
    yield loaded
    for fault in standin_module.Fault:
        loaded.inject(fault, 0)


class Table:
    """Apple's driver as C sees it."""

    def __init__(self, address):
        self.driver = abi.Driver.from_address(address)
        self.error = abi.Error()
        self.device = self.made("device_open", 0)

    def call(self, name, *arguments):
        """A function that can fail, with its error as the last argument."""
        status = getattr(self.driver, name)(*arguments, ctypes.byref(self.error))
        assert status == abi.OK, self.error.message.decode()

    def fails(self, name, *arguments):
        """Status and message of a call that must fail."""
        status = getattr(self.driver, name)(*arguments, ctypes.byref(self.error))
        assert status == self.error.code != abi.OK
        return status, self.error.message.decode()

    def made(self, name, *arguments):
        """The handle that a function makes."""
        out = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(out))
        return out.value


@pytest.fixture
def table(standin):
    made = Table(standin.table)
    yield made
    made.driver.device_release(made.device)


@pytest.fixture
def metal(standin):
    """The device of Apple's driver, as Python sees it."""
    return registry.open_device(standin.table, 0, "mps:0")
