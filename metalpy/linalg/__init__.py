"""Linear algebra on arrays: the ``linalg`` extension of the Python array API, computed on the device.

Matrices are along the last two axes; axes before them are for many matrices at a time. Factorisations are of float32
and complex64: integers become float32, and float16 and bfloat16 are computed in float32 and rounded once at the end.

Functions that may fail (`cholesky`, `inv`, `solve`) wait for the device to say whether they did, as NumPy's do, and
raise `LinAlgError`. All others wait for nothing; singular values and eigenvalues of matrices with NaN or
infinities are NaN.
"""

from metalpy.errors import LinAlgError
from metalpy.functions.products import matmul, matrix_transpose, tensordot, vecdot
from metalpy.linalg.decompositions import (
    EighResult,
    QRResult,
    SVDResult,
    cholesky,
    eigh,
    eigvalsh,
    qr,
    svd,
    svdvals,
)
from metalpy.linalg.norms import matrix_norm, matrix_rank, norm, vector_norm
from metalpy.linalg.solutions import SlogdetResult, det, inv, matrix_power, pinv, slogdet, solve
from metalpy.linalg.structure import cross, diagonal, outer, trace

__all__ = [
    "EighResult",
    "LinAlgError",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
