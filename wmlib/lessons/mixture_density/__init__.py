"""Lesson 02: a mixture density network.

`problems` has two questions with several right answers and their exact densities, `regressor` the network and its training,
`pipeline` fits it many times, `estimates` computes the numbers of verdicts and figures from the fits, and `figures` draws them.
"""
