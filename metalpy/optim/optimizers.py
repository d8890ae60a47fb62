"""Stochastic gradient descent, and its adaptive kin: one kernel moves a parameter and what is kept about it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import metalpy as mp
from metalpy._core.driver import Device
from metalpy.array import Array
from metalpy.autograd.trees import flatten
from metalpy.mps.shader import ShaderLibrary, compile_file
from metalpy.ops.elementwise import contiguous
from metalpy.ops.types import metal_name
from metalpy.shader_files import shader_folder

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


@cache
def _library(device: Device, element: str) -> ShaderLibrary:
    return compile_file(shader_folder() / "optimizers.metal", defines={"T": element}, math_mode="safe", device=device)


class Optimizer:
    """Base of optimizers: parameters that `step` changes in place, and what is remembered of each.

    Attributes
    ----------
    lr : float
        The learning rate, which may be set between steps; see `lr_scheduler`.
    parameters : list of Array
    steps : int
        Steps so far.
    """

    _remembered: tuple[str, ...] = ()

    def __init__(self, parameters: Iterable[Array] | Mapping[str, Array] | Any, lr: float) -> None:
        if not lr >= 0:
            raise ValueError(f"a learning rate is 0 or more, got {lr}")
        values = list(parameters.values()) if isinstance(parameters, Mapping) else parameters
        self.parameters = flatten(values if hasattr(values, "named_parameters") else list(values))
        if not self.parameters:
            raise ValueError("there are no parameters; pass model.parameters()")
        for x in self.parameters:
            if not (x.writable and x.contiguous):
                raise ValueError(f"a parameter of shape {x.shape} cannot be changed in place: it is read-only, or not "
                                 "contiguous; pass a copy")  # fmt: skip
        self.lr = self.initial_lr = lr
        self.steps = 0
        self._state = [self._first(x) for x in self.parameters]

    def _first(self, x: Array) -> dict[str, Array]:
        return {name: mp.zeros(x.shape, dtype=mp.float32, device=x.device) for name in self._remembered}

    def step(self, gradients: Any) -> None:
        """Move each parameter, in place.

        Parameters
        ----------
        gradients : sequence or dict of Array
            One for each parameter, in their order and of their shapes, as `metalpy.value_and_grad` of a module gives
            them.

        Raises
        ------
        ValueError
            If they do not fit; nothing is changed then.
        """
        given = flatten(gradients)
        shapes, wanted = [x.shape for x in given], [x.shape for x in self.parameters]
        if shapes != wanted:
            raise ValueError(f"gradients fit their parameters: there are {len(wanted)} of shapes {wanted}, got "
                             f"{len(shapes)} of shapes {shapes}")  # fmt: skip
        self.steps += 1
        for x, gradient, state in zip(self.parameters, given, self._state, strict=True):
            if x.size:
                self._move(x, contiguous(gradient.astype(x.dtype, copy=False)), state)

    def _move(self, x: Array, gradient: Array, state: dict[str, Array]) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Array]:
        """What a checkpoint needs: the steps so far, and what is remembered, by names such as ``"0.exp_avg"``."""
        arrays = {f"{n}.{name}": x for n, state in enumerate(self._state) for name, x in state.items()}
        return {"steps": mp.array([self.steps]), **arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises
        ------
        KeyError
            If names are missing or unexpected.
        ValueError
            If a shape differs. Nothing is changed in either case.
        """
        own = self.state_dict()
        if set(own) != set(state):
            raise KeyError(f"the state does not fit the optimizer: missing {sorted(set(own) - set(state))}, unexpected "
                           f"{sorted(set(state) - set(own))}")  # fmt: skip
        given = {name: mp.asarray(value) for name, value in state.items()}
        for name, x in own.items():
            if given[name].shape != x.shape:
                raise ValueError(f"{name!r} has shape {x.shape}, the state's has {given[name].shape}")
        self.steps = int(given.pop("steps").numpy()[0])
        for name, value in given.items():
            own[name][...] = value


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Parameters
    ----------
    parameters : iterable of Array
    lr : float
    momentum, dampening, weight_decay : float
        Share of the last step that is kept; share of the gradient that does not enter it; share of the parameter that
        is added to the gradient.
    nesterov : bool
        Look ahead by the momentum, which must then be above 0.

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013, in the
    counterpart's form: the velocity is not scaled by the learning rate.
    """

    _remembered = ("momentum_buffer",)

    def __init__(
        self, parameters: Any, lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False,
    ) -> None:  # fmt: skip
        if nesterov and (momentum <= 0 or dampening):
            raise ValueError("nesterov=True needs momentum above 0, and no dampening")
        self.momentum, self.dampening = momentum, dampening
        self.weight_decay, self.nesterov = weight_decay, nesterov
        super().__init__(parameters, lr)

    def _first(self, x: Array) -> dict[str, Array]:
        return super()._first(x) if self.momentum else {}

    def _move(self, x: Array, gradient: Array, state: dict[str, Array]) -> None:
        kernels = _library(x.device, metal_name(x.dtype))
        if not self.momentum:
            kernels.sgd(x, gradient, self.lr, self.weight_decay)
            return
        kept = 1.0 if self.steps == 1 else 1 - self.dampening  # the first velocity is the gradient
        kernels.sgd_momentum(
            x, gradient, state["momentum_buffer"], self.lr, self.weight_decay, self.momentum, kept, self.nesterov
        )


class Adam(Optimizer):
    """Steps of the size of the learning rate, along the mean gradient over the root of its mean square.

    Parameters
    ----------
    parameters : iterable of Array
    lr : float
    betas : pair of float
        Shares of the means that are kept.
    eps : float
        Added to the root.
    weight_decay : float
        Share of the parameter that is added to the gradient.
    amsgrad : bool
        Divide by the root of the greatest mean square so far.

    Sources: D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1; S. Reddi et al., "On
    the Convergence of Adam and Beyond", 2018, for `amsgrad`, in the counterpart's form.
    """

    _remembered: tuple[str, ...] = ("exp_avg", "exp_avg_sq")
    _decoupled = False

    def __init__(
        self, parameters: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False,
    ) -> None:  # fmt: skip
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas are at least 0 and below 1, got {betas}")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self._remembered = (*self._remembered, "max_exp_avg_sq") if amsgrad else self._remembered
        super().__init__(parameters, lr)

    def _move(self, x: Array, gradient: Array, state: dict[str, Array]) -> None:
        first, second = self.betas
        step = self.lr / (1 - first**self.steps)
        root = math.sqrt(1 - second**self.steps)
        facts = {
            "first": first, "second": second, "step": step, "root": root, "eps": self.eps,
            "decay": self.weight_decay * (self.lr if self._decoupled else 1.0), "decoupled": self._decoupled,
        }  # fmt: skip
        kernels = _library(x.device, metal_name(x.dtype))
        kernel = kernels.adam_largest if "max_exp_avg_sq" in state else kernels.adam
        kernel(x, gradient, *(state[name] for name in self._remembered), facts)


class AdamW(Adam):
    """As `Adam`, but `weight_decay` shrinks the parameter itself, and by default by 1 % of the learning rate.

    Source: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    _decoupled = True

    def __init__(
        self, parameters: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad)
