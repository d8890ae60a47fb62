"""Modules: functions with parameters, in a tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

import metalpy as mp
from metalpy.array import Array

__all__ = ["Module", "ModuleDict", "ModuleList", "Parameter", "Sequential"]


def Parameter(data: Any) -> Array:
    """An array for an attribute of a module. Any floating-point array will do: this says so to the reader."""
    return mp.asarray(data)


class Module:
    """Base of modules: a class whose attributes are arrays and modules, with a `forward`.

    Each floating-point array among the attributes is a parameter, but those of `register_buffer`. Attributes may be
    modules, arrays, and lists, tuples and dicts of them. Calling a module calls its `forward`.

    Attributes
    ----------
    training : bool
        Whether layers such as `Dropout` behave as in training; see `train`.

    Examples
    --------
    >>> class Net(mp.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = mp.nn.Linear(2, 16)
    ...         self.out = mp.nn.Linear(16, 1)
    ...     def forward(self, x):
    ...         return self.out(mp.nn.functional.relu(self.hidden(x)))
    >>> Net()(mp.ones((8, 2))).shape
    (8, 1)
    """

    training: bool = True

    def __init__(self) -> None:
        self._buffers: list[str] = []

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the module computes. Subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.forward(*args, **options)

    # ---- what is in it ----

    def register_buffer(self, name: str, value: Array | None) -> None:
        """Set an attribute that is part of the state, but no parameter."""
        buffers = self.__dict__.setdefault("_buffers", [])
        if name not in buffers:
            buffers.append(name)
        setattr(self, name, value)

    def children(self) -> Iterator[Module]:
        """The modules among the attributes."""
        for _, child in self.named_children():
            yield child

    def named_children(self) -> Iterator[tuple[str, Module]]:
        for name, value in _walk(self):
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """The module itself and all below it, with their names such as ``"layers.0.norm"``."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Array]]:
        """Names such as ``"layers.0.weight"`` and parameters, each array once."""
        seen: set[int] = set()
        for name, owner, key in self._places():
            x = _get(owner, key)
            if x.dtype.kind in "fV" and not owner_buffers(owner, key) and id(x) not in seen:
                seen.add(id(x))
                yield name, x

    def parameters(self) -> Iterator[Array]:
        for _, parameter in self.named_parameters():
            yield parameter

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Names and arrays of `register_buffer`."""
        for name, owner, key in self._places():
            if owner_buffers(owner, key):
                yield name, _get(owner, key)

    def buffers(self) -> Iterator[Array]:
        for _, buffer in self.named_buffers():
            yield buffer

    def _places(self, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
        """(name, what holds it, its key there) of each array."""
        for name, owner, key, value in _entries(self):
            if isinstance(value, Module):
                yield from value._places(f"{prefix}{name}.")
            elif isinstance(value, Array):
                yield f"{prefix}{name}", owner, key

    def add_module(self, name: str, module: Module | None) -> None:
        """Set an attribute whose name is only known now."""
        setattr(self, name, module)

    register_module = add_module

    def get_submodule(self, target: str) -> Module:
        """The module below with a name such as ``"layers.0.norm"``; KeyError if there is none."""
        for name, module in self.named_modules():
            if name == target:
                return module
        raise KeyError(f"{type(self).__name__} has no module {target!r}; named_modules() lists them")

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call a function with each module below, then with the module itself, which is returned."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # ---- state ----

    def state_dict(self) -> dict[str, Array]:
        """Names and arrays of all parameters and buffers. The arrays are the module's own, not copies."""
        return {name: _get(owner, key) for name, owner, key in self._places()}

    def load_state_dict(
        self, state: Mapping[str, Any] | str | os.PathLike[str], strict: bool = True
    ) -> tuple[list[str], list[str]]:
        """Copy values into the module's arrays.

        Parameters
        ----------
        state : mapping of str to array, or path
            Names as `state_dict` has them, and arrays of the same shapes, metalpy's or NumPy's, which are converted to
            the dtypes here; or the path of a ``.safetensors`` or ``.npz`` file that has such arrays.
        strict : bool
            False lets names be missing on either side.

        Returns
        -------
        missing, unexpected : list of str
            Names that only the module has, and that only `state` has.

        Raises
        ------
        KeyError
            If there are such names and `strict`.
        ValueError
            If a shape differs. Nothing is copied then.
        """
        given: Mapping[str, Any] = mp.load(state) if isinstance(state, (str, os.PathLike)) else state
        own = self.state_dict()
        missing = [name for name in own if name not in given]
        unexpected = [name for name in given if name not in own]
        if strict and (missing or unexpected):
            raise KeyError(f"the state does not fit {type(self).__name__}: missing {missing}, unexpected {unexpected}; "
                           "strict=False copies what fits")  # fmt: skip
        fitting = [(own[name], given[name], name) for name in own if name in given]
        for x, value, name in fitting:
            if x.shape != tuple(np.shape(value)):
                raise ValueError(f"{name!r} has shape {x.shape}, the state's has {tuple(np.shape(value))}")
        for x, value, _ in fitting:
            x[...] = mp.asarray(value, device=x.device).astype(x.dtype, copy=False)
        return missing, unexpected

    def to(self, device: Any = None, dtype: Any = None) -> Self:
        """Move all arrays to a device, and convert the floating-point ones to `dtype`. Returns the module.

        Arrays that change are replaced by others: give an optimizer the parameters afterwards.
        """
        if device is not None and not _is_device(device):
            device, dtype = None, device
        for _, owner, key in list(self._places()):
            x = _get(owner, key)
            moved = x if device is None else x.to_device(device)
            if dtype is not None and x.dtype.kind in "fV":
                moved = moved.astype(dtype, copy=False)
            if moved is not x:
                _set(owner, key, moved)
        return self

    def float(self) -> Self:
        """``to(dtype="float32")``."""
        return self.to(dtype=mp.float32)

    def half(self) -> Self:
        """``to(dtype="float16")``."""
        return self.to(dtype=mp.float16)

    def bfloat16(self) -> Self:
        """``to(dtype="bfloat16")``."""
        return self.to(dtype="bfloat16")

    def train(self, mode: bool = True) -> Self:
        """Let the module and all below it behave as in training, or as in use. Returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """``train(False)``."""
        return self.train(False)

    # ---- text ----

    def extra_repr(self) -> str:
        """What stands in the parentheses of the module's text."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return "\n  ".join([f"{type(self).__name__}({self.extra_repr()}", *lines]) + "\n)"


def owner_buffers(owner: Any, key: Any) -> bool:
    """True if an attribute of a module is a buffer."""
    return isinstance(owner, Module) and key in owner.__dict__.get("_buffers", ())


def _entries(owner: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any, Any]]:
    """(name, what holds it, its key there, value) of the attributes or items of something."""
    if isinstance(owner, Module):
        items: Iterable[tuple[Any, Any]] = [item for item in vars(owner).items() if item[0] != "_buffers"]
    elif isinstance(owner, dict):
        items = list(owner.items())
    else:
        items = list(enumerate(owner))
    for key, value in items:
        if isinstance(value, (list, tuple, dict)):
            yield from _entries(value, prefix if key == "_items" else f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", owner, key, value


def _walk(module: Module) -> Iterator[tuple[str, Any]]:
    for name, _, _, value in _entries(module):
        yield name, value


def _get(owner: Any, key: Any) -> Any:
    return getattr(owner, key) if isinstance(owner, Module) else owner[key]


def _set(owner: Any, key: Any, value: Array) -> None:
    if isinstance(owner, Module):
        setattr(owner, key, value)
    elif isinstance(owner, tuple):
        raise TypeError("an array in a tuple cannot be replaced; keep arrays of a module in attributes, lists or dicts")
    else:
        owner[key] = value


def _is_device(value: Any) -> bool:
    return isinstance(value, mp.Device) or (isinstance(value, str) and value.partition(":")[0] in ("mps", "cpu"))


class ModuleList(Module):
    """Modules in a list."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self._items: dict[str, Module] = {}
        self.extend(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the list."""
        self._items[str(len(self._items))] = module
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns the list."""
        for module in modules:
            self.append(module)
        return self

    def __getitem__(self, index: int | slice) -> Any:
        """A module, or a list of the same kind with some of them."""
        found = list(self)[index]
        return self._of(found) if isinstance(found, list) else found

    def __setitem__(self, index: int, module: Module) -> None:
        self._items[list(self._items)[index]] = module

    @classmethod
    def _of(cls, modules: list[Module]) -> Self:
        return cls(modules)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._items.values())


class ModuleDict(Module):
    """Modules by names."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self._items = dict(modules)

    def __getitem__(self, name: str) -> Module:
        return self._items[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._items[name] = module

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def keys(self) -> Iterable[str]:
        return self._items.keys()

    def values(self) -> Iterable[Module]:
        return self._items.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        return self._items.items()


class Sequential(ModuleList):
    """Modules, or functions, that are called one after the other, each with what the one before returned.

    Parameters
    ----------
    *modules : Module or callable
        Or one dict of them, whose keys are their names.
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            super().__init__()
            self._items.update(modules[0])
        else:
            super().__init__(modules)

    @classmethod
    def _of(cls, modules: list[Module]) -> Self:
        return cls(*modules)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x
