"""Graphs: launches, copies and fills that are recorded once and run again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from metalpy._core.graph import GraphBase
from metalpy.array import Array
from metalpy.creation import DeviceLike
from metalpy.device import Device
from metalpy.device import device as _device
from metalpy.errors import GraphError

__all__ = ["Graph", "record"]


class Graph(GraphBase):
    """Commands of one device in the order in which they were recorded. Made by `metalpy.record`.

    It keeps all memory that they use, the arrays of intermediate results too.

    Attributes
    ----------
    device : Device
    nodes : tuple of Node
        The commands: their ``kind`` ("launch", "copy" or "fill"), ``name``, and of launches ``kernel``, ``values``,
        ``threads`` and ``group_size``.
    """

    __slots__ = ("_places",)

    def __init__(self, device: Device, runs: bool = True) -> None:
        self._places: dict[Array, list[tuple[int, int, int]]] = {}  # what `_places_of` has found

    def launch(self, arrays: Mapping[Array, Array] | None = None) -> None:
        """Run the commands again, on the calling thread's stream. Returns at once, as a launch does.

        Parameters
        ----------
        arrays : mapping of Array to Array, optional
            Arrays that were recorded, and others of their shape, dtype and device that take their places this time.

        Raises
        ------
        GraphError
            If an array cannot be replaced: the graph does not use it, or its memory beyond it, or reaches it by an
            address inside another argument; or the other one has another layout. Also during a recording.
        """
        self._replay(self._bound(arrays) if arrays else None)

    def rebind(self, arrays: Mapping[Array, Array]) -> None:
        """Let other arrays take the places of recorded ones for all runs from now on; see `launch`."""
        self._rebind(self._bound(arrays))
        self._places = {}

    def replace(self, node: int, **values: Any) -> None:
        """Give arguments of a recorded launch other values, for all runs from now on.

        Parameters
        ----------
        node : int
            Index in `nodes`; as with sequences, negative ones count from the end.
        **values
            By the kernel's names: numbers, arrays and whatever a call of the kernel takes. The grid stays.

        Raises
        ------
        GraphError
            If the node is no launch.
        LaunchTypeError, LaunchValueError, ScalarRangeError
            As a call of the kernel would.
        """
        if not -len(self) <= node < len(self):
            raise IndexError(f"the graph has {len(self)} commands, there is no node {node}")
        found = self.nodes[node]
        if found.kernel is None:
            raise GraphError(f"node {node} is a {found.kind}, which has no arguments to replace")
        found.kernel._replace(self, found, values)
        self._places = {}

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<metalpy.Graph of {len(self)} commands on {self.device}>"

    def _bound(self, arrays: Mapping[Array, Array]) -> dict[int, list[tuple[int, Any, int]]]:
        if not isinstance(arrays, Mapping):
            raise GraphError(f"arrays to replace others are given as {{recorded: other}}, got {type(arrays).__name__}")
        bound: dict[int, list[tuple[int, Any, int]]] = {}
        for recorded, other in arrays.items():
            check_replacement(recorded, other)
            for node, argument, start in self._places_of(recorded):
                bound.setdefault(node, []).append((argument, other._block, other.offset + start))
        return bound

    def _places_of(self, array: Array) -> list[tuple[int, int, int]]:
        """Where commands use an array: (node, argument, bytes from its start)."""
        found = self._places.get(array)
        if found is None:
            found = self._find(array._block, array.offset, array.nbytes) if array.size else []
            if array.size and not found:
                raise GraphError(f"no command of the graph uses this array of shape {array.shape}")
            self._places[array] = found
        return found


def check_replacement(recorded: Array, other: Array) -> None:
    """Raise GraphError unless `other` can stand where `recorded` did."""
    for x in (recorded, other):
        if not isinstance(x, Array):
            raise GraphError(f"arrays are replaced by arrays, got {type(x).__name__}")
    if not recorded.contiguous:
        raise GraphError("only contiguous arrays can be replaced; replace the one of which this is a view")
    wanted = (recorded.shape, recorded.dtype, recorded.device, True)
    given = (other.shape, other.dtype, other.device, other.contiguous)
    if wanted != given:
        raise GraphError(
            f"an array of shape {recorded.shape} and dtype {recorded.dtype} on {recorded.device} is replaced by a "
            f"contiguous one like it, got shape {other.shape}, dtype {other.dtype} on {other.device}"
            f"{'' if other.contiguous else ', not contiguous'}"
        )
    if recorded.writable and not other.writable:
        raise GraphError("the graph may write to the array, and the one to replace it is read-only")


@contextmanager
def record(device: DeviceLike = None, *, run: bool = True) -> Iterator[Graph]:
    """Record the launches, copies and fills that the calling thread gives to a device, which run as always.

    Parameters
    ----------
    device : str, int or Device, optional
    run : bool
        False only records: nothing runs before the graph is launched.

    Yields
    ------
    Graph
        Complete when the ``with`` block is left. Arrays made from numbers of the host within are constants of the
        graph; so is the state of random number generators, and each run draws the same numbers.

    Raises
    ------
    GraphError
        If the thread records already. Within the block also from what a graph cannot repeat: reading arrays from the
        host or writing to them, making mipmaps, running another graph. What depends on values, such as the shape of
        `nonzero`, reads from the host.

    Examples
    --------
    >>> x = mp.ones(1000)
    >>> with mp.record() as graph:
    ...     y = x * 2 + 1
    >>> x.fill(3)
    >>> graph.launch()
    >>> y[0].item()
    7.0
    """
    graph = Graph(_device(device), run)
    graph._begin()
    try:
        yield graph
    finally:
        graph._end()
