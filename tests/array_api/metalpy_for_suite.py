"""`metalpy` for the array-api-tests suite, which uses the name ``float64`` before it runs any test.

Metal has no such type, so `metalpy` has no such name, and the suite then cannot be imported: its table of dtypes reads
``xp.float64``. The name is all that is added. ``ARRAY_API_TESTS_SKIP_DTYPES=float64`` keeps the suite from using it.
"""

import numpy as np

import metalpy

float64 = np.dtype("float64")
__array_api_version__ = metalpy.__array_api_version__


def __getattr__(name: str) -> object:
    return getattr(metalpy, name)


def __dir__() -> list[str]:
    return [*dir(metalpy), "float64"]
