"""What metalpy has for names of NumPy and the counterpart that it does not have: the ends of error messages."""

from __future__ import annotations

__all__ = ["of_array", "of_module"]

_GRADIENTS = "gradients are those of functions: metalpy.grad(f), metalpy.value_and_grad(f)"
_MODULE = {
    "FloatTensor": "metalpy.array",
    "Tensor": "metalpy.Array",
    "cat": "metalpy.concat",
    "compile_shader": "metalpy.mps.compile_shader",
    "double": "float32: Metal has no float64",
    "float64": "float32: Metal has no float64",
    "from_numpy": "metalpy.asarray",
    "load_metallib": "metalpy.mps.load_metallib",
    "manual_seed": "metalpy.mps.manual_seed",
    "mm": "metalpy.matmul",
    "ndarray": "metalpy.Array",
    "norm": "metalpy.linalg.norm",
    "permute": "metalpy.permute_dims",
    "rand": "metalpy.random.random",
    "randint": "metalpy.random.randint",
    "randn": "metalpy.random.normal",
    "relu": "metalpy.nn.functional.relu",
    "sigmoid": "metalpy.nn.functional.sigmoid",
    "synchronize": "metalpy.mps.synchronize",
    "tensor": "metalpy.array",
    "unsqueeze": "metalpy.expand_dims",
}
_ARRAY = {
    "backward": _GRADIENTS,
    "clone": "x.copy()",
    "cpu": "x.numpy()",
    "detach": "metalpy.stop_gradient(x)",
    "dim": "x.ndim",
    "double": "x.astype(metalpy.float32); Metal has no float64",
    "expand": "metalpy.broadcast_to(x, shape)",
    "float": "x.astype(metalpy.float32)",
    "grad": _GRADIENTS,
    "half": "x.astype(metalpy.float16)",
    "int": "x.astype(metalpy.int32)",
    "long": "x.astype(metalpy.int64)",
    "numel": "x.size",
    "permute": "x.transpose(*axes)",
    "requires_grad": _GRADIENTS,
    "requires_grad_": _GRADIENTS,
    "to": "x.to_device(device) and x.astype(dtype)",
    "type": "x.astype(dtype)",
    "unsqueeze": "metalpy.expand_dims(x, axis)",
    "zero_": "x.fill(0)",
}


def of_module(name: str) -> str:
    """What to use for ``metalpy.name``; an empty string if there is nothing to say."""
    return f"; there is {_MODULE[name]}" if name in _MODULE else ""


def of_array(name: str) -> str:
    """The same for an attribute of arrays: functions of metalpy of that name among it."""
    if name in _ARRAY:
        return f"; there is {_ARRAY[name]}"
    import metalpy.namespace as namespace

    return f"; there is metalpy.{name}(x)" if name in namespace.__all__ else ""
