"""Lesson 01: CMA-ES on a toy.

`schaffer` and `benchmark_functions` are the landscapes, `solvers` runs searches on them, `estimates` computes the numbers of
verdicts and figures from their outcomes, and `figures` draws them.
"""
