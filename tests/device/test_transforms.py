"""grad, value_and_grad, vjp, custom functions, checkpoints: what they return, and what they refuse."""

import threading
from collections import namedtuple

import numpy as np
import pytest

import metalpy as mp
from metalpy.autograd.rules import RULES
from metalpy.autograd.tape import primitives
from metalpy.ops import composite, elementwise

pytestmark = pytest.mark.usefixtures("device")
Pair = namedtuple("Pair", "first second")


def test_value_and_gradient():
    value, gradient = mp.value_and_grad(lambda x: mp.sum(x**3))(mp.array([1.0, 2.0]))
    assert value.item() == 9
    assert gradient.tolist() == [3, 12]


def test_gradients_have_the_structure_of_the_argument():
    tree = {
        "a": mp.array([1.0, 2.0]),
        "b": [mp.array(3.0), (mp.array([4.0]),)],
        "c": Pair(mp.array(5.0), mp.array(6.0)),
    }

    def total(t):
        return mp.sum(t["a"] * t["b"][0] + t["b"][1][0] * t["c"].second)

    gradient = mp.grad(total)(tree)
    assert gradient["a"].tolist() == [3, 3]
    assert gradient["b"][0].item() == 3
    assert gradient["b"][1][0].tolist() == [12]
    assert isinstance(gradient["c"], Pair)
    assert (gradient["c"].first.item(), gradient["c"].second.item()) == (0, 8)


def test_several_arguments_and_an_auxiliary_result():
    (value, aux), gradients = mp.value_and_grad(lambda x, y, n: (x * y, n + 1), argnums=(1, 0), has_aux=True)(
        mp.array(2.0), mp.array(5.0), 7
    )
    assert (value.item(), aux) == (10, 8)
    assert [g.item() for g in gradients] == [2, 5]
    gradient, aux = mp.grad(lambda x: (x * x, "other"), has_aux=True)(mp.array(3.0))
    assert (gradient.item(), aux) == (6, "other")


def test_an_array_that_is_used_often_adds_up():
    x = mp.array([1.0, -2.0])
    assert mp.grad(lambda x: mp.sum(x * x + x + x[0] * x))(x).tolist() == [2 + 1 + 1 + -1, -4 + 1 + 1]


def test_what_does_not_depend_has_gradient_zero():
    assert mp.grad(lambda x, y: mp.sum(y))(mp.ones((2, 2)), mp.ones(3)).tolist() == [[0, 0], [0, 0]]


def test_gradients_of_gradients():
    third = mp.grad(mp.grad(mp.grad(lambda x: x**4)))
    assert third(mp.array(2.0)).item() == 48
    hessian_row = mp.grad(lambda x: mp.grad(lambda x: mp.sum(x[1:] * x[:-1] * x[1:]))(x)[1])(mp.array([1.0, 2.0, 3.0]))
    assert hessian_row.tolist() == [4, 2, 6]


def test_second_derivatives_go_through_index_arrays():
    places = mp.array([0, 0, 1])
    second = mp.grad(lambda x: mp.sum(mp.grad(lambda x: mp.sum(x[places] ** 3))(x)))(mp.array([1.0, 2.0]))
    assert second.tolist() == [12, 12]


def test_narrow_floats_keep_their_type():
    for dtype in ("float16", "bfloat16"):
        x = mp.array([1.0, 2.0], dtype=dtype)
        gradient = mp.grad(lambda x: mp.sum(x.astype("float32") ** 2 * mp.ones((3, 2))))(x)
        assert gradient.dtype == x.dtype
        assert gradient.astype("float32").tolist() == [6, 12]


def test_vjp():
    x, y = mp.array([1.0, 2.0]), mp.array(3.0)
    outputs, products = mp.vjp(lambda x, y: (x * y, mp.sum(x)), [x, y], [mp.array([1.0, 10.0]), mp.array(100.0)])
    assert [o.tolist() for o in outputs] == [[3, 6], 3]
    assert [p.tolist() for p in products] == [[103, 130], 21]


def test_stop_gradient():
    x = mp.array([1.0, 2.0])
    assert mp.grad(lambda x: mp.sum(x * mp.stop_gradient(x)))(x).tolist() == [1, 2]
    assert mp.stop_gradient(x[::-1]).tolist() == [2, 1]


def test_custom_function():
    kernel = mp.mps.compile_shader("""
        kernel void cube(device float* y, device const float* x, constant float& scale,
                         uint i [[thread_position_in_grid]]) { y[i] = scale * x[i] * x[i] * x[i]; }""").cube
    seen = []

    @mp.custom_function
    def cube(x, scale):
        y = mp.empty_like(x)
        kernel(y, x, scale)
        return y

    plain = mp.grad(lambda x: mp.sum(x + cube(x, 2.0)))(mp.array([1.0, 2.0]))
    assert plain.tolist() == [1, 1]  # launches have no gradient of their own

    @cube.vjp
    def pull(primals, cotangent, output):
        x, scale = primals
        seen.append((scale, output.tolist()))
        return 3 * scale * cotangent * x * x, None

    assert mp.grad(lambda x: mp.sum(x + cube(x, 2.0)))(mp.array([1.0, 2.0])).tolist() == [7, 25]
    assert seen == [(2.0, [2, 16])]
    assert cube.__name__ == "cube"
    assert mp.grad(mp.grad(lambda x: mp.sum(cube(x, 2.0))))(mp.array(3.0)).item() == 36


def test_a_custom_function_must_answer_for_each_argument():
    function = mp.custom_function(lambda x, y: x * y)
    function.vjp(lambda primals, cotangent, output: (cotangent,))
    with pytest.raises(mp.GradientError, match="each of its 2 arguments"):
        mp.grad(lambda x: function(x, x))(mp.array(1.0))


def test_custom_functions_of_several_results():
    function = mp.custom_function(lambda x: (x * 2, x * 3))
    function.vjp(lambda primals, cotangent, output: cotangent[0] * 20 + cotangent[1] * 30)
    assert mp.grad(lambda x: function(x)[1])(mp.array(1.0)).item() == 30


def test_checkpoint_computes_again():
    calls = []

    def layer(x, y):
        calls.append(1)
        return mp.sin(x) * y

    x, y = mp.array([1.0, 2.0]), mp.array([3.0, 4.0])
    wanted = mp.grad(lambda x, y: mp.sum(layer(x, y) ** 2), argnums=(0, 1))(x, y)
    calls.clear()
    found = mp.grad(lambda x, y: mp.sum(mp.checkpoint(layer)(x, y) ** 2), argnums=(0, 1))(x, y)
    assert len(calls) == 2
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_checkpoint_of_a_module():
    net = mp.nn.Sequential(mp.nn.Linear(3, 4), mp.nn.Tanh(), mp.nn.Linear(4, 2))
    x = mp.random.normal(size=(5, 3))
    wanted = mp.grad(lambda net: mp.sum(net(x) ** 2))(net)
    found = mp.grad(lambda net: mp.sum(mp.checkpoint(net)(x) ** 2))(net)
    assert list(found) == list(wanted)
    for name in found:
        np.testing.assert_allclose(found[name].numpy(), wanted[name].numpy(), rtol=1e-6)


def test_operators_in_place_become_new_arrays():
    def function(x):
        y = x * 1
        y += x
        y *= 3
        return mp.sum(y)

    x = mp.array([1.0, 2.0])
    assert mp.grad(function)(x).tolist() == [6, 6]
    assert x.tolist() == [1, 2]


REFUSED = {
    "assignment": (lambda x: x.__setitem__(0, 1.0), "assignment to elements changes an array in place"),
    "assignment of it": (lambda x: mp.zeros(2).__setitem__(slice(None), x), "changes an array in place"),
    "fill": (lambda x: x.fill(1.0), "fill changes an array in place"),
    "no rule of sets": (lambda x: mp.sum(mp.unique_values(x)), "unique_values has no gradient"),
    "no rule": (lambda x: mp.sum(x.view("float16")), "view has no gradient"),
    "not one number": (lambda x: x * 2, r"one floating-point element, got shape \(2,\)"),
    "integers": (lambda x: mp.argmax(x), "dtype int"),
    "no array": (lambda x: 3.0, "got float"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_gradient_says_so(name):
    function, message = REFUSED[name]
    with pytest.raises(mp.GradientError, match=message):
        mp.grad(function)(mp.array([1.0, 2.0]))
    assert mp.grad(mp.sum)(mp.array([1.0])).tolist() == [1]  # nothing is left of it


ARGUMENTS = {
    "integers": (lambda: mp.grad(mp.sum)(mp.array([1, 2])), "an array of int32"),
    "numbers": (lambda: mp.grad(lambda x: x)(3.0), "got float"),
    "missing": (lambda: mp.grad(mp.sum, argnums=1)(mp.ones(2)), "argument 1, the call has 1"),
    "cotangents": (lambda: mp.vjp(mp.sum, [mp.ones(2)], [mp.ones(2)]), "a cotangent has the shape of its result"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_checked(name):
    call, message = ARGUMENTS[name]
    with pytest.raises(mp.GradientError, match=message):
        call()


def test_threads_do_not_see_each_other():
    found = {}

    def work(number):
        for _ in range(20):
            found[number] = mp.grad(lambda x: mp.sum(x * number * x))(mp.array([1.0, 2.0])).tolist()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [2 * n, 4 * n] for n in range(1, 5)}


def test_no_grad():
    def loss(x):
        with mp.no_grad():
            scale = mp.max(x) * 1
            scale += 0.0
        return mp.sum(x / scale) + constant(x)

    @mp.no_grad()
    def constant(x):
        return mp.sum(x * x)

    assert mp.grad(loss)(mp.array([1.0, 4.0])).tolist() == [0.25, 0.25]


def test_every_primitive_has_a_rule():
    mp.sum, mp.linalg, mp.fft, mp.nn, composite  # noqa: B018  # imports all functions
    unary = {
        name
        for name in elementwise.UNARY
        if name not in ("invert", "isfinite", "isinf", "isnan", "logical_not", "signbit")
    }
    logic = ("equal", "greater", "less", "not_equal", "bitwise", "logical", "shift")
    binary = {name for name in elementwise.BINARY if not any(part in name for part in logic)}
    # The bits of a number have no slope, nor has the choice of different elements.
    without = {"view", "native_group_norm_backward"}
    without |= {f"unique_{what}" for what in ("all", "counts", "inverse", "values")}
    assert set(RULES) == {*primitives, *unary, *binary, "a custom function"} - without
