"""Lesson 01: CMA-ES on a toy.

`schaffer` and `benchmark_functions` are the landscapes, `solvers` runs searches on them, `estimates` makes numbers of their
outcomes, `figures` draws these.
"""
