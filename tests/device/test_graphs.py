"""Graphs: commands that are recorded once and run again, with the same or other arrays and numbers."""

import copy
import pickle
import threading

import numpy as np
import pytest

import metalpy as mp
from metalpy.mps import compile_shader, profiler

SOURCE = """
#include <metal_stdlib>
using namespace metal;
kernel void saxpy(device float* y, device const float* x, constant float& a, uint i [[thread_position_in_grid]])
{ y[i] += a * x[i]; }
struct Pair { device float* target; device const float* source; };
kernel void through(constant Pair& pair, uint i [[thread_position_in_grid]]) { pair.target[i] = pair.source[i] + 1; }
kernel void fill_group(device float* out, threadgroup float* scratch [[threadgroup(0)]],
                       uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]]) {
  scratch[t] = i;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = scratch[t ^ 1];
}
"""
REPORTING = """
#include <c10/metal/error.h>
kernel void limited(device float* x, constant uint& limit, device c10::metal::ErrorMessages* errors,
                    uint i [[thread_position_in_grid]]) {
  if (i >= limit) { TORCH_REPORT_ERROR(errors, "index ", i, " is over the limit"); return; }
  x[i] += 1;
}
"""


@pytest.fixture
def library(device):
    return compile_shader(SOURCE, device=device)


def random(device, size=1000, seed=0):
    host = np.random.default_rng(seed).random(size, np.float32)
    return mp.array(host, device=device), host


def test_what_is_recorded_also_runs(device, library):
    (x, host_x), (y, host_y) = random(device), random(device, seed=1)
    with mp.record(device) as graph:
        library.saxpy(y, x, 2.0)
    np.testing.assert_allclose(y.numpy(), host_y + 2 * host_x, rtol=1e-6)
    assert [(node.kind, node.name) for node in graph.nodes] == [("launch", "saxpy")]
    assert graph.nodes[0].threads == (1000, 1, 1)


def test_launch_runs_all_commands_in_order(device, library):
    x, host = random(device)
    with mp.record(device) as graph:
        y = mp.empty(1000, device=device)
        y.fill(3)
        library.saxpy(y, x, 2.0)
        z = y.copy()
        library.saxpy(z, y, 1.0)
    for _ in range(3):
        x[...] = host = host + 1
        graph.launch()
        np.testing.assert_allclose(z.numpy(), 2 * (3 + 2 * host), rtol=1e-6)
    assert [node.kind for node in graph.nodes] == ["fill", "launch", "copy", "launch"]
    assert len(graph) == 4
    assert "4 commands" in repr(graph)


def test_operators_are_recorded(device):
    x, host = random(device)
    with mp.record(device) as graph:
        y = (x * 2 + 1) / x
    x[...] = host = host + 2
    graph.launch()
    np.testing.assert_allclose(y.numpy(), (host * 2 + 1) / host, rtol=1e-6)


def test_what_creation_writes_is_part_of_a_recording(device):
    with mp.record(device) as graph:
        total = mp.zeros(100, device=device)
        total += mp.arange(100, dtype="float32", device=device)
        total += mp.full(100, 2.5, device=device)
        total += mp.arange(5000, dtype="float32", device=device)[-100:]
    for _ in range(2):
        graph.launch()
        np.testing.assert_array_equal(total.numpy(), 2.0 * np.arange(100) + 4902.5)


def test_arrays_take_the_places_of_others_for_one_launch(device, library):
    (x, host_x), (other, host_other) = random(device), random(device, seed=1)
    with mp.record(device) as graph:
        y = mp.empty(1000, device=device)
        y.fill(0)
        library.saxpy(y, x, 2.0)
        z = y.copy()
    target = mp.full(1000, -1.0, device=device)
    graph.launch({x: other, z: target})
    np.testing.assert_allclose(target.numpy(), 2 * host_other, rtol=1e-6)
    np.testing.assert_allclose(z.numpy(), 2 * host_x, rtol=1e-6)
    graph.launch()
    np.testing.assert_allclose(z.numpy(), 2 * host_x, rtol=1e-6)
    np.testing.assert_allclose(y.numpy(), 2 * host_x, rtol=1e-6)


def test_parts_of_a_replaced_array_are_replaced_with_it(device, library):
    (x, host_x), (other, host_other) = random(device), random(device, seed=1)
    y = mp.zeros(500, device=device)
    with mp.record(device) as graph:
        library.saxpy(y, x[500:], 1.0)
    graph.launch({x: other})
    np.testing.assert_allclose(y.numpy(), host_x[500:] + host_other[500:], rtol=1e-6)


def test_a_replacement_may_lie_within_memory(device, library):
    x, _ = random(device)
    many, host = random(device, 5000)
    with mp.record(device) as graph:
        y = mp.zeros(1000, device=device)
        library.saxpy(y, x, 1.0)
    y.fill(0)
    graph.launch({x: many[3000:4000]})
    np.testing.assert_array_equal(y.numpy(), host[3000:4000])


def test_values_of_launches_can_be_replaced(device, library):
    (x, host), (y, _) = random(device), random(device, seed=1)
    with mp.record(device) as graph:
        library.saxpy(y, x, 2.0)
    graph.replace(0, a=10.0, y=(other := mp.zeros(1000, device=device)))
    graph.launch()
    graph.launch({other: y})
    np.testing.assert_allclose(other.numpy(), 10 * host, rtol=1e-6)
    assert graph.nodes[-1].values[2] == 10.0


def test_recording_alone_runs_nothing(device, library):
    x, host = random(device)
    with mp.record(device, run=False) as graph:
        y = mp.empty(1000, device=device)
        y.fill(3)
        z = y.copy()
        library.saxpy(z, x, 2.0)
        x.fill(9)
    np.testing.assert_array_equal(x.numpy(), host)
    graph.launch()
    np.testing.assert_allclose(z.numpy(), 3 + 2 * host, rtol=1e-6)
    assert (x.numpy() == 9).all()


def test_arrays_take_the_places_of_others_for_good(device, library):
    (x, host), (other, host_other) = random(device), random(device, seed=1)
    with mp.record(device) as graph:
        y = mp.empty(1000, device=device)
        y.fill(0)
        library.saxpy(y, x, 2.0)
    graph.rebind({x: other})
    graph.launch()
    np.testing.assert_allclose(y.numpy(), 2 * host_other, rtol=1e-6)
    with pytest.raises(mp.GraphError, match="no command"):
        graph.launch({x: other})
    graph.launch({other: x})
    np.testing.assert_allclose(y.numpy(), 2 * host, rtol=1e-6)


def test_nodes_tell_what_they_write(device, library):
    x, _ = random(device)
    with mp.record(device) as graph:
        y = x.copy()
        library.saxpy(y, x, 2.0)
        y.fill(0)
    uses = [[(block is x._block, writes) for block, writes in node.uses if block is not None] for node in graph.nodes]
    assert uses == [[(False, True), (True, False)], [(False, True), (True, False)], [(False, True)]]


def test_threadgroup_memory_is_recorded_and_kept(device, library):
    out = mp.zeros(64, device=device)
    with mp.record(device) as graph:
        library.fill_group(out, group_size=64, threadgroup_memory={"scratch": 256})
    graph.replace(0, out=(other := mp.zeros(64, device=device)))
    graph.launch()
    np.testing.assert_array_equal(other.numpy(), np.arange(64) ^ 1)


def test_intermediate_memory_is_nobody_elses(device, library):
    x, host = random(device)
    with mp.record(device) as graph:
        y = x * 1
        library.saxpy(y, x * 2, 1.0)  # the product has no other owner
    taken = [mp.full(1000, -7.0, device=device) for _ in range(8)]
    graph.launch()
    np.testing.assert_allclose(y.numpy(), 3 * host, rtol=1e-6)
    assert all((entry.numpy() == -7).all() for entry in taken)


def test_addresses_in_arguments_stay(device, library):
    x, host = random(device)
    y = mp.zeros(1000, device=device)
    with mp.record(device) as graph:
        library.through({"target": y, "source": x}, threads=1000)
    x[...] = host + 1
    graph.launch()
    np.testing.assert_allclose(y.numpy(), host + 2, rtol=1e-6)
    with pytest.raises(mp.GraphError, match="address inside another argument"):
        graph.launch({x: mp.zeros(1000, device=device)})


def test_reports_of_a_replay_are_raised(device):
    kernel = compile_shader(REPORTING, device=device).limited
    x = mp.zeros(8, device=device)
    with mp.mps.stream(mp.mps.Stream(device=device)), mp.record(device) as graph:
        kernel(x, 8, threads=8, error_buf_idx=2)
    with mp.mps.stream(stream := mp.mps.Stream(device=device)):  # another than the one that recorded
        graph.replace(0, limit=4)
        graph.launch()
    with pytest.raises(mp.KernelReportedError, match="over the limit"):
        stream.synchronize()


def test_replays_of_several_threads_use_their_streams(device, library):
    x, host = random(device)
    target = mp.zeros(1000, device=device)
    with mp.record(device) as graph:
        library.saxpy(target, x, 2.0)
    results = [mp.zeros(1000, device=device) for _ in range(4)]
    device.synchronize()  # zeros are a command of this thread's stream

    def work(result):
        with mp.mps.stream(mp.mps.Stream(device=device)):
            for _ in range(50):
                graph.launch({target: result})

    threads = [threading.Thread(target=work, args=(result,)) for result in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_allclose(result.numpy(), 100 * host, rtol=1e-4)


def test_other_threads_are_not_recorded(device, library):
    x, _ = random(device)
    y = mp.zeros(1000, device=device)
    with mp.record(device) as graph:
        thread = threading.Thread(target=lambda: library.saxpy(y, x, 1.0))
        thread.start()
        thread.join()
    assert len(graph) == 0
    graph.launch()


def test_replays_are_seen_by_profiles(device, library):
    x, _ = random(device)
    with mp.record(device) as graph:
        library.saxpy(mp.zeros(1000, device=device), x, 2.0)
        x.copy()
    with profiler.profile(wait_until_completed=False) as profile:
        graph.launch()
        mp.mps.synchronize()
    seen = [(event.kind, event.name, event.details) for event in profile.events if event.kind in ("launch", "copy")]
    assert [entry[:2] for entry in seen] == [("launch", "saxpy"), ("copy", "copy")]
    assert seen[0][2]["bound_bytes"] == 8000


REFUSED = {
    "reading": (lambda x, graph: x.numpy(), "reading an array from the host"),
    "recording": (lambda x, graph: mp.record(x.device).__enter__(), "records a graph already"),
    "running": (lambda x, graph: graph.launch(), "cannot run while"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_repeated_is_refused(device, name):
    call, message = REFUSED[name]
    x = mp.zeros(8, device=device)
    with mp.record(device) as graph, pytest.raises(mp.GraphError, match=message):
        call(x, graph)
    x.numpy()  # the recording is over


REPLACED = {
    "not used": (lambda x, y: ({mp.zeros_like(x): y}), "no command of the graph uses"),
    "shape": (lambda x, y: ({x: y[:10]}), "got shape"),
    "dtype": (lambda x, y: ({x: y.view("int32")}), "dtype int32"),
    "layout": (lambda x, y: ({x: mp.zeros(2 * x.size, device=x.device)[::2]}), "not contiguous"),
    "no array": (lambda x, y: ({x: y.numpy()}), "replaced by arrays, got ndarray"),
    "part": (lambda x, y: ({x[:10]: y[:10]}), "other parts of the array's memory"),
}


@pytest.mark.parametrize("name", REPLACED)
def test_unlike_arrays_are_refused(device, library, name):
    make, message = REPLACED[name]
    x, y = (random(device, seed=seed)[0] for seed in range(2))
    with mp.record(device) as graph:
        library.saxpy(mp.zeros(1000, device=device), x, 2.0)
        library.saxpy(mp.zeros(500, device=device), x[500:], 2.0)
    with pytest.raises(mp.GraphError, match=message):
        graph.launch(make(x, y))


def test_only_launches_have_values_to_replace(device, library):
    x, _ = random(device)
    with mp.record(device) as graph:
        x.fill(1)
        library.saxpy(x, x.copy(), 2.0)
    with pytest.raises(mp.GraphError, match="is a fill"):
        graph.replace(0, a=1.0)
    with pytest.raises(TypeError, match="has no argument 'b'"):
        graph.replace(-1, b=1.0)
    with pytest.raises(OverflowError):
        graph.replace(-1, a=1e50)
    graph.launch()


def test_misuse_of_a_graph_is_told(device, library):
    x, _ = random(device)
    with mp.record(device) as graph:
        library.saxpy(x, x.copy(), 2.0)
    with pytest.raises(IndexError, match="has 2 commands, there is no node 2"):
        graph.replace(2, a=1.0)
    with pytest.raises(mp.GraphError, match="got list"):
        graph.launch([x])
    for misuse in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            misuse(graph)


def test_a_recording_may_end_in_another_thread(device, library):
    x, _ = random(device)
    recording = mp.record(device)
    graph = recording.__enter__()
    library.saxpy(x, x, 2.0)
    thread = threading.Thread(target=recording.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    x.numpy()  # this thread records no more
    graph.launch()
    assert len(graph) == 1


def test_memory_goes_with_the_graph(device, library):
    mp.mps.synchronize()
    before = mp.mps.current_allocated_memory(device=device)
    with mp.record(device) as graph:
        library.saxpy(mp.zeros(1 << 20, device=device), mp.zeros(1 << 20, device=device), 1.0)
    assert mp.mps.current_allocated_memory(device=device) >= before + (8 << 20)
    del graph
    mp.mps.synchronize()
    assert mp.mps.current_allocated_memory(device=device) <= before
