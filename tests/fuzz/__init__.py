"""Differential fuzzing: random Metal kernels on the software device's executors, against a NumPy evaluator.

`generator` makes a program from a seed, `printer` writes it as Metal, `evaluator` computes what it gives; `running`
compares, `reduction` makes a failing program small, and ``python -m tests.fuzz`` runs for as long as wanted.
"""
