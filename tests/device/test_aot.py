"""Packages of models: what is recorded, what is written, and that the package gives what the function gives."""

import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import metalpy as mp
from metalpy.compiler import libraryfile
from metalpy.mps import compile_shader

SOURCE = """
#include <metal_stdlib>
using namespace metal;
constant int power [[function_constant(0)]];
struct Weights { device const float* values; float scale; };
kernel void saxpy(device float* y, device const float* x, constant float& a, uint i [[thread_position_in_grid]])
{ y[i] += a * x[i]; }
kernel void weighted(device float* out, device const float* x, constant Weights& weights,
                     uint i [[thread_position_in_grid]]) { out[i] = x[i] * weights.values[i] * weights.scale; }
kernel void powered(device float* out, device const float* x, uint i [[thread_position_in_grid]])
{ out[i] = pow(x[i], power); }
kernel void shifted(device float* out, device const float* x, threadgroup float* scratch [[threadgroup(0)]],
                    uint i [[thread_position_in_grid]], uint t [[thread_position_in_threadgroup]],
                    uint n [[threads_per_threadgroup]]) {
  scratch[t] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = scratch[(t + 1) % n];
}
kernel void clipped(device float* out, device const float* x, constant float& low, constant float& high,
                    constant short& step, uint i [[thread_position_in_grid]])
{ out[i] = (isinf(high) ? max(x[i], low) : 0) + step; }
kernel void sampled(texture2d<float, access::read> t [[texture(0)]], device float* out, uint i [[thread_position_in_grid]])
{ out[i] = t.read(uint2(i, 0)).x; }
"""
REPORTING = """
#include <c10/metal/error.h>
kernel void looked_up(device float* out, device const int* index, device c10::metal::ErrorMessages* errors,
                      device const float* table, constant uint& size, uint i [[thread_position_in_grid]]) {
  if (index[i] < 0 || uint(index[i]) >= size) { TORCH_REPORT_ERROR(errors, "no row ", index[i]); return; }
  out[i] = table[index[i]];
}
"""


@pytest.fixture
def library(device):
    return compile_shader(SOURCE, device=device)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.mpkg"


def random(device, *shape, seed=0):
    return mp.array(np.random.default_rng(seed).standard_normal(shape).astype(np.float32), device=device)


def runner(path, device, **options):
    return mp.aot.ModelContainerRunner(path, device=str(device), **options)


def conv_net(device):
    nn = mp.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, device=device), nn.BatchNorm2d(4, device=device), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 10, device=device),
    ).eval()  # fmt: skip


class Block(mp.nn.Module):
    """A small transformer."""

    def __init__(self, device):
        super().__init__()
        nn = mp.nn
        self.table = nn.Embedding(20, 8, device=device)
        self.norm = nn.LayerNorm(8, device=device)
        self.attention = nn.MultiHeadAttention(8, 2, device=device)
        self.hidden = nn.Linear(8, 16, device=device)
        self.out = nn.Linear(16, 8, device=device)

    def forward(self, tokens):
        x = self.table(tokens)
        x = x + self.attention(self.norm(x), is_causal=True)
        return {"logits": x + self.out(mp.nn.functional.gelu(self.hidden(x))), "tokens": (tokens, None, 3)}


def test_a_conv_net(device, path):
    net = conv_net(device)
    x = random(device, 5, 1, 8, 8)
    mp.aot.package(path, net, (x,))
    served = runner(path, device)
    for seed in range(3):
        x = random(device, 5, 1, 8, 8, seed=seed)
        found = served.run([x])
        np.testing.assert_array_equal(found[0].numpy(), net(x).numpy())
    names = set(served.get_constant_names_to_original_fqns().values())
    assert {"0.weight", "0.bias", "1.running_mean", "1.weight", "5.weight", "5.bias"} <= names
    assert set(served.get_constant_names_to_dtypes().values()) == {np.dtype("float32")}


def test_a_transformer_with_a_nested_result(device, path):
    block = Block(device)
    tokens = mp.array(np.arange(12).reshape(2, 6) % 20, dtype="int32", device=device)
    mp.aot.package(path, block, (tokens,))
    served = runner(path, device)
    other = (tokens * 3) % 20
    found, wanted = served(other), block(other)
    np.testing.assert_array_equal(found["logits"].numpy(), wanted["logits"].numpy())
    np.testing.assert_array_equal(found["tokens"][0].numpy(), other.numpy())
    assert found["tokens"][1:] == (None, 3)
    assert served.get_call_spec() == [
        {"tuple": [{"tuple": [{"array": 0}]}, {"dict": {}}]},
        {"dict": {"logits": {"array": 0}, "tokens": {"tuple": [{"array": 1}, {"value": None}, {"value": 3}]}}},
    ]


def test_own_kernels(device, library, path):
    weights = random(device, 64, seed=1)
    kernel = library.powered.specialize(power=3)

    def model(pair, *, extra):
        x, y = pair
        out = mp.zeros(64, device=device)
        library.saxpy(out, x, 2.0)
        weighted = mp.empty(64, device=device)
        library.weighted(weighted, y, {"values": weights, "scale": 0.5})
        cube, moved, least = (mp.empty(64, device=device) for _ in range(3))
        kernel(cube, weighted)
        library.shifted(moved, cube, group_size=16, threadgroup_memory={"scratch": 64})
        library.clipped(least, moved, float("-inf"), float("inf"), 70000.0, arg_casts={"step": "int16"})
        return out, least + extra[:, 0]

    inputs = [random(device, 64, seed=n) for n in range(2)]
    extra = random(device, 64, 2, seed=3)
    mp.aot.package(path, model, ((inputs[0], inputs[1]),), kwargs={"extra": extra})
    served = runner(path, device)
    x, y = (random(device, 64, seed=n) for n in (4, 5))
    found, wanted = served((x, y), extra=extra), model((x, y), extra=extra)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    host = (y.numpy() * weights.numpy() * 0.5) ** 3
    shifted = np.roll(host.reshape(4, 16), -1, axis=1).ravel()
    np.testing.assert_allclose(found[1].numpy(), shifted + np.int16(70000 - 65536) + extra.numpy()[:, 0], rtol=1e-4)
    assert served.get_constant_names_to_original_fqns() == {"constant_0": "constant_0"}
    np.testing.assert_array_equal(served.extract_constants_map(False)["constant_0"].numpy(), weights.numpy())


def test_errors_that_kernels_report(device, path):
    kernel = compile_shader(REPORTING, device=device).looked_up
    table = random(device, 8)

    def model(index):
        out = mp.zeros(4, device=device)
        kernel(out, index, table, 8, error_buf_idx=2)
        return out

    index = mp.array([1, 3, 5, 7], dtype="int32", device=device)
    with mp.mps.stream(mp.mps.Stream(device=device)):  # which owns the error buffer
        mp.aot.package(path, model, (index,))
        served = runner(path, device)
        np.testing.assert_array_equal(served(index).numpy(), table.numpy()[1::2])
        with pytest.raises(mp.KernelReportedError, match="no row 8"):
            served(index + 1).numpy()


def test_results_that_are_inputs_constants_views_and_empty(device, path):
    table = random(device, 4, 3)
    unused = random(device, 2)

    def model(x, y, z):
        return [x, table.T, (x * 2)[::-1, 1:], mp.zeros((0, 3), device=device), z]

    x, empty = random(device, 5, 3, seed=1), mp.zeros((0,), device=device)
    mp.aot.package(path, model, (x, unused, empty))
    served = runner(path, device)
    found = served.run([x, unused, empty])
    for a, b in zip(found, model(x, unused, empty), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert a.contiguous
    found[0].fill(0)
    found[1].fill(0)
    np.testing.assert_array_equal(served.run([x, unused, empty])[1].numpy(), table.numpy().T)
    assert x.numpy().any()


def test_arrays_that_are_written_in_place(device, library, path):
    """Inputs stay as they are, and constants and host data begin each run with the same values."""
    counter = random(device, 64)

    def model(x):
        made = mp.array(np.arange(64, dtype=np.float32), device=device)
        made += x
        total = counter * 1
        library.saxpy(counter, x, 1.0)
        x += 1
        return made, total + x

    x = random(device, 64, seed=1)
    start = counter.copy()
    with pytest.raises(mp.PackageError, match="not what the function gives"):
        mp.aot.package(path, model, (x,))  # the function changes what it depends on
    assert not path.exists()

    def pure(x):
        made = mp.array(np.arange(64, dtype=np.float32), device=device)
        made += x
        x += 1
        return made, x * 1

    mp.aot.package(path, pure, (x,))
    served = runner(path, device)
    host = x.numpy().copy()
    for _ in range(2):
        found = served(x)
        np.testing.assert_array_equal(found[0].numpy(), np.arange(64, dtype=np.float32) + host)
        np.testing.assert_array_equal(found[1].numpy(), host + 1)
    np.testing.assert_array_equal(x.numpy(), host)
    assert start.shape == counter.shape


def test_host_data_that_is_only_added_to_is_found_out(device, library, path):
    def model(x):
        made = mp.array(np.full(64, 1e6, np.float32), device=device)
        library.saxpy(made, x, 1.0)
        return made

    with pytest.raises(mp.PackageError, match="only written by kernels"):
        mp.aot.package(path, model, (random(device, 64),))


def test_random_numbers_are_found_out(device, path):
    generator = mp.Generator(device, seed=1)
    with pytest.raises(mp.PackageError, match="random numbers"):
        mp.aot.package(path, lambda x: x + generator.random(8), (random(device, 8),))


def test_what_is_made_once_is_made(device, path):
    kept = []

    def model(x):
        if not kept:
            kept.append(mp.full(8, 2.0, device=device) * 3)
        return x * kept[0]

    x = random(device, 8)
    mp.aot.package(path, model, (x,))
    np.testing.assert_array_equal(runner(path, device)(x).numpy(), x.numpy() * 6)
    np.testing.assert_array_equal(model(x).numpy(), x.numpy() * 6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64", "int8", "bool", "uint64"])
def test_dtypes(device, path, dtype):
    dtype = getattr(mp, "bool_" if dtype == "bool" else dtype)
    table = mp.array([1, 0, 1, 1], device=device).astype(dtype)
    x = mp.array([0, 1, 1, 1], device=device).astype(dtype)

    def model(x):
        return x & table if dtype == mp.bool_ else x + table

    mp.aot.package(path, model, (x,))
    served = runner(path, device)
    found = served(x)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found.numpy(), model(x).numpy())
    assert served.get_constant_names_to_dtypes() == {"constant_0": np.dtype(dtype)}


def test_tied_weights_are_one_constant(device, path):
    class Tied(mp.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = self.second = random(device, 4)
            self.spare = random(device, 3)

        def forward(self, x):
            return x * self.first + self.second

    net, x = Tied(), random(device, 4, seed=1)
    mp.aot.package(path, net.forward, (x,))
    served = runner(path, device)
    assert served.get_constant_names_to_original_fqns() == {"first": "first"}
    other = random(device, 4, seed=2)
    served.update_constant_buffer({"second": other, "spare": net.spare}, False, True)
    np.testing.assert_array_equal(served(x).numpy(), x.numpy() * other.numpy() + other.numpy())


def test_weights_that_lie_in_one_block(device, path):
    class Views(mp.nn.Module):
        def __init__(self, whole):
            super().__init__()
            self.first, self.second = whole[0], whole[1]

        def forward(self, x):
            return x * self.first + self.second[2:6].sum()

    net, x = Views(random(device, 2, 64)), random(device, 64, seed=1)
    mp.aot.package(path, net, (x,))
    np.testing.assert_array_equal(runner(path, device)(x).numpy(), net(x).numpy())


def refusals(device, library):
    class Holder(mp.nn.Module):
        def __init__(self, **arrays):
            super().__init__()
            vars(self).update(arrays)

        def forward(self, x):
            return x * 1

    texture = mp.texture((4, 1), "r32Float", device=device)
    whole = random(device, 8)
    out = mp.zeros(4, device=device)
    x = random(device, 4)
    return {
        "texture": (lambda x: library.sampled(texture, out), (x,), mp.PackageError, "'t' of kernel 'sampled' is a Te"),
        "reads": (lambda x: x * float(x[0]), (x,), mp.GraphError, "reading an array from the host"),
        "result": (lambda x: {1, 2}, (x,), mp.PackageError, "the result is a set"),
        "input": (lambda x: x, (np.zeros(3),), mp.PackageError, r"inputs\[0\]\[0\] is a ndarray"),
        "keys": (lambda x: {1: x}, (x,), mp.PackageError, "keys that are no str"),
        "layout": (Holder(w=random(device, 4, 3).T), (x,), mp.PackageError, "'w' is not contiguous"),
        "overlap": (Holder(a=whole, b=whole[2:6]), (x,), mp.PackageError, "'b' and 'a' share memory"),
    }


@pytest.mark.parametrize("name", ["texture", "reads", "result", "input", "keys", "layout", "overlap"])
def test_what_no_package_can_hold(device, library, path, name):
    function, inputs, error, message = refusals(device, library)[name]
    with pytest.raises(error, match=message):
        mp.aot.package(path, function, inputs)
    assert list(path.parent.iterdir()) == []


def test_kernels_of_compiled_libraries_are_refused(device, tmp_path, path):
    if device.driver != "software":
        pytest.skip("libraries of this form are the software device's")
    source = "kernel void twice(device float* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }"
    compilation, _ = compile_shader(source, device=device).twice.origin
    libraryfile.write_library(tmp_path / "twice.mtlp", compilation, {})
    kernel = mp.load_library(tmp_path / "twice.mtlp", device=device).twice

    def model(x):
        kernel(x)
        return x

    with pytest.raises(mp.PackageError, match="loaded compiled"):
        mp.aot.package(path, model, (random(device, 4),))


def test_equal_models_are_equal_files_without_folders(device, library, tmp_path):
    shader = tmp_path / "folder" / "twice.metal"
    shader.parent.mkdir()
    shader.write_text("kernel void twice(device float* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }")
    kernel = mp.compile_file(shader, device=device).twice

    def model(x):
        kernel(x)
        return mp.exp(x)

    for name in ("a", "b"):
        mp.aot.package(tmp_path / name, model, (random(device, 4),))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        texts = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".metal")]
        manifest = json.loads(archive.read("manifest.json"))
    assert any('#line 1 "twice.metal"' in text for text in texts)
    assert not any(str(tmp_path) in text or str(mp.__path__[0]) in text for text in texts)
    assert manifest["format"] == 1


def test_another_process_runs_the_package(device, path, tmp_path):
    net = conv_net(device)
    x = random(device, 2, 1, 8, 8)
    mp.aot.package(path, net, (x,))
    np.save(tmp_path / "x.npy", x.numpy())
    code = f"""
import numpy as np, metalpy as mp
served = mp.aot.ModelContainerRunner({str(path)!r}, device={str(device)!r})
x = mp.array(np.load({str(tmp_path / "x.npy")!r}), device={str(device)!r})
np.save({str(tmp_path / "y.npy")!r}, served.run([x])[0].numpy())
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), net(x).numpy())


def test_machine_code_in_the_package_needs_no_compiler(device, path, tmp_path):
    if device.driver != "software":
        pytest.skip("only the software device gives machine code away")
    net = conv_net(device)
    x = random(device, 2, 1, 8, 8)
    mp.aot.package(path, net, (x,), compiled=True)
    np.save(tmp_path / "x.npy", x.numpy())
    code = f"""
import sys, numpy as np, metalpy as mp
served = mp.aot.ModelContainerRunner({str(path)!r})
np.save({str(tmp_path / "y.npy")!r}, served.run([mp.array(np.load({str(tmp_path / "x.npy")!r}))])[0].numpy())
assert "llvmlite" not in sys.modules and "metalpy.compiler.frontend" not in sys.modules
"""
    environment = os.environ | {"METALPY_CACHE_DIR": str(tmp_path / "empty")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), net(x).numpy())


def test_machine_code_of_another_machine_is_passed_over(device, library, path, monkeypatch):
    if device.driver != "software":
        pytest.skip("only the software device gives machine code away")
    kernels = [library.powered.specialize(power=n) for n in (2, 3)]

    def model(x):
        results = [mp.empty(8, device=device) for _ in kernels]
        for kernel, result in zip(kernels, results, strict=True):
            kernel(result, x)
        return results

    x = random(device, 8)
    mp.aot.package(path, model, (x,), compiled=True)
    for machine in (libraryfile.machine(), "riscv64"):
        monkeypatch.setattr(libraryfile, "machine", lambda machine=machine: machine)
        for y, power in zip(runner(path, device)(x), (2, 3), strict=True):
            np.testing.assert_allclose(y.numpy(), x.numpy() ** power, rtol=1e-5)
