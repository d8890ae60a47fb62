"""Delivery of what kernels say: when, where to, how often, and what is raised."""

import asyncio
import gc
import logging
import threading
import time

import numpy as np
import pytest

import metalpy as mp
from metalpy.mps import KernelMessage, set_message_handler
from tests.helpers.messages import HEADER, listening, speaking
from tests.helpers.process import python

pytestmark = pytest.mark.usefixtures("device")

SOURCE = (
    HEADER
    + """
kernel void say(constant int& what) { printf("%d\\n", what); }
kernel void log(constant int& what) { os_log_default.log("%d", what); }
kernel void report(constant int& what) { MP_REPORT_ERROR("number %d", what); }
kernel void report_and_fault(device int* x, constant int& by) {
  printf("before\\n");
  MP_REPORT_ERROR("will divide by %d", by);
  x[0] /= by;
}
kernel void fault(device int* x, constant int& by) { x[0] /= by; }
"""
)


@pytest.fixture(scope="module")
def lib():
    return mp.mps.compile_shader(SOURCE)


@pytest.fixture
def said():
    with listening() as heard:
        yield heard


def texts(said):
    return [message.text for message in said]


# ---- when ----


def nothing_was_said(said):
    return not said


WAITS = {
    "synchronize": lambda event, x: mp.mps.synchronize(),
    "stream": lambda event, x: mp.mps.default_stream().synchronize(),
    "event": lambda event, x: event.synchronize(),
    "numpy": lambda event, x: x.numpy(),
    "item": lambda event, x: x.item(),
    "future": lambda event, x: event.future().result(),
}


@pytest.mark.parametrize("wait", WAITS)
def test_waits_deliver(lib, said, wait):
    x, event = mp.zeros(1), mp.mps.Event()
    for number in range(3):
        lib.say(number, threads=1)
    x.fill(1)
    event.record()
    assert nothing_was_said(said)
    WAITS[wait](event, x)
    assert texts(said) == ["0\n", "1\n", "2\n"]
    mp.mps.synchronize()
    assert len(said) == 3


def test_messages_have_all_fields(lib, said):
    lib.say(5, threads=1)
    mp.mps.synchronize()
    assert said == [
        KernelMessage(kernel="say", level="print", text="5\n", subsystem=None, category=None, file="program_source",
                      line=7, thread=(0, 0, 0), device="mps:0", stream_id=0)
    ]  # fmt: skip


def test_commands_come_in_order(lib, said):
    x = mp.zeros(1000)
    for number in range(500):
        lib.say(number, threads=2)
        x.fill(number)
    mp.mps.synchronize()
    assert texts(said) == [f"{number}\n" for number in range(500) for _ in range(2)]


def test_streams_are_told_apart(lib, said):
    streams = [mp.mps.Stream() for _ in range(3)]
    for number in range(30):
        with mp.mps.stream(streams[number % 3]):
            lib.say(number, threads=1)
    mp.mps.synchronize()
    for k, stream in enumerate(streams):
        numbers = [int(m.text) for m in said if m.stream_id == stream.stream_id]
        assert numbers == list(range(k, 30, 3))


def test_a_stream_that_is_gone_is_heard(lib, said):
    with mp.mps.stream(mp.mps.Stream()):
        lib.say(7, threads=1)
    gc.collect()
    mp.mps.synchronize()
    assert texts(said) == ["7\n"]


def test_a_queue_that_finished_and_is_dropped_is_heard(lib, said):
    stream = mp.mps.Stream()
    with mp.mps.stream(stream):
        lib.say(7, threads=1)
        lib.report(8, threads=1)
    while not stream.query():
        pass
    del stream
    gc.collect()
    mp.mps.Stream()  # opening one drops what is finished
    assert texts(said) == ["7\n", "number 8"]
    with pytest.raises(mp.KernelReportedError, match="number 8"):
        mp.mps.synchronize()


def test_threads_hear_their_own(lib, said):
    """Of all threads that wait on one queue; when a wait returns, what its kernels said is out."""
    missing = []

    def work(first):
        for number in range(first, first + 50):
            lib.say(number, threads=1)
            mp.mps.synchronize()
            if f"{number}\n" not in texts(said):
                missing.append(number)

    workers = [threading.Thread(target=work, args=(1000 * k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert missing == []
    assert sorted(int(text) for text in texts(said)) == [1000 * k + n for k in range(4) for n in range(50)]


def test_a_wait_ends_when_another_thread_has_delivered(lib, said):
    inside = threading.Event()

    def slowly(message):
        inside.set()
        time.sleep(0.05)  # long enough for the other thread to come back from a wait that does not wait for this
        said.append(message)

    set_message_handler(slowly)
    lib.say(0, threads=1)
    lib.say(1, threads=1)
    other = threading.Thread(target=mp.mps.synchronize)
    other.start()
    inside.wait()
    mp.mps.synchronize()
    heard = texts(said)
    other.join()
    assert heard == ["0\n", "1\n"]


def test_a_great_many(said):
    speaking('printf("%u", i);')(mp.zeros(1), threads=8000)
    mp.mps.synchronize()
    assert texts(said) == [str(i) for i in range(8000)]


# ---- where to ----


def test_printf_goes_to_stdout(lib, capsys):
    lib.say(5, threads=2)
    mp.mps.synchronize()
    assert capsys.readouterr() == ("5\n5\n", "")


def test_os_log_goes_to_logging(lib, caplog):
    speaking('mine.log_debug("d"); mine.log("n"); mine.log_error("e"); mine.log_fault("f");',
             'constant os_log mine("org.example", "tests");')(mp.zeros(1))  # fmt: skip
    mp.mps.synchronize()
    kernel = [r for r in caplog.records if r.name == "metalpy.kernel"]
    assert [(r.levelname, r.getMessage()) for r in kernel] == [("NOTICE", "n"), ("ERROR", "e"), ("CRITICAL", "f")]
    assert {(r.subsystem, r.category, r.thread_position, r.lineno, r.funcName) for r in kernel} == {
        ("org.example", "tests", (0, 0, 0), 8, "k")
    }


def test_the_logger_has_the_say(lib, caplog):
    kernel = speaking('os_log_default.log_debug("fine"); os_log_default.log_info("good");')
    with caplog.at_level(logging.DEBUG, "metalpy.kernel"):
        kernel(mp.zeros(1))
        mp.mps.synchronize()
    with caplog.at_level(logging.ERROR, "metalpy.kernel"):
        lib.log(1, threads=1)
        mp.mps.synchronize()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("DEBUG", "fine"), ("INFO", "good")]


CHILD = f"""
import metalpy as mp
lib = mp.mps.compile_shader({SOURCE!r})
"""


def test_os_log_goes_to_stderr_where_nothing_is_configured():
    logs = 'os_log_default.log("n"); os_log("a.b", "c").log_error("e"); os_log_default.log_info("hidden");'
    done = python(f"from tests.helpers.messages import *\nspeaking({logs!r})(mp.zeros(1)); mp.mps.synchronize()")
    assert done.stderr == "metalpy.kernel NOTICE n\nmetalpy.kernel ERROR [a.b:c] e\n"
    assert done.stdout == ""


# ---- handlers ----


def test_a_handler_replaces_the_other_and_is_returned(lib, capsys):
    first, second = [], []
    assert set_message_handler(first.append) is None
    try:
        lib.say(1, threads=1)
        mp.mps.synchronize()
        assert set_message_handler(second.append) == first.append
        lib.say(2, threads=1)
        mp.mps.synchronize()
    finally:
        assert set_message_handler(None) == second.append
    assert (texts(first), texts(second), capsys.readouterr().out) == (["1\n"], ["2\n"], "")
    with pytest.raises(TypeError, match="callable or None"):
        set_message_handler("print")


def test_what_a_handler_raises_comes_after_all_messages(lib, said):
    def refuse(message):
        said.append(message)
        if message.text in ("1\n", "2\n"):
            raise LookupError(message.text)

    set_message_handler(refuse)
    for number in range(4):
        lib.say(number, threads=1)
    with pytest.raises(LookupError, match="1") as caught:
        mp.mps.synchronize()
    assert caught.value.__notes__ == ["the message handler raised 1 more times"]
    assert texts(said) == ["0\n", "1\n", "2\n", "3\n"]
    mp.mps.synchronize()


def test_a_handler_may_launch_and_wait(lib, said):
    depth = 0

    def answer(message):
        nonlocal depth
        depth += 1
        assert depth == 1, "handlers do not nest"
        said.append(message)
        if int(message.text) < 5:
            lib.say(int(message.text) + 1, threads=1)
            mp.mps.synchronize()
            assert int(said[-1].text) == int(message.text)
        depth -= 1

    set_message_handler(answer)
    lib.say(0, threads=1)
    mp.mps.synchronize()
    assert texts(said) == [f"{n}\n" for n in range(6)]


def test_a_handler_may_wait_for_a_thread_that_waits(lib, said):
    def answer(message):
        said.append(message)
        if message.text == "0\n":
            thread = threading.Thread(target=lambda: (lib.say(1, threads=1), mp.mps.synchronize()))
            thread.start()
            thread.join()

    set_message_handler(answer)
    lib.say(0, threads=1)
    mp.mps.synchronize()
    assert texts(said) == ["0\n", "1\n"]


def test_an_interrupted_handler_loses_nothing(lib, said):
    def interrupt(message):
        set_message_handler(said.append)
        raise KeyboardInterrupt

    set_message_handler(interrupt)
    for number in range(3):
        lib.say(number, threads=1)
    lib.report(3, threads=1)
    with pytest.raises(KeyboardInterrupt):
        mp.mps.synchronize()
    with pytest.raises(mp.KernelReportedError):
        mp.mps.synchronize()
    lib.say(4, threads=1)
    mp.mps.synchronize()
    assert texts(said) == ["1\n", "2\n", "number 3", "4\n"]


# ---- error reports ----


def test_a_report_is_raised_once_with_all_that_is_known(lib, capsys):
    lib.report(5, threads=3)
    with pytest.raises(mp.KernelReportedError, match="number 5") as caught:
        mp.mps.synchronize()
    error = caught.value
    assert (error.message, error.file, error.line, error.thread, error.kernel, error.further) == (
        "number 5", "program_source", 9, (0, 0, 0), "report", 2
    )  # fmt: skip
    assert str(error) == (
        "program_source:9: kernel 'report' reported in thread (0, 0, 0): number 5 (and 2 further reports)"
    )
    assert isinstance(error, mp.MetalError)
    mp.mps.synchronize()
    assert capsys.readouterr() == ("", "")


def test_the_thread_that_reported(said):
    speaking('if (i % 40 == 39) MP_REPORT_ERROR("index %u exceeds limit %d", i, 39);')(mp.zeros(100), group_size=16)
    with pytest.raises(mp.KernelReportedError, match="index 39 exceeds limit 39") as caught:
        mp.mps.synchronize()
    assert (caught.value.thread, caught.value.further) == ((39, 0, 0), 1)
    assert [(m.level, m.thread) for m in said] == [("report", (39, 0, 0)), ("report", (79, 0, 0))]


def test_reports_in_files_name_them(tmp_path):
    source = '#include <metalpy/report_error.h>\n\nkernel void k(device float* x) { MP_REPORT_ERROR("no"); }\n'
    (tmp_path / "bad.metal").write_text(source)
    mp.compile_file(tmp_path / "bad.metal").k(mp.zeros(1))
    with pytest.raises(mp.KernelReportedError) as caught:
        mp.mps.synchronize()
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "bad.metal"), 3)


def test_later_work_runs_after_a_report(lib):
    x = mp.zeros(4)
    lib.report(1, threads=1)
    x.fill(3)
    with pytest.raises(mp.KernelReportedError):
        x.numpy()
    assert x.tolist() == [3, 3, 3, 3]


def test_a_report_then_the_fault_of_the_same_kernel(lib, said):
    x = mp.ones(1, dtype="int32")
    lib.report_and_fault(x, 0, threads=1)
    with pytest.raises(mp.KernelReportedError, match="will divide by 0"):
        mp.mps.synchronize()
    with pytest.raises(mp.KernelFaultError, match="by zero"):
        mp.mps.synchronize()
    mp.mps.synchronize()
    assert texts(said) == ["before\n", "will divide by 0"]


def test_reports_and_faults_of_several_streams(lib):
    x = mp.ones(1, dtype="int32")
    with mp.mps.stream(mp.mps.Stream()):
        lib.fault(x, 0, threads=1)
    with mp.mps.stream(mp.mps.Stream()):
        lib.report(1, threads=1)
    lib.report(2, threads=1)
    raised = []
    for _ in range(4):
        try:
            mp.mps.synchronize()
        except mp.MetalError as error:
            raised.append(type(error).__name__)
    assert sorted(raised) == ["KernelFaultError", "KernelReportedError", "KernelReportedError"]


def test_futures_and_await_see_reports(lib, said):
    event = mp.mps.Event()

    async def wait():
        lib.report(3, threads=1)
        event.record()
        await event

    with pytest.raises(mp.KernelReportedError, match="number 3"):
        asyncio.run(wait())
    lib.report(4, threads=1)
    event.record()
    assert isinstance(event.future().exception(), mp.KernelReportedError)
    mp.mps.synchronize()
    assert texts(said) == ["number 3", "number 4"]


def test_reports_survive_pickling():
    import pickle

    error = mp.KernelReportedError("text", "file.metal", 7, (1, 2, 3), "k", 4)
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)
    assert str(copy) == "file.metal:7: kernel 'k' reported in thread (1, 2, 3): text (and 4 further reports)"


# ---- the end of the process ----


def test_messages_come_out_at_exit():
    done = python(CHILD + "lib.say(1, threads=1); lib.log(2, threads=1)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "metalpy.kernel NOTICE 2\n")


def test_reports_at_exit_are_shown():
    done = python(CHILD + "lib.say(1, threads=1); lib.report(2, threads=1)")
    assert done.stdout == "1\n"
    assert done.stderr.count("KernelReportedError") == 1 and "number 2" in done.stderr


def test_handlers_are_called_at_exit():
    done = python(CHILD + "mp.mps.set_message_handler(lambda m: print('heard', m.text)); lib.log(1, threads=1)")
    assert (done.stdout, done.stderr) == ("heard 1\n", "")


def test_streams_are_heard_at_exit():
    done = python(CHILD + "with mp.mps.stream(mp.mps.Stream()): lib.say(1, threads=1)\nlib.say(2, threads=1)")
    assert (sorted(done.stdout.split()), done.stderr) == (["1", "2"], "")


def test_a_kernel_without_end_does_not_keep_the_process():
    code = 'k = mp.mps.compile_shader("kernel void k(device volatile int* x) { while (!*x) {} }").k\n'
    done = python(CHILD + code + "lib.say(1, threads=1); k(mp.zeros(1, 'int32')); lib.say(2, threads=1)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_a_forked_child_says_nothing_twice():
    done = python(
        CHILD
        + """
import os, sys, warnings
warnings.simplefilter("ignore")
lib.say(1, threads=1)
mp.device().queue.commit()
sys.stdout.flush()
child = os.fork()
if child == 0:
    sys.exit(0)  # through the handlers at exit
assert os.waitpid(child, 0)[1] == 0
mp.mps.synchronize()
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_undelivered_messages_keep_no_native_objects(lib, said):
    kernel = speaking('printf("%u", i);')
    kernel(mp.zeros(1), threads=10)
    del kernel
    gc.collect()
    mp.mps.synchronize()
    assert texts(said) == [str(i) for i in range(10)]
    assert np.all([m.kernel == "k" for m in said])
