"""Sums of products by Einstein's convention, as transposed views and batched matrix products."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from metalpy.array import Array
from metalpy.creation import asarray
from metalpy.functions.manipulation import permute_dims
from metalpy.functions.numpy_names import diagonal
from metalpy.functions.products import matmul
from metalpy.functions.statistics import sum

__all__ = ["einsum"]


def einsum(subscripts: str, /, *operands: Any) -> Array:
    """Sum products of elements over the axes that the result does not have.

    Parameters
    ----------
    subscripts : str
        A letter for each axis of each operand, as in ``"bij,bjk->bik"``. Without ``->`` the result has the letters
        that come once, in alphabetical order. ``...`` stands for further axes of all, which broadcast.
    *operands : Array
        From left to right, two at a time.

    Raises
    ------
    ValueError
        If subscripts and operands do not fit.
    """
    arrays = [asarray(x) for x in operands]
    terms, result = _parsed(subscripts, arrays)
    extents: dict[str, int] = {}
    for term, x in zip(terms, arrays, strict=True):
        for letter, extent in zip(term, x.shape, strict=True):
            known = extents.setdefault(letter, extent)
            if known != extent and 1 in (known, extent):
                extents[letter] = max(known, extent)
            elif known != extent:
                raise ValueError(f"einsum: axes {letter!r} have {known} and {extent} elements")
    term, x = _unrepeated(terms[0], arrays[0])
    for number in range(1, len(arrays)):
        later = set("".join(terms[number + 1 :])) | set(result)
        term, x = _product(term, x, *_unrepeated(terms[number], arrays[number]), later)
    gone = tuple(place for place, letter in enumerate(term) if letter not in result)
    if gone:
        x = sum(x, gone, dtype=x.dtype)
        term = "".join(letter for letter in term if letter in result)
    return permute_dims(x, tuple(term.index(letter) for letter in result))


def _parsed(subscripts: str, arrays: list[Array]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with Greek ones for ``...``."""
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(arrays):
        raise ValueError(f"einsum: {subscripts!r} is for {len(terms)} operands, got {len(arrays)}")
    further = max(
        (x.ndim - len(t.replace("...", "")) for t, x in zip(terms, arrays, strict=True) if "..." in t), default=0
    )
    letters = "".join(chr(0x391 + place) for place in range(max(further, 0)))
    for place, (term, x) in enumerate(zip(terms, arrays, strict=True)):
        own = x.ndim - len(term.replace("...", ""))
        if (
            own < 0
            or (own and "..." not in term)
            or (not term.replace("...", "", 1).isalpha() and term not in ("", "..."))
        ):
            raise ValueError(f"einsum: {term!r} in {subscripts!r} does not fit an operand of shape {x.shape}")
        terms[place] = term.replace("...", letters[len(letters) - own :])
    if not arrow:
        counts = Counter("".join(terms))
        result = letters + "".join(sorted(c for c, count in counts.items() if count == 1 and c not in letters))
    result = result.replace("...", letters)
    if len(set(result)) != len(result) or not set(result) <= set("".join(terms)):
        raise ValueError(f"einsum: the result of {subscripts!r} needs letters of the operands, each once")
    return terms, result


def _unrepeated(term: str, x: Array) -> tuple[str, Array]:
    """Diagonals in place of axes that share a letter."""
    for letter, count in Counter(term).items():
        for _ in range(count - 1):
            first = term.index(letter)
            second = term.index(letter, first + 1)
            x = diagonal(x, 0, first, second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return term, x


def _product(term1: str, x1: Array, term2: str, x2: Array, later: set[str]) -> tuple[str, Array]:
    """The product of two operands, summed over letters that nothing later needs, and its letters."""
    for place, (own, other) in enumerate(((term1, term2), (term2, term1))):
        x = (x1, x2)[place]
        gone = tuple(at for at, letter in enumerate(own) if letter not in later and letter not in other)
        if gone:
            x = sum(x, gone, dtype=x.dtype)
            own = "".join(letter for at, letter in enumerate(own) if at not in gone)
        if place:
            term2, x2 = own, x
        else:
            term1, x1 = own, x
    batch = [c for c in term1 if c in term2 and c in later]
    summed = [c for c in term1 if c in term2 and c not in later]
    if not summed:  # nothing to sum: an element-wise product
        letters = term1 + "".join(c for c in term2 if c not in term1)
        return letters, _spread(x1, term1, letters) * _spread(x2, term2, letters)
    left, right = ([c for c in own if c not in other] for own, other in ((term1, term2), (term2, term1)))
    a = permute_dims(x1, tuple(term1.index(c) for c in (*batch, *left, *summed)))
    b = permute_dims(x2, tuple(term2.index(c) for c in (*batch, *summed, *right)))
    n, width = len(batch), len(summed)
    rows, columns = a.shape[n : len(a.shape) - width], b.shape[n + width :]
    if a.shape[len(a.shape) - width :] != b.shape[n : n + width]:  # one of them broadcasts
        letters = term1 + "".join(c for c in term2 if c not in term1)
        made = _spread(x1, term1, letters) * _spread(x2, term2, letters)
        kept = "".join(c for c in letters if c not in summed)
        return kept, sum(made, tuple(letters.index(c) for c in summed), dtype=made.dtype)
    together = math.prod(b.shape[n : n + width])
    a = a.reshape((*a.shape[:n], math.prod(rows), together))
    b = b.reshape((*b.shape[:n], together, math.prod(columns)))
    made = matmul(a, b)
    return "".join((*batch, *left, *right)), made.reshape((*made.shape[:n], *rows, *columns))


def _spread(x: Array, term: str, letters: str) -> Array:
    """`x` with its axes in the order of `letters`, and one of extent 1 for each letter that it does not have."""
    order = sorted(range(len(term)), key=lambda at: letters.index(term[at]))
    turned = permute_dims(x, tuple(order))
    own = iter(turned.shape)
    return turned.reshape(tuple(next(own) if letter in term else 1 for letter in letters))
