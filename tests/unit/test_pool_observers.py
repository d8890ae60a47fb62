"""Hooks, history and debug output of the pool, over the mock."""

import threading

import pytest

import metalpy as mp
from metalpy._core.pool import Pool, pool

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture
def made(mock):
    return Pool(mock.device)


def test_hooks_hear_of_everything(mock, made):
    heard = []
    handle = made.observer.add(heard.append)
    block = made.new_block(1000)
    address = block.address
    del block
    block = made.new_block(900)
    del block
    made.empty_cache()
    mock.budget = 0
    with pytest.raises(mp.OutOfMemoryError):
        made.new_block(4000)
    assert [tuple(event) for event in heard] == [
        ("heap_alloc", 8 * MIB, 0, "mps:0"), ("alloc", 1024, address, "mps:0"), ("free", 1024, address, "mps:0"),
        ("alloc", 1024, address, "mps:0"), ("free", 1024, address, "mps:0"), ("heap_free", 8 * MIB, 0, "mps:0"),
        ("oom", 4096, 0, "mps:0"),
    ]  # fmt: skip
    handle.remove()
    handle.remove()
    mock.budget = 1 << 30
    made.new_block(1)
    assert len(heard) == 7
    assert not made.observer.active


def test_two_hooks_even_of_the_same_function(mock, made):
    heard = []
    first, second = made.observer.add(heard.append), made.observer.add(heard.append)
    kept = made.new_block(1)
    assert [event.kind for event in heard] == ["heap_alloc", "heap_alloc", "alloc", "alloc"]
    first.remove()
    other = made.new_block(1)
    assert len(heard) == 5
    second.remove()
    assert kept.address != other.address
    with pytest.raises(TypeError, match="cannot be called"):
        made.observer.add(7)


def test_what_a_hook_raises_goes_to_the_unraisable_hook(mock, made, monkeypatch):
    caught = []
    monkeypatch.setattr("sys.unraisablehook", caught.append)

    def broken(event):
        raise LookupError(event.kind)

    heard = []
    made.observer.add(broken)
    made.observer.add(heard.append)
    block = made.new_block(1)
    assert [str(args.exc_value) for args in caught] == ["heap_alloc", "alloc"]
    assert {args.object for args in caught} == {broken}
    assert len(heard) == 2
    del block
    assert len(caught) == 3
    assert (made.allocated, made.cached) == (0, 256)


def test_hooks_may_use_the_pool(mock, made):
    heard, kept = [], []

    def hook(event):
        heard.append(event.kind)
        kept.append(made.new_block(5000))
        made.new_block(MIB)
        made.empty_cache()
        made.statistics()
        made.snapshot()

    handle = made.observer.add(hook)
    block = made.new_block(1)
    assert heard == ["heap_alloc", "alloc"]
    del block
    assert heard == ["heap_alloc", "alloc", "free"]
    handle.remove()
    assert made.allocated == 3 * 5120
    kept.clear()
    made.empty_cache()
    assert (made.allocated, made.cached, made.reserved, mock.used) == (0, 0, 0, 0)


def test_hooks_hear_of_other_threads(mock, made):
    heard = []
    inside = threading.Event()
    done = threading.Event()

    def hook(event):
        heard.append((threading.get_ident(), event.kind))
        if threading.current_thread() is threading.main_thread() and event.kind == "alloc":
            inside.set()
            assert done.wait(60)

    def work():
        inside.wait(60)
        made.new_block(300)
        done.set()

    made.observer.add(hook)
    thread = threading.Thread(target=work)
    thread.start()
    kept = made.new_block(300)  # the hook waits until the other thread's calls are through
    thread.join()
    assert [kind for ident, kind in heard if ident == thread.ident] == ["alloc", "free"]
    assert kept.size == 512


def here():
    import sys

    return sys._getframe(1).f_lineno


def test_history_has_the_lines(mock):
    made = pool(mock.device)
    made.observer.record(True)
    line = here() + 1
    array = mp.empty(300, device=mock.device)
    made.observer.record(False)
    other = mp.empty(300, device=mock.device)
    (heap,) = made.snapshot()
    number, name, size, room, blocks = heap
    assert (number, name, size, room) == (1, "shared-small", 8 * MIB, 8 * MIB - 2 * 1280)
    by_address = {address: rest for address, *rest in blocks}
    assert by_address[array._block.address][:4] == [1280, 1200, "active", 0]
    origin = by_address[array._block.address][4]
    assert (__file__, line, "test_history_has_the_lines") in origin
    assert origin[0][2] == "empty"
    assert by_address[other._block.address] == [1280, 1200, "active", 0, None]


def test_states_and_ages(mock, made):
    from metalpy._core.driver import Event, Queue

    mock.automatic = False
    queue = Queue(mock.device)
    active, pending, free = made.new_block(100), made.new_block(300), made.new_block(600)
    pending.use(queue, queue.signal_event(Event(mock.device), 1))
    addresses = {active.address: "active", pending.address: "pending", free.address: "free"}
    del pending, free
    made.new_block(100)
    found = {block[0]: block for _, _, _, _, blocks in made.snapshot() for block in blocks}
    assert {address: found[address][3] for address in addresses} == addresses
    assert sorted(block[4] for block in found.values()) == [0, 0, 1, 1]


def test_debug_output(mock, monkeypatch, capsys):
    monkeypatch.setenv("METALPY_DEBUG_ALLOCATOR", "14")
    made = Pool(mock.device)
    made.new_block(1000)
    made.new_block(1000)
    made.empty_cache()
    assert capsys.readouterr().err.splitlines() == [
        "metalpy mps:0: makes heap 1 of 8.00 MiB for the shared-small pool",
        "metalpy mps:0: allocates a block of 1.00 KiB for 1,000 bytes in heap 1 of the shared-small pool",
        "metalpy mps:0: reuses a block of 1.00 KiB for 1,000 bytes in heap 1 of the shared-small pool",
        "metalpy mps:0: releases a block of 1.00 KiB to heap 1",
        "metalpy mps:0: releases heap 1 of 8.00 MiB for the shared-small pool",
    ]
    monkeypatch.setenv("METALPY_DEBUG_ALLOCATOR", "0x1f")
    made = Pool(mock.device)
    made.new_block(1000)
    made.new_block(2 * MIB)
    made.empty_cache()
    said = capsys.readouterr().err
    assert "for 1,000 bytes" not in said and "allocates a block of 2.00 MiB" in said
    assert "; 2.00 MiB in arrays, " in said or "; 0 bytes in arrays, " in said
    assert "cache emptied; 0 bytes in arrays, 0 bytes cached, 0 bytes in 0 heaps, 0 bytes on the device" in said


def test_debug_output_without_stderr(mock, monkeypatch):
    monkeypatch.setenv("METALPY_DEBUG_ALLOCATOR", "31")
    monkeypatch.setattr("sys.stderr", None)
    assert Pool(mock.device).new_block(2 * MIB).size == 2 * MIB
