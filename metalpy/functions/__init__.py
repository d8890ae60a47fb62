"""The array functions of `metalpy`: the Python array API, and what users of NumPy and torch expect beside it.

What several of them share, and how kernels are launched over arrays of any layout, is in `metalpy.ops`.
"""
