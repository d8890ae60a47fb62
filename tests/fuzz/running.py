"""One program on every executor of the software device, and by the evaluator."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import ml_dtypes
import numpy as np

import metalpy as mp

from .evaluator import Evaluator
from .language import SCALARS, Program, Type, record_layout
from .operations import Array, to_bfloat
from .printer import ATOMICS, INPUT_LENGTH, RECORDS, metal, used

EXECUTORS = ("reference", "spmd")


@dataclass
class Difference:
    """Where an executor and the evaluator disagree first."""

    executor: str
    text: str


def inputs_of(program: Program) -> dict[str, Array]:
    """What the kernel reads, as the evaluator holds it."""
    rng = np.random.default_rng(program.seed)
    made = {name: _values(Type(name), rng) for name in SCALARS}
    made["parameters"] = rng.integers(0, 12, 4).astype(np.uint32)
    made["permutation"] = rng.permutation(program.threads).astype(np.uint32)
    made["atomics"] = rng.integers(0, 1 << 32, ATOMICS + program.threads, np.uint32)
    for k, (_, t) in enumerate(program.record):
        values = made[t.name][rng.integers(0, INPUT_LENGTH, (RECORDS, t.n))]
        made[f"record.{k}"] = values if t.n > 1 else values[:, 0]
    return made


def _records(program: Program, inputs: Mapping[str, Array]) -> Array:
    """The bytes of the array of structs."""
    offsets, size = record_layout(program.record)
    data = np.zeros((RECORDS, size), np.uint8)
    for k, ((_, t), offset) in enumerate(zip(program.record, offsets, strict=True)):
        values = np.ascontiguousarray(_on_device(inputs[f"record.{k}"], t.name)).reshape(RECORDS, t.n)
        data[:, offset : offset + t.n * values.itemsize] = values.view(np.uint8)
    return data.reshape(-1)


def _values(t: Type, rng: np.random.Generator) -> Array:
    n = INPUT_LENGTH
    small = rng.integers(0, 100, n)
    if t.name == "bool":
        return small % 2 == 0
    if t.kind in "iu":
        info = np.iinfo(t.dtype)
        edges = rng.choice(np.array([0, 1, info.max, info.min, info.max - 1, info.max // 2], t.dtype), n)
        values = rng.integers(info.min, info.max, n, t.dtype, endpoint=True)
        return np.where(small < 50, (small % 17).astype(t.dtype), np.where(small < 65, edges, values)).astype(t.dtype)
    with np.errstate(over="ignore"):
        edges = rng.choice([0.0, -0.0, 1.0, -1.0, 0.5, 65504.0, 1e-40, 6e-8, 3e38, np.inf, -1e10, 16777217.0], n)
        values = np.where(small < 40, small - 20.0, np.where(small < 55, edges, rng.standard_normal(n) * 10))
        values = values.astype(np.float32)
        return to_bfloat(values) if t.name == "bfloat" else values.astype(t.dtype)


def outputs_of(program: Program, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """What the kernel writes, before it does."""
    size = program.threads * program.slots
    made = {name: np.zeros(size, SCALARS[name][0]) for name in program.layouts}
    return made | {"atomics": inputs["atomics"].copy()}


def expected(program: Program) -> dict[str, Array]:
    """The outputs by the evaluator."""
    inputs = inputs_of(program)
    outputs = outputs_of(program, inputs)
    Evaluator(program, inputs, outputs).run()
    return outputs


def _on_device(values: Array, name: str) -> Array:
    return values.astype(ml_dtypes.bfloat16) if name == "bfloat" else values


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def results(program: Program, executor: str, source: str | None = None) -> dict[str, Array]:
    """The outputs by an executor of the software device, as the evaluator holds them."""
    with _environment("METALPY_EXECUTOR", executor):  # looked at when the kernel is lowered, by its first launch
        return _run(program, source)


def _run(program: Program, source: str | None) -> dict[str, Array]:
    inputs = inputs_of(program)
    outputs = outputs_of(program, inputs)
    kernel = mp.mps.compile_shader(source or metal(program), math_mode="safe").fuzz
    loads, stores = used(program)
    arrays = {name: mp.array(_on_device(outputs[name], name)) for name in sorted(stores)}
    atomics = mp.array(outputs["atomics"])
    kernel(
        [int(x) for x in inputs["parameters"]], mp.array(inputs["permutation"]), atomics,
        mp.array(_records(program, inputs)),
        *(mp.array(_on_device(inputs[name], name)) for name in sorted(loads)), *arrays.values(),
        threads=program.grid, group_size=program.group,
    )  # fmt: skip
    got = {name: np.asarray(array).astype(SCALARS[name][0]) for name, array in arrays.items()}
    return got | {"atomics": np.asarray(atomics).copy()}


def same(a: Array, b: Array) -> Array:
    """Equal bits, or both a NaN."""
    if a.dtype.kind != "f":
        return a == b
    bits = f"u{a.dtype.itemsize}"
    return (a.view(bits) == b.view(bits)) | (np.isnan(a) & np.isnan(b))


def find_difference(program: Program, executors: tuple[str, ...] = EXECUTORS) -> Difference | None:
    """Run a program everywhere; None if all results are the same."""
    want = expected(program)
    for executor in executors:
        got = results(program, executor)
        for name, values in want.items():
            wrong = np.flatnonzero(~same(got[name], values))
            if len(wrong):
                k = wrong[0]
                where = f"atomics[{k}]" if name == "atomics" else f"out_{name}[{k}] ({_slot(program, name, k)})"
                return Difference(
                    executor, f"{where}: expected {values[k]!r}, {executor} gives {got[name][k]!r}; {len(wrong)} differ"
                )
    return None


def _slot(program: Program, name: str, k: int) -> str:
    layout = program.layouts[name]
    thread, slot = (k % program.threads, k // program.threads) if layout == "columns" else divmod(k, program.slots)
    if layout == "reversed":
        thread = program.threads - 1 - thread
    if layout == "permuted":
        thread = int(np.flatnonzero(inputs_of(program)["permutation"] == thread)[0])
    return f"thread {thread}, slot {slot}"


def describe(program: Program, outcome: str) -> str:
    """A finding, for people."""
    return (
        f"seed {program.seed}, threads={program.grid}, group_size={program.group}\n{outcome}\n"
        f"parameters = {inputs_of(program)['parameters'].tolist()}; inputs: "
        f"tests.fuzz.running.inputs_of(generate({program.seed}))\n{metal(program)}"
    )
