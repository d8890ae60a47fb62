"""Which memory of a recorded graph is what: inputs, constants, and what commands write before they read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metalpy._core.graph import Node
from metalpy._core.pool import Block
from metalpy.aot.manifest import Buffer, Command, Constant
from metalpy.aot.values import Reference, arrays_in, encode_dtype
from metalpy.array import Array
from metalpy.device import Device
from metalpy.errors import PackageError
from metalpy.graph import Graph

__all__ = ["Memory", "State", "transferred"]

_BYTES = np.dtype(np.uint8)
State = list[tuple[str, str, Array]]  # name, "parameter" or "buffer", array


@dataclass
class _Region:
    """Bytes of a block that are one buffer of the package."""

    start: int
    end: int
    array: Array | None  # that is all of it
    is_input: bool = False
    kind: str = "tensor"
    fqns: list[str] = field(default_factory=list)
    used: bool = False
    read_first: bool = True
    written: bool = False
    number: int = -1  # of the buffer


class Memory:
    """The buffers of a package.

    Memory that the first command to use it writes is an intermediate; all other is a constant. Of a constant that
    commands write each run gets a copy.

    Raises
    ------
    PackageError
        If the arrays of a module share memory in part.
    """

    def __init__(self, graph: Graph, inputs: list[Array], state: State, results: list[Array]) -> None:
        self._device = graph.device
        self.buffers: list[Buffer] = []
        self.constants: list[Constant] = []
        self.restored: list[Command] = []
        self._regions: dict[Block, list[_Region]] = {}
        self._given: set[Block] = set()  # of inputs and of the module
        self._values: list[Array] = []
        for number, x in enumerate(inputs):
            self._add_input(number, x)
        for name, kind, x in state:
            self._add_state(name, kind, x)
        for node in graph.nodes:
            self._note(node)
        for x in results:
            if x._block is not None and x.size:
                self._region(x).used = True
        self._make_buffers()
        used = {fqn for constant in self.constants for fqn in constant.fqns}
        self.unused = [name for name, _, _ in state if name not in used]

    def refer(self, x: Array) -> Reference:
        """A reference to an array; its strides are only told if it is not contiguous."""
        strides = None if x.contiguous else x.strides
        if x._block is None or not x.size:
            return Reference(None, 0, x.dtype, x.shape)
        region = self._region(x)
        return Reference(region.number, x.offset - region.start, x.dtype, x.shape, strides)

    def host_constants(self) -> dict[str, np.ndarray[Any, Any]]:
        """The constants by name."""
        return {constant.name: x.numpy() for constant, x in zip(self.constants, self._values, strict=True)}

    # ---- regions ----

    def _add_input(self, number: int, x: Array) -> None:
        if x._block is not None:
            self._regions[x._block] = [_Region(0, x.nbytes, x, is_input=True, number=len(self.buffers))]
            self._given.add(x._block)
            self.buffers.append(Buffer("input", x.nbytes, number))

    def _add_state(self, name: str, kind: str, x: Array) -> None:
        if x._block is None:
            return
        if not x.contiguous:
            raise PackageError(f"{name!r} is not contiguous, which packaged weights must be; replace it by its .copy()")
        regions = self._regions.setdefault(x._block, [])
        self._given.add(x._block)
        low, high = x.offset, x.offset + x.nbytes
        for region in regions:
            assert region.array is not None
            if (low, high, x.dtype, x.shape) == (region.start, region.end, region.array.dtype, region.array.shape):
                region.fqns.append(name)
                return
            if region.start < high and low < region.end:
                raise PackageError(f"{name!r} and {region.fqns[0]!r} share memory but are not the same array; replace "
                                   "one of them by its .copy()")  # fmt: skip
        regions.append(_Region(low, high, x, kind=kind, fqns=[name]))

    def _note(self, node: Node) -> None:
        """What a command does with the memory that it uses."""
        reads: dict[Block, bool] = {}
        writes: dict[Block, bool] = {}
        for block, _, may_read, may_write in node.bindings:
            reads[block] = reads.get(block, False) or may_read
            writes[block] = writes.get(block, False) or may_write
        arrays = arrays_in(node.values) if node.transfer is None else transferred(node, self._device)
        for x in arrays:
            if x._block is not None and x.size:
                region = self._region(x)
                if not region.used:
                    region.used, region.read_first = True, reads[x._block]
                region.written |= writes[x._block]

    def _region(self, x: Array) -> _Region:
        """The region that an array is in. That of memory which was not given grows with what is used of it."""
        block = x._block
        assert block is not None
        low, high = Reference(0, x.offset, x.dtype, x.shape, x.strides).extent
        regions = self._regions.setdefault(block, [])
        if block in self._given:
            for region in regions:
                if region.start <= low and high <= region.end:
                    return region
            names = [name for region in regions for name in region.fqns]
            raise PackageError(f"an array of shape {x.shape} reaches beyond {names or 'an input'}, which it is part of")
        if not regions:
            regions.append(_Region(0, 0, None))
        region = regions[0]
        if high > region.end:
            region.end, region.array = high, None
        if region.array is None and x.contiguous and (low, high) == (0, region.end) and not x.dtype.names:
            region.array = x
        return region

    # ---- buffers ----

    def _make_buffers(self) -> None:
        taken: set[str] = set()
        tensors = 0
        for block, regions in self._regions.items():
            for region in regions:
                if region.is_input or not region.used:
                    continue
                if not region.fqns and not region.read_first:
                    region.number = self._new_buffer("intermediate", region.end)
                    continue
                if not region.fqns:
                    region.fqns, tensors = [f"constant_{tensors}"], tensors + 1
                self._add_constant(block, region, taken)

    def _new_buffer(self, kind: str, nbytes: int, index: int | None = None) -> int:
        self.buffers.append(Buffer(kind, nbytes, index))
        return len(self.buffers) - 1

    def _add_constant(self, block: Block, region: _Region, taken: set[str]) -> None:
        count = region.end - region.start
        x = region.array
        if x is None:
            x = Array(self._device, block, _BYTES, (count,), None, region.start)
        name = region.fqns[0].replace(".", "_")
        while name in taken:
            name += "_"
        taken.add(name)
        self._values.append(x)
        self.constants.append(Constant(name, region.fqns, region.kind, encode_dtype(x.dtype), list(x.shape)))
        region.number = self._new_buffer("constant", count, len(self.constants) - 1)
        if region.written:
            constant, region.number = region.number, self._new_buffer("intermediate", count)
            target, source = (Reference(n, 0, _BYTES, (count,)).to_json() for n in (region.number, constant))
            self.restored.append(Command("copy", target=target, source=source))


def transferred(node: Node, device: Device) -> tuple[Array, ...]:
    """The bytes that a copy or a fill uses as arrays: the target, and the source of a copy."""
    assert node.transfer is not None
    count, _ = node.transfer
    return tuple(Array(device, block, _BYTES, (count,), None, offset) for block, offset, _, _ in node.bindings)
