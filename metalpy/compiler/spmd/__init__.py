"""The SPMD executor's half of lowering: a kernel's scalar IR becomes a program for a whole simdgroup.

``ir`` reads a function's text, ``flow`` knows its control flow, ``shapes`` what each value is across the lanes,
``linear`` the order in which diverged lanes take their turns, and ``vectorize`` writes the new function.
"""
