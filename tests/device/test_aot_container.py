"""Containers: runs from many threads, two sets of constants, folding, and who runs on which device."""

import threading
import time

import numpy as np
import pytest

import metalpy as mp
from metalpy.aot import runner as runners
from metalpy.aot.locks import ReadersWriterLock
from metalpy.mps import compile_shader

LOOK_UP = """
#include <c10/metal/error.h>
kernel void looked_up(device float* out, device const int* index, device c10::metal::ErrorMessages* errors,
                      device const float* table, constant uint& size, uint i [[thread_position_in_grid]]) {
  if (index[i] < 0 || uint(index[i]) >= size) { TORCH_REPORT_ERROR(errors, "no row ", index[i]); return; }
  out[i] = table[index[i]];
}
"""


class Net(mp.nn.Module):
    """Two layers; the second one's weights are computed from constants only."""

    def __init__(self, device, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.weight = mp.array(rng.standard_normal((8, 8)).astype(np.float32), device=device)
        self.scale = mp.array(rng.standard_normal(8).astype(np.float32), device=device)
        self.register_buffer("shift", mp.array(rng.standard_normal(8).astype(np.float32), device=device))
        self.spare = mp.zeros(3, device=device)

    def forward(self, x):
        return mp.exp(x @ self.weight) @ (self.weight * self.scale + 1) + mp.abs(self.shift)


def inputs(device, seed=9):
    return mp.array(np.random.default_rng(seed).standard_normal((4, 8)).astype(np.float32), device=device)


@pytest.fixture
def path(device, tmp_path):
    mp.aot.package(tmp_path / "net.mpkg", Net(device), (inputs(device),))
    return tmp_path / "net.mpkg"


def serve(path, device, **options):
    return mp.aot.ModelContainerRunner(path, device=str(device), **options)


def in_threads(count, work):
    """Call ``work(number)`` in threads at once; raises what they raise."""
    failures = []

    def guarded(number):
        try:
            work(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


# ---- runs ----


@pytest.mark.parametrize(("num_models", "single"), [(1, False), (3, False), (1, True)])
def test_runs_give_what_the_module_gives(device, path, num_models, single):
    served, net = serve(path, device, num_models=num_models, run_single_threaded=single), Net(device)
    for seed in range(7):
        x = inputs(device, seed)
        np.testing.assert_array_equal(served.run([x])[0].numpy(), net(x).numpy())
    assert str(num_models) in repr(served)


def test_inputs_of_any_layout_and_stream(device, path):
    served, net = serve(path, device, num_models=2), Net(device)
    x = inputs(device)
    wanted = net(x).numpy()
    strided = mp.array(np.repeat(x.numpy(), 2, axis=1), device=device)[:, ::2]
    np.testing.assert_array_equal(served.run([strided])[0].numpy(), wanted)
    streams = [mp.mps.Stream(device=device) for _ in range(3)]
    device.synchronize()
    found = [served.run((x,), streams[n % 3])[0] for n in range(9)]
    for y in found:
        np.testing.assert_array_equal(y.numpy(), wanted)


@pytest.mark.parametrize("own_stream", [False, True])
def test_eight_threads_at_once(device, path, own_stream):
    served, net = serve(path, device, num_models=3), Net(device)
    xs = [inputs(device, seed) for seed in range(8)]
    wanted = [net(x).numpy() for x in xs]
    device.synchronize()

    def work(number):
        stream = mp.mps.Stream(device=device) if own_stream else None
        for turn in range(20):
            which = (number + turn) % 8
            np.testing.assert_array_equal(served.run([xs[which]], stream)[0].numpy(), wanted[which])

    in_threads(8, work)


def test_results_of_earlier_runs_stay(device, path):
    served, net = serve(path, device), Net(device)
    xs = [inputs(device, seed) for seed in range(5)]
    found = [served(x) for x in xs]
    for x, y in zip(xs, found, strict=True):
        np.testing.assert_array_equal(y.numpy(), net(x).numpy())


BAD_INPUTS = {
    "number": (lambda x: [x, x], mp.LaunchValueError, "expected 1 inputs, got 2"),
    "shape": (lambda x: [x[:2]], mp.LaunchValueError, r"input 0 must have shape \(4, 8\), got \(2, 8\)"),
    "dtype": (lambda x: [x.astype("float16")], mp.LaunchTypeError, "dtype float32, got float16"),
    "kind": (lambda x: [x.numpy()], mp.LaunchTypeError, "input 0 is a ndarray"),
    "nested": (lambda x: [(x,), 3], mp.LaunchValueError, "inputs must be a tuple of 1, got 2 entries"),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_inputs(device, path, name):
    make, error, message = BAD_INPUTS[name]
    served, x = serve(path, device), inputs(device)
    with pytest.raises(error, match=message):
        served.run(make(x))
    served.run([x])


def test_arguments_that_differ_from_the_spec(device, tmp_path):
    mp.aot.package(tmp_path / "p", lambda x, n, *, flag: {"y": x * n}, (inputs(device), 2), kwargs={"flag": "a"})
    served, x = serve(tmp_path / "p", device), inputs(device)
    np.testing.assert_array_equal(served(x, 2, flag="a")["y"].numpy(), x.numpy() * 2)
    with pytest.raises(mp.LaunchValueError, match=r"inputs\[0\]\[1\] was 2 when"):
        served(x, 3, flag="a")
    with pytest.raises(mp.LaunchTypeError, match=r"keys \['flag'\]"):
        served(x, 2)


# ---- constants ----


def test_what_is_known_of_constants(device, path):
    served, net = serve(path, device), Net(device)
    assert served.get_constant_names_to_original_fqns() == {"weight": "weight", "scale": "scale", "shift": "shift"}
    assert served.get_constant_names_to_dtypes()["scale"] == np.float32
    found = served.extract_constants_map(False)
    assert set(found) == {"weight", "scale", "shift"}
    for name, x in found.items():
        np.testing.assert_array_equal(x.numpy(), net.state_dict()[name].numpy())
    found["weight"].fill(0)  # a copy
    np.testing.assert_array_equal(served(inputs(device)).numpy(), net(inputs(device)).numpy())


@pytest.mark.parametrize("single", [False, True])
def test_updates_of_either_set_and_swaps(device, path, single):
    served = serve(path, device, run_single_threaded=single)
    first, second, third = (Net(device, seed) for seed in range(3))
    x = inputs(device)
    np.testing.assert_array_equal(served(x).numpy(), first(x).numpy())
    served.update_inactive_constant_buffer(second.state_dict())
    np.testing.assert_array_equal(served(x).numpy(), first(x).numpy())
    served.swap_constant_buffer()
    np.testing.assert_array_equal(served(x).numpy(), second(x).numpy())
    served.swap_constant_buffer()
    np.testing.assert_array_equal(served(x).numpy(), first(x).numpy())
    served.update_constant_buffer(third.state_dict(), False, True)
    np.testing.assert_array_equal(served(x).numpy(), third(x).numpy())
    np.testing.assert_array_equal(served.extract_constants_map(True)["weight"].numpy(), second.weight.numpy())


def test_single_threaded_folds_the_set_that_is_active_after_a_swap(device, path):
    served = serve(path, device, run_single_threaded=True)
    x, other = inputs(device), Net(device, 1)
    served(x)
    served.update_inactive_constant_buffer(other.state_dict())
    served.run_const_fold(True)
    served.swap_constant_buffer()
    np.testing.assert_array_equal(served(x).numpy(), other(x).numpy())
    served.update_constant_buffer({"scale": Net(device).scale}, False, False)  # needs folding anew
    other.scale = Net(device).scale
    np.testing.assert_array_equal(served(x).numpy(), other(x).numpy())


def test_updates_with_part_of_the_constants(device, path):
    served, net, other = serve(path, device), Net(device), Net(device, 1)
    x = inputs(device)
    with pytest.raises(mp.ContainerError, match="cannot find constant 'scale'"):
        served.update_inactive_constant_buffer({"weight": other.weight})
    with pytest.warns(mp.MetalWarning, match="buffer 'shift' is not among"):
        served.update_inactive_constant_buffer({"weight": other.weight, "scale": other.scale})
    served.update_constant_buffer({"scale": net.scale}, True, False)
    served.swap_constant_buffer()
    other.scale, other.shift = net.scale, net.shift
    np.testing.assert_array_equal(served(x).numpy(), other(x).numpy())


def test_updates_with_views_and_arrays_of_numpy(device, path):
    """A value may start anywhere in its memory, and its elements may lie apart."""
    served, net, x = serve(path, device), Net(device, 1), inputs(device)
    many = mp.array(np.random.default_rng(5).standard_normal((3, 8, 8)).astype(np.float32), device=device)
    net.weight, net.scale = many[1].T, many[2, :, 3]
    served.update_constant_buffer(
        {"weight": net.weight, "scale": net.scale, "shift": net.shift.numpy(), "spare": net.spare}, False, True
    )
    np.testing.assert_array_equal(served(x).numpy(), net(x).numpy())


def test_offsets_of_constants_when_some_results_are_folded(device, tmp_path):
    """Constants behind folded results are not mistaken for them."""
    tables = [mp.array(np.full(5, n + 1, np.float32), device=device) for n in range(4)]

    def model(x):
        folded = tables[0] * 10 + tables[1]
        return x + folded * tables[2], x * tables[3]

    x = mp.array(np.arange(5, dtype=np.float32), device=device)
    mp.aot.package(tmp_path / "p", model, (x,))
    served = serve(tmp_path / "p", device)
    served.run_const_fold(False)
    for n, (y, wanted) in enumerate(zip(served(x), model(x), strict=True)):
        np.testing.assert_array_equal(y.numpy(), wanted.numpy(), err_msg=str(n))
    tables[3] = tables[3] * 7
    served.update_constant_buffer({"constant_3": tables[3]}, False, False)
    np.testing.assert_array_equal(served(x)[1].numpy(), model(x)[1].numpy())


def test_user_managed_arrays_are_used_in_place(device, path):
    served, net, x = serve(path, device), Net(device, 1), inputs(device)
    served(x)
    served.update_constant_buffer(net.state_dict(), False, True, user_managed=True)
    np.testing.assert_array_equal(served(x).numpy(), net(x).numpy())
    net.shift.fill(2)
    net.weight[...] = net.weight * 2
    served.update_constant_buffer({"shift": net.shift}, False, False, user_managed=True)
    np.testing.assert_array_equal(served(x).numpy(), net(x).numpy())
    kept = net.weight.numpy().copy()
    served.update_constant_buffer(Net(device, 2).state_dict(), False, True)
    np.testing.assert_array_equal(net.weight.numpy(), kept)  # the caller's array is not written
    np.testing.assert_array_equal(served(x).numpy(), Net(device, 2)(x).numpy())


BAD_UPDATES = {
    "name": (lambda net: {"weigth": net.weight}, False, "no constant 'weigth'; it has"),
    "shape": (lambda net: {"shift": net.shift, "weight": net.weight[:4]}, False, "shape .8, 8. and dtype float32, got"),
    "dtype": (lambda net: {"weight": net.weight.astype("float16")}, False, "float16"),
    "kind": (lambda net: {"weight": [1.0]}, False, "must be an array, got list"),
    "in place": (lambda net: {"weight": net.weight.T}, True, "must be a contiguous Array"),
    "numpy in place": (lambda net: {"weight": net.weight.numpy()}, True, "must be a contiguous Array"),
}


@pytest.mark.parametrize("name", BAD_UPDATES)
def test_bad_updates_change_nothing(device, path, name):
    make, managed, message = BAD_UPDATES[name]
    served, x = serve(path, device), inputs(device)
    with pytest.raises(mp.ContainerError, match=message):
        served.update_constant_buffer(make(Net(device, 1)), False, False, managed)
    np.testing.assert_array_equal(served(x).numpy(), Net(device)(x).numpy())


def test_a_set_without_constants(device, path):
    served, x = serve(path, device), inputs(device)
    for call in (
        served.swap_constant_buffer, lambda: served.run_const_fold(True), lambda: served.extract_constants_map(True)
    ):  # fmt: skip
        with pytest.raises(mp.ContainerError, match="inactive set has no constants"):
            call()
    served.update_constant_buffer({}, True, False)  # all from the active set
    served.swap_constant_buffer()
    served.free_inactive_constant_buffer()
    np.testing.assert_array_equal(served(x).numpy(), Net(device)(x).numpy())
    with pytest.raises(mp.ContainerError, match="inactive set has no constants"):
        served.swap_constant_buffer()


def test_freeing_gives_memory_back(device, tmp_path):
    big = mp.zeros(1 << 20, device=device)
    x = mp.ones(1, device=device)
    mp.aot.package(tmp_path / "p", lambda x: x + (big * 2).sum(), (x,))
    served = serve(tmp_path / "p", device)
    served(x).numpy()
    before = mp.mps.current_allocated_memory()
    served.update_constant_buffer({}, True, False)
    served.run_const_fold(True)
    served.swap_constant_buffer()
    served(x).numpy()
    assert mp.mps.current_allocated_memory() >= before + big.nbytes
    served.free_inactive_constant_buffer()
    assert mp.mps.current_allocated_memory() < before + big.nbytes // 2


def test_values_from_a_file(device, path, tmp_path):
    from safetensors.numpy import save_file

    served, net, x = serve(path, device), Net(device, 1), inputs(device)
    weights = tmp_path / "weights.safetensors"
    save_file({name: value.numpy() for name, value in net.state_dict().items()}, weights)
    served.update_constant_buffer_from_blob(weights)
    np.testing.assert_array_equal(served(x).numpy(), net(x).numpy())
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(mp.PackageError, match=r"weights\.safetensors"):
        served.update_constant_buffer_from_blob(weights)


# ---- folding ----


def test_what_depends_on_constants_only_runs_once(device, path):
    served, x = serve(path, device, num_models=2), inputs(device)
    for _ in range(2):
        served(x).numpy()
    with mp.mps.profiler.profile(wait_until_completed=False) as profile:
        served(x)
        mp.mps.synchronize()
    each = [event.name for event in profile.events if event.kind == "launch"]
    net = Net(device)
    with mp.record(device) as graph:
        net(x)
    assert 0 < len(each) < sum(node.kind == "launch" for node in graph.nodes)


def folding_that_fails(device, tmp_path):
    kernel = compile_shader(LOOK_UP, device=device).looked_up

    class Selected(mp.nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = mp.array([1, 3], dtype="int32", device=device)
            self.table = mp.array(np.arange(8, dtype=np.float32), device=device)

        def forward(self, x):
            found = mp.zeros(2, device=device)
            kernel(found, self.rows, self.table, 8, error_buf_idx=2)
            return x + found

    mp.aot.package(tmp_path / "p", Selected(), (mp.ones(2, device=device),))
    return serve(tmp_path / "p", device, num_models=1)


def test_a_fold_that_fails_within_a_run_takes_no_instance(device, tmp_path):
    with mp.mps.stream(mp.mps.Stream(device=device)):
        served = folding_that_fails(device, tmp_path)
        x = mp.ones(2, device=device)
        served.update_constant_buffer({"rows": mp.array([1, 9], dtype="int32", device=device)}, False, False)
        for _ in range(3):  # more than there are instances
            with pytest.raises(mp.KernelReportedError, match="no row 9"):
                served(x)
        served.update_constant_buffer({"rows": mp.array([1, 7], dtype="int32", device=device)}, False, False)
        np.testing.assert_array_equal(served(x).numpy(), [2, 8])


def test_folding_of_the_inactive_set_that_fails_leaves_the_active_one(device, tmp_path):
    with mp.mps.stream(mp.mps.Stream(device=device)):
        served = folding_that_fails(device, tmp_path)
        x = mp.ones(2, device=device)
        np.testing.assert_array_equal(served(x).numpy(), [2, 4])
        served.update_constant_buffer({"rows": mp.array([9, 1], dtype="int32", device=device)}, True, False)
        with pytest.raises(mp.KernelReportedError, match="no row 9"):
            served.run_const_fold(True)
        for _ in range(2):
            np.testing.assert_array_equal(served(x).numpy(), [2, 4])
        served.update_constant_buffer({"rows": mp.array([2, 1], dtype="int32", device=device)}, True, False)
        served.run_const_fold(True)
        np.testing.assert_array_equal(served(x).numpy(), [2, 4])
        served.swap_constant_buffer()
        np.testing.assert_array_equal(served(x).numpy(), [3, 2])


# ---- under load ----


class Deep(mp.nn.Module):
    """Long enough that constants change under its feet, if they may; all layers have the same weights."""

    def __init__(self, device, seed=0):
        super().__init__()
        host = np.random.default_rng(seed).standard_normal((128, 128)).astype(np.float32) / 11
        self.weights = [mp.array(host, device=device) for _ in range(8)]

    def forward(self, x):
        for weight in self.weights:
            x = mp.tanh(x @ (weight * 1.0))
        return x


def deep(device, tmp_path):
    """The path of a package, the models with different weights, an input and the answers of the models."""
    nets = [Deep(device, seed) for seed in range(4)]
    x = mp.array(np.random.default_rng(7).standard_normal((128, 128)).astype(np.float32), device=device)
    mp.aot.package(tmp_path / "deep.mpkg", nets[0], (x,))
    wanted = [net(x).numpy() for net in nets]
    device.synchronize()
    return tmp_path / "deep.mpkg", nets, x, wanted


def readers_against(served, device, x, wanted, change, readers=4):
    """Run the model in threads, each with its stream, while another one calls `change` again and again.

    Each answer must be one of `wanted`. Ends when there were several of them.
    """
    done = threading.Event()
    seen = set()

    def write():
        turn = 0
        while turn < 24 or (len(seen) < 2 and turn < 5000):
            turn += 1
            change(turn)
            time.sleep(0.001)

    def work(number):
        with mp.mps.stream(mp.mps.Stream(device=device)):
            if number == 0:
                try:
                    write()
                finally:
                    done.set()
                return
            while not done.is_set():
                for result in [served(x) for _ in range(3)]:
                    y = result.numpy()
                    matches = [n for n in range(len(wanted)) if np.array_equal(y, wanted[n])]
                    assert len(matches) == 1, "an answer of some of both weights"
                    seen.update(matches)

    in_threads(1 + readers, work)
    assert len(seen) > 1


def test_swaps_under_load(device, tmp_path):
    """Each answer is of the old or of the new weights, never of some of both."""
    path, nets, x, wanted = deep(device, tmp_path)
    served = serve(path, device, num_models=3)

    def change(turn):
        served.update_inactive_constant_buffer(nets[turn % 4].state_dict())
        if turn % 2:
            served.run_const_fold(True)
        served.swap_constant_buffer()
        if turn % 5 == 4:
            served.free_inactive_constant_buffer()

    readers_against(served, device, x, wanted, change)


def test_updates_of_the_active_set_under_load(device, tmp_path):
    path, nets, x, wanted = deep(device, tmp_path)
    served = serve(path, device, num_models=3)

    def change(turn):
        served.update_constant_buffer(nets[turn % 4].state_dict(), False, True)

    readers_against(served, device, x, wanted, change)


@pytest.mark.parametrize("use_inactive", [False, True])
def test_changes_wait_for_runs_that_are_under_way(device, tmp_path, use_inactive):
    """Also those of the set that was active before."""
    path, nets, x, wanted = deep(device, tmp_path)
    served = serve(path, device, num_models=2)
    served.update_inactive_constant_buffer(nets[1].state_dict())
    served.run_const_fold(True)
    stream = mp.mps.Stream(device=device)
    served(x)
    device.synchronize()
    for turn in range(5):
        found = [served.run([x], stream)[0] for _ in range(6)]
        if use_inactive:
            served.swap_constant_buffer()
        served.update_constant_buffer(nets[turn % 3 + 1].state_dict(), use_inactive, True)
        served.run_const_fold(use_inactive)
        for y in found:
            np.testing.assert_array_equal(y.numpy(), wanted[0])
        served.update_constant_buffer(nets[0].state_dict(), False, True)


def test_an_instance_is_used_on_one_stream_after_the_other(device, tmp_path):
    path, nets, x, _ = deep(device, tmp_path)
    served = serve(path, device)
    xs = [x * (n + 1) for n in range(4)]
    wanted = [nets[0](x).numpy() for x in xs]
    streams = [mp.mps.Stream(device=device) for _ in range(4)]
    for _ in range(5):
        found = [served.run([x], stream)[0] for x, stream in zip(xs, streams, strict=True)]
        for y, answer in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(y.numpy(), answer)


def test_more_callers_than_instances_wait(device, path):
    """With its only instance lent, a run waits until it comes back."""
    served, x = serve(path, device), inputs(device)
    served(x)
    container = served._container
    found = []
    with container._borrowed():
        thread = threading.Thread(target=lambda: found.append(served(x)))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive() and not found
    thread.join()
    np.testing.assert_array_equal(found[0].numpy(), Net(device)(x).numpy())


def test_writers_go_before_later_readers():
    lock, order = ReadersWriterLock(), []
    entered = threading.Event()

    def write():
        entered.set()
        with lock.exclusive():
            order.append("write")

    def read():
        with lock.shared():
            order.append("read")

    with lock.shared():
        writer = threading.Thread(target=write)
        writer.start()
        entered.wait()
        while not lock._waiting:
            time.sleep(0.001)
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(0.05)
        assert order == []
    writer.join()
    reader.join()
    assert order == ["write", "read"]


# ---- devices ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu"}, "invalid device 'gpu'"),
        ({"device": "mps:x"}, "invalid device"),
        ({"device": None}, "invalid device None"),
        ({"device": "cuda"}, "nothing runs packages on 'cuda'"),
        ({"num_models": 0}, "num_models must be at least 1"),
        ({"num_models": 2, "run_single_threaded": True}, "num_models must be 1 when run_single_threaded is true"),
        ({"num_models": 1.5}, "num_models is an int"),
    ],
)
def test_bad_runners(path, options, message):
    with pytest.raises(mp.ContainerError, match=message):
        mp.aot.ModelContainerRunner(path, **options)


def test_runners_are_registered_once(monkeypatch):
    monkeypatch.setattr(runners, "_factories", dict(runners._factories))
    calls = []
    mp.aot.register_runner("xpu", lambda *given: calls.append(given))
    mp.aot.ModelContainerRunner("a/b", 2, "xpu:3")
    assert calls == [("a/b", 2, "xpu:3", False)]
    with pytest.raises(mp.ContainerError, match="'xpu' has a runner already"):
        mp.aot.register_runner("xpu", lambda *given: None)
    with pytest.raises(mp.ContainerError, match="a kind of device is"):
        mp.aot.register_runner("xpu:1", lambda *given: None)


def test_a_device_that_is_not_there(path):
    with pytest.raises(mp.MetalError, match="no device mps:99"):
        mp.aot.ModelContainerRunner(path, device="mps:99")
