"""Every public function of arrays either hands gradients on, or is listed here as one that has none."""

import numpy as np
import pytest

import metalpy as mp
from metalpy.autograd import tape
from metalpy.fft.stockham import forget_tables
from metalpy.nn import functional as F

pytestmark = pytest.mark.usefixtures("device")

# They take no floating-point arrays, change an array in place, or give numbers that do not follow its elements.
NO_SLOPE = {
    "mp": {"bincount", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift",
           "bitwise_xor", "can_cast", "finfo", "histogram", "iinfo", "isdtype", "result_type"},
    "mp.linalg": set(),
    "mp.fft": {"fftfreq", "rfftfreq"},
    "mp.nn.functional": {"one_hot"},
    "Array": {"fill", "item", "sort"},
}  # fmt: skip
# Noted, so that taking their gradient says that there is none.
REFUSED = {"unique_all", "unique_counts", "unique_inverse", "unique_values", "view"}
# Not functions of arrays, or those that make gradients.
OTHERS = {"bool", "checkpoint", "custom_function", "e", "eye", "grad", "identity", "inf", "linspace", "load", "nan",
          "newaxis", "no_grad", "pi", "save", "stop_gradient", "tri", "value_and_grad", "vjp"}  # fmt: skip

IMAGE = (2, 3, 4, 4)
ARGUMENTS = {
    "mp": {
        "astype": lambda x: (x, mp.float16), "einsum": lambda x: ("ij,jk", x, x),
        "interp": lambda x: (x, mp.array([0.0, 1.0]), x[0, :2]),
        "broadcast_arrays": lambda x: (x[0], x), "broadcast_to": lambda x: (x, (2, 3, 3)),
        "concat": lambda x: ([x, x],), "stack": lambda x: ([x, x],), "where": lambda x: (x > 0, x, 1.0),
        "repeat": lambda x: (x, 2), "reshape": lambda x: (x, (-1,)), "roll": lambda x: (x, 1), "tile": lambda x: (x, (2, 1)),
        "take": lambda x: (x[0], mp.array([1, 0])), "take_along_axis": lambda x: (x, mp.zeros((3, 3), dtype=mp.int32)),
        "permute_dims": lambda x: (x, (1, 0)), "moveaxis": lambda x: (x, 0, 1), "clip": lambda x: (x, 0, 1),
        "squeeze": lambda x: (x[None], 0), "meshgrid": lambda x: (x[0], x[1]), "cumulative_sum": lambda x: (x[0],),
        "cumulative_prod": lambda x: (x[0],), "conj": lambda x: (x + 1j * x,), "imag": lambda x: (x + 1j * x,),
        "real": lambda x: (x + 1j * x,),
    },
    "mp.linalg": {"cholesky": lambda x: (x @ x.mT + mp.eye(3),), "matrix_power": lambda x: (x, 3),
                  "outer": lambda x: (x[0], x[1])},
    "mp.fft": {name: lambda x: (x + 1j * x,) for name in ("hfft", "irfft", "irfftn")},
    "mp.nn.functional": {
        "adaptive_avg_pool2d": lambda x: (_image(x), 2), "avg_pool1d": lambda x: (_image(x)[0], 2),
        "avg_pool2d": lambda x: (_image(x), 2), "max_pool1d": lambda x: (_image(x)[0], 2),
        "max_pool2d": lambda x: (_image(x), 2), "conv1d": lambda x: (_image(x)[0], mp.ones((2, 4, 3))),
        "conv_transpose1d": lambda x: (_image(x)[0], mp.ones((4, 2, 2))),
        "conv_transpose2d": lambda x: (_image(x), mp.ones((3, 2, 3, 3))), "interpolate": lambda x: (_image(x), 3),
        "pixel_shuffle": lambda x: (mp.concat([_image(x)] * 4, axis=1), 2), "prelu": lambda x: (x, x[0]),
        "conv2d": lambda x: (_image(x), mp.ones((2, 3, 3, 3))), "unfold": lambda x: (_image(x), 2),
        "fold": lambda x: (F.unfold(_image(x), 2), (4, 4), 2), "glu": lambda x: (x[:, :2],),
        "batch_norm": lambda x: (x, None, None), "group_norm": lambda x: (_image(x), 3), "layer_norm": lambda x: (x, 3),
        "rms_norm": lambda x: (x, 3), "embedding": lambda x: (mp.array([1, 0]), x), "pad": lambda x: (x, (1, 1)),
        "linear": lambda x: (x, mp.ones((2, 3))), "dropout": lambda x: (x, 0.1),
        "scaled_dot_product_attention": lambda x: (x, x, x), "nll_loss": lambda x: (x, mp.array([0, 1, 2])),
    },
    "Array": {
        "__getitem__": lambda x: (x, 0), "astype": lambda x: (x, mp.float16), "repeat": lambda x: (x, 2),
        "reshape": lambda x: (x, (-1,)), "to_device": lambda x: (x, x.device), "view": lambda x: (x, mp.float16),
    },
}  # fmt: skip
OPERATORS = [f"__{name}__" for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv", "matmul", "radd", "rsub",
                                        "rmul", "rtruediv", "rpow", "neg", "pos", "abs", "getitem")]  # fmt: skip
PLACES = {"mp": mp, "mp.linalg": mp.linalg, "mp.fft": mp.fft, "mp.nn.functional": F, "Array": mp.Array}


def _image(x):
    return mp.broadcast_to(x[0, 0], IMAGE) * 1


def names(place):
    module = PLACES[place]
    if place == "mp":
        import metalpy.namespace

        return [name for name in metalpy.namespace.__all__ if name not in OTHERS]
    if place == "Array":
        methods = [name for name in dir(module) if not name.startswith("_") and callable(getattr(module, name))]
        return [*methods, *OPERATORS, "T", "mT"]
    return [name for name in module.__all__ if name[0].islower() and name != "LinAlgError"]


CASES = [(place, name) for place in PLACES for name in names(place) if name not in NO_SLOPE[place]]


@pytest.fixture(autouse=True)
def no_tables():
    yield
    forget_tables()


def called(place, name, x):
    """What a public function gives: called as listed, or in the first of some ways that it takes."""
    function = getattr(PLACES[place], name)
    if not callable(function):  # a property
        return getattr(x, name)
    if name in ARGUMENTS[place]:
        return function(*ARGUMENTS[place][name](x))
    for arguments in ((x,), (x, x), (x[0], x[0]), (x, 1), (x, 0, 1), (x, (1, 1))):
        try:
            return function(*arguments)
        except (TypeError, ValueError, IndexError):
            continue
    pytest.fail(f"say in ARGUMENTS how to call {place}.{name}, or in NO_SLOPE why not")


@pytest.mark.parametrize(("place", "name"), CASES, ids=lambda value: str(value))
def test_gradients_are_handed_on(place, name):
    """Whatever is floating-point in the result is known to the tape."""
    own = tape.Tape([x := mp.array(np.float32([[1.5, 0.3, 0.2], [0.1, 1.2, -0.4], [0.3, -0.2, 0.9]]))])
    with own.running():
        found = called(place, name, x)
    results = [y for y in tape.arrays_in(found) if y.dtype.kind in "fcV"]
    assert all(own.depends(y) for y in results), f"gradients do not pass {name}"
    if name in REFUSED:
        with pytest.raises(mp.GradientError, match=f"{name} has no gradient"):
            mp.grad(lambda x: mp.sum(next(tape.arrays_in(called(place, name, x))).astype(mp.float32)))(x)
