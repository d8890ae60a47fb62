"""The operators of arrays; `metalpy.ops.elementwise` has what they do and is imported when first needed."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from metalpy.autograd.tape import is_traced

if TYPE_CHECKING:
    from metalpy.array import Array

__all__ = ["Operators"]


@cache
def _elementwise() -> ModuleType:
    from metalpy.ops import elementwise

    return elementwise


def _binary(name: str, a: Any, b: Any) -> Array:
    elementwise = _elementwise()
    if type(a) is not type(b) and not (elementwise.is_operand(a) and elementwise.is_operand(b)):
        return NotImplemented  # type: ignore[no-any-return]
    return elementwise.binary(name, a, b)  # type: ignore[no-any-return]


def _in_place(name: str, a: Any, b: Any) -> Any:
    elementwise = _elementwise()
    if not elementwise.is_operand(b) or is_traced(a, b):  # Python then computes `a = a + b`, which has a gradient
        return NotImplemented
    return elementwise.in_place(name, a, b)


def _unary(name: str, a: Any) -> Array:
    return _elementwise().unary(name, a)  # type: ignore[no-any-return]


def _matmul(a: Any, b: Any) -> Array:
    from metalpy.functions import products

    if type(a) is not type(b) and not (products.is_matrix(a) and products.is_matrix(b)):
        return NotImplemented  # type: ignore[no-any-return]
    return products.matmul(a, b)


class Operators:
    """Arithmetic and comparisons, element by element, on the device and without waiting.

    Types and broadcasting are NumPy's, except that float64 and complex128 become float32 and complex64. Dividing
    integers by zero with ``//`` or ``%`` gives 0. ``==`` compares elements; arrays stay hashable, by identity.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Array:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> Array:
        return _binary("add", other, self)

    def __iadd__(self, other: Any) -> Self:
        return _in_place("add", self, other)  # type: ignore[no-any-return]

    def __sub__(self, other: Any) -> Array:
        return _binary("subtract", self, other)

    def __rsub__(self, other: Any) -> Array:
        return _binary("subtract", other, self)

    def __isub__(self, other: Any) -> Self:
        return _in_place("subtract", self, other)  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> Array:
        return _binary("multiply", self, other)

    def __rmul__(self, other: Any) -> Array:
        return _binary("multiply", other, self)

    def __imul__(self, other: Any) -> Self:
        return _in_place("multiply", self, other)  # type: ignore[no-any-return]

    def __truediv__(self, other: Any) -> Array:
        return _binary("true_divide", self, other)

    def __rtruediv__(self, other: Any) -> Array:
        return _binary("true_divide", other, self)

    def __itruediv__(self, other: Any) -> Self:
        return _in_place("true_divide", self, other)  # type: ignore[no-any-return]

    def __floordiv__(self, other: Any) -> Array:
        return _binary("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Array:
        return _binary("floor_divide", other, self)

    def __ifloordiv__(self, other: Any) -> Self:
        return _in_place("floor_divide", self, other)  # type: ignore[no-any-return]

    def __mod__(self, other: Any) -> Array:
        return _binary("remainder", self, other)

    def __rmod__(self, other: Any) -> Array:
        return _binary("remainder", other, self)

    def __imod__(self, other: Any) -> Self:
        return _in_place("remainder", self, other)  # type: ignore[no-any-return]

    def __pow__(self, other: Any) -> Array:
        return _binary("power", self, other)

    def __rpow__(self, other: Any) -> Array:
        return _binary("power", other, self)

    def __ipow__(self, other: Any) -> Self:
        return _in_place("power", self, other)  # type: ignore[no-any-return]

    def __and__(self, other: Any) -> Array:
        return _binary("bitwise_and", self, other)

    def __rand__(self, other: Any) -> Array:
        return _binary("bitwise_and", other, self)

    def __iand__(self, other: Any) -> Self:
        return _in_place("bitwise_and", self, other)  # type: ignore[no-any-return]

    def __or__(self, other: Any) -> Array:
        return _binary("bitwise_or", self, other)

    def __ror__(self, other: Any) -> Array:
        return _binary("bitwise_or", other, self)

    def __ior__(self, other: Any) -> Self:
        return _in_place("bitwise_or", self, other)  # type: ignore[no-any-return]

    def __xor__(self, other: Any) -> Array:
        return _binary("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> Array:
        return _binary("bitwise_xor", other, self)

    def __ixor__(self, other: Any) -> Self:
        return _in_place("bitwise_xor", self, other)  # type: ignore[no-any-return]

    def __lshift__(self, other: Any) -> Array:
        return _binary("left_shift", self, other)

    def __rlshift__(self, other: Any) -> Array:
        return _binary("left_shift", other, self)

    def __ilshift__(self, other: Any) -> Self:
        return _in_place("left_shift", self, other)  # type: ignore[no-any-return]

    def __rshift__(self, other: Any) -> Array:
        return _binary("right_shift", self, other)

    def __rrshift__(self, other: Any) -> Array:
        return _binary("right_shift", other, self)

    def __irshift__(self, other: Any) -> Self:
        return _in_place("right_shift", self, other)  # type: ignore[no-any-return]

    def __divmod__(self, other: Any) -> tuple[Array, Array]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Array, Array]:
        return other // self, other % self

    def __matmul__(self, other: Any) -> Array:
        return _matmul(self, other)

    def __rmatmul__(self, other: Any) -> Array:
        return _matmul(other, self)

    def __imatmul__(self, other: Any) -> Self:
        from metalpy.functions import products

        if not products.is_matrix(other):
            return NotImplemented
        return products.multiply_in_place(self, other)  # type: ignore[arg-type, return-value]

    def __lt__(self, other: Any) -> Array:
        return _binary("less", self, other)

    def __le__(self, other: Any) -> Array:
        return _binary("less_equal", self, other)

    def __gt__(self, other: Any) -> Array:
        return _binary("greater", self, other)

    def __ge__(self, other: Any) -> Array:
        return _binary("greater_equal", self, other)

    def __eq__(self, other: object) -> Array:  # type: ignore[override]  # as NumPy's
        return _binary("equal", self, other)

    def __ne__(self, other: object) -> Array:  # type: ignore[override]  # as NumPy's
        return _binary("not_equal", self, other)

    def __neg__(self) -> Array:
        return _unary("negative", self)

    def __pos__(self) -> Array:
        return _unary("positive", self)

    def __abs__(self) -> Array:
        return _unary("absolute", self)

    def __invert__(self) -> Array:
        return _unary("invert", self)
