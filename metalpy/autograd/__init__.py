"""Reverse-mode differentiation over array operations.

`tape` is what array operations know of it, and cheap to import; `transforms` has the public functions.
"""
