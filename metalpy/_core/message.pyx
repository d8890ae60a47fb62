"""What kernels say: from the driver's records to Python objects that wait to be delivered.

`pending` holds messages of all queues in the order in which waits found them, as the fields of
`metalpy.mps.KernelMessage`. Delivering them is the business of `metalpy.mps.messages`.
"""

from libc.string cimport memset

from metalpy._abi cimport (
    MP_MESSAGE_DEBUG,
    MP_MESSAGE_DEFAULT,
    MP_MESSAGE_ERROR,
    MP_MESSAGE_FAULT,
    MP_MESSAGE_INFO,
    MP_MESSAGE_LOST,
    MP_MESSAGE_PRINT,
    MP_MESSAGE_REPORT,
)

from collections import deque

from metalpy.errors import KernelReportedError

cdef dict LEVELS = {
    MP_MESSAGE_DEBUG: "debug",
    MP_MESSAGE_INFO: "info",
    MP_MESSAGE_DEFAULT: "default",
    MP_MESSAGE_ERROR: "error",
    MP_MESSAGE_FAULT: "fault",
    MP_MESSAGE_PRINT: "print",
    MP_MESSAGE_REPORT: "report",
    MP_MESSAGE_LOST: "lost",
}

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t size)

pending = deque()
cdef object deliver = None

cdef enum:  # ErrorMessages of <c10/metal/error.h>: a count, then so many messages of these fields
    ERROR_MESSAGES = 30
    ERROR_MESSAGE_SIZE = 512
    ERROR_FILE = 0
    ERROR_FUNCTION = 128
    ERROR_TEXT = 256
    ERROR_TEXT_SIZE = 250
    ERROR_LINE = 508


def set_delivery(function):
    """Have `function` called, without arguments, by waits that find messages; it empties `pending`."""
    global deliver
    deliver = function


cdef str text_of(const char *text, Py_ssize_t size=-1):
    if text == NULL:
        return None
    if size < 0:
        return (<bytes>text).decode("utf-8", "replace")
    return (<bytes>text[:strnlen(text, size)]).decode("utf-8", "replace")


cdef tuple heard(str device, uint32_t stream, const mp_message *message):
    """The fields of a KernelMessage."""
    cdef str level = <str>LEVELS.get(message.level, "default")
    cdef str text = text_of(message.text) or ""
    cdef str file = text_of(message.file)
    cdef str subsystem = text_of(message.subsystem)
    cdef str category = text_of(message.category)
    cdef object line = message.line or None
    cdef object thread = None
    if message.has_thread:
        thread = (message.thread[0], message.thread[1], message.thread[2])
    if subsystem == "metalpy":  # our printf and error reports, on a device that knows os_log only
        if category == "printf":
            level = "print"
            subsystem = category = None
        elif category == "report":
            level = "report"
            subsystem = category = None
            file, line, text = placed(file, line, text)
    return (text_of(message.kernel), level, text, subsystem, category, file, line, thread, device, stream)


def placed(file, line, text):
    """File, line and text of a report that was written ``file:line: text``; unchanged if it was not."""
    place, colon, rest = text.partition(": ")
    place, _, number = place.rpartition(":")
    return (place, int(number), rest) if colon and place and number.isdecimal() else (file, line, text)


cdef bint is_report(tuple entry):
    return entry[1] == "report"


cdef int read_error_buffer(str device, uint32_t stream, char *contents, list reports) except -1:
    """Moves what kernels have written into an error buffer to `pending` and `reports`, and empties it."""
    cdef uint32_t count = (<uint32_t *>contents)[0]
    cdef uint32_t number
    cdef char *entry
    for number in range(min(count, <uint32_t>ERROR_MESSAGES)):
        entry = contents + sizeof(uint32_t) + number * ERROR_MESSAGE_SIZE
        report = (
            text_of(entry + ERROR_FUNCTION, ERROR_TEXT - ERROR_FUNCTION) or None,
            "report",
            text_of(entry + ERROR_TEXT, ERROR_TEXT_SIZE),
            None,
            None,
            text_of(entry + ERROR_FILE, ERROR_FUNCTION) or None,
            (<uint32_t *>(entry + ERROR_LINE))[0] or None,
            None,
            device,
            stream,
        )
        reports.append(report)
        pending.append(report)
    if count > ERROR_MESSAGES:
        lost = f"{count - <uint32_t>ERROR_MESSAGES} error reports did not fit into the error buffer"
        pending.append((None, "lost", lost, None, None, None, None, None, device, stream))
    memset(contents, 0, ERROR_BUFFER_SIZE)
    return 0


cdef object reported_error(list reports):
    """The exception for the first of several reports."""
    kernel, _, message, _, _, file, line, thread, _, _ = reports[0]
    return KernelReportedError(message, file, line, thread, kernel, len(reports) - 1)


cdef int deliver_pending() except -1:
    global delivering
    if deliver is None:
        return 0
    delivering += 1
    try:
        deliver()
    finally:
        delivering -= 1
    return 0
