"""Which devices are open, and what is done to all of them."""

from libc.stdint cimport uint32_t

from metalpy._abi cimport MP_ABI_VERSION, MP_ERROR_INVALID, mp_device, mp_driver, mp_error, mp_status
from metalpy._core.check cimport check
from metalpy._core.driver cimport Device, Queue
from metalpy._core.trace cimport tracing

from metalpy._core.driver import built_tables
from metalpy._core.facts import compile_facts
from metalpy.errors import EnvironmentVariableError, MetalError

cdef dict opened = {}  # (address of the driver's table, index) -> Device
cdef list added = []  # addresses of tables that are not of this build
cdef uint32_t last_device = 0  # identities given out


def driver_tables():
    """Addresses of all drivers: those that were added, then those of this build, the preferred one first."""
    return [*added, *built_tables()]


def add_driver_table(size_t table):
    """Puts a driver before those of this build. For tests; its table must live as long as the process."""
    checked_table(table)
    if table not in added:
        added.append(table)


def driver_name(size_t table):
    """Name of the driver whose table is at an address."""
    return (<bytes>(<const mp_driver *>table).name).decode()


def device_count(size_t table):
    """Number of devices of the driver whose table is at an address. Opens none."""
    return checked_table(table).device_count()


def open_device(size_t table, uint32_t index, str label not None):
    """The device `index` of the driver whose table is at an address, opened on first use."""
    global last_device
    cdef Device device
    cdef mp_error error
    cdef mp_status status
    cdef mp_device *handle = NULL
    cdef const mp_driver *drv = checked_table(table)
    found = opened.get((table, index))
    if found is not None:
        return found
    with nogil:
        status = drv.device_open(index, &handle, &error)
    if status == MP_ERROR_INVALID:  # nothing else that a device is opened with could be wrong
        raise EnvironmentVariableError((<bytes>error.message).decode("utf-8", "replace"))
    check(status, &error)
    last_device += 1
    device = Device.__new__(Device)
    device.identity = last_device
    device.drv = drv
    device.handle = handle
    device.index = index
    device.label = label
    drv.device_info(handle, &device.info)
    device.queues = []
    device.queue = Queue(device)
    if tracing:
        device.queue.follow_trace(device)
    # Another thread may have opened it meanwhile; the driver shares the device, so one object of the two goes.
    return opened.setdefault((table, index), device)


def all_queues():
    """The queues of all open devices that streams use or whose work is not done."""
    cdef Device device
    return [queue for device in list(opened.values()) for queue in (device.queue, *device.queues)]


def open_devices():
    """The devices that are open."""
    return list(opened.values())


def follow_trace():
    """Tell the queues of all devices what `trace.begin` and `trace.end` have changed.

    If a driver refuses, the others hear of it nevertheless; the first refusal is raised.
    """
    cdef Device device
    cdef Queue queue
    refusal = None
    for device in open_devices():
        for queue in [device.queue, *device.queues]:
            try:
                queue.follow_trace(device)
            except Exception as error:
                refusal = refusal or error
    if refusal is not None:
        raise refusal


def drain_queues():
    """Fetch the times of all commands that are complete."""
    cdef Queue queue
    for queue in all_queues():
        queue.drain()


def settle():
    """Wait for everything given to any device so far; failures of kernels are kept for the next wait."""
    cdef Queue queue
    # Noted before the first wait: other threads go on, and what they give to a device may have no end.
    for queue, serial in [(queue, queue.recorded) for queue in all_queues()]:
        kept, queue.failures = queue.failures, []
        try:
            queue.wait_serial(serial)
        except Exception as error:
            kept.append(error)
        finally:
            queue.failures = kept + queue.failures
    drain_queues()


def forget_device(Device device not None):
    """Lets `open_device` open the device anew. For tests, whose drivers come and go."""
    for key, known in list(opened.items()):
        if known is device:
            del opened[key]


cdef const mp_driver *checked_table(size_t table) except NULL:
    cdef const mp_driver *drv = <const mp_driver *>table
    if drv.abi_version != MP_ABI_VERSION or drv.struct_size != sizeof(mp_driver):
        raise MetalError(
            f"a device driver has ABI version {drv.abi_version} and {drv.struct_size} bytes, "
            f"this build of metalpy needs {MP_ABI_VERSION} and {sizeof(mp_driver)}; rebuild metalpy"
        )
    return drv


def build_facts():
    """How the extension modules were built, for a bug report."""
    return {
        **compile_facts(),
        "ABI version": MP_ABI_VERSION,
        "drivers": ", ".join([driver_name(table) for table in driver_tables()]),
    }
